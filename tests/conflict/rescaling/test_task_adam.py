"""Adam for one number a task, against torch's."""

import torch

from conflict.rescaling.task_adam import TaskAdam


def test_steps_are_those_of_adam_for_each_task_by_itself() -> None:
    ours, numbers = TaskAdam(3), torch.zeros(3, dtype=torch.float64)
    theirs = [torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    optimizers = [torch.optim.Adam([number], lr=0.1) for number in theirs]
    for step in range(12):
        ids = torch.tensor([step % 3, (step + 1) % 3]) if step % 4 else torch.tensor([2])
        gradient = torch.randn(len(ids)).double()
        numbers[ids] -= 0.1 * ours.step(ids, gradient)
        for task, value in zip(ids.tolist(), gradient, strict=True):
            theirs[task].grad = value[None].clone()
            optimizers[task].step()
    torch.testing.assert_close(numbers, torch.cat(theirs).detach())
