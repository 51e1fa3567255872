"""What every agent's task gradients are held to."""

import torch

from conflict.engine.reference import reference_jacobian
from conflict.engine.task_gradients import TaskGradients
from mtrl.agent.agent import Agent
from mtrl.learning.actor_critic import task_losses
from mtrl.learning.batch import Batch
from mtrl.learning.config import LearningConfig


def assert_gradients_are_those_of_separate_passes(
    model: Agent, given: Batch, config: LearningConfig, *, tolerance: float = 1e-9
) -> None:
    """The task gradients on the shared parameters, from one backward pass by rules alone."""
    owned = model.owned_parameters()
    shared = [p for p in model.trained_parameters().values() if id(p) not in {id(q) for q in owned}]
    tasks = TaskGradients(
        model, num_tasks=len(given.task_ids), parameters=model.trained_parameters().values(), owned=owned
    )
    with tasks:
        losses = task_losses(model, given, config, torch.Generator().manual_seed(0))
    tasks.backward(losses.total)
    again = task_losses(model, given, config, torch.Generator().manual_seed(0))
    expected = reference_jacobian(again.total, shared)
    torch.testing.assert_close(tasks.jacobian(), expected, rtol=tolerance, atol=tolerance / 10)
    assert set(tasks.path.values()) == {"rule"}, tasks.path
