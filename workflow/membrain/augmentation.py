"""Random turns, flips and noise of boxes, many at a time, on the device that holds them.

::

    box [k, i, j]     turned about k (the normal) through the sampled point; i and j may be flipped.
      k               The source may be larger in the plane than the result, so that the corners
      |  turn         of a turned box hold real data; beyond the source its border is repeated.
      o---- i
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Generator, Tensor

ROTATIONS = ("any", "quarter", "none")


@dataclass(frozen=True)
class Augmentation:
    """What is done to boxes at random.

    Attributes
    ----------
    rotation : {"any", "quarter", "none"}
        Turn about the normal: any angle, multiples of 90 degrees, or none.
    flip : bool, whether half of the boxes are mirrored in the plane
    noise : float
        Gaussian noise is added whose standard deviation is drawn for each box between 0 and this,
        in standard deviations of the training boxes' grey values.
    """

    rotation: str = "any"
    flip: bool = True
    noise: float = 0.5


def crop_boxes(boxes: Tensor, box_shape: Sequence[int]) -> Tensor:
    """Return the middle (n, K, I, J) of boxes (tensor or array) that are larger in the plane.

    Where the difference is odd the extra voxel is cut at the far end.
    """
    _, height, width = box_shape
    top, left = (boxes.shape[2] - height) // 2, (boxes.shape[3] - width) // 2
    return boxes[:, :, top : top + height, left : left + width]


def augment(
    boxes: Tensor,
    how: Augmentation,
    generator: Generator,
    box_shape: Sequence[int],
    centre: Sequence[float],
    spread: float = 1.0,
) -> Tensor:
    """Return boxes turned, flipped and with noise.

    Parameters
    ----------
    boxes : (n, K, H, W) float tensor
        In the plane at least as large as `box_shape`.
    how : Augmentation
    generator : torch.Generator of the boxes' device
    box_shape : (3,) int, shape K, I, J of the result
    centre : (3,) float, index of the sampled point in the result; the turn goes about it
    spread : float, what noise is measured in

    Returns
    -------
    (n, K, I, J) float32
    """
    n, device = len(boxes), boxes.device
    out = crop_boxes(boxes, box_shape).float()
    if how.rotation != "none" or how.flip:
        grid = _plane_grid(boxes, _random_turns(n, how, generator, device), box_shape, centre)
        out = functional.grid_sample(
            boxes.float(), grid, mode="bicubic", padding_mode="border", align_corners=True
        )
    if how.noise > 0:
        sigma = how.noise * spread * torch.rand((n, 1, 1, 1), generator=generator, device=device)
        out = out + sigma * torch.randn(out.shape, generator=generator, device=device)
    return out


def _random_turns(n: int, how: Augmentation, generator: Generator, device) -> Tensor:
    """Return (n, 2, 2) matrices from offsets (i, j) in the result to offsets in the source."""
    turn = torch.rand(n, generator=generator, device=device)
    if how.rotation == "quarter":
        turn = torch.floor(4 * turn) / 4
    angle = 2 * math.pi * (turn if how.rotation != "none" else torch.zeros_like(turn))
    mirror = torch.ones(n, device=device)
    if how.flip:
        mirror -= 2 * (torch.rand(n, generator=generator, device=device) < 0.5)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([cos, -sin * mirror, sin, cos * mirror], dim=1).reshape(n, 2, 2)


def _plane_grid(
    boxes: Tensor, turns: Tensor, box_shape: Sequence[int], centre: Sequence[float]
) -> Tensor:
    """Return where in the plane of the source each voxel is read, as `grid_sample` takes it."""
    size = torch.tensor(boxes.shape[2:], device=boxes.device)  # (2,) H, W
    inner = torch.tensor(box_shape[1:], device=boxes.device)
    middle = torch.tensor(centre[1:], dtype=torch.float32, device=boxes.device)
    i, j = (torch.arange(m, dtype=torch.float32, device=boxes.device) for m in box_shape[1:])
    offsets = torch.stack(torch.meshgrid(i, j, indexing="ij"), dim=-1) - middle  # (I, J, 2)
    index = torch.einsum("nab,ijb->nija", turns, offsets) + middle + (size - inner) // 2
    return (2 * index / (size - 1) - 1).flip(-1)  # x (last axis) first
