"""What the summary says of studies whose true differences are known: no more than the intervals support."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from mtrl.report.study.findings import Findings, findings
from mtrl.report.study.folder import load_study
from mtrl.report.study.summary import summary
from tests.mtrl.report.study.synthetic import (
    TASKS,
    Grid,
    Quality,
    Record,
    cells,
    failed,
    falling,
    flat,
    spread,
    write_study,
)


def found_in(folder: Path, grid: Grid, records: Sequence[Record]) -> Findings:
    return findings(load_study(write_study(folder, grid, records)))


def words(found: Findings) -> str:
    return " ".join(text for heading, points in summary(found).items() for text in (heading, *points))


def told_of(folder: Path, grid: Grid, quality: Quality, *, noise: float = 0.03) -> str:
    return words(found_in(folder, grid, cells(grid, quality, noise=noise)))


def test_known_differences_are_told_with_their_sign_and_size(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "good", "same", "bad"))
    told = told_of(tmp_path / "x", grid, flat({"mean": 0.5, "good": 0.7, "same": 0.5, "bad": 0.2}), noise=0.01)
    better = re.search(r"Better than mean in mean score \([^)]*3 methods\): good by \+(0\.\d\d) ", told)
    worse = re.search(r"Worse than mean: bad by −(0\.\d\d) ", told)
    assert better and abs(float(better[1]) - 0.2) < 0.02
    assert worse and abs(float(worse[1]) - 0.3) < 0.02
    assert "Not distinguishable from mean: same;" in told
    assert "The highest mean score is that of good" in told and "every other method is told apart from it" in told


def test_methods_without_a_difference_are_not_distinguishable_and_nobody_wins(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "a", "b", "c"))
    told = told_of(tmp_path / "x", grid, flat({}))
    assert "Better than" not in told and "Worse than" not in told
    assert re.search(r"Not distinguishable from mean in mean score .*: a, b and c; the 95% intervals allow", told)
    assert "so there is no winner" in told
    assert "On no task is a method told apart as worse than mean" in told
    for word in ("equal", "same as", "as good as", "no difference"):
        assert word not in told


def test_false_findings_are_as_rare_as_the_level_promises(tmp_path: Path) -> None:
    """60 studies of five methods without any difference; at a level of 5%, nine or more findings have p < 0.005."""
    grid = Grid(methods=("mean", "a", "b", "c", "d"), tasks=TASKS[:2])
    wrong = 0
    for study in range(60):
        dice = random.Random(study)
        records = cells(grid, flat({}), unscored=False)
        for record in records:
            for entry in record["evaluation"]["tasks"].values():
                entry["score"] = dice.gauss(0.5, 0.1)
        told = words(found_in(tmp_path / str(study), grid, records))
        wrong += "Better than" in told or "Worse than" in told
    assert wrong <= 8


def test_one_seed_compares_nothing(tmp_path: Path) -> None:
    grid = Grid(seeds=(0,), methods=("mean", "good"))
    told = told_of(tmp_path / "x", grid, flat({"mean": 0.1, "good": 0.9}))
    assert "Every method has one seed: there are no intervals" in told
    for claim in ("Better than", "Worse than", "highest", "sacrifice", "ransfer", "interval over"):
        assert claim not in told


@pytest.mark.parametrize(("seeds", "said"), [(2, "only 2"), (4, "only 4"), (5, None), (8, None)])
def test_few_seeds_are_said_to_be_few(seeds: int, said: str | None, tmp_path: Path) -> None:
    grid = Grid(seeds=tuple(range(seeds)), methods=("mean", "good"))
    told = told_of(tmp_path / "x", grid, flat({}))
    assert ("which is few" in told) == (said is not None)
    assert said is None or f"The methods have {said} seeds, which is few" in told


def test_a_leader_that_is_not_told_apart_from_all_is_no_winner(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "a", "b"))
    told = told_of(tmp_path / "x", grid, flat({"mean": 0.2, "a": 0.7, "b": 0.7}))
    near = r"not told apart from it \(Holm's correction for all pairs of methods\): [ab], so there is no single"
    assert re.search(rf"highest mean score is that of [ab], .*; {near}", told)


def test_the_task_that_a_method_gives_up_is_named(tmp_path: Path) -> None:
    def quality(method: str, condition: Record, task: str) -> float:
        moved = {"CartPoleEasy": 0.3, "BanditEasy": -0.3}.get(task, 0.0) if method == "pcgrad" else 0.0
        return 0.5 + moved

    told = told_of(tmp_path / "x", Grid(methods=("mean", "pcgrad")), quality, noise=0.01)
    assert re.search(
        r"sacrifices \(worse on them than mean, .*4 differences .*\): pcgrad on BanditEasy \(−0\.\d\d\)\.", told
    )


def test_transfer_is_told_task_by_task(tmp_path: Path) -> None:
    def quality(method: str, condition: Record, task: str) -> float:
        return 0.5 if method == "single-task" else {"CartPoleEasy": 0.9, "BanditEasy": 0.1}.get(task, 0.5)

    told = told_of(tmp_path / "x", Grid(methods=("mean", "single-task")), quality, noise=0.01)
    assert re.search(r"positive: mean on CartPoleEasy \(\+0\.\d\d\); negative: mean on BanditEasy \(−0\.\d\d\)\.", told)


def test_what_the_spread_does_to_each_method_is_told(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "pcgrad", "two-hot"), conditions=spread(1, 10, 1000), tasks=TASKS[:2])
    told = told_of(tmp_path / "x", grid, falling, noise=0.01)
    lost = re.search(r"Score lost from spread 1 to 1000 \([^)]*\): mean −(\S+) .* and pcgrad −(\S+) \(95%", told)
    assert lost and abs(float(lost[1]) - 0.54) < 0.03 and abs(float(lost[2]) - 0.36) < 0.03
    assert re.search(r"No change told apart from spread 1 to 1000: two-hot \([−+0].* to .*\); in brackets", told)
    assert "Spread 1 " in told and "Spread 1000 " in told and "Spread 10 " not in told


def test_a_method_that_failed_is_said_to_be_flattered(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "good", "broken"))
    records = cells(
        grid,
        flat({"mean": 0.3, "good": 0.9}),
        noise=0.01,
        without=[("plain", "good", 4), *(("plain", "broken", seed) for seed in grid.seeds)],
    )
    records += [failed("plain", "good", 4), *(failed("plain", "broken", seed) for seed in grid.seeds)]
    told = words(found_in(tmp_path / "x", grid, records))
    assert re.search(r"good by \+0\.\d\d \(95% interval [^)]*; 1 failed and left out\)", told)
    assert "in no comparison: broken (5 of its runs failed)" in told


def test_a_task_without_a_score_is_in_no_average(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "good"))
    found = found_in(tmp_path / "x", grid, cells(grid, flat({})))
    assert found.results[0].tasks == list(TASKS)
    assert found.results[0].unscored == ["my:NewTask"]
    assert "in no average: my:NewTask" in words(found)


def test_without_any_score_nothing_is_compared(tmp_path: Path) -> None:
    grid = Grid(methods=("mean", "good"))
    records = cells(grid, flat({}))
    for record in records:
        for entry in record["evaluation"]["tasks"].values():
            entry["score"] = None
    told = words(found_in(tmp_path / "x", grid, records))
    assert "no normalised scores and nothing is compared" in told
    assert "than mean" not in told


def test_pairing_by_seed_finds_what_seeds_hide(tmp_path: Path) -> None:
    """A difference of 0.05 under a noise of 0.3 that a seed puts on both methods alike."""
    grid = Grid(methods=("mean", "good"), tasks=TASKS[:1])
    records = cells(grid, flat({}), unscored=False)
    dice = random.Random(7)
    luck = {seed: dice.gauss(0.0, 0.3) for seed in grid.seeds}
    for record in records:
        for entry in record["evaluation"]["tasks"].values():
            entry["score"] = luck[record["seed"]] + dice.gauss(0.0, 0.005) + (0.05 if record["method"] == "good" else 0)
    assert "Better than mean in mean score (paired by seed): good by +0.05" in words(
        found_in(tmp_path / "x", grid, records)
    )
