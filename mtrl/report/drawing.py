"""How charts look, and how they become PNG and PDF files and SVG for a page that is read in light and in dark.

Source of the colours: Okabe and Ito 2008, "Color Universal Design", without black and yellow, which vanish on a
dark or a light page. Beyond six lines the line style changes.
"""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: tuple[tuple[float, ...], ...] = ((), (4.0, 1.5), (1.2, 1.2), (5.0, 1.2, 1.2, 1.2), (8.0, 2.0))
MARKERS = ("o", "^", "D", "v", "P", "X", "<", ">", "*")

# These stand for the page's own colours: `inline_svg` puts them in.
INK, MUTED, GRID, PAPER = "#1b1f24", "#69707a", "#dfe3e8", "#fffffe"
_PAGE_COLOURS = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}

_SETTINGS: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8.5,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.unicode_minus": True,
    "font.family": "DejaVu Sans",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.color": MUTED,
    "ytick.labelsize": 8,
}


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes."""

    draw: Callable[[Axes], None]
    title: str = ""
    width: float = 3.7
    """Inches; so is `height`."""
    height: float = 2.5
    least: float = 0.0
    """Inches below which the page scrolls the panel instead of shrinking it; 0: it shrinks with the page."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Panels that belong together."""

    name: str
    """Name of the files and of the anchor in the page."""
    title: str
    caption: str
    panels: Sequence[Panel]
    legend: Sequence[str] = field(default_factory=tuple)
    """Tasks or methods whose colours the reader needs to be told."""


@dataclass(frozen=True, kw_only=True)
class LineStyle:
    """How a task or a method is drawn in every chart."""

    colour: str
    dashes: tuple[float, ...]
    marker: str = ""
    """Matplotlib's name; empty: points are not marked."""
    width: float = 1.6
    """Points."""

    @property
    def keywords(self) -> dict[str, Any]:
        """For `Axes.plot`, besides the line's width."""
        return {
            "color": self.colour,
            "linestyle": (0, self.dashes) if self.dashes else "-",
            "marker": self.marker,
        }

    @property
    def page_colour(self) -> str:
        """The colour for the page's own style sheet."""
        return _PAGE_COLOURS.get(self.colour, self.colour)


def line_styles(tasks: Sequence[str]) -> dict[str, LineStyle]:
    """A colour and a line style for each task, unlike all others' up to 30 tasks."""
    count = len(COLOURS)
    return {
        task: LineStyle(colour=COLOURS[place % count], dashes=DASHES[place // count % len(DASHES)])
        for place, task in enumerate(tasks)
    }


def method_styles(methods: Sequence[str], baseline: str | None) -> dict[str, LineStyle]:
    """The baseline in the colour of the text, the others by colour, marker and line; ten are easily told apart."""
    count = len(COLOURS)
    others = [method for method in methods if method != baseline]
    styles = {
        method: LineStyle(
            colour=COLOURS[place % count],
            dashes=DASHES[place // count % len(DASHES)],
            marker=MARKERS[place % len(MARKERS)],
        )
        for place, method in enumerate(others)
    }
    if baseline is not None:
        styles[baseline] = LineStyle(colour=INK, dashes=(), marker="s", width=2.2)
    return {method: styles[method] for method in methods}


def inline_svg(panel: Panel, name: str) -> str:
    """The panel as an `<svg>` element in the page's own colours; `name` keeps its ids apart from other panels'."""
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(panel.width, panel.height))
        panel.draw(figure.add_subplot())
        _lay_out(figure)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    for colour, page_colour in _PAGE_COLOURS.items():
        text = text.replace(colour, page_colour)
    return text.replace("<svg", f'<svg role="img" style="max-width:{panel.width * 1.3:.2f}in"', 1)


def save_picture(chart: Chart, paths: Sequence[Path], styles: dict[str, LineStyle]) -> None:
    """All panels of the chart in one picture, its title above and its legend below, as PNG or PDF by each suffix."""
    widest = max(panel.width for panel in chart.panels)
    columns = min(len(chart.panels), max(1, int(13.5 / widest)))
    rows = [chart.panels[at : at + columns] for at in range(0, len(chart.panels), columns)]
    heights = [max(panel.height for panel in row) + 0.15 for row in rows]
    legend_rows = -(-len(chart.legend) // 4)
    with matplotlib.rc_context(_SETTINGS):
        size = (max(columns * widest, 5.0), sum(heights) + 0.45 + 0.22 * legend_rows)
        figure = Figure(figsize=size, dpi=150)
        grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
        for axes, panel in zip(grid.flat, chart.panels, strict=False):
            panel.draw(axes)
            axes.set_title(panel.title)
        for axes in list(grid.flat)[len(chart.panels) :]:
            axes.set_axis_off()
        figure.suptitle(chart.title, x=0.01, ha="left", fontsize=12, color=INK)
        if chart.legend:
            lines = [matplotlib.lines.Line2D([], [], **styles[name].keywords) for name in chart.legend]
            figure.legend(lines, list(chart.legend), loc="outside lower left", ncols=4)
        _lay_out(figure)
        for path in paths:
            dates: Any = {"CreationDate": None} if path.suffix == ".pdf" else None
            figure.savefig(path, facecolor="white", metadata=dates)


def _lay_out(figure: Figure) -> None:
    """Once for all files: a figure that keeps an engine is laid out, and drawn once more, for each of them."""
    ConstrainedLayoutEngine().execute(figure)
