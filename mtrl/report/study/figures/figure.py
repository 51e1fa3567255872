"""A chart together with its colours and its numbers, and how methods share charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mtrl.report.drawing import Chart, LineStyle
from mtrl.report.study.numbers import Numbers

PER_CHART = 10
"""Lines of so many methods are told apart in one panel."""


@dataclass(frozen=True, kw_only=True)
class StudyFigure:
    """What is written as SVG into the page, as PNG and PDF, and as CSV."""

    chart: Chart
    styles: dict[str, LineStyle]
    numbers: Numbers


def groups(methods: Sequence[str], baseline: str | None) -> list[list[str]]:
    """Methods that are drawn together: at most `PER_CHART`, about as many in each, the baseline in all."""
    if len(methods) <= PER_CHART:
        return [list(methods)]
    base = [method for method in methods if method == baseline]
    others = [method for method in methods if method != baseline]
    count = -(-len(others) // (PER_CHART - len(base)))
    ends = [len(others) * place // count for place in range(count + 1)]
    return [[*base, *others[start:end]] for start, end in pairwise(ends)]


def numbered(title: str, place: int, count: int) -> str:
    """The title of one of several panels that show different methods."""
    return title if count == 1 else f"{title} ({place + 1} of {count})"
