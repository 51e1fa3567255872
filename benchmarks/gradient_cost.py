"""What do the gradients of K tasks cost, next to one plain backward pass of their mean?

    python -m benchmarks.gradient_cost [--json] [--models mlp gru] [--tasks 5 27] [--repeats 30] [--device cuda]

Each row is a whole update's worth: forward pass, task gradients, their Gramian, and the weighted sum in `.grad`. All
engines of a row alternate in one run, and the ratio is between medians, so that a busy machine slows all alike; an
engine that is slow enough to eat more than its share of the time is timed fewer times (`n`), once at least. Peak
memory is what the process held beyond what it had before, at most (on the CPU). TorchJD's engines are `autojac` (the
Jacobian, several rows at a time) and `autogram` (the Gramian and then a weighted backward pass; with the tasks as a
batch axis where the model allows that).
"""

import argparse
import copy
import ctypes
import gc
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from conflict.engine.task_gradients import TaskGradients

WIDTH = 128
PLAIN = "plain mean loss"


class Block(nn.Module):
    """A pre-norm Transformer block for [..., time, width]."""

    def __init__(self, width: int = WIDTH, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        lead, time_steps, width = x.shape[:-2], x.shape[-2], x.shape[-1]
        q, k, v = self.qkv(self.norm_1(x)).reshape(-1, time_steps, 3, self.heads, width // self.heads).unbind(2)
        mixed = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(*lead, time_steps, width))
        fed: Tensor = self.down(F.gelu(self.up(self.norm_2(x))))
        return x + fed


class Recurrent(nn.Module):
    """Torch's GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(WIDTH, WIDTH, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """All states."""
        states: Tensor = self.gru(x)[0]
        return states


class Residual(nn.Module):
    """The residual block of IMPALA's network (Espeholt et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """One block."""
        inner: Tensor = self.second(torch.relu(self.first(torch.relu(x))))
        return x + inner


def impala() -> nn.Module:
    """IMPALA's convolutions, 16, 32 and 32 channels, for images of 32 x 32."""
    layers: list[nn.Module] = []
    before = 3
    for channels in (16, 32, 32):
        layers += [nn.Conv2d(before, channels, 3, padding=1), nn.MaxPool2d(3, 2, 1)]
        layers += [Residual(channels), Residual(channels)]
        before = channels
    return nn.Sequential(*layers, nn.ReLU(), nn.Flatten(), nn.Linear(32 * 4 * 4, 256))


def mlp() -> nn.Module:
    """Three layers of 256."""
    return nn.Sequential(nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU())


def large_transformer() -> nn.Module:
    """The size of the paper's POPGym agent."""
    return nn.Sequential(*(Block(256, 8) for _ in range(3)))


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "mlp": (mlp, (256,), 1),
    "transformer": (lambda: nn.Sequential(Block(), Block()), (64, WIDTH), 64),
    "gru": (Recurrent, (64, WIDTH), 64),
    "cnn": (impala, (3, 32, 32), 1),
    "popgym transformer": (large_transformer, (600, 256), 600),
}
"""Name -> (model, shape of one sequence or row, steps in it)."""
TASKS_AS_AXIS = {"mlp", "transformer", "popgym transformer"}
"""Models that take another axis in front, which is the tasks' for TorchJD."""


def losses_of(model: nn.Module, x: Tensor, tasks: int, autocast: bool) -> Tensor:
    """One loss for each task."""
    with torch.autocast(x.device.type, torch.bfloat16, enabled=autocast):
        out: Tensor = model(x)
    return out.float().square().reshape(tasks, -1).mean(dim=1)


def engines(model: nn.Module, x: Tensor, tasks: int, name: str, autocast: bool) -> dict[str, Callable[[], object]]:
    """One update's gradients, each way."""
    parameters = list(model.parameters())
    weights = torch.full((tasks,), 1.0 / tasks, device=x.device)

    def losses() -> Tensor:
        return losses_of(model, x, tasks, autocast)

    def plain() -> None:
        losses().mean().backward()

    def backwards() -> None:
        loss_k = losses()
        rows = [torch.autograd.grad(loss, parameters, retain_graph=True) for loss in loss_k]
        jac = torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])
        torch.mm(jac, jac.T)
        update = weights @ jac
        for p, piece in zip(parameters, update.split([p.numel() for p in parameters]), strict=True):
            p.grad = piece.view_as(p)

    def ours(memory: Any) -> Callable[[], None]:
        gradients = TaskGradients(model, num_tasks=tasks, memory=memory)

        def update() -> None:
            with gradients:
                loss_k = losses()
            gradients.backward(loss_k)
            gradients.gramian()
            gradients.accumulate(weights)

        return update

    found: dict[str, Callable[[], object]] = {PLAIN: plain}
    for memory in ("auto", "layerwise", "chunked"):
        found["ours" if memory == "auto" else f"ours, {memory}"] = ours(memory)
    found["K backwards"] = backwards
    return found | torchjd(model, x, tasks, axis=name in TASKS_AS_AXIS, autocast=autocast)


