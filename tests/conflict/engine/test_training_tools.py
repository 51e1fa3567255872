"""The engine together with what people train with: mixed precision, checkpointing, accumulation, several processes."""

import copy
import multiprocessing
import os
import socket
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from conflict.engine.products import baddbmm
from conflict.engine.reference import reference_jacobian
from conflict.engine.task_gradients import TaskGradients

K, D = 3, 8


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(D, 16), nn.Tanh(), nn.LayerNorm(16), nn.Linear(16, 4))


def losses_of(out: Tensor, num_tasks: int = K) -> Tensor:
    return out.square().reshape(num_tasks, -1).mean(dim=1)


def test_under_autocast_the_gradients_are_those_of_k_passes_under_autocast() -> None:
    model, x = mlp(), torch.randn(K * 5, D)

    def losses() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return losses_of(model(x).float())

    expected = reference_jacobian(losses(), model.parameters())
    gradients = TaskGradients(model, num_tasks=K)
    with gradients:
        losses_k = losses()
    gradients.backward(losses_k)
    found = gradients.jacobian()
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02 * float(expected.abs().max()))
    assert set(gradients.path.values()) == {"rule"}


class Recurrent(nn.Module):
    """Its last output, of a sequence of four."""

    def __init__(self, kind: type[nn.GRU] | type[nn.LSTM]) -> None:
        super().__init__()
        self.layer = kind(D, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x[:, None] * torch.arange(4)[:, None])[0]
        return out[:, -1]


class Checkpointed(nn.Module):
    """Its middle part is run again in the backward pass."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(D, D), middle, nn.Linear(4, 2)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        def run(x: Tensor) -> Tensor:
            self.calls += 1
            out: Tensor = self.middle(x)
            return out

        return self.last(checkpoint(run, torch.tanh(self.first(x)), use_reentrant=False))  # type: ignore[no-any-return]


@pytest.mark.parametrize("memory", ["jacobian", "chunked"])
@pytest.mark.parametrize(
    "middle", [mlp, lambda: Recurrent(nn.GRU), lambda: Recurrent(nn.LSTM)], ids=("mlp", "gru", "lstm")
)
def test_checkpointed_parts_are_run_again_and_give_the_same(middle: Any, memory: Any) -> None:
    model, x = Checkpointed(middle()).double(), torch.randn(K * 5, D, dtype=torch.float64)
    expected = reference_jacobian(losses_of(model(x)), model.parameters())
    gradients = TaskGradients(model, num_tasks=K, memory=memory, check_rows=False)
    model.calls = 0
    with gradients:
        losses = losses_of(model(x))
    gradients.backward(losses)
    assert model.calls == 2
    torch.testing.assert_close(gradients.jacobian(), expected)
    torch.testing.assert_close(gradients.gramian(), expected @ expected.T)
    assert set(gradients.path.values()) == {"rule"}


@pytest.mark.parametrize("memory", ["jacobian", "layerwise", "chunked"])
def test_a_batch_in_pieces_gives_the_gradients_of_the_whole(memory: Any) -> None:
    model, x = mlp().double(), torch.randn(K, 6, D, dtype=torch.float64)
    expected = reference_jacobian(losses_of(model(x.flatten(0, 1)).double()), model.parameters())
    gradients = TaskGradients(model, num_tasks=K, memory=memory)
    for piece in x.chunk(2, dim=1):
        with gradients:
            losses = losses_of(model(piece.flatten(0, 1))) / 2
        gradients.backward(losses, add=True)
    torch.testing.assert_close(gradients.gramian(), expected @ expected.T)
    torch.testing.assert_close(gradients.jacobian(), expected)
    weights = torch.rand(K, dtype=torch.float64)
    gradients.accumulate(weights)
    found = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(found, weights @ expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_model_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"compiled.*before torch\.compile"):
        TaskGradients(torch.compile(mlp()), num_tasks=K)  # type: ignore[arg-type]
    part = nn.Sequential(mlp())
    part[0].compile()
    with pytest.raises(ValueError, match="0 is compiled"):
        TaskGradients(part, num_tasks=K)


def test_losses_that_read_the_same_rows_have_task_gradients_too() -> None:
    """Several labels for one input: a shared trunk, and a head for each task."""
    trunk, heads = mlp().double(), nn.ModuleList(nn.Linear(4, 1) for _ in range(K)).double()
    model, x = nn.ModuleList([trunk, heads]), torch.randn(7, D, dtype=torch.float64)
    heads_parameters = list(heads.parameters())

    def losses() -> list[Tensor]:
        features = trunk(x)
        return [head(features).square().mean() for head in heads]

    expected = reference_jacobian(torch.stack(losses()), trunk.parameters())
    gradients = TaskGradients(model, num_tasks=K, owned=heads_parameters, rows="shared")
    for _ in range(2):
        model.zero_grad()
        gradients.backward(losses())
        torch.testing.assert_close(gradients.gramian(), expected @ expected.T)
        gradients.accumulate(torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64))
    found = torch.cat([p.grad.flatten() for p in trunk.parameters() if p.grad is not None])
    torch.testing.assert_close(found, torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64) @ expected)
    for parameter, grad in zip(
        heads_parameters, torch.autograd.grad(torch.stack(losses()).mean(), heads_parameters), strict=True
    ):
        torch.testing.assert_close(parameter.grad, grad)


def _process(rank: int, port: int, results: Any) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.distributed.init_process_group("gloo", rank=rank, world_size=2)
    try:
        torch.set_num_threads(1)
        model, x = mlp().double(), _batch()[:, 3 * rank : 3 * rank + 3]
        gradients = TaskGradients(model, num_tasks=K, process_group=torch.distributed.group.WORLD)
        with gradients:
            losses = losses_of(model(x.flatten(0, 1)))
        gradients.backward(losses)
        gram = gradients.gramian()
        gradients.accumulate(gram.diagonal() / gram.diagonal().sum())
        results.put((rank, [p.grad.numpy() for p in model.parameters() if p.grad is not None]))
    finally:
        torch.distributed.destroy_process_group()


def _batch() -> Tensor:
    return torch.randn(K, 6, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_two_processes_with_half_the_rows_each_make_the_update_of_one_with_all() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_process, args=(rank, port, results)) for rank in range(2)]
    for process in processes:
        process.start()
    found = dict(results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()

    model = mlp().double()
    gradients = TaskGradients(model, num_tasks=K)
    with gradients:
        losses = losses_of(model(_batch().flatten(0, 1)))
    gradients.backward(losses)
    gram = gradients.gramian()
    gradients.accumulate(gram.diagonal() / gram.diagonal().sum())
    for rank in range(2):
        for ours, one in zip(found[rank], model.parameters(), strict=True):
            assert one.grad is not None
            torch.testing.assert_close(torch.from_numpy(ours), one.grad, rtol=1e-6, atol=1e-9)


def test_five_hundred_updates_take_no_more_memory_than_ten() -> None:
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.GRU(256, 16, batch_first=True))
    gradients = TaskGradients(model, num_tasks=2)

    def update() -> None:
        with gradients:
            losses = losses_of(model(torch.randn(8, 16, 64))[0], 2)
        gradients.backward(losses)
        gradients.gramian()
        gradients.accumulate(torch.ones(2))

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(10):
        update()
    before = resident()
    for _ in range(490):
        update()
    assert resident() - before < 20 * 2**20  # an update's own tensors are about 1 MiB


class Doubling(TorchFunctionMode):
    """A mode of the user's: what one function gives is doubled."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        return 2 * result if func is torch.prelu else result


