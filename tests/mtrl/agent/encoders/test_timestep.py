"""Several observation keys at once: absent ones count nowhere, and padding is not encoded."""

from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete

from mtrl.agent.agent import Agent
from mtrl.agent.encoders.timestep import ENCODERS, Sequences, TimestepEncoder, reward_signals
from mtrl.learning.actor_critic import task_losses
from mtrl.learning.batch import existing
from tests.mtrl.builders import LEARNING, agent, batch
from tests.mtrl.mixed import KEYS, PRESENT, SMALL_ENCODERS, mixed_agent, mixed_batch, observations, space

UNSHIFTED = replace(SMALL_ENCODERS, image_shift=0)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def calls(model: Agent, key: str) -> list[int]:
    """Rows of every later call of an encoder."""
    seen: list[int] = []
    model.encoder.encoders[key].register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    return seen


def flat(batch: Any) -> dict[str, torch.Tensor]:
    return {key: value.flatten(0, 1) for key, value in batch.observation.items()}


@pytest.mark.parametrize(("reward", "apart"), [(0.01, 0.05), (1.0, 0.4), (100.0, 0.6)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_reward_and_twice_as_much_are_told_apart_at_any_scale(reward: float, apart: float, sign: int) -> None:
    once, twice = (torch.stack(reward_signals(torch.tensor(sign * r))) for r in (reward, 2 * reward))
    assert (sign * (twice - once)).max() > apart
    assert torch.stack(reward_signals(torch.tensor(sign * 1e6))).abs().max() < 15


@pytest.mark.parametrize("key", ["previous_action", "previous_reward", "attempt_start", "time"])
def test_the_memory_sees_what_was_done_what_it_brought_where_attempts_begin_and_the_time(key: str) -> None:
    model, given = agent(), batch()
    changed = given.observation[key].clone()
    changed[..., 3] = 1 - changed[..., 3] if key == "attempt_start" else (changed[..., 3] + 1) % 4
    with torch.no_grad():
        before = model.encode(flat(given))
        after = model.encode(flat(replace(given, observation={**given.observation, key: changed})))
    assert torch.equal(before[:, :3], after[:, :3])
    assert (before[:, 3:] - after[:, 3:]).abs().amax(dim=(0, 2)).min() > 1e-6  # then, and in all steps that follow


@pytest.mark.parametrize("key", KEYS)
def test_what_an_absent_key_holds_makes_no_difference(key: str) -> None:
    model, given = mixed_agent(config=UNSHIFTED), mixed_batch()
    other = observations(given.observation["time"].shape, seed=1)[key]
    absent = torch.from_numpy(PRESENT[:, KEYS.index(key)] == 0)
    changed = given.observation[key].clone()
    changed[absent] = other[absent]
    with torch.no_grad():
        before = model.encode(flat(given))
        after = model.encode(flat(replace(given, observation={**given.observation, key: changed})))
        changed[~absent] = other[~absent]
        third = model.encode(flat(replace(given, observation={**given.observation, key: changed})))
    assert torch.equal(before, after)
    assert not torch.equal(before, third)


@pytest.mark.parametrize("key", KEYS)
def test_tasks_without_a_key_give_its_encoder_no_gradient(key: str) -> None:
    model = mixed_agent()
    losses = task_losses(model, mixed_batch(), LEARNING, generator()).total
    parameters = list(model.encoder.encoders[key].parameters())
    for task in range(4):
        grads = torch.autograd.grad(losses[task], parameters, retain_graph=True, allow_unused=True)
        size = sum(float(grad.abs().sum()) for grad in grads if grad is not None)
        assert (size > 0) == bool(PRESENT[task, KEYS.index(key)])


@pytest.mark.parametrize("key", ["grid", "image", "tokens"])
def test_only_rows_that_have_a_key_and_are_no_padding_are_encoded(key: str) -> None:
    model, given = mixed_agent(), mixed_batch()
    seen = calls(model, key)
    task_losses(model, given, LEARNING, generator())
    steps = given.mask.sum(dim=2) + 1
    assert seen == [int(steps[torch.from_numpy(PRESENT[:, KEYS.index(key)] > 0)].sum())]


def test_an_encoder_of_which_nobody_has_the_key_is_not_called() -> None:
    model, given = mixed_agent(), mixed_batch()
    seen = calls(model, "image")
    rows = {key: value[:2].flatten(0, 1) for key, value in given.observation.items()}
    model.encode(rows)
    assert seen == []


def test_all_tasks_with_all_keys_need_no_list_of_them() -> None:
    given = mixed_batch(present=False)
    with torch.no_grad():
        bare = mixed_agent(present=False).encode(flat(given))
        listed = {**flat(given), "present": torch.ones(*bare.shape[:2], 4, dtype=torch.int8)}
        torch.testing.assert_close(mixed_agent().encode(listed), bare)


def test_the_order_of_present_is_that_of_the_sorted_keys() -> None:
    encoder = mixed_agent().encoder
    assert sorted(encoder.places, key=encoder.places.__getitem__) == list(KEYS)


def test_acting_step_by_step_sees_what_learning_sees() -> None:
    model, given = mixed_agent(config=replace(UNSHIFTED, memory="gru")), mixed_batch()
    rows = flat(given)
    rows["time"] = torch.arange(rows["time"].shape[1]).expand_as(rows["time"])
    with torch.no_grad():
        whole = model.encode(rows)
        state = model.memory.initial_state(len(whole))
        for t in range(whole.shape[1]):
            now = {key: value[:, t] for key, value in rows.items()}
            step = model.memory.step(model.encoder(now), now["time"].long(), state)
            torch.testing.assert_close(step, whole[:, t], rtol=1e-9, atol=1e-9)


def test_images_are_shifted_in_training_and_at_no_other_time() -> None:
    given = mixed_batch()

    def total(shift: int, seed: int) -> torch.Tensor:
        model = mixed_agent(config=replace(SMALL_ENCODERS, image_shift=shift))
        return task_losses(model, given, LEARNING, generator().manual_seed(seed)).total

    assert torch.equal(total(4, 0), total(4, 0))
    with_image = torch.from_numpy(PRESENT[:, KEYS.index("image")] > 0)
    assert ((total(4, 0) != total(0, 0)) == with_image).all()
    seen = flat(given)
    shifting, still = (mixed_agent(config=c) for c in (SMALL_ENCODERS, UNSHIFTED))
    assert torch.equal(shifting.encode(seen), still.encode(seen))


def test_vectors_alone_draw_nothing() -> None:
    given, used = batch(), generator()
    sequences = Sequences(num_tasks=3, exists=existing(given.mask), generator=used)
    agent().encode(flat(given), sequences=sequences)
    assert torch.equal(used.get_state(), generator().get_state())


def test_an_unknown_key_is_named_with_those_that_there_are() -> None:
    spaces = gym.spaces.Dict({**space(("vector",)).spaces, "sound": Box(-1, 1, (3,), np.float32)})
    with pytest.raises(ValueError, match=r"sound.*vector.*image.*grid.*tokens"):
        TimestepEncoder(spaces, Discrete(3), SMALL_ENCODERS)


def test_there_is_an_encoder_for_every_kind_of_observation() -> None:
    assert set(ENCODERS) == set(KEYS)
