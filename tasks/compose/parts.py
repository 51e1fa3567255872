"""Suites made of other suites, in Python: `including` chooses and changes, `compose` puts together.

quick = including(load_suite("popgym-27"), only=["RepeatFirstEasy", "HigherLowerEasy"], prefix="memory/")
poles = Suite(name="poles", tasks=(Gym.task("CartPole-v1", max_steps=500),), invalid_actions="mask")
suite = compose("mine", [quick, poles], invalid_actions="mask")
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.compose.entry import matching, with_fields
from tasks.registry import nearest
from tasks.suite import Suite
from tasks.task import Task


def including(
    suite: Suite,
    *,
    only: Iterable[str] | None = None,
    without: Iterable[str] = (),
    rename: Mapping[str, str] | None = None,
    prefix: str = "",
    split: str | None = None,
    **fields: Any,
) -> Suite:
    """A suite with some of its tasks, under other names, with other settings; what ``include:`` does in a file.

    Args:
        only: names of the tasks to keep, in this order, or patterns such as ``"*Easy"``; None: all.
        without: names or patterns of the tasks to leave out.
        rename: old name -> new name.
        prefix: put before the names that are not renamed.
        split: "train" or "test": which half the tasks go to; None: as they are.
        fields: of `Task`, for all of them; options are added to those that a task has.
    Raises:
        ValueError: a task that is not there, a name that is taken twice, or a setting that no task can have.
    """
    tasks = {task.name: task for task in suite.all_tasks}
    held_out = {task.name for task in suite.held_out}
    rename, without, only = rename or {}, tuple(without), ["*"] if only is None else list(only)
    for name in (*only, *without, *rename):
        if name not in tasks and (name in rename or not matching(name, tasks)):
            raise ValueError(f"suite {suite.name!r} has no task {name!r}; {nearest(name, tasks)}")
    kept = dict.fromkeys(name for pattern in only for name in matching(pattern, tasks))
    left_out = {name for pattern in without for name in matching(pattern, tasks)}
    if split not in (None, "train", "test"):
        raise ValueError(f"expected split 'train', 'test' or None, found {split!r}")
    train: list[Task] = []
    test: list[Task] = []
    for name in kept:
        if name not in left_out:
            task = replace(with_fields(tasks[name], fields), name=rename.get(name, prefix + name))
            (test if split == "test" or (split is None and name in held_out) else train).append(task)
    return replace(suite, tasks=tuple(train), held_out=tuple(test), like=None)


def compose(name: str, suites: Sequence[Suite], **settings: Any) -> Suite:
    """One suite of the tasks of several, in their order.

    Args:
        settings: other fields of `Suite`. The protocol fields ``invalid_actions`` and ``sampling``, where not given,
            are those of the suites, which must then agree.
    Raises:
        ValueError: the suites disagree, or a task's name is taken twice; `including` with a prefix helps.
    """
    if not suites:
        raise ValueError(f"suite {name!r}: expected at least one suite to compose, found none")
    for key in ("invalid_actions", "sampling"):
        said = sorted({str(getattr(suite, key)) for suite in suites})
        if key not in settings and len(said) > 1:
            raise ValueError(f"suite {name!r}: its parts have different {key}: {' and '.join(said)}; say {key}=...")
        settings.setdefault(key, said[0])
    settings.setdefault("description", f"Made of {', '.join(suite.name for suite in suites)}.")
    return Suite(
        name=name,
        tasks=tuple(task for suite in suites for task in suite.tasks),
        held_out=tuple(task for suite in suites for task in suite.held_out),
        **settings,
    )
