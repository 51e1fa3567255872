"""Trials that are longer than what learning looks back on are pointed out."""

from dataclasses import replace

import pytest

from mtrl.config import RunConfig
from mtrl.meta_presets import _TRIALS
from mtrl.presets import preset
from mtrl.training.build import build_suite, forgotten
from tasks.registry import SUITES


def with_attempts(suite: str, attempts: int, context: int | None = None) -> RunConfig:
    config = preset(suite)
    agent = config.agent if context is None else replace(config.agent, context=context)
    return replace(config, agent=agent, play=replace(config.play, attempts=attempts))


@pytest.mark.parametrize("suite", [*(name for name in _TRIALS if name in SUITES), "tmaze:300"])
def test_presets_take_in_whole_trials(suite: str) -> None:
    config = preset(suite)
    built = build_suite(config)
    assert forgotten(config, built) is None
    longer = forgotten(config, replace(built, tasks=built.all_tasks, held_out=()))
    assert (longer is None) == (suite != "dark-room-shift")  # which holds longer trials out


def test_more_attempts_than_the_context_holds_are_pointed_out() -> None:
    config = with_attempts("dark-room", 10)
    found = forgotten(config, build_suite(config))
    assert found is not None
    for part in ("trial of dark", "200 steps", "100 at most", "--context 200"):
        assert part in found
    longer = with_attempts("dark-room", 10, context=200)
    assert forgotten(longer, build_suite(longer)) is None


def test_nothing_is_said_where_nobody_knows_how_long_a_trial_is() -> None:
    config = preset("popgym-quick")
    assert forgotten(config, build_suite(config)) is None


def test_a_horizon_bounds_the_trial() -> None:
    config = with_attempts("dark-room", 10)
    suite = build_suite(config)
    short = replace(suite, tasks=tuple(replace(task, max_steps=90) for task in suite.tasks))
    assert forgotten(config, short) is None
