"""PCGrad's two-task problem with curved valleys, and the path that every strategy takes through it, in one picture.

    python -m benchmarks.toy --out docs/pictures/pcgrad-toy.png

Source of the problem: Yu et al. 2020, "Gradient Surgery for Multi-Task Learning", Figure 1 and Appendix D:
L_1 = 20 log max(|x / 2 + tanh y|, 5e-6), L_2 = 25 log max(|x / 2 - tanh y + 2|, 5e-6). Each task has a narrow
valley, and the valleys meet far up at x = -2. Across a valley the gradients conflict, are steep and differ in length.
Every strategy gets Adam with one learning rate, the same starts and the same steps.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from conflict.engine.reference import reference_jacobian
from conflict.registry import STRATEGIES, make_strategy

STARTS = ((-4.0, -2.2), (1.5, -1.5), (-2.5, 2.0))
FLOOR = 5e-6


def task_losses(point: Tensor) -> Tensor:
    """Both losses [2] at a point [2] (or [2, ...] at points [2, ...])."""
    x, y = point
    near = torch.stack([(x / 2 + y.tanh()).abs(), (x / 2 - y.tanh() + 2).abs()])
    return torch.stack([20 * near[0].clamp(min=FLOOR).log(), 25 * near[1].clamp(min=FLOOR).log()])


def path_of(strategy: str, start: Sequence[float], *, steps: int, rate: float, seed: int) -> NDArray[np.float64]:
    """The points [step, 2] that a strategy passes."""
    point = nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = torch.optim.Adam([point], lr=rate)
    combine, ids = make_strategy(strategy, num_tasks=2), torch.arange(2)
    generator = torch.Generator().manual_seed(seed)
    found = [point.detach().clone()]
    for _ in range(steps):
        jac = reference_jacobian(task_losses(point), [point])
        if combine.needs == "jacobian":
            point.grad = combine.combine(jac, task_ids=ids, generator=generator)
        else:
            point.grad = combine.weights(jac @ jac.T, task_ids=ids, generator=generator).to(jac) @ jac
        optimizer.step()
        found.append(point.detach().clone())
    points: NDArray[np.float64] = torch.stack(found).numpy()
    return points


def draw(paths: dict[str, list[NDArray[np.float64]]], out: Path) -> None:
    """One panel a strategy: the mean loss as shades, the two valleys as lines, the paths."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    columns = 4
    lines = -(-len(paths) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(3.1 * columns, 2.9 * lines), sharex=True, sharey=True)
    x, y = np.meshgrid(np.linspace(-6, 3, 300), np.linspace(-3, 7, 300))
    mean = task_losses(torch.from_numpy(np.stack([x, y]))).mean(dim=0).numpy()
    along = np.linspace(-3, 7, 300)
    for axis, (name, runs) in zip(np.ravel(axes), paths.items(), strict=False):
        axis.contourf(x, y, mean, levels=np.linspace(-60, 40, 26), cmap="Greys_r", alpha=0.55, extend="both")
        axis.plot(-2 * np.tanh(along), along, color="tab:blue", lw=1, ls="--")
        axis.plot(2 * np.tanh(along) - 4, along, color="tab:orange", lw=1, ls="--")
        ends = []
        for points in runs:
            axis.plot(*points.T, color="tab:red", lw=1.2)
            axis.plot(*points[0], "o", color="black", ms=4)
            axis.plot(*points[-1], "*", color="gold", mec="black", ms=10)
            ends.append(float(task_losses(torch.from_numpy(points[-1])).mean()))
        axis.set_title(f"{name}: {np.mean(ends):.0f}", fontsize=10)
        axis.set(xlim=(-6, 3), ylim=(-3, 7))
    for axis in np.ravel(axes)[len(paths) :]:
        axis.set_axis_off()
    figure.suptitle(
        "PCGrad's two-task problem. Shades: mean loss; dashed: valleys of task 1 (blue) and 2 (orange); dots: starts, "
        "stars: ends.\n"
        "Beside each name the mean loss at the ends, averaged over the starts (lower is better).",
        fontsize=11,
    )
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Walk, print where each strategy ends, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/pcgrad-toy.png"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    given: Any = parser.parse_args(argv)
    paths = {
        name: [path_of(name, start, steps=given.steps, rate=given.rate, seed=given.seed) for start in STARTS]
        for name in STRATEGIES
    }
    for name, runs in paths.items():
        ends = [task_losses(torch.from_numpy(points[-1])) for points in runs]
        print(f"{name:12}", "  ".join(f"({one:6.1f}, {two:6.1f})" for one, two in (end.tolist() for end in ends)))
    draw(paths, given.out)
    print(f"{given.out} (losses of the two tasks at the end, for the starts {STARTS})")


if __name__ == "__main__":
    main()
