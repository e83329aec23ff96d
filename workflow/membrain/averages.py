"""Averages of boxes cut in the particles' own frame, tomogram by tomogram.

An average is an array ``[z, y, x]`` in the particle's frame, the particle at index n // 2::

      z = normal, away from the membrane
      |   .
      |  .  y = z x x
      | .
      +------- x = in-plane axis
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .grey_values import normalise
from .rotations import poses_from_axes
from .sampling import (
    SPLINE_REACH_VOXEL,
    BoxGrid,
    boxes_inside,
    sample_boxes,
    smooth,
    smooth_reach,
    smoothing_sigma,
    spline_coefficients,
)
from .subvolumes import ReadBox, cut_tiles

TILE_VOXELS = 4_000_000  # of a crop: 16 MB in each of five float32 arrays
BLOCK_VOXELS = 8_000_000  # of boxes in memory at a time: 32 MB of float32
MIN_SINE = 1e-3  # between normal and in-plane axis: nearer to parallel they give no pose


@dataclass(frozen=True)
class Sums:
    """Running sums of the boxes of groups of particles, each group in two halves.

    Attributes
    ----------
    totals : (n_groups, 2, Z, Y, X) float64
        Grey values as deviations from the tomogram, in its standard deviations.
    weights : (n_groups, 2, Z, Y, X) float32
        Boxes that have a voxel inside their tomogram, those wholly inside left out.
    n_whole : (n_groups, 2) int64, boxes wholly inside
    n_partial : (n_groups, 2) int64, boxes that leave their tomogram
    """

    totals: np.ndarray
    weights: np.ndarray
    n_whole: np.ndarray
    n_partial: np.ndarray


def empty_sums(n_groups: int, box_voxel: int) -> Sums:
    """Return sums of nothing."""
    shape = (n_groups, 2, box_voxel, box_voxel, box_voxel)
    counts = np.zeros((2, n_groups, 2), np.int64)
    return Sums(np.zeros(shape), np.zeros(shape, np.float32), *counts)


def box_grid(box_voxel: int, step: float) -> BoxGrid:
    """Return the grid of cubic boxes around a particle; `step` in voxels of the tomogram."""
    return BoxGrid((box_voxel,) * 3, (box_voxel // 2,) * 3, step)


def has_pose(normals: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return which particles have a full pose, (n,) bool, of normals and axes (n, 3)."""
    sine = np.linalg.norm(np.cross(normals, axes), axis=1)
    length = np.linalg.norm(normals, axis=1) * np.linalg.norm(axes, axis=1)
    with np.errstate(invalid="ignore"):
        return np.isfinite(sine) & (sine > MIN_SINE * length)


