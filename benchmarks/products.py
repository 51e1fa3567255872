"""Which matrix products are better turned by ninety degrees (`conflict/engine/products.py`)?

    python -m benchmarks.products [--json] [--outputs 1 2 4 8 15 16 32 64] [--rows 2000] [--inputs 128] [--members 2]

A product of [member, row, input] with [member, input, output] and the gradient of its weight, as torch computes them
and turned, alternated in one run; a ratio below 1 is what turning saves. `used` says what the package does.
"""

import argparse
import json
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.experts import medians, show
from conflict.engine.products import is_thin


def row(outputs: int, given: argparse.Namespace) -> dict[str, Any]:
    """Both products with so many columns."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(given.members, given.rows, given.inputs, generator=generator)
    weight = torch.randn(given.members, given.inputs, outputs, generator=generator)
    bias = torch.randn(given.members, 1, outputs, generator=generator)
    grad = torch.randn(given.members, given.rows, outputs, generator=generator)
    found = medians(
        {
            "forward": lambda: torch.baddbmm(bias, x, weight),
            "forward, turned": lambda: torch.baddbmm(bias.mT, weight.mT, x.mT).mT,
            "weight": lambda: x.mT @ grad,
            "weight, turned": lambda: (grad.mT @ x).mT,
        },
        given.repeats,
    )
    return {
        "outputs": outputs,
        **{f"{name}, ms": round(value, 3) for name, value in found.items()},
        "forward, ratio": round(found["forward, turned"] / found["forward"], 2),
        "weight, ratio": round(found["weight, turned"] / found["weight"], 2),
        "used": "turned" if is_thin(weight) else "torch's",
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--outputs", type=int, nargs="+", default=[1, 2, 4, 8, 15, 16, 32, 64], help="columns")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--inputs", type=int, default=128)
    parser.add_argument("--members", type=int, default=2, help="of an ensemble of critics")
    parser.add_argument("--repeats", type=int, default=50, help="rounds of measurement")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    torch.set_num_threads(given.threads)
    rows = [row(outputs, given) for outputs in given.outputs]
    if given.json:
        print(json.dumps({**vars(given), "products": rows}, indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
