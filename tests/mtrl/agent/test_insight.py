"""What an agent is seen to think is what it would do and what its critics say."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from conflict.registry import make_rescaling
from mtrl.agent.agent import Agent
from mtrl.agent.config import AgentConfig
from mtrl.learning.config import LearningConfig
from tasks.spaces import trial_space
from tests.mtrl import builders

ACTORS, TASKS = 3, 3


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def observation(agent: Agent, actors: int = ACTORS, time: int = 0, seed: int = 0) -> dict[str, torch.Tensor]:
    draws = generator(seed)
    continuous = hasattr(agent.policy, "size")
    previous = torch.zeros(actors, agent.policy.size) if continuous else torch.full((actors,), 4)  # type: ignore[arg-type]
    return {
        "vector": torch.randn(actors, 6, generator=draws),
        "previous_action": previous,
        "previous_reward": torch.randn(actors, generator=draws),
        "attempt_start": torch.ones(actors, dtype=torch.int8),
        "time": torch.full((actors,), time, dtype=torch.int32),
    }


def discrete(memory: Any = "gru", rescaling: str = "popart", **learning: Any) -> Agent:
    settings = LearningConfig(discounts=(0.5, 0.9, 0.99), acting_discount=0.9, **learning)
    config = AgentConfig(memory=memory, width=16, layers=1, attention_heads=2, context=4, head_width=16, critics=3)
    return builders.agent(settings, config, rescaling=rescaling, tasks=TASKS).float()


def continuous(size: int = 2) -> Agent:
    torch.manual_seed(0)
    box = gym.spaces.Box(-1.0, 1.0, (size,))
    rescaling = make_rescaling("none", num_tasks=TASKS, value_shape=(2,))
    space = trial_space(width=6, num_actions=size, continuous=True)
    return Agent(space, box, TASKS, builders.SMALL, builders.LEARNING, rescaling)


@pytest.mark.parametrize("memory", ["gru", "transformer", "linear-attention"])
def test_looking_changes_neither_the_memory_nor_what_is_done_next(memory: str) -> None:
    agent = discrete(memory).eval()
    ways = []
    for looks in (False, True):
        state, draws, actions = agent.memory.initial_state(ACTORS), generator(1), []
        for time in range(6):  # beyond the Transformer's window
            seen = observation(agent, time=time, seed=time)
            if looks:
                before = {key: value.clone() for key, value in state.items()}
                agent.inspect(seen, state, None, torch.arange(ACTORS))
                assert all(torch.equal(before[key], value) for key, value in state.items())
            actions.append(agent.act(seen, state, None, generator=draws))
        ways.append(torch.stack(actions))
    assert torch.equal(*ways)


@pytest.mark.parametrize("critic", ["regression", "two-hot", "c51"])
def test_the_value_is_the_policys_mean_of_what_the_critics_say_of_each_action(critic: str) -> None:
    agent = discrete(critic=critic).eval()
    task = torch.tensor([0, 2, 1])
    if critic == "regression":  # statistics of its own for each task
        returns = 50 * task[:, None] + torch.randn(3, 3, generator=generator(7))
        agent.normaliser.observe_returns(returns, task, [agent.critic.affine])  # type: ignore[list-item]
    allowed = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]], dtype=torch.bool)
    seen, state = observation(agent), agent.memory.initial_state(ACTORS)
    found = agent.inspect(seen, state, allowed, task)
    with torch.no_grad():
        features = agent.memory.step(agent.encoder(seen), seen["time"].long(), state)
        place = agent.acting
        logits = agent.policy.last(agent.policy.hidden(features)).view(ACTORS, 3, 4)[:, place]  # type: ignore[operator]
        chances = torch.where(allowed, logits.exp(), 0.0)
        chances = chances / chances.sum(dim=1, keepdim=True)
        each = []
        for action in range(4):
            raw = agent.critic.of_action(agent.critic.features(features), torch.full((ACTORS,), action), task)
            read = agent.normaliser.denormalise(agent.value_target.decode(raw), task)
            each.append(read[:, :, place].mean(dim=0))
        q = torch.stack(each, dim=1)
    assert found.action_values is not None
    torch.testing.assert_close(found.policy, chances)
    torch.testing.assert_close(found.action_values[allowed], q[allowed])
    torch.testing.assert_close(found.value, (chances * q).sum(dim=1))
    torch.testing.assert_close(found.entropy, -(chances * chances.clamp_min(1e-30).log()).sum(dim=1))


def test_what_is_shown_likeliest_is_what_a_greedy_agent_does() -> None:
    agent = discrete().eval()
    with torch.no_grad():  # away from the start, where one action may be a little ahead everywhere
        agent.policy.last.weight.normal_(generator=generator(2))  # type: ignore[operator, union-attr]
    seen = observation(agent, actors=200)
    shown = agent.inspect(seen, agent.memory.initial_state(200), None, torch.zeros(200, dtype=torch.long)).policy
    done = agent.act(seen, agent.memory.initial_state(200), None, greedy=True, generator=generator())
    assert torch.equal(shown.argmax(dim=1), done) and len(done.unique()) > 1


def test_the_quantiles_of_a_continuous_policy_are_those_of_its_draws() -> None:
    agent = continuous().eval()
    with torch.no_grad():  # away from the start, where all means are 0
        agent.policy.last.bias.add_(torch.randn(agent.policy.last.bias.shape, generator=generator(3)) / 2)  # type: ignore[union-attr, arg-type, operator]
    one = observation(agent, actors=1)
    shown = agent.inspect(one, agent.memory.initial_state(1), None, torch.zeros(1, dtype=torch.long))
    many = {key: value.expand(20_000, *value.shape[1:]) for key, value in one.items()}
    drawn = agent.act(many, agent.memory.initial_state(20_000), None, generator=generator()).numpy()
    shares = [0.158655, 0.5, 0.841345]
    np.testing.assert_allclose(shown.policy[0].numpy(), np.quantile(drawn, shares, axis=0), atol=0.03)
    assert shown.action_values is None and shown.value.shape == (1,)


def test_numbers_that_a_task_does_not_have_are_shown_as_0() -> None:
    agent = continuous(3).eval()
    allowed = torch.tensor([[True, False, True]])
    shown = agent.inspect(observation(agent, 1), agent.memory.initial_state(1), allowed, torch.tensor([0])).policy
    assert (shown[0, :, 1] == 0).all() and (shown[0, 0] < shown[0, 2])[[0, 2]].all()
