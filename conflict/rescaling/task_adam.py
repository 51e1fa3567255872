"""Adam for one number a task, where an update holds some of the tasks: the others keep their moments and counts.

Source: Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", Algorithm 1.
Departs: the count of steps, and so the bias correction, is each task's own.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8


class TaskAdam(nn.Module):
    """Turns gradients of numbers, one a task, into steps of about 1."""

    first: Tensor
    second: Tensor
    count: Tensor

    def __init__(self, num_tasks: int) -> None:
        super().__init__()
        self.register_buffer("first", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("second", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("count", torch.zeros(num_tasks, dtype=torch.float64))

    @torch.no_grad()
    def step(self, task_ids: Int[Tensor, " task"], gradient_k: Float[Tensor, " task"]) -> Float[Tensor, " task"]:
        """What to subtract, times a learning rate."""
        gradient_k = gradient_k.to(self.first)
        first = FIRST * self.first[task_ids] + (1 - FIRST) * gradient_k
        second = SECOND * self.second[task_ids] + (1 - SECOND) * gradient_k.square()
        count = self.count[task_ids] + 1
        self.first[task_ids], self.second[task_ids], self.count[task_ids] = first, second, count
        mean, square = first / (1 - FIRST**count), second / (1 - SECOND**count)
        step_k: Tensor = mean / (square.sqrt() + EPSILON)
        return step_k