def torchjd(model: nn.Module, x: Tensor, tasks: int, *, axis: bool, autocast: bool) -> dict[str, Callable[[], object]]:
    """TorchJD's engines, if it is installed; its hooks stay on the model, so they get copies."""
    try:
        from torchjd.aggregation import Mean, MeanWeighting
        from torchjd.autogram import Engine
        from torchjd.autojac import backward, jac_to_grad
    except ImportError:
        print("torchjd is not installed: its engines are left out", file=sys.stderr)
        return {}
    for_jac, for_gram = copy.deepcopy(model), copy.deepcopy(model)
    engine: Any = Engine(for_gram, batch_dim=0 if axis else None)
    by_task = x.reshape(tasks, -1, *x.shape[1:]) if axis else x

    def autojac() -> None:
        for p in for_jac.parameters():
            p.grad = None
        backward(losses_of(for_jac, x, tasks, autocast))
        jac_to_grad(for_jac.parameters(), Mean())

    def autogram() -> None:
        for p in for_gram.parameters():
            p.grad = None
        loss_k = losses_of(for_gram, by_task, tasks, autocast)
        loss_k.backward(MeanWeighting()(engine.compute_gramian(loss_k)))

    return {"torchjd autojac": autojac, "torchjd autogram": autogram}


def seconds(action: Callable[[], object], device: torch.device) -> float:
    """Wall-clock of one call."""
    start = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_mib(action: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Most memory that the call held at once, beyond what was held before; and how many seconds it took."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        took = seconds(action, device)
        return (torch.cuda.max_memory_allocated() - before) / 2**20, took
    ctypes.CDLL(None).malloc_trim(0)  # else the call would fill what earlier ones left
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest mark
    resident = _status("VmRSS")
    took = seconds(action, device)
    return (_status("VmHWM") - resident) / 1024, took


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def measure(
    name: str,
    tasks: int,
    rows: int,
    repeats: int,
    budget: float,
    device: torch.device,
    autocast: bool,
    wanted: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """The rows of one model and number of tasks."""
    torch.manual_seed(0)
    make, shape, steps = MODELS[name]
    model = make().to(device)
    per_task = max(1, rows // steps // tasks)
    x = torch.randn(per_task * tasks, *shape, device=device)
    alive = engines(model, x, tasks, name, autocast)
    if wanted is not None:
        alive = {key: action for key, action in alive.items() if key == PLAIN or key in wanted}
    times: dict[str, list[float]] = {key: [] for key in alive}
    peaks: dict[str, float] = {}
    trouble: dict[str, str] = {}

    def clear() -> None:
        for p in model.parameters():
            p.grad = None

    for key in list(alive):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                clear()
                slow = seconds(alive[key], device) > budget / 4
                clear()
                peaks[key], took = peak_mib(alive[key], device)
                times[key] += [took] if slow else []
        except Exception as error:  # another library's limits are a result
            trouble[key] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            del alive[key]
    started = time.perf_counter()
    while len(times[PLAIN]) < repeats and (len(times[PLAIN]) < 5 or time.perf_counter() - started < budget):
        for key, action in alive.items():
            if times[key] and sum(times[key]) > budget / len(alive) and key not in (PLAIN, "ours"):
                continue
            clear()
            times[key].append(seconds(action, device))
    plain = statistics.median(times[PLAIN])
    return [
        {
            "model": name,
            "tasks": tasks,
            "rows": len(x) * steps,
            "engine": key,
            "ratio": statistics.median(times[key]) / plain if key in alive else None,
            "seconds": statistics.median(times[key]) if key in alive else None,
            "peak_mib": peaks.get(key),
            "repeats": len(times[key]),
            **({"trouble": trouble[key]} if key in trouble else {}),
        }
        for key in times
    ]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=["mlp", "transformer", "gru", "cnn"])
    parser.add_argument("--tasks", nargs="+", type=int, default=[5, 10, 27, 68])
    parser.add_argument("--rows", type=int, help="default: 4,096 in all; 128 a task for 68 tasks")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds for a model and number of tasks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", help="only these, next to the plain mean loss, e.g. ours")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true", help="under autocast")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    found = []
    for name in given.models:
        for tasks in given.tasks:
            rows = given.rows or (128 * tasks if tasks > 27 else 4096)
            device = torch.device(given.device)
            part = measure(name, tasks, rows, given.repeats, given.budget, device, given.bf16, given.engines)
            found += part
            if not given.json:
                show(part)
    if given.json:
        print(json.dumps(found, indent=1))


def show(rows: list[dict[str, Any]]) -> None:
    """One model and number of tasks as lines."""
    first = rows[0]
    print(f"\n{first['model']}, {first['tasks']} tasks, {first['rows']:,} rows")
    for row in rows:
        if row["ratio"] is None:
            print(f"  {row['engine']:18} failed: {row['trouble']}")
        else:
            cost = f"{row['ratio']:6.2f} x  {1e3 * row['seconds']:9.1f} ms  {row['peak_mib']:8.1f} MiB"
            print(f"  {row['engine']:18} {cost}  n = {row['repeats']}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
