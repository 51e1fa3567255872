"""The 68 levels, their splits, and trials of two attempts at the same layout."""

import gymnasium
import numpy as np
import pytest

from tasks.babyai import Babyai, babyai_68, babyai_quick
from tasks.babyai.levels import FAMILIES, HELD_OUT, NAMES, SIXTY_EIGHT, held_out_levels, spans_families
from tasks.registry import load_suite
from tasks.scores import load_reference

LEFT_OUT = (
    *("GoToSeq", "OpenRedBlueDoorsDebug", "OpenTwoDoors", "OpenDoorsOrder", "PutNext", "MiniBossLevel", "BossLevel"),
    *("Synth", "MoveTwoAcross"),
)
"""What an id must not contain, by AMAGO-2."""


def test_the_names_are_minigrids_and_the_68_are_amago_2s() -> None:
    Babyai.make("GoToObj")  # registers them
    ids = [id_ for id_ in gymnasium.registry if id_.startswith("BabyAI-")]
    names = {id_.removeprefix("BabyAI-").rpartition("-")[0] for id_ in ids}
    assert names == set(NAMES) == set(Babyai.names()) and len(NAMES) == 96
    assert {name for name in names if not any(part in name for part in LEFT_OUT)} == set(SIXTY_EIGHT)
    assert len(SIXTY_EIGHT) == len(set(SIXTY_EIGHT)) == 68


@pytest.mark.parametrize("split_seed", [None, 0, 1, 2, 12345])
def test_a_split_is_disjoint_complete_and_spans_the_families(split_seed: int | None) -> None:
    suite = babyai_68(split_seed)
    trained, tested = {task.name for task in suite.tasks}, {task.name for task in suite.held_out}
    assert (len(suite.tasks), len(suite.held_out)) == (50, 18)
    assert trained | tested == set(SIXTY_EIGHT) and not trained & tested
    assert spans_families(frozenset(tested))
    for family in FAMILIES.values():
        if len(family) > 1:
            assert trained & set(family) and tested & set(family)
    assert babyai_68(split_seed) == suite


def test_splits_differ_and_the_default_is_the_one_in_the_repository() -> None:
    assert held_out_levels() == HELD_OUT
    assert len({held_out_levels(seed) for seed in range(20)} | {HELD_OUT}) == 21
    assert load_suite("babyai-68").held_out == babyai_68().held_out
    with pytest.raises(ValueError, match="expected an integer from 0 as split_seed, or None, got -1"):
        babyai_68(-1)
    with pytest.raises(ValueError, match="got '3'"):
        babyai_68("3")  # type: ignore[arg-type]


def test_training_and_test_layouts_share_no_seed() -> None:
    for suite in (babyai_68(), babyai_quick()):
        for task in suite.tasks + suite.held_out:
            assert task.seeds is not None and task.test_seeds is not None
            assert task.seeds[1] <= task.test_seeds[0]
            assert (task.attempts, task.warmup_attempts, task.instance) == (2, 0, "same")


def test_one_agent_can_play_all_68() -> None:
    suite = babyai_68()
    space = suite.observation_space
    assert space["grid"].shape == (7, 7, 3) and space["tokens"].shape == (9,)
    assert "vector" not in space.spaces and "present" not in space.spaces  # all levels have the same parts
    assert suite.num_actions == 7 and suite.action_mask.all() and suite.slow


def test_both_attempts_are_at_the_same_layout_and_pay_0_to_2() -> None:
    suite = babyai_quick()
    generator, returns = np.random.default_rng(0), []
    for name in suite.task_names:
        env = suite.make_env(name, seed=3)
        for _ in range(6):
            first, _ = env.reset()
            over = False
            while not over:
                observation, _, terminated, truncated, info = env.step(int(generator.integers(7)))
                assert env.observation_space.contains(observation)
                over = terminated or truncated
                if observation["attempt_start"]:
                    np.testing.assert_array_equal(observation["grid"], first["grid"])
                    np.testing.assert_array_equal(observation["tokens"], first["tokens"])
            assert len(info["trial"]["attempt_returns"]) == 2
            returns.append(info["trial"]["raw_return"])
        env.close()
    assert min(returns) >= 0 and max(returns) <= 2 and max(returns) > 0


def test_the_quick_suite_is_of_the_68_and_short() -> None:
    suite = babyai_quick()
    assert set(suite.task_names) < set(SIXTY_EIGHT)
    for task in suite.tasks:
        env = Babyai.make(task.name)
        env.reset(seed=0)
        assert env.simulator.max_steps <= 64


def test_every_level_has_a_random_and_nearly_every_one_a_best_return() -> None:
    for name in SIXTY_EIGHT:
        reference = load_reference(f"babyai:{name}", attempts=2)
        assert reference is not None
        low, high = reference.random_interval
        assert 0 <= reference.random <= 2 and low <= reference.random <= high
        if name == "KeyInBox":  # where the bot always fails
            assert reference.best is None
        else:
            assert reference.best is not None and reference.random < reference.best <= 2
            assert "bot" in reference.source.lower()
