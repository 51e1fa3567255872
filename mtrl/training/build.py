"""From the configuration to the objects of a run."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import numpy as np
import torch

from conflict.registry import make_rescaling
from conflict.rescaling.rescaling import Rescaling
from mtrl.agent.agent import Agent
from mtrl.config import RunConfig
from mtrl.training.replay import Replay
from mtrl.training.rollout import Rollout
from mtrl.training.windows import Layout
from tasks.registry import load_suite
from tasks.suite import Suite


def build_suite(config: RunConfig) -> Suite:
    """The suite, with the run's own reward scales and protocol."""
    return load_suite(config.suite, **asdict(config.play))


def forgotten(config: RunConfig, suite: Suite) -> str | None:
    """A word of warning where trials are longer than the context: learning cannot reach what lies further back.

    Of tasks whose simulators tell how long an attempt can be.
    """
    longest = {}
    for task, interface in zip(suite.tasks, suite.interfaces, strict=False):  # those of tasks held out follow
        if interface.most_steps is not None:
            whole = interface.most_steps * (task.warmup_attempts + task.attempts)
            longest[task.name] = whole if task.max_steps is None else min(whole, task.max_steps)
    name = max(longest, key=longest.__getitem__, default=None)
    if name is None or longest[name] <= config.agent.context:
        return None
    return (
        f"a trial of {name} has up to {longest[name]:,} steps, and learning looks back {config.agent.context:,} at "
        f"most: what has to be remembered for longer is not learnt; --context {longest[name]} takes in all of it"
    )


def build_rescaling(config: RunConfig, suite: Suite) -> Rescaling:
    """The rescaling, with statistics for every task and discount."""
    return make_rescaling(
        config.conflict.rescaling,
        num_tasks=suite.num_tasks,
        value_shape=(len(config.learning.discounts),),
        options=config.conflict.rescaling_options,
    )


def build_agent(config: RunConfig, suite: Suite, rescaling: Rescaling) -> Agent:
    """The network, its weights drawn from the run's seed and nothing else: not from how many threads there are.

    Raises:
        ValueError: the suite holds tasks out for which the agent would have nothing; or the settings do not fit it.
    """
    known = {task.name for task in load_suite(config.suite).all_tasks} if config.sharing.head_groups else set()
    if unknown := sorted(set(config.sharing.head_groups) - known):
        raise ValueError(f"head_groups: expected tasks of {config.suite} ({', '.join(sorted(known))}), found {unknown}")
    if held := sorted({task.name for task in suite.held_out} & set(config.sharing.head_groups)):
        raise ValueError(f"head_groups: expected tasks of training, found {held}, which {suite.name} holds out")
    with torch.random.fork_rng(devices=[]), _single_thread():  # an orthogonal matrix's last bits are the threads' doing
        torch.manual_seed(config.loop.seed)
        agent = Agent(
            suite.observation_space,
            suite.action_space,
            suite.num_tasks,
            config.agent,
            config.learning,
            rescaling,
            config.sharing,
            config.experts,
            suite.task_names,
        )
    if suite.held_out and agent.knows_tasks and config.sharing.unseen_tasks == "error":
        names = ", ".join(task.name for task in suite.held_out)
        raise ValueError(
            f"the suite {suite.name} holds tasks out ({names}), and what tasks have of their own here (heads, "
            "conditioning, experts routed by task) has nothing for tasks that were not trained: set --unseen-tasks mean"
        )
    return agent.to(config.loop.device)


@contextmanager
def _single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def build_replay(config: RunConfig, suite: Suite) -> Replay:
    """An empty replay for the suite's observations."""
    return Replay(suite.num_tasks, config.collect.replay_steps, build_layout(suite))


def build_rollout(config: RunConfig, suite: Suite) -> Rollout | None:
    """An empty rollout, where the agent learns from nothing else."""
    if not config.learning.on_policy:
        return None
    return Rollout(suite.num_tasks, config.agent.context, build_layout(suite))


def build_layout(suite: Suite) -> Layout:
    """Batches for the suite's observations and actions."""
    spaces = suite.observation_space.spaces
    return Layout(
        {key: space.shape or () for key, space in spaces.items()},
        np.asarray(suite.action_mask) if suite.masks_actions else None,
        dtypes={key: space.dtype or np.float32 for key, space in spaces.items()},
        action_size=suite.num_actions if suite.continuous else None,
    )
