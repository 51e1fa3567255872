"""The parts that pages are made of: the document, a chart with its legend, tables that scroll."""

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from mtrl.report.drawing import Chart, LineStyle, inline_svg


def document(title: str, parts: Sequence[str], *, script: str = "") -> str:
    """A whole page that needs nothing but itself.

    Args:
        title: plain text.
        parts: HTML; empty ones are left out.
        script: JavaScript without which the page reads well too.
    """
    style = files("mtrl.report").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main>\n"
        + (f"<script>\n{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )


def chart_section(
    chart: Chart, styles: dict[str, LineStyle], *, folded: bool = False, links: str = "", heading: str = "h2"
) -> str:
    """A chart with title, panels, legend and caption; `links` is HTML that stands behind the caption."""
    panels = "".join(
        f'<figure style="--width:{panel.width:.2f}in;--least:{panel.least:.2f}in">'
        + (f"<figcaption>{escape(panel.title)}</figcaption>" if panel.title else "")
        + inline_svg(panel, f"{chart.name}-{place}")
        + "</figure>"
        for place, panel in enumerate(chart.panels)
    )
    legend = "".join(_key(name, styles[name]) for name in chart.legend)
    body = f'<div class="panels">{panels}</div>' + (f'<p class="legend">{legend}</p>' if legend else "")
    body += f'<p class="note">{escape(chart.caption)}{" " + links if links else ""}</p>'
    title = escape(chart.title)
    if folded:
        return f'<details id="{chart.name}"><summary>{title}</summary>{body}</details>'
    return f'<section id="{chart.name}"><{heading}>{title}</{heading}>{body}</section>'


def _key(name: str, style: LineStyle) -> str:
    dashes = " ".join(f"{2 * length:g}" for length in style.dashes)
    corners = _MARKERS.get(style.marker)
    marker = f'<polygon points="{corners}" fill="{style.page_colour}"/>' if corners else ""
    return (
        '<span><svg width="26" height="10" aria-hidden="true"><line x1="0" y1="5" x2="26" y2="5" stroke-width="2.5" '
        f'stroke="{style.page_colour}" stroke-dasharray="{dashes}"/>{marker}</svg> {escape(name)}</span>'
    )


def _around(*radii: float, corners: int, turn: float = 0.0) -> str:
    """Corners around the middle of a legend's line, with the radii in turn; `turn` in parts of a whole turn."""
    found = []
    for corner in range(corners):
        angle, radius = 2 * math.pi * (corner / corners + turn), radii[corner % len(radii)]
        found.append(f"{13 + radius * math.cos(angle):.2f},{5 + radius * math.sin(angle):.2f}")
    return " ".join(found)


_MARKERS = {
    "o": _around(4.0, corners=16),
    "s": _around(5.2, corners=4, turn=1 / 8),
    "D": _around(5.0, corners=4),
    "^": _around(5.0, corners=3, turn=-1 / 4),
    "v": _around(5.0, corners=3, turn=1 / 4),
    "<": _around(5.0, corners=3, turn=1 / 2),
    ">": _around(5.0, corners=3),
    "P": _around(2.2, 5.0, 5.0, corners=12, turn=1 / 8),
    "X": _around(2.2, 5.0, 5.0, corners=12),
    "*": _around(5.2, 2.2, corners=10, turn=-1 / 4),
}
"""Matplotlib's markers as the corners of a polygon."""