@pytest.mark.filterwarnings("ignore:task gradients are slow")
@pytest.mark.parametrize("memory", ["jacobian", "layerwise"])
def test_an_operation_that_is_run_again_is_run_under_the_users_modes(memory: Any) -> None:
    model, x = nn.Sequential(nn.Linear(D, D), nn.PReLU(D)).double(), torch.randn(K * 5, D, dtype=torch.float64)
    gradients = TaskGradients(model, num_tasks=K, memory=memory)

    def losses() -> Tensor:
        return model(x).square().reshape(K, -1).sum(dim=1)

    with Doubling():
        expected = reference_jacobian(losses(), model.parameters())
        with gradients:
            losses_k = losses()
        gradients.backward(losses_k)
        torch.testing.assert_close(gradients.jacobian(), expected)
    assert "vmap" in gradients.path.values()


def test_a_modules_own_rule_is_run_under_the_users_modes() -> None:
    class Own(nn.Linear):
        def task_gradients(self, inputs: Any, grad_output: Tensor, sizes: Sequence[int]) -> dict[str, Tensor]:
            devices.append(torch.zeros(1).device.type)
            x = inputs[0].split(list(sizes))
            parts = grad_output.split(list(sizes))
            return {"weight": torch.stack([g.T @ a for g, a in zip(parts, x, strict=True)])}

    devices: list[str] = []
    model, x = Own(D, 2, bias=False), torch.randn(K * 5, D)
    gradients = TaskGradients(model, num_tasks=K)
    with gradients:
        losses_k = model(x).square().reshape(K, -1).sum(dim=1)
    with torch.device("meta"):
        gradients.backward(losses_k)
    assert set(devices) == {"meta"}


class Turned(nn.Module):
    """A weight whose gradient autograd makes the other way round."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return baddbmm(x.new_zeros(1, 1, self.weight.shape[1]), x[None], self.weight[None])[0]


@pytest.mark.parametrize("turned", ["owned", "shared"])
def test_a_fused_optimizer_steps_as_an_unfused_one(turned: str) -> None:
    """On a processor it takes a gradient for one that lies in memory as the parameter does."""
    torch.manual_seed(0)
    start = nn.Sequential(nn.Linear(D, 5), Turned(5, 3)).double()
    x, after = torch.randn(K * 5, D, dtype=torch.float64), []
    for fused in (False, True):
        model = copy.deepcopy(start)
        owned = list(model[1].parameters()) if turned == "owned" else []
        gradients = TaskGradients(model, num_tasks=K, owned=owned)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
        for step in range(3):
            with gradients:
                losses = losses_of(model(x + step))
            gradients.backward(losses)
            optimizer.zero_grad()
            gradients.accumulate(torch.ones(K, dtype=torch.float64) / K)
            optimizer.step()
        after.append([p.detach() for p in model.parameters()])
    for plain, quick in zip(*after, strict=True):
        torch.testing.assert_close(quick, plain)
