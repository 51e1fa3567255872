"""The report of a study: one page that says what its intervals support, figures, and their numbers."""

from mtrl.report.study.page import write_study_report

__all__ = ["write_study_report"]
