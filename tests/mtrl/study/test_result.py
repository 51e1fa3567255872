"""What is kept of a run: enough for the report, and no more than fits beside a paper."""

from itertools import pairwise

from mtrl.study.result import rounded, thinned, without_diagnostics


def test_updates_are_thinned_evenly_to_their_end() -> None:
    for count in (0, 1, 24, 25, 46, 1000):
        records = [{"steps": step} for step in range(count)]
        kept = thinned(records)
        assert len(kept) <= 24 and kept[-1:] == records[-1:]
        gaps = {b["steps"] - a["steps"] for a, b in pairwise(kept)}
        assert len(gaps) <= 1 and len(kept) >= min(count, 12)


def test_numbers_keep_five_digits_and_everything_else_stays() -> None:
    tree = {"a": [123456.789, 1.23456789e-7, None, 7, True, "x"], "b": {"c": -0.1}}
    assert rounded(tree) == {"a": [123460.0, 1.2346e-7, None, 7, True, "x"], "b": {"c": -0.1}}


def test_of_a_search_its_score_and_cost_remain() -> None:
    result = {
        "method": "mean",
        "seconds": 3.0,
        "evaluation": {"score": 0.5},
        "curve": [1],
        "conflict": {},
        "learning": [],
    }
    assert without_diagnostics(result) == {"method": "mean", "seconds": 3.0, "evaluation": {"score": 0.5}}
