"""The image encoder: pieces, bytes, and shifts."""

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from torch import Tensor

from conflict.engine.reference import reference_jacobian
from conflict.engine.rows import task_rows
from conflict.engine.task_gradients import TaskGradients
from mtrl.agent.config import AgentConfig
from mtrl.agent.encoders.image import ImageEncoder
from mtrl.agent.encoders.shift import draw_shifts, shifted


def encoder(chunk: int = 64, shape: tuple[int, ...] = (12, 9, 3)) -> ImageEncoder:
    torch.manual_seed(0)
    config = AgentConfig(width=8, image_channels=(4, 5), image_blocks=1, image_chunk=chunk)
    return ImageEncoder(Box(0, 255, shape, np.uint8), config).double()


def images(rows: int, shape: tuple[int, ...] = (12, 9, 3)) -> Tensor:
    return torch.randint(0, 256, (rows, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_pieces_give_the_features_and_gradients_of_the_whole(chunk: int) -> None:
    whole, pieced = encoder(), encoder(chunk)
    x = images(7)
    weight = torch.randn(7, 8, dtype=torch.float64)
    features = [model(x) for model in (whole, pieced)]
    torch.testing.assert_close(*features)
    grads = [
        torch.autograd.grad((y * weight).sum(), list(m.parameters()))
        for y, m in zip(features, (whole, pieced), strict=True)
    ]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)
    with torch.no_grad():
        torch.testing.assert_close(pieced(x), features[0])


@pytest.mark.parametrize("sizes", [(4, 4), (0, 8), (5, 0, 3), (1, 6, 1)])
@pytest.mark.parametrize("memory", ["jacobian", "layerwise"])
def test_task_gradients_are_those_of_separate_passes(sizes: tuple[int, ...], memory: str) -> None:
    model, x = encoder(chunk=3), images(8)

    def losses() -> Tensor:
        with task_rows(sizes):
            features = model(x)
        return torch.stack(
            [(part**2).sum() * (k + 1) + 0.0 * features.sum() for k, part in enumerate(features.split(list(sizes)))]
        )

    tasks = TaskGradients(model, num_tasks=len(sizes), memory=memory)  # type: ignore[arg-type]
    with tasks:
        found = losses()
    tasks.backward(found)
    expected = reference_jacobian(losses(), list(model.parameters()))
    torch.testing.assert_close(tasks.jacobian(), expected, rtol=1e-9, atol=1e-10)
    weights = torch.linspace(1, 2, len(sizes), dtype=torch.float64)
    tasks.accumulate(weights)
    total = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(total, weights @ expected, rtol=1e-9, atol=1e-10)
    assert set(tasks.path.values()) == {"rule"}


def test_features_have_unit_scale_whatever_the_brightness() -> None:
    model = encoder()
    for brightness in (4, 64, 255):
        features = model((images(6).double() * brightness / 255).to(torch.uint8))
        torch.testing.assert_close(features.square().mean(), torch.ones((), dtype=torch.float64), rtol=0.05, atol=0)


def test_no_image_changes_the_features_of_another() -> None:
    model, x = encoder(), images(5)
    torch.testing.assert_close(model(x)[2:3], model(x[2:3]))


def padded_crop(images: Tensor, down: int, right: int, pad: int) -> Tensor:
    """Pad by repeating the border, then crop: as the paper says it."""
    x = torch.nn.functional.pad(images.permute(0, 3, 1, 2).double(), [pad] * 4, mode="replicate")
    height, width = images.shape[1:3]
    x = x[:, :, pad - down : pad - down + height, pad - right : pad - right + width]
    return x.permute(0, 2, 3, 1).to(torch.uint8)


def test_a_shift_is_a_crop_of_the_image_with_its_border_repeated() -> None:
    x = images(6)
    shifts = torch.tensor([[2, -3], [0, 0], [-4, 4]])
    found = shifted(x, shifts, [3, 1, 2])
    expected = [padded_crop(part, *s, 4) for part, s in zip(x.split([3, 1, 2]), shifts.tolist(), strict=True)]
    assert torch.equal(found, torch.cat(expected))
    assert found.dtype == torch.uint8


def test_shifts_are_uniform_and_come_from_the_generator() -> None:
    draws = [draw_shifts(4_000, 4, torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])
    counts = torch.bincount(draws[0].flatten() + 4, minlength=9)
    assert len(counts) == 9 and counts.min() > 700
