"""What `run.py adapt` found, as the tables of a run's page."""

from html import escape

from mtrl.report.records import Record, RunData
from mtrl.report.words import (
    ADAPTED_PARTS,
    attempt_ends,
    gap_sentences,
    instance_read,
    mark_notes,
    number,
    regrets,
    span,
)

_HEAD = (
    "task",
    "played on",
    "return",
    "95% interval",
    "score",
    "95% interval",
    "attempts",
    "regret",
    "instance",
    "trials",
)
_NOTE = (
    "Attempts: mean raw return of the first paid one and the last that trials came to. Regret: what these fall short "
    "of who knows the instance and does the best (*: of the best known return, where that was not measured). "
    "Instance: R² of a linear map from the memory, at the first and the last step that it was looked into, and in "
    "brackets of the number that it reads best, whenever that is. Seeds of testing are not those of training; a family "
    "of few instances (81 goals in a dark room) has the same ones with both."
)


def adaptation_tables(run: RunData) -> str:
    """A table for every suite on which the run's adaptation was measured; nothing without one."""
    shown = "".join(_table(suite, found) for suite, found in run.adaptation.items())
    shown += f'<p class="note">{escape(_NOTE)}</p>' if shown else ""
    if run.outdated:
        again = f"Measured by an older version, and left out: {', '.join(run.outdated)}. Run run.py adapt again."
        shown += f'<p class="note">{escape(again)}</p>'
    return f'<h2 id="adapted">Adaptation</h2>{shown}' if shown else ""


def _table(suite: str, found: Record) -> str:
    rows = []
    for part, words in ADAPTED_PARTS.items():
        for task, entry in found.get(part, {"tasks": {}})["tasks"].items():
            regret = regrets(entry) or "–"
            if entry["regret_against"] == "best return":
                regret += "*"
            cells = [
                words,
                number(entry["return"]),
                span(entry["interval"]),
                number(entry["score"]),
                span(entry["score_interval"]),
                attempt_ends(entry),
                regret,
                instance_read(entry) or "–",
                str(entry["trials"]),
            ]
            rows.append(f"<tr><th>{escape(task)}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    sentences = [*mark_notes("".join(rows)), *gap_sentences(found)]
    header = "".join(f"<th>{escape(name)}</th>" for name in _HEAD)
    return (
        f"<h3>{escape(suite)}</h3>"
        f'<div class="wide"><table class="tasks"><thead><tr>{header}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f"{''.join(f'<p>{escape(sentence)}</p>' for sentence in sentences)}"
    )
