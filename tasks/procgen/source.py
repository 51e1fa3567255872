"""The source ``procgen:GAME``, ``procgen:GAME-hard``, ``procgen:GAME-memory``."""

from typing import TYPE_CHECKING, Any

from tasks.procgen.games import LEVELS, LOOKS, NAMES, full_name, game_and_mode
from tasks.task import Task

if TYPE_CHECKING:
    import gymnasium


class Procgen:
    """Tasks are games in a mode; the seed of an instance is the number of its level."""

    slow = True
    extra = "procgen"

    @staticmethod
    def names() -> tuple[str, ...]:
        """All games in "easy" mode by their names, then ``GAME-hard`` and ``GAME-memory``."""
        return NAMES

    @staticmethod
    def task(name: str, **protocol: Any) -> Task:
        """A task by its name, with the settings of `Task` that differ from one plain attempt at any level.

        The option ``mode`` becomes part of the name, so that reference scores are those of the mode. The others,
        `tasks.procgen.games.LOOKS`, say how the game is drawn; what is to be done and what it is worth stays the same.

        Raises:
            ValueError: there is no such game or mode, or an option is unknown.
        """
        options = dict(protocol.pop("options", {}))
        name = full_name(*game_and_mode(name, options.pop("mode", None)))
        for option, value in options.items():
            if option not in LOOKS:
                raise ValueError(
                    f"procgen:{name}: unknown option {option!r}; the options are mode, {', '.join(sorted(LOOKS))}"
                )
            if not isinstance(value, bool):
                raise ValueError(f"procgen:{name}: expected true or false as {option}, got {value!r}")
        protocol["options"] = options
        return Task(name=name, id=f"procgen:{name}", **{"seeds": LEVELS, **protocol})

    @staticmethod
    def make(name: str, mode: str | None = None, **look: bool) -> "gymnasium.Env[Any, Any]":
        """A simulator. The first one of a process takes some seconds, in which the pictures are read.

        Args:
            name: as in `names`.
            mode: "easy", "hard" or "memory"; None: what the name says.
            look: options of `tasks.procgen.library.Look`.
        Raises:
            ValueError: there is no such game or mode.
            ImportError: the package with the library is not installed.
        """
        game, mode = game_and_mode(name, mode)
        from tasks.procgen.library import Look
        from tasks.procgen.simulator import ProcgenSimulator

        return ProcgenSimulator(game, mode, Look(**look))
