"""The report of a study: one self-contained HTML page; its figures as PNG and PDF, and all numbers as CSV."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from mtrl.report.drawing import save_picture
from mtrl.report.html import chart_section, document
from mtrl.report.study import paper, state, tables
from mtrl.report.study.figures.condition import condition_figures
from mtrl.report.study.figures.figure import StudyFigure
from mtrl.report.study.figures.stress import axis_figures
from mtrl.report.study.findings import Findings, findings
from mtrl.report.study.folder import Study, load_study
from mtrl.report.study.kept import Course
from mtrl.report.study.numbers import Numbers
from mtrl.report.study.results import ConditionResult
from mtrl.report.study.search import search, search_numbers
from mtrl.report.study.stress import AxisResult
from mtrl.report.study.summary import summary
from mtrl.report.study.words import corrections, fairness
from mtrl.report.words import listed


def write_study_report(folder: Path, page: Path | None = None) -> list[Path]:
    """Write the page, and its figures and numbers into a folder beside it.

    Args:
        folder: a study's folder; the study may still go on, or have nothing yet.
        page: the HTML file, default ``report.html`` in the folder; ``x.html`` has its figures in ``x-figures/``.
    Returns:
        The PNG, PDF and CSV files.
    Raises:
        ValueError: `folder` is no study's folder, or a file in it is damaged.
    """
    found = findings(load_study(folder))
    page = page or folder / "report.html"
    beside = page.with_name(f"{page.stem}-figures")
    beside.mkdir(parents=True, exist_ok=True)
    by_axis = [axis_figures(found.study, axis) for axis in found.axes]
    by_condition = [condition_figures(found.study, condition) for condition in found.conditions]
    written = []
    for figure in (figure for group in (*by_axis, *by_condition) for figure in group):
        paths = [beside / f"{figure.chart.name}.{suffix}" for suffix in ("png", "pdf", "csv")]
        save_picture(figure.chart, paths[:2], figure.styles)
        figure.numbers.write(paths[2])
        written += paths
    for name, numbers in _tables(found).items():
        written.append(beside / f"{name}.csv")
        numbers.write(written[-1])
    if printed := paper.printed(found):
        for suffix, write in (("md", paper.markdown), ("tex", paper.latex)):
            written.append(beside / f"tables.{suffix}")
            written[-1].write_text(write(printed), encoding="utf-8")
    # Somebody may be reading the page of a study that goes on.
    fresh = page.with_name(f"{page.name}.new")
    fresh.write_text(_render(found, by_axis, by_condition, beside.name, printed=bool(printed)), encoding="utf-8")
    fresh.replace(page)
    return written


def _tables(found: Findings) -> dict[str, Numbers]:
    written = {"table": tables.main_numbers(found.results)}
    written |= {
        f"axis-{axis.axis}-kept": tables.kept_numbers(axis.courses)
        for axis in found.axes
        if any(course.kept for course in axis.courses)
    }
    if any(result.unscored for result in found.results):
        written["returns"] = tables.returns_numbers(found.study, found.results)
    if found.study.tried:
        written["search"] = search_numbers(found.study)
    return written


def _render(
    found: Findings,
    by_axis: list[list[StudyFigure]],
    by_condition: list[list[StudyFigure]],
    beside: str,
    *,
    printed: bool,
) -> str:
    study = found.study
    title = f"{study.suite}: {study.name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        state.asked(study),
        state.state(study),
        _summary(summary(found)),
        _main(study, found.results, beside, printed=printed),
        *(_axis(study, axis, figures, beside) for axis, figures in zip(found.axes, by_axis, strict=True)),
        *(
            _condition(study, result, figures, beside)
            for result, figures in zip(found.results, by_condition, strict=True)
        ),
        search(study, _link(beside, "search", ("csv",))),
        state.methods(study),
        _origin(study),
    ]
    return document(title, parts, script=files("mtrl.report").joinpath("sort.js").read_text(encoding="utf-8"))


def _summary(told: Mapping[str, Sequence[str]]) -> str:
    parts = [
        (f"<h3>{escape(heading)}</h3>" if heading else "")
        + f"<ul>{''.join(f'<li>{escape(point)}</li>' for point in points)}</ul>"
        for heading, points in told.items()
    ]
    return f'<h2 id="summary">Summary</h2>{"".join(parts)}' if parts else ""


def _condition(study: Study, result: ConditionResult, figures: list[StudyFigure], beside: str) -> str:
    """Folded where there are several conditions."""
    several = len(study.conditions) > 1
    heading = "h3" if several else "h2"
    sections = [_figure(figure, beside, heading) for figure in figures]
    if returns := tables.returns_table(study, result):
        sections.insert(0, _returns(returns, beside, heading))
    if not several or not sections:
        return "".join(sections)
    return f"<details><summary>All figures of {escape(result.title)}</summary>{''.join(sections)}</details>"


def _main(study: Study, results: list[ConditionResult], beside: str, *, printed: bool) -> str:
    shown = [result for result in results if any(entry.done or entry.failed for entry in result.methods.values())]
    if not shown:
        return ""
    tasks = dict.fromkeys(task for result in shown for task in result.tasks)
    note = (
        f"Normalised scores over {len(tasks)} {'task' if len(tasks) == 1 else 'tasks'}: 0 is the random policy, 1 the "
        "best known result. IQM: interquartile mean. Under each number: its 95% interval over seeds (Student's t; for "
        "IQM, median and gap with the bootstrap's standard error). Difference: of mean scores, paired by seed; the "
        "verdict is corrected for the number of methods, the interval is not. Time: a run's over the baseline's, the "
        "median over the same seeds; of the processor, which does not count waiting for other work on a machine, or "
        "wall-clock where that is not known. Peak memory: the largest run; on a GPU that of its tensors. "
    )
    if any(result.drawn for result in results):
        note += "Where every seed has drawn its own tasks there is only the mean over seeds of each seed's mean. "
    note += " ".join([corrections(study), *fairness(results)])
    blocks = [
        (f"<h3>{escape(result.title)}</h3>" if len(results) > 1 else "") + tables.main_table(study, result)
        for result in shown
    ]
    as_printed = _link(beside, "tables", ("md", "tex")) if printed else ""
    return (
        f'<section id="table"><h2>Results</h2>{"".join(blocks)}'
        f'<p class="note">{escape(note)} {_link(beside, "table", ("csv",))} {as_printed}</p></section>'
    )


def _axis(study: Study, axis: AxisResult, figures: list[StudyFigure], beside: str) -> str:
    sections = [_figure(figure, beside, "h2") for figure in figures]
    kept = "".join(
        _course(study, axis, course, beside, f"axis-{axis.axis}-kept{'-' + str(place) if place else ''}")
        for place, course in enumerate(axis.courses)
        if course.kept
    )
    return "".join([*sections[:1], kept, *sections[1:]])


def _course(study: Study, axis: AxisResult, course: Course, beside: str, name: str) -> str:
    first, last = course.first.label, course.last.label
    note = (
        f"Mean score at {axis.axis} {last} over that at {axis.axis} {first}, with a 95% interval (bootstrap of "
        f"whole runs, Student's t); a dash where the score at {first} is not told apart from 0. Change: paired by "
        f"seed, its verdict corrected for the number of methods{_and_courses(axis)}. Then that change minus the change "
        f"of {study.baseline or 'a baseline'}, paired by seed and corrected in the same way; above 0 the method loses "
        "less, or gains more. All numbers of a row are of the seeds that have both conditions."
    )
    zero = ""
    if course.failed_as_zero:
        failed = listed([f"{count} of {method}" for method, count in course.failed.items()])
        note += f" Failed runs are left out, which flatters a method that fails ({failed})."
        zero = (
            f"<h3>With failed runs counted as score 0</h3>{tables.kept_table(study, course, course.failed_as_zero)}"
            '<p class="note">The same, with the random policy\'s score for every run that failed.</p>'
        )
    link = _link(beside, f"axis-{axis.axis}-kept", ("csv",))
    return (
        f'<section id="{escape(name)}"><h2>Score kept at {escape(axis.axis)} {escape(last)}</h2>'
        f"{tables.kept_table(study, course, course.kept)}"
        f'<p class="note">{escape(note)} {link}</p>{zero}</section>'
    )


def _and_courses(axis: AxisResult) -> str:
    return f" and of the {len(axis.courses)} such tables" if len(axis.courses) > 1 else ""


def _returns(table: str, beside: str, heading: str) -> str:
    note = "Raw returns of tasks without a normalised score, mean over seeds; 95% t-intervals."
    link = _link(beside, "returns", ("csv",))
    return f'<section><{heading}>Raw returns</{heading}>{table}<p class="note">{note} {link}</p></section>'


def _figure(figure: StudyFigure, beside: str, heading: str) -> str:
    links = _link(beside, figure.chart.name, ("png", "pdf", "csv"))
    return chart_section(figure.chart, figure.styles, links=links, heading=heading)


def _link(beside: str, name: str, suffixes: tuple[str, ...]) -> str:
    links = " · ".join(f'<a href="{quote(f"{beside}/{name}.{suffix}")}">{suffix.upper()}</a>' for suffix in suffixes)
    return f'<span class="files">{links}</span>'


def _origin(study: Study) -> str:
    """Versions, code and commands."""
    found: dict[str, list[str]] = {name: [version] for name, version in study.versions.items()}
    for record in study.cells.values():
        told = {**(record.get("versions") or {}), "commit": (record.get("provenance") or {}).get("commit")}
        for name, version in told.items():
            if version and version != "not installed" and version not in found.setdefault(name, []):
                found[name].append(version)
    words = [f"{escape(name)} {escape(', '.join(versions))}" for name, versions in found.items() if versions]
    commands = f"<pre>{escape(chr(10).join(study.commands))}</pre>" if study.commands else ""
    return f"<footer>{' · '.join(words)}{commands}</footer>" if words or commands else ""
