"""The report: one self-contained HTML page for screen (light and dark, wide and narrow) and paper, and PNG figures."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from mtrl.presets import preset
from mtrl.report.adaptation_table import adaptation_tables
from mtrl.report.drawing import Chart, line_styles, save_picture
from mtrl.report.html import chart_section, document
from mtrl.report.plots import charts
from mtrl.report.records import RunData, load_run
from mtrl.report.statistics import mean_of, score_interval
from mtrl.report.words import number, span, summary, verdicts
from mtrl.training.log import clock, taken_over

_FOLDED = ("metrics",)


def write_report(run: Path, page: Path) -> list[Path]:
    """Write the page, and its figures as PNG files into a folder beside it.

    Args:
        run: a run's folder; the run may still go on.
        page: the HTML file; ``x.html`` has its figures in ``x-figures/``.
    Returns:
        The PNG files.
    Raises:
        ValueError: `run` is no run's folder, or its records are damaged.
    """
    data = load_run(run)
    found = charts(data)
    styles = line_styles(data.all_tasks)
    figures = page.with_name(f"{page.stem}-figures")
    figures.mkdir(parents=True, exist_ok=True)
    written = []
    for chart in found:
        written.append(figures / f"{chart.name}.png")
        save_picture(chart, [written[-1]], styles)
    page.write_text(render(data, found), encoding="utf-8")
    return written


def render(run: RunData, found: list[Chart]) -> str:
    """The whole page."""
    styles = line_styles(run.all_tasks)
    title = f"{run.settings.get('suite', run.name)}: {run.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _method(run),
        _tiles(run),
        "".join(f"<p>{escape(sentence)}</p>" for sentence in summary(run)),
        _tasks(run),
        adaptation_tables(run),
        *(chart_section(chart, styles, folded=chart.name in _FOLDED) for chart in found),
        _settings(run),
        _versions(run),
    ]
    return document(title, parts)


def _method(run: RunData) -> str:
    chosen = (
        ("strategy", "conflict", "strategy"),
        ("rescaling", "conflict", "rescaling"),
        ("critic", "learning", "critic"),
        ("actor", "learning", "actor"),
        ("memory", "agent", "memory"),
        ("heads", "sharing", "heads"),
        ("conditioning", "sharing", "conditioning"),
        ("experts", "experts", "experts"),
        ("seed", "loop", "seed"),
    )
    words = [
        f"{label} <b>{escape(str(run.settings[group][name]))}</b>"
        for label, group, name in chosen
        if name in run.settings.get(group, {})
    ]
    if "pretrained" in run.start:
        words.append(escape(taken_over(run.start["pretrained"])))
    return f'<p class="method">{" · ".join(words)}</p>' if words else ""


def _tiles(run: RunData) -> str:
    tiles = []
    if run.evaluation is not None and run.evaluation["score"] is not None:
        interval = score_interval(run.evaluation)
        tiles.append((number(run.evaluation["score"]), "normalised score", span(interval) if interval else ""))
    known = [what for what in verdicts(run).values() if what != "unknown"]
    if known:
        tiles.append((f"{known.count('above random')} of {len(known)}", "tasks above random", "intervals apart"))
    rate = mean_of([record for record in run.conflicts if len(record["tasks"]) > 1], "conflict_rate")
    if rate is not None:
        tiles.append((f"{100 * rate:.0f}%", "of task pairs in conflict", "mean over the run"))
    if run.last:
        steps, seconds = run.last["steps"], run.last["seconds"]
        speed = f"{steps / seconds:,.0f} steps/s" if seconds else ""
        tiles.append((f"{steps:,}", "environment steps", f"{clock(seconds)}; {speed}"))
    return (
        '<div class="tiles">'
        + "".join(
            f"<div><strong>{escape(value)}</strong><span>{escape(name)}</span><small>{escape(note)}</small></div>"
            for value, name, note in tiles
        )
        + "</div>"
    )


def _tasks(run: RunData) -> str:
    if run.evaluation is None:
        return ""
    results = run.evaluation["tasks"]
    note = f"Returns are raw, summed over the paid attempts of a trial, after {run.evaluation['steps']:,} steps."
    if any(len(entry["attempts"]) > 1 for entry in results.values()):
        note += " Attempts in the order in which they are played, warm-up first."
    sources = sorted({r.source for r in run.references.values() if r is not None and r.source})
    note += "".join(f" Best: {source}." for source in sources)
    order = sorted(results, key=lambda name: run.tasks.index(name) if name in run.tasks else len(run.tasks))
    shown = f'<h2 id="tasks">Tasks</h2>{_results(run, run.evaluation, order)}<p class="note">{escape(note)}</p>'
    held_out = run.evaluation.get("held_out")
    if held_out:
        mean = f" Mean score {number(held_out['score'])}." if held_out["score"] is not None else ""
        shown += (
            f'<h2 id="held-out">Tasks held out</h2>{_results(run, held_out, list(held_out["tasks"]))}'
            f'<p class="note">Training never saw these tasks.{mean}</p>'
        )
    return shown


def _results(run: RunData, evaluation: Mapping[str, Any], order: Sequence[str]) -> str:
    evaluated, found = evaluation["tasks"], verdicts(run, evaluation)
    several = any(len(entry["attempts"]) > 1 for entry in evaluated.values())
    head = ["task", "return", "95% interval", "random", "best", "score", "95% interval", "against random", "trials"]
    if several:
        head.insert(1, "attempts apart")
    rows = []
    for task in order:
        entry, reference = evaluated[task], run.references.get(task)
        cells = [
            number(entry["return"]),
            span(entry["interval"]),
            number(reference.random) if reference else "–",
            number(reference.best) if reference else "–",
            number(entry["score"]),
            span(entry["score_interval"]),
            _badge(found[task]),
            str(entry["trials"]),
        ]
        if several:
            cells.insert(0, " → ".join(number(value) for value in entry["attempts"]))
        rows.append(f"<tr><th>{escape(task)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    return (
        f'<div class="wide"><table class="tasks"><thead><tr>{header}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _badge(what: str) -> str:
    kind = {"above random": "above", "below random": "below"}.get(what, "open")
    return "–" if what == "unknown" else f'<span class="{kind}">{escape(what)}</span>'


def _settings(run: RunData) -> str:
    actor = run.settings.get("learning", {}).get("actor")
    usual = json.loads(json.dumps(asdict(preset(str(run.settings.get("suite", "")), actor))))
    rows = []
    for group, values in run.settings.items():
        if not isinstance(values, dict):
            continue
        for name, value in values.items():
            changed = usual.get(group, {}).get(name, value) != value
            mark = f'<td class="changed">preset: {_value(usual[group][name])}</td>' if changed else "<td></td>"
            rows.append(f"<tr><th>{escape(f'{group}.{name}')}</th><td>{_value(value)}</td>{mark}</tr>")
    return (
        '<details id="settings"><summary>Settings</summary><div class="wide"><table class="settings">'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>"
    )


def _value(value: Any) -> str:
    return escape(value if isinstance(value, str) else json.dumps(value))


def _versions(run: RunData) -> str:
    versions = run.start.get("versions", {})
    words = [f"{escape(str(name))} {escape(str(version))}" for name, version in versions.items()]
    if "parameters" in run.start:
        words.append(f"{run.start['parameters']:,} trained parameters")
    return f"<footer>{' · '.join(words)}</footer>" if words else ""
