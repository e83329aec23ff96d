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

from .space_turns import random_turns_in_space, space_grid

ROTATIONS = ("any", "quarter", "none", "space")


@dataclass(frozen=True)
class Augmentation:
    """What is done to boxes at random.

    Attributes
    ----------
    rotation : {"any", "quarter", "none", "space"}
        Turn about the normal: any angle, multiples of 90 degrees, or none; or about any axis, for
        boxes that do not stand on the membrane.
    flip : bool, whether half of the boxes are mirrored in the plane
    noise : float
        Gaussian noise is added whose standard deviation is drawn for each box between 0 and this,
        in standard deviations of the training boxes' grey values.
    """

    rotation: str = "any"
    flip: bool = True
    noise: float = 0.5


def crop_boxes(boxes: Tensor, box_shape: Sequence[int]) -> Tensor:
    """Return the middle (n, K, I, J) of boxes (tensor or array) that are larger.

    Where the difference is odd the extra voxel is cut at the far end.
    """
    firsts = [(have - want) // 2 for have, want in zip(boxes.shape[1:], box_shape, strict=True)]
    k, i, j = (slice(a, a + want) for a, want in zip(firsts, box_shape, strict=True))
    return boxes[:, k, i, j]


def augment(
    boxes: Tensor,
    turns: Tensor | None,
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
        In the plane at least as large as `box_shape`; along k too where turns are in space.
    turns : (n, 2, 2) or (n, 3, 3) float tensor or None, from `random_turns`
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
    if turns is not None and turns.shape[1] == 3:
        grid = space_grid(boxes.shape[1:], turns, box_shape, centre)
        out = functional.grid_sample(
            boxes.float()[:, None], grid, padding_mode="border", align_corners=True
        )[:, 0]
    elif turns is not None:
        grid = _plane_grid(boxes, turns, box_shape, centre)
        out = functional.grid_sample(
            boxes.float(), grid, mode="bicubic", padding_mode="border", align_corners=True
        )
    if how.noise > 0:
        sigma = how.noise * spread * torch.rand((n, 1, 1, 1), generator=generator, device=device)
        out = out + sigma * torch.randn(out.shape, generator=generator, device=device)
    return out


def random_turns(
    n: int, how: Augmentation, generator: Generator, device: torch.device
) -> Tensor | None:
    """Return (n, 2, 2) matrices from offsets (i, j) in the result to offsets in the source.

    None where boxes are neither turned nor flipped; (n, 3, 3), of offsets (k, i, j), in space.
    """
    if how.rotation == "space":
        return random_turns_in_space(n, how.flip, generator, device)
    if how.rotation == "none" and not how.flip:
        return None
    turn = torch.rand(n, generator=generator, device=device)
    if how.rotation == "quarter":
        turn = torch.floor(4 * turn) / 4
    angle = 2 * math.pi * (turn if how.rotation != "none" else torch.zeros_like(turn))
    mirror = torch.ones(n, device=device)
    if how.flip:
        mirror -= 2 * (torch.rand(n, generator=generator, device=device) < 0.5)
    cos, sin = torch.cos(angle), torch.sin(angle)
    return torch.stack([cos, -sin * mirror, sin, cos * mirror], dim=1).reshape(n, 2, 2)


def turn_angles(angles: Tensor, turns: Tensor | None, folds: Tensor) -> Tensor:
    """Return angle labels as they are in the turned and flipped boxes.

    Parameters
    ----------
    angles : (n, n_outputs, 2) float tensor, ``(cos m a, sin m a)`` or zeros, see `angle_labels`
    turns : (n, 2, 2) float tensor or None, from `random_turns`
    folds : (n_outputs,) int tensor, m

    Notes
    -----
    A result at offset r shows the source at M r, so that a direction v of the source is seen at
    ``M^-1 v``. With M a turn by t after a flip of j (s = 1 or -1), angle a becomes ``s (a - t)``.
    """
    if turns is None:
        return angles
    turn = folds * torch.atan2(turns[:, 1, 0], turns[:, 0, 0])[:, None]  # (n, n_outputs)
    mirror = torch.sign(torch.linalg.det(turns))[:, None]
    cos, sin = turn.cos(), turn.sin()
    x, y = angles.unbind(dim=2)
    return torch.stack([x * cos + y * sin, mirror * (y * cos - x * sin)], dim=2)


def _plane_grid(
    boxes: Tensor, turns: Tensor, box_shape: Sequence[int], centre: Sequence[float]
) -> Tensor:
    """Return where in the plane of the source each voxel is read, as `grid_sample` takes it."""
    steps, middles = [], []
    for have, want, middle in zip(boxes.shape[2:], box_shape[1:], centre[1:], strict=True):
        steps.append(torch.arange(want, dtype=torch.float32, device=boxes.device) - middle)
        middles.append(middle + (have - want) // 2)
    i, j = torch.meshgrid(*steps, indexing="ij")  # (I, J) offsets in the result
    index = [
        row[:, 0, None, None] * i + row[:, 1, None, None] * j + middle
        for row, middle in zip(turns.unbind(dim=1), middles, strict=True)
    ]  # two of (n, I, J): along i, along j
    last = [n - 1 for n in boxes.shape[2:]]
    return torch.stack([2 * x / n - 1 for x, n in zip(index[::-1], last[::-1], strict=True)], -1)
