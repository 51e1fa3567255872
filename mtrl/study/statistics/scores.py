"""Scores of several runs on several tasks as a matrix."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]
"""[run, task]; a run is one seed of one method. Normalised: 0 is the random policy, 1 the best known."""

TaskScores = Mapping[int, Mapping[str, float | None]]
"""By seed, then by task; None, or no entry: that run has no score on that task."""


def checked_scores(scores: ArrayLike, name: str = "scores") -> Scores:
    """The matrix as float64, if it is one of finite numbers.

    Args:
        scores: [run, task], at least one of each.
        name: how errors call it.
    Raises:
        ValueError: another shape, or an entry that is not finite.
    """
    matrix = _numbers(scores, name, "a matrix [run, task]")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(
            f"{name}: expected a matrix [run, task] with at least one run and one task, found shape {matrix.shape}; "
            "several tasks of one run are a single row, scores[None, :]"
        )
    wrong = np.argwhere(~np.isfinite(matrix))
    if len(wrong):
        run, task = wrong[0]
        raise ValueError(
            f"{name}: expected finite numbers, found {matrix[run, task]} at run {run}, task {task} "
            f"({len(wrong)} such of {matrix.size}); leave failed runs and tasks without reference scores out before"
        )
    return matrix


def checked_numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """The list as float64, if it is a flat one of finite numbers; it may be empty.

    Raises:
        ValueError: another shape, or an entry that is not finite.
    """
    row = _numbers(values, name, "a flat list of numbers")
    if row.ndim != 1:
        raise ValueError(f"{name}: expected a flat list of numbers, found shape {row.shape}")
    wrong = np.flatnonzero(~np.isfinite(row))
    if len(wrong):
        raise ValueError(
            f"{name}: expected finite numbers, found {row[wrong[0]]} at place {wrong[0]} "
            f"({len(wrong)} such of {len(row)}); leave out before what was not measured"
        )
    return row


def score_matrix(runs: TaskScores) -> tuple[list[int], list[str], Scores]:
    """The runs' scores as a matrix, with its rows' seeds and its columns' tasks.

    Tasks that no run has a score on are left out. Without runs, or without such tasks, the matrix is empty.

    Raises:
        ValueError: a run lacks a task that another has, or a score is not finite.
    """
    tasks, seeds = tasks_of(runs), list(runs)
    matrix = np.empty((len(seeds), len(tasks)))
    for column, task in enumerate(tasks):
        found = of_task(runs, task)
        missing = [seed for seed in seeds if seed not in found]
        if missing:
            raise ValueError(
                f"task {task}: expected a score with each of the seeds {seeds}, found none with {missing}; "
                "leave out such runs, or the task"
            )
        matrix[:, column] = [found[seed] for seed in seeds]
    return seeds, tasks, matrix


def tasks_of(*groups: TaskScores) -> list[str]:
    """Every task that some run has a score on, in order of appearance."""
    found = (task for runs in groups for row in runs.values() for task, score in row.items() if score is not None)
    return list(dict.fromkeys(found))


def of_task(runs: TaskScores, task: str) -> dict[int, float]:
    """The score on one task by seed, for the runs that have one.

    Raises:
        ValueError: a score is not finite.
    """
    found = {}
    for seed, row in runs.items():
        score = row.get(task)
        if score is None:
            continue
        if not np.isfinite(score):
            raise ValueError(
                f"task {task}, seed {seed}: expected a finite score or None, found {score}; did training diverge?"
            )
        found[seed] = float(score)
    return found


def _numbers(values: ArrayLike, name: str, expected: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: expected {expected}, found what numpy cannot make one of ({error}); rows of different lengths, "
            "or a None among the numbers?"
        ) from error
