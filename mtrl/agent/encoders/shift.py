"""Random shifts of images.

Source: Yarats et al. 2021, "Image Augmentation Is All You Need" (DrQ), Section 3.1: pad by repeating the border, then
crop at random.
Departs: one shift for all time steps of a sequence, so that what moves between them is what moved.
"""

import torch
from jaxtyping import Int
from torch import Tensor


def draw_shifts(sequences: int, most: int, generator: torch.Generator) -> Int[Tensor, "sequence 2"]:
    """Pixels down and right for each sequence, uniformly from -most to most."""
    return torch.randint(-most, most + 1, (sequences, 2), generator=generator, device=generator.device)


def shifted(images: Tensor, shifts: Int[Tensor, "sequence 2"], counts: list[int]) -> Tensor:
    """Images [row, height, width, channel] moved by their sequence's shift; what enters repeats the border.

    Args:
        counts: images of each sequence, one sequence after the other.
    """
    out = torch.empty_like(images)
    height, width = images.shape[1:3]
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    start = 0
    for (down, right), count in zip(shifts.tolist(), counts, strict=True):
        part = images[start : start + count].index_select(1, (rows - down).clamp(0, height - 1))
        torch.index_select(part, 2, (columns - right).clamp(0, width - 1), out=out[start : start + count])
        start += count
    return out
