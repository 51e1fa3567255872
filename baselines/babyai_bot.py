"""minigrid's own bot on BabyAI: a planner that knows the instruction's structure, and the one of normalised scores.

Source: Chevalier-Boisvert et al. 2019, "BabyAI", section 3.4, the bot; `minigrid.utils.baby_ai_bot.BabyAIBot`.
Departs: the bot may look for a path 100 times before an action, and gives up after that: in a few layouts it would
look for ever. Where it gives up or raises an error the attempt counts 0, and is counted as a failure.

    python -m baselines.babyai_bot --trials 100 --seed 0 --out tasks/data/babyai_best.json
"""

import argparse
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from baselines.measurement import Measurement, circumstances, summarise, to_file, write
from tasks.babyai.levels import SIXTY_EIGHT
from tasks.babyai.simulator import BabyaiEnv
from tasks.babyai.source import Babyai
from tasks.babyai.suites import TEST_SEEDS, two_attempts

SEARCHES = 100
"""Searches for a path before one action; where the bot succeeds it needs 8 at most (10 layouts of each level)."""


class GaveUp(RuntimeError):
    """The bot found no action."""


@dataclass(frozen=True, kw_only=True)
class BotMeasurement:
    """What the bot reaches at a level."""

    result: Measurement
    """Raw return of both attempts."""
    failures: float
    """Fraction of the layouts, 0 to 1, in which the bot raised an error or gave up; these return 0."""
    reasons: dict[str, int]
    """Kind of failure -> layouts."""


class Bot:
    """Says the next action at a level that has just been reset."""

    def __init__(self, env: BabyaiEnv) -> None:
        from minigrid.utils import baby_ai_bot

        plan: Any = baby_ai_bot.BabyAIBot
        self._bot = plan(env.simulator)
        self._search, self._limit = self._bot._breadth_first_search, 0
        self._bot._breadth_first_search = self._limited

    def act(self, last: int | None) -> int:
        """The next action.

        Args:
            last: the action that was played; None at the start.
        Raises:
            GaveUp: the bot knows none.
        """
        self._limit = self._bot.bfs_counter + SEARCHES
        try:
            return int(self._bot.replan(last))
        except GaveUp:
            raise
        except Exception as error:  # whatever its plan ran into: it is a failure of the bot
            raise GaveUp(type(error).__name__) from error

    def _limited(self, *args: Any, **kwargs: Any) -> Any:
        if self._bot.bfs_counter >= self._limit:
            raise GaveUp("endless search")
        return self._search(*args, **kwargs)


def play(env: BabyaiEnv, seed: int) -> tuple[float, int]:
    """One episode of the bot.

    Returns:
        The return, and the length in steps.
    Raises:
        GaveUp: the bot failed.
    """
    env.reset(seed=seed)
    bot, action, return_, steps, over = Bot(env), None, 0.0, 0, False
    while not over:
        action = bot.act(action)
        _, reward, terminated, truncated, _ = env.step(action)
        return_, steps, over = return_ + reward, steps + 1, terminated or truncated
    return return_, steps


def measure(name: str, *, trials: int, seed: int) -> BotMeasurement:
    """The bot's return over both attempts at layouts of the test seeds.

    The bot has no randomness, so both attempts at a layout are the same; one is played, and counted twice.

    Args:
        name: a level.
        trials: layouts, at least 2.
        seed: of the layouts.
    Raises:
        ValueError: fewer than two trials, or no such level.
    """
    if trials < 2:
        raise ValueError(f"expected at least 2 trials a level, got {trials}")
    task = two_attempts(name)
    env = Babyai.make(name)
    assert isinstance(env, BabyaiEnv)
    generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(task.id.encode()), 2)))
    returns, lengths, reasons = np.zeros(trials), [], Counter[str]()
    for trial, layout in enumerate(generator.integers(*TEST_SEEDS, size=trials).tolist()):
        try:
            return_, length = play(env, layout)
            returns[trial] = task.attempts * return_
            lengths.append(task.attempts * length)
        except GaveUp as failure:
            reasons[str(failure)] += 1
    steps = float(np.mean(lengths)) if lengths else 0.0
    return BotMeasurement(
        result=summarise(returns, steps), failures=round(reasons.total() / trials, 5), reasons=dict(reasons)
    )


def report(results: dict[str, BotMeasurement], *, trials: int, seed: int) -> dict[str, Any]:
    """The file of best returns, and everything needed to measure the same again.

    A level at which the bot always fails has no best return: a score of 1 would mean nothing there.
    """
    return {
        "attempts": 2,
        "source": "minigrid's BabyAIBot, measured here: both attempts at the same layout",
        **circumstances("baselines.babyai_bot", "", trials=trials, seed=seed, packages=("minigrid",)),
        "policy": "minigrid.utils.baby_ai_bot.BabyAIBot; an attempt in which it fails counts 0",
        "unit": "raw return of the two paid attempts of a trial, 0 to 2",
        "tasks": {f"babyai:{name}": found.result.mean for name, found in results.items() if found.failures < 1},
        "measured": {
            f"babyai:{name}": asdict(found.result) | {"failures": found.failures, "reasons": found.reasons}
            for name, found in results.items()
        },
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure levels and print a table; write the JSON where it is asked for."""
    parser = argparse.ArgumentParser(prog="python -m baselines.babyai_bot", description=__doc__.split("\n")[0])
    parser.add_argument("--levels", nargs="+", default=list(SIXTY_EIGHT), help="names of levels (default: all 68)")
    parser.add_argument("--trials", type=int, default=100, help="layouts a level (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the layouts (default: 0)")
    parser.add_argument("--out", type=to_file, help="write the JSON to this file, too")
    options = parser.parse_args(arguments)
    results: dict[str, BotMeasurement] = {}
    try:
        for name in options.levels:
            results[name] = found = measure(name, trials=options.trials, seed=options.seed)
            low, high = found.result.interval
            failed = f"  failed {found.failures:.0%}: {found.reasons}" if found.reasons else ""
            print(f"{name:22s} {found.result.mean:6.3f}  [{low:.3f}, {high:.3f}]  {found.result.steps} steps{failed}")
    except (ValueError, ImportError) as error:
        parser.error(str(error))
    if options.out is not None:
        write(options.out, report(results, trials=options.trials, seed=options.seed))


if __name__ == "__main__":
    main(sys.argv[1:])