def particle_boxes(
    points: np.ndarray, normals: np.ndarray, axes: np.ndarray, grid: BoxGrid
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the boxes of particles begin and how they step.

    Parameters
    ----------
    points, normals, axes : (n, 3) float, zyx, voxel
    grid : BoxGrid

    Returns
    -------
    origins : (n, 3) float64, zyx, voxel: position of index (0, 0, 0)
    steps : (n, 3, 3) float64, zyx, voxel
        ``steps[:, a]`` leads from one index to the next along box axis a: z, y, x of the particle.
    """
    matrices = poses_from_axes(normals[:, ::-1], axes[:, ::-1]).as_matrix()  # (n, xyz, axis)
    steps = grid.step * matrices[:, ::-1, ::-1].transpose(0, 2, 1)  # (n, axis z y x, zyx)
    return np.asarray(points, dtype=np.float64) - np.asarray(grid.centre) @ steps, steps


def voxels_inside(
    origins: np.ndarray, steps: np.ndarray, grid: BoxGrid, shape: Sequence[int]
) -> np.ndarray:
    """Return which voxels of boxes lie inside a volume, (n, Z, Y, X) bool."""
    index = np.indices(grid.shape).reshape(3, -1).T  # (n_voxels, 3)
    positions = origins[:, None] + index @ steps
    is_inside = ((positions >= 0) & (positions <= np.array(shape) - 1)).all(axis=2)
    return is_inside.reshape(-1, *grid.shape)


def add_particles(
    sums: Sums,
    read_box: ReadBox,
    info: Mapping,
    poses: tuple[np.ndarray, np.ndarray, np.ndarray],
    half: np.ndarray,
    pixel_size: float,
    is_dark: bool,
) -> None:
    """Add the particles of one tomogram to the sums, reading only the crops around them.

    Parameters
    ----------
    sums : Sums, changed in place
    read_box : function of (start, stop), returns the voxels of a box of the tomogram, zyx
    info : mapping, info of the tomogram: `shape`, `pixel_size_angstrom` and `grey`
    poses : points, normals, axes, (n, 3) float each, zyx, voxel
        Each point inside the tomogram, each with a pose (`has_pose`).
    half : (n, n_groups) int
        0 or 1: the particle's half of the group; -1: it is not in the group.
    pixel_size : float, angstrom per voxel of the boxes
    is_dark : bool
        Whether protein is dark in the tomogram; boxes are turned round then.
    """
    shape, grey = tuple(info["shape"]), info["grey"]
    grid = box_grid(sums.totals.shape[-1], pixel_size / info["pixel_size_angstrom"])
    sigma = smoothing_sigma(grid.step)
    margin = math.ceil(grid.reach) + SPLINE_REACH_VOXEL + smooth_reach(sigma)
    sign = np.float32(-1.0 if is_dark else 1.0)
    n_block = max(1, BLOCK_VOXELS // math.prod(grid.shape))
    for tile in cut_tiles(poses[0], margin, shape, TILE_VOXELS):
        crop = normalise(read_box(tile.start, tile.stop), grey)  # 0 .. 1
        crop = sign * (np.float32(grey["low"]) + np.float32(grey["high"] - grey["low"]) * crop)
        coefficients = spline_coefficients(smooth(crop, sigma))
        for first in range(0, len(tile.rows), n_block):
            rows = tile.rows[first : first + n_block]
            origins, steps = particle_boxes(*(part[rows] for part in poses), grid)
            boxes = sample_boxes(coefficients, origins - tile.start, steps, grid.shape)
            _add(sums, boxes, (origins, steps), grid, shape, half[rows])


def _add(sums: Sums, boxes, place, grid: BoxGrid, shape: tuple, half: np.ndarray) -> None:
    """Add a block of boxes; voxels outside the tomogram do not count."""
    is_whole = boxes_inside(*place, grid, shape)
    cut = np.flatnonzero(~is_whole)
    is_inside = voxels_inside(*(part[cut] for part in place), grid, shape).astype(np.float32)
    boxes[cut] *= is_inside
    for h in (0, 1):
        member = (half == h).astype(np.float32)  # (n, n_groups)
        sums.totals[:, h] += np.tensordot(member, boxes, (0, 0))
        sums.weights[:, h] += np.tensordot(member[cut], is_inside, (0, 0))
        sums.n_whole[:, h] += (half[is_whole] == h).sum(axis=0)
        sums.n_partial[:, h] += (half[cut] == h).sum(axis=0)


def split_halves(is_member: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the half (0 or 1) of each particle in each group, -1 where it is not in it.

    Parameters
    ----------
    is_member : (n, n_groups) bool
    rng : numpy Generator
        Particles of a group are shuffled and dealt out in turn.

    Returns
    -------
    (n, n_groups) int8
    """
    half = np.full(is_member.shape, -1, dtype=np.int8)
    for group in range(is_member.shape[1]):
        rows = rng.permutation(np.flatnonzero(is_member[:, group]))
        half[rows, group] = np.arange(len(rows)) % 2
    return half


def averages_of(sums: Sums, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the average of a group and those of its halves.

    Returns
    -------
    average : (Z, Y, X) float32
    halves : (2, Z, Y, X) float32
        0 (the tomograms' mean) where no particle has a voxel.
    """
    totals = sums.totals[group]
    weights = sums.weights[group] + sums.n_whole[group][:, None, None, None]
    both, weight = totals.sum(axis=0), weights.sum(axis=0)
    average = np.divide(both, weight, out=np.zeros_like(both), where=weight > 0)
    halves = np.divide(totals, weights, out=np.zeros_like(totals), where=weights > 0)
    return average.astype(np.float32), halves.astype(np.float32)
