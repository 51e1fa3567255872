"""What the policy has just played, window by window, and the batches that PPO learns from it.

A trial that fits the context is one window, however often a rollout's end cuts it: the steps before the cut are
remembered and not learnt from again. A longer one is cut into windows of which the first half is remembered.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mtrl.agent.agent import Agent
from mtrl.learning.actor_critic import Rows, begin_returns
from mtrl.learning.batch import Batch, Estimates
from mtrl.learning.config import LearningConfig
from mtrl.learning.ppo import estimates, with_standardised
from mtrl.training.windows import Layout, Trial, Window


class Rollout:
    """Windows of the last steps of every slot.

    Args:
        num_tasks: of the suite.
        context: steps in a window, at most.
    """

    def __init__(self, num_tasks: int, context: int, layout: Layout) -> None:
        self.context, self.layout = context, layout
        self.windows: list[list[Window]] = [[] for _ in range(num_tasks)]

    def add(self, trial: Trial, fresh: int) -> None:
        """Add the last `fresh` steps of what is there of a trial."""
        if fresh:
            self.windows[trial.task_id] += cut(trial, fresh, self.context)

    def clear(self) -> None:
        """Forget what was played."""
        self.windows = [[] for _ in self.windows]

    def tasks(self) -> list[int]:
        """Tasks of which there is something."""
        return [task for task, windows in enumerate(self.windows) if windows]

    def longest(self, tasks: list[int]) -> int:
        """Windows of the task that has most of them."""
        return max(len(self.windows[task]) for task in tasks)

    def batches(
        self,
        agent: Agent,
        tasks: list[int],
        config: LearningConfig,
        *,
        epochs: int,
        minibatches: int,
        rng: np.random.Generator,
    ) -> Iterator[Batch]:
        """Every window of these tasks in one of the minibatches of each epoch (`longest(tasks)` at most); the rollout
        is empty from then on."""
        longest = self.longest(tasks)
        rows: list[Window | None] = []
        for task in tasks:
            rows += [*self.windows[task], *[None] * (longest - len(self.windows[task]))]
        self.clear()
        whole = self.layout.batch(rows, tasks).to(str(agent.discounts.device))
        begin_returns(agent, Rows.of(whole))
        pieces = [
            estimates(agent, chosen(whole, part), config) for part in _parts(torch.arange(longest), tasks, minibatches)
        ]
        thought = Estimates(
            **{
                name: torch.cat([_padded(getattr(piece, name), whole.mask.shape[2]) for piece in pieces], dim=1)
                for name in ("log_prob", "target", "advantage")
            }
        )
        thought = with_standardised(agent, thought, whole, config.advantages)
        for _ in range(epochs):
            orders = torch.from_numpy(np.stack([rng.permutation(longest) for _ in tasks]))
            for part in orders.tensor_split(minibatches, dim=1):
                yield chosen(whole, part, thought)


def cut(trial: Trial, fresh: int, context: int) -> list[Window]:
    """Windows of at most `context` steps that together learn each of the last `fresh` steps once."""
    length = trial.length
    if length <= context:
        return [Window(trial, 0, length, length - fresh)]
    windows, at = [], length - fresh
    while at < length:
        end = min(length, context if at == 0 else at + max(1, context // 2))
        start = max(0, end - context)
        windows.append(Window(trial, start, end - start, at - start))
        at = end
    return windows


def chosen(batch: Batch, places: Tensor, thought: Estimates | None = None) -> Batch:
    """Some sequences of each task, without the padding that none of them needs.

    Args:
        places: [task, chosen] which.
        thought: of the whole batch.
    """
    places = places.to(batch.mask.device)
    row = torch.arange(len(batch.task_ids), device=places.device)[:, None]
    mask = batch.mask[row, places]
    time = max(1, int(mask.sum(dim=-1).max()))

    def pick(values: Tensor, steps: int = time) -> Tensor:
        return values[row, places, :steps]

    return Batch(
        observation={key: pick(value, time + 1) for key, value in batch.observation.items()},
        action=pick(batch.action),
        reward=pick(batch.reward),
        terminated=pick(batch.terminated),
        mask=mask[..., :time],
        task_ids=batch.task_ids,
        allowed=batch.allowed,
        learnt=None if batch.learnt is None else pick(batch.learnt),
        estimates=None
        if thought is None
        else Estimates(log_prob=pick(thought.log_prob), target=pick(thought.target), advantage=pick(thought.advantage)),
    )


def _parts(places: Tensor, tasks: list[int], count: int) -> list[Tensor]:
    return [part.expand(len(tasks), -1) for part in places.tensor_split(count)]


def _padded(values: Tensor, time: int) -> Tensor:
    missing = time - values.shape[2]
    return torch.cat([values, values.new_zeros(*values.shape[:2], missing, *values.shape[3:])], dim=2)
