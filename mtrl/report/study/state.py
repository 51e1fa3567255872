"""What was asked of a study, and what has become of its cells: nothing that failed or is missing stays unsaid."""

from html import escape

from mtrl.report.study.folder import Study
from mtrl.report.study.words import progress, strays
from mtrl.report.words import listed
from mtrl.study.provenance import differences

_MARKS = {"done": "✓", "failed": "✗", "missing": "·"}


def asked(study: Study) -> str:
    """The grid in a few lines."""
    grid = f"{len(study.methods)} methods"
    if len(study.conditions) > 1:
        grid += f" × {len(study.conditions)} conditions"
    grid += f" × {len(study.seeds)} seeds"
    facts = [
        ("suite", study.suite),
        ("grid", grid),
        ("seeds", ", ".join(map(str, study.seeds))),
        ("steps a run", f"{study.steps:,}" if study.steps else "–"),
        ("evaluation", f"{study.evaluate_trials} trials a task" if study.evaluate_trials else "–"),
        ("baseline", study.baseline or "none"),
    ]
    if len(study.conditions) > 1:
        facts.insert(2, ("conditions", ", ".join(condition.title for condition in study.conditions)))
    words = " · ".join(f"{name} <b>{escape(value)}</b>" for name, value in facts)
    command = f"<pre>{escape(study.command)}</pre>" if study.command else ""
    return f'<p class="method">{words}</p>{command}'


def methods(study: Study) -> str:
    """What each method is."""
    rows = "".join(
        f"<tr><th>{escape(method.name)}</th><td>{escape(method.summary)}</td>"
        f"<td><code>{escape(', '.join(f'{name}={value}' for name, value in method.settings.items()))}</code></td></tr>"
        for method in study.methods
    )
    return (
        '<details id="methods"><summary>Methods</summary><div class="wide"><table class="settings">'
        f"<thead><tr><th>method</th><th>what it is</th><th>settings</th></tr></thead><tbody>{rows}</tbody>"
        "</table></div></details>"
    )


def state(study: Study) -> str:
    """How many cells are done; which failed, and why; which are missing."""
    parts = [f'<h2 id="state">State</h2><p>{escape(progress(study))}</p>']
    if study.strays:
        parts.append(f"<p>{escape(strays(study))}</p>")
    parts += [f'<p class="warning">{escape(said)}</p>' for said in differences(study.cells.values())]
    if study.count("done") < len(study.keys):
        parts.append(_grid(study))
    return "".join(parts) + _failures(study)


def _grid(study: Study) -> str:
    head = "".join(f"<th>{escape(condition.title)}</th>" for condition in study.conditions)
    rows = "".join(
        f"<tr><th>{escape(method)}</th>"
        + "".join(f"<td>{_marks(study, condition.name, method)}</td>" for condition in study.conditions)
        + "</tr>"
        for method in study.method_names
    )
    return (
        f'<div class="wide"><table class="cells"><thead><tr><th>method</th>{head}</tr></thead><tbody>{rows}</tbody>'
        '</table></div><p class="note">A mark a seed: ✓ done, ✗ failed, · not run.</p>'
    )


def _marks(study: Study, condition: str, method: str) -> str:
    states = [study.state((condition, method, seed)) for seed in study.seeds]
    named = [
        f"{name}: seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}"
        for name in ("done", "failed", "missing")
        if (seeds := [str(seed) for seed, found in zip(study.seeds, states, strict=True) if found == name])
    ]
    title = f"{method}, {condition}; {'; '.join(named)}"
    marks = "".join(f'<i class="{found}">{_MARKS[found]}</i>' for found in states)
    return f'<span class="marks" title="{escape(title)}">{marks}</span>'


def _failures(study: Study) -> str:
    failed = [key for key in study.keys if study.state(key) == "failed"]
    if not failed:
        return ""
    messages = {key: str(study.cells[key].get("error") or "no message") for key in failed}
    rows = "".join(
        f"<tr><th>{escape(method)}</th><td>{escape(condition)}</td><td>{seed}</td>"
        f'<td class="message">{escape(messages[condition, method, seed])}</td></tr>'
        for condition, method, seed in failed
    )
    return (
        '<h3 id="failures">Failed cells</h3><div class="wide"><table class="failures"><thead><tr><th>method</th>'
        f"<th>condition</th><th>seed</th><th>message</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
