"""Names of Procgen's games, their modes and the numbers of their levels.

Source: Cobbe et al. 2020, "Leveraging Procedural Generation to Benchmark Reinforcement Learning".
"""

from collections.abc import Mapping

from tasks.registry import nearest

GAMES = (
    "bigfish",
    "bossfight",
    "caveflyer",
    "chaser",
    "climber",
    "coinrun",
    "dodgeball",
    "fruitbot",
    "heist",
    "jumper",
    "leaper",
    "maze",
    "miner",
    "ninja",
    "plunder",
    "starpilot",
)
MEMORY_GAMES = ("caveflyer", "dodgeball", "heist", "jumper", "maze", "miner")
"""Games that have the mode "memory": larger levels of which less is seen."""
MODES: Mapping[str, tuple[str, ...]] = {"easy": GAMES, "hard": GAMES, "memory": MEMORY_GAMES}
"""Mode -> the games that have it."""
LEVELS = (0, 2**31 - 1)
"""Numbers of levels: from the first up to, not including, the second."""
LOOKS = ("use_backgrounds", "restrict_themes", "use_monochrome_assets")
"""Options of how a game is drawn, by Procgen's own names."""


def full_name(game: str, mode: str) -> str:
    """The task's name: the game's in the mode "easy", else ``GAME-MODE``."""
    return game if mode == "easy" else f"{game}-{mode}"


NAMES = tuple(full_name(game, mode) for mode, games in MODES.items() for game in games)


def game_and_mode(name: str, mode: str | None = None) -> tuple[str, str]:
    """The game and mode that a task's name and the option ``mode`` mean.

    Args:
        name: ``GAME``, or ``GAME-MODE``.
        mode: key of `MODES`; None: the name's, or "easy" if that has none.
    Raises:
        ValueError: there is no such game, it does not have the mode, or name and option contradict each other.
    """
    if mode is not None and mode not in MODES:
        raise ValueError(f"procgen:{name}: unknown mode {mode!r}; the modes are {', '.join(MODES)}")
    game, dash, named = name.partition("-")
    if game not in GAMES or (dash and named not in MODES):
        raise ValueError(f"unknown procgen task {name!r}; {nearest(name, NAMES)}")
    if dash and mode is not None and mode != named:
        raise ValueError(f"procgen:{name} names the mode {named!r}, but the option says mode={mode!r}; leave one out")
    mode = mode or named or "easy"
    if game not in MODES[mode]:
        raise ValueError(
            f"procgen:{game} has no mode {mode!r}, only easy and hard; these have it: {', '.join(MODES[mode])}"
        )
    return game, mode
