"""Nothing of an update outlives it: no reference cycles, nothing that waits for the garbage collector."""

import gc
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from conflict.engine.task_gradients import TaskGradients

K = 2


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Watched(nn.Module):
    """Remembers its intermediate tensors weakly."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.gru, self.last = nn.Linear(4, 4), nn.GRU(4, 4, batch_first=True), nn.Linear(4, 1)
        self.seen: list[weakref.ref[Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        tensors = [x, self.first(x)]
        tensors.append(torch.relu(tensors[-1]))
        tensors.append(self.gru(tensors[-1])[0])
        tensors.append(self.last(tensors[-1]))
        self.seen += [weakref.ref(tensor) for tensor in tensors]
        return tensors[-1]


def update(model: Watched, gradients: TaskGradients) -> None:
    with gradients:
        losses = model(torch.randn(4, 3, 4)).square().reshape(K, -1).mean(dim=1)
    model.seen += [weakref.ref(losses)]
    gradients.backward(losses)
    model.seen += [weakref.ref(part) for part in gradients._known().values()]
    gradients.gramian()
    gradients.accumulate(torch.ones(K) / K)


@pytest.mark.filterwarnings("ignore:task gradients take")
def test_all_tensors_of_an_update_die_with_it(no_collector: None) -> None:
    model = Watched()
    gradients = TaskGradients(model, num_tasks=K)
    for _ in range(3):
        update(model, gradients)
    assert len(model.seen) > 30
    assert not any(ref() is not None for ref in model.seen)


def test_the_tensors_of_a_failed_forward_pass_die_too(no_collector: None) -> None:
    model = Watched()
    gradients = TaskGradients(model, num_tasks=K)
    try:
        with gradients:
            model(torch.randn(4, 3, 4))
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert not any(ref() is not None for ref in model.seen)


def test_an_abandoned_forward_pass_dies_at_the_next(no_collector: None) -> None:
    model = Watched()
    gradients = TaskGradients(model, num_tasks=K)
    with gradients:
        model(torch.randn(4, 3, 4))
    with gradients:
        pass
    assert not any(ref() is not None for ref in model.seen)


def test_the_engine_does_not_keep_a_model_alive(no_collector: None) -> None:
    model = nn.Linear(4, 1)
    gradients = TaskGradients(model, num_tasks=K)
    with gradients:
        losses = model(torch.randn(4, 4)).square().reshape(K, -1).mean(dim=1)
    gradients.backward(losses)
    gradients.accumulate(torch.ones(K))
    watched = weakref.ref(model)
    del model, gradients, losses
    assert watched() is None
