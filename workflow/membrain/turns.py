"""Volumes averaged over turns about the particle's normal: Cn symmetry, or every angle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

N_ANGLES = 360  # of a full turn for the average over every angle; a multiple of 8 meets the corners


def average_turns(volume: np.ndarray, n: int = 0) -> np.ndarray:
    """Return the average of a volume over turns about its z axis.

    Parameters
    ----------
    volume : (Z, Y, X) float
        The axis runs through index ``Y // 2, X // 2``.
    n : int
        Turns by 360 / n degrees; 1 changes nothing, 0 is every angle.

    Returns
    -------
    (Z, Y, X) float32

    Notes
    -----
    Slices are interpolated by cubic splines. A turn that takes a voxel out of the volume does not
    count for it, so that corners are averages of fewer turns.
    """
    volume = np.asarray(volume, dtype=np.float64)
    if n == 1:
        return volume.astype(np.float32)
    if n == 0:
        return _round(volume)
    y, x = np.indices(volume.shape[1:]).astype(np.float64)
    total, weight = np.zeros(volume.shape), np.zeros(volume.shape[1:])
    for k in range(n):
        values, is_inside = _sample(volume, *_turned(volume.shape, y, x, 2 * np.pi * k / n))
        total += values
        weight += is_inside
    return (total / weight).astype(np.float32)


def _turned(shape: tuple, y: np.ndarray, x: np.ndarray, angle: float):
    """Return positions y, x turned about the axis of a volume."""
    cy, cx = shape[1] // 2, shape[2] // 2
    cos, sin = np.cos(angle), np.sin(angle)
    return cy + sin * (x - cx) + cos * (y - cy), cx + cos * (x - cx) - sin * (y - cy)


def _sample(volume: np.ndarray, y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every slice at positions y, x, and which of these lie inside; 0 outside."""
    slack = 1e-9  # rounding of positions on the outermost voxels
    height, width = volume.shape[1:]
    is_inside = (y >= -slack) & (y <= height - 1 + slack) & (x >= -slack) & (x <= width - 1 + slack)
    place = np.stack([y, x])
    values = np.stack([ndimage.map_coordinates(s, place, order=3, mode="mirror") for s in volume])
    return values * is_inside, is_inside


def _round(volume: np.ndarray) -> np.ndarray:
    """Return the average over every angle: each voxel's own circle, sampled."""
    cy, cx = volume.shape[1] // 2, volume.shape[2] // 2
    y, x = np.indices(volume.shape[1:])
    squares, which = np.unique((y - cy) ** 2 + (x - cx) ** 2, return_inverse=True)
    radius = np.sqrt(squares)[:, None]
    angle = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES
    values, is_inside = _sample(volume, cy + radius * np.sin(angle), cx + radius * np.cos(angle))
    weight = is_inside.sum(axis=1)
    profile = values.sum(axis=2) / np.maximum(weight, 1)  # (Z, n_radii)
    out = profile[:, which.reshape(y.shape)]
    return np.where((weight > 0)[which.reshape(y.shape)], out, volume).astype(np.float32)
