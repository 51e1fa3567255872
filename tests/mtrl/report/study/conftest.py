"""For tests of what a report says: drawing its figures is nearly all of what it takes."""

import pytest


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have all their words, tables and CSV files, and no pictures."""
    monkeypatch.setattr("mtrl.report.study.page.save_picture", lambda chart, paths, styles: None)
    monkeypatch.setattr("mtrl.report.html.inline_svg", lambda panel, name: "<svg></svg>")
