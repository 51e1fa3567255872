"""The sources of this package: ``bandit:``, ``mdp:``, ``room:``, ``point:``, ``hallway:`` and ``tmaze:``.

By default all attempts of a trial meet the same instance, and evaluation draws instances from other seeds than
training. An option that changes what instances are drawn from becomes part of the task's id, behind an ``@``.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.meta.distributions import Arc, Cells, Dirichlet, Distribution, Normal, Spans, Square, goal_points
from tasks.registry import nearest
from tasks.task import Task

if TYPE_CHECKING:
    import gymnasium

TRAINING_SEEDS, TEST_SEEDS = (0, 2**31), (2**31, 2**32)
"""Half-open ranges of the seeds that instances are drawn from; they share none."""

BANDITS = ("bernoulli-5x10", "bernoulli-5x100", "bernoulli-10x100", "bernoulli-50x500", "gaussian-10x100")
MDPS = ("tabular-10x5x10",)
ROOMS = {"dark": (9, 20), "dark-hard": (17, 20), "key-door": (9, 50), "key-door-hard": (17, 50)}
"""Room -> cells along a wall, steps of an attempt."""
POINTS = ("dense", "sparse", "dense-discrete", "sparse-discrete")
LENGTHS = (10, 30, 100)
_MOST = 10_000  # of anything that is counted in a name

_Found = TypeVar("_Found", bound=Distribution)


class Bandit:
    """``bandit:bernoulli-KxN`` and ``bandit:gaussian-KxN``: K arms, N pulls an attempt."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """Those of the suites; there are others."""
        return BANDITS

    @classmethod
    def task(cls, name: str, **protocol: Any) -> Task:
        """A task by its name, with the settings of `Task` that differ from one attempt; see `make` for its options.

        Raises:
            ValueError: there is no such bandit, option or distribution.
        """
        return _task("bandit", cls._read(name, protocol.pop("options", {}))[0], protocol)

    @classmethod
    def make(cls, name: str, means: Any = None, scale: Any = None) -> "gymnasium.Env[Any, Any]":
        """A simulator.

        Args:
            name: as in `task`.
            means: Bernoulli arms' means are uniform over this range or these ranges within [0, 1]; None: [0, 1].
            scale: standard deviation of normal arms' means, which are normal around 0; None: 1.
        """
        from tasks.meta.bandit import Bandit as Simulator

        _, arms, pulls, distribution = cls._read(name, _given(means=means, scale=scale))
        return Simulator(arms, pulls, distribution)

    @staticmethod
    def _read(name: str, options: Mapping[str, Any]) -> tuple[str, int, int, Spans | Normal]:
        found = re.fullmatch(r"(bernoulli|gaussian)-(\d+)x(\d+)", name.partition("@")[0])
        if not found:
            raise ValueError(
                f"unknown bandit {name!r}; expected bernoulli-KxN or gaussian-KxN, for K arms and N pulls; "
                f"{nearest(name, BANDITS)}"
            )
        arms, pulls = _counts(f"bandit:{name}", *found.groups()[1:])
        distribution: Spans | Normal
        if found[1] == "bernoulli":
            full, distribution = _named("bandit", name, options, "means", "0..1", lambda v: Spans.of(v, low=0, high=1))
        else:
            full, distribution = _named("bandit", name, options, "scale", "1", Normal.of)
        return full, arms, pulls, distribution


class Mdp:
    """``mdp:tabular-SxAxH``: S states, A actions, H steps an attempt."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """That of the suite; there are others."""
        return MDPS

    @classmethod
    def task(cls, name: str, **protocol: Any) -> Task:
        """A task by its name, with the settings of `Task` that differ from one attempt; see `make` for its options.

        Raises:
            ValueError: there is no such process, option or distribution.
        """
        return _task("mdp", cls._read(name, protocol.pop("options", {}))[0], protocol)

    @classmethod
    def make(cls, name: str, concentration: Any = None) -> "gymnasium.Env[Any, Any]":
        """A simulator.

        Args:
            name: as in `task`.
            concentration: of the Dirichlet distribution that the next state's probabilities are drawn from, 0.01 (moves
                are nearly certain) to 1000 (all states are nearly as likely); None: 1, flat.
        """
        from tasks.meta.mdp import TabularMDP

        _, (states, actions, horizon), distribution = cls._read(name, _given(concentration=concentration))
        return TabularMDP(states, actions, horizon, distribution)

    @staticmethod
    def _read(name: str, options: Mapping[str, Any]) -> tuple[str, list[int], Dirichlet]:
        found = re.fullmatch(r"tabular-(\d+)x(\d+)x(\d+)", name.partition("@")[0])
        if not found:
            raise ValueError(
                f"unknown process {name!r}; expected tabular-SxAxH, for S states, A actions and H steps; "
                f"{nearest(name, MDPS)}"
            )
        sizes = _counts(f"mdp:{name}", *found.groups())
        full, distribution = _named("mdp", name, options, "concentration", "1", Dirichlet.of)
        return full, sizes, distribution


class Room:
    """``room:dark``, ``room:key-door`` and the larger ``-hard`` ones."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """All."""
        return tuple(ROOMS)

    @classmethod
    def task(cls, name: str, **protocol: Any) -> Task:
        """A task by its name, with the settings of `Task` that differ from one attempt; see `make` for its options.

        Raises:
            ValueError: there is no such room, option or set of cells.
        """
        return _task("room", cls._read(name, protocol.pop("options", {}))[0], protocol)

    @classmethod
    def make(cls, name: str, goals: Any = None) -> "gymnasium.Env[Any, Any]":
        """A simulator.

        Args:
            name: as in `task`.
            goals: what goal, or key and door, are drawn from: a name of `tasks.meta.distributions.CELL_SETS` or a list
                of cells [x, y]; None: all.
        """
        from tasks.meta.room import DarkRoom, KeyDoor

        full, cells = cls._read(name, _given(goals=goals))
        base = full.partition("@")[0]
        side, steps = ROOMS[base]
        if base.startswith("key"):
            return KeyDoor(side, steps, cells)
        return DarkRoom(side, steps, cells, once=base == "dark-hard")

    @staticmethod
    def _read(name: str, options: Mapping[str, Any]) -> tuple[str, Cells]:
        side, _ = ROOMS[_known("room", name, ROOMS)]
        return _named("room", name, options, "goals", "all", lambda value: Cells.of(value, side=side))


class Point:
    """``point:dense`` and ``point:sparse``, and the same with discrete actions."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """All."""
        return POINTS

    @classmethod
    def task(cls, name: str, **protocol: Any) -> Task:
        """A task by its name, with the settings of `Task` that differ from one attempt; see `make` for its options.

        Raises:
            ValueError: there is no such robot, option or set of goals.
        """
        return _task("point", cls._read(name, protocol.pop("options", {}))[0], protocol)

    @classmethod
    def make(cls, name: str, goals: Any = None) -> "gymnasium.Env[Any, Any]":
        """A simulator.

        Args:
            name: as in `task`.
            goals: "half-circle" of radius 1, "square" from -1 to 1, or a range or ranges of degrees on the circle;
                None: the half circle, 0 to 180 degrees.
        """
        from tasks.meta.point import DiscretePointRobot, PointRobot

        full, points = cls._read(name, _given(goals=goals))
        robot = DiscretePointRobot if "discrete" in full else PointRobot
        return robot(points, sparse=full.startswith("sparse"))

    @staticmethod
    def _read(name: str, options: Mapping[str, Any]) -> tuple[str, Arc | Square]:
        _known("point", name, POINTS)
        return _named("point", name, options, "goals", "half-circle", goal_points)


class Hallway:
    """``hallway:sign``."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """The one."""
        return ("sign",)

    @classmethod
    def task(cls, name: str, **protocol: Any) -> Task:
        """The task, with the settings of `Task` that differ from one attempt.

        Raises:
            ValueError: there is no such hallway, or it is given options.
        """
        if name not in cls.names():
            raise ValueError(f"unknown hallway {name!r}; {nearest(name, cls.names())}")
        _refuse("hallway", name, protocol.pop("options", {}))
        return _task("hallway", name, protocol)

    @staticmethod
    def make(name: str) -> "gymnasium.Env[Any, Any]":
        """A simulator."""
        from tasks.meta.hallway import Hallway as Simulator

        return Simulator()


class TMaze:
    """``tmaze:L``: a corridor of L steps."""

    slow = False
    extra = None

    @staticmethod
    def names() -> tuple[str, ...]:
        """Those of the suite; there are others."""
        return tuple(map(str, LENGTHS))

    @classmethod
    def task(cls, name: str, **protocol: Any) -> Task:
        """A task by its length, with the settings of `Task` that differ from one attempt.

        Raises:
            ValueError: it is no length, or is given options.
        """
        cls._length(name)
        _refuse("tmaze", name, protocol.pop("options", {}))
        return _task("tmaze", name, protocol, called=f"TMaze{name}")

    @classmethod
    def make(cls, name: str) -> "gymnasium.Env[Any, Any]":
        """A simulator."""
        from tasks.meta.tmaze import TMaze as Simulator

        return Simulator(cls._length(name))

    @staticmethod
    def _length(name: str) -> int:
        if not (name.isascii() and name.isdecimal()):
            raise ValueError(f"tmaze:{name}: expected a whole number, the corridor's length in steps")
        return _counts(f"tmaze:{name}", name)[0]


def _task(source: str, name: str, protocol: Mapping[str, Any], called: str | None = None) -> Task:
    defaults = {"instance": "same", "seeds": TRAINING_SEEDS, "test_seeds": TEST_SEEDS}
    return Task(name=called or name, id=f"{source}:{name}", **{**defaults, **protocol})


def _named(
    source: str, name: str, options: Mapping[str, Any], option: str, default: str, read: Callable[[Any], _Found]
) -> tuple[str, _Found]:
    """The name with the distribution that an option, or the name, says; alone where that is the default."""
    base, at, label = name.partition("@")
    for key in options:
        if key != option:
            raise ValueError(f"task '{source}:{name}': unknown option {key!r}; {nearest(key, [option])}")
    try:
        found = read(options.get(option, label if at else default))
    except ValueError as error:
        raise ValueError(f"task '{source}:{name}': {option}: {error}") from None
    return (base if found == read(default) else f"{base}@{found.label}"), found


def _known(source: str, name: str, names: Any) -> str:
    base = name.partition("@")[0]
    if base not in names:
        raise ValueError(f"unknown {source} task {name!r}; {nearest(base, names)}")
    return base


def _refuse(source: str, name: str, options: Mapping[str, Any]) -> None:
    if options:
        raise ValueError(f"task '{source}:{name}': it has no options, got {', '.join(map(repr, options))}")


def _counts(task_id: str, *texts: str) -> list[int]:
    counts = [int(text) for text in texts if text == str(int(text)) and 1 <= int(text) <= _MOST]
    if len(counts) < len(texts):
        raise ValueError(f"{task_id}: expected whole numbers from 1 to {_MOST} in the name, got {', '.join(texts)}")
    return counts


def _given(**options: Any) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}
