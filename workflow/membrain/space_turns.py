"""Turns of boxes about any axis, for boxes that do not stand on the membrane."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def random_turns_in_space(
    n: int, is_flipped: bool, generator: Generator, device: torch.device
) -> Tensor:
    """Return (n, 3, 3) matrices of turns, each as likely as any other.

    Parameters
    ----------
    n : int
    is_flipped : bool, whether half of them mirror as well
    generator, device : of the boxes

    Notes
    -----
    Four normal numbers, scaled to length 1, are a quaternion of a uniform turn (Shoemake 1992).
    """
    numbers = torch.randn((n, 4), generator=generator, device=device)
    w, x, y, z = (numbers / numbers.norm(dim=1, keepdim=True)).unbind(dim=1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    turns = torch.stack(rows, dim=1).reshape(n, 3, 3)
    if is_flipped:
        mirror = 1.0 - 2.0 * (torch.rand(n, generator=generator, device=device) < 0.5)
        turns = torch.cat([turns[:, :, :2], turns[:, :, 2:] * mirror[:, None, None]], dim=2)
    return turns


def space_grid(
    source: Sequence[int], turns: Tensor, box_shape: Sequence[int], centre: Sequence[float]
) -> Tensor:
    """Return where in the source each voxel is read, as `grid_sample` takes it.

    Parameters
    ----------
    source : (3,) int, shape of the source's boxes
    turns : (n, 3, 3) float tensor, from offsets (k, i, j) in the result to those in the source
    box_shape, centre : of the result, see `augmentation.augment`

    Returns
    -------
    (n, K, I, J, 3) float tensor
    """
    sizes = list(zip(source, box_shape, centre, strict=True))
    like = {"dtype": turns.dtype, "device": turns.device}
    steps = [torch.arange(want, **like) - middle for _, want, middle in sizes]
    offsets = torch.stack(torch.meshgrid(*steps, indexing="ij"), dim=-1)  # (K, I, J, 3)
    middles = torch.tensor([m + (have - want) // 2 for have, want, m in sizes], **like)
    index = torch.einsum("nab,kijb->nkija", turns, offsets) + middles
    last = torch.tensor([have - 1 for have in source], **like)
    return (2 * index / last - 1).flip(-1)
