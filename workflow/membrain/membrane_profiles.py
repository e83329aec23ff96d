"""The mean density of a membrane along its normal, measured in a tomogram and drawn again.

Heights are signed distances from the sampled points of one side, along their normals::

      height   ^            + + +     above: the side of the points
         0   --+-- o-----o-----o-----o-- sampled points, the surface of the mask
               |  ================   membrane
               v            - - -     below: the other side
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .sparse_volumes import BLOCK_VOXEL, SparseVolume
from .subvolumes import ReadBox

REACH_WORKING_VOXEL = 20.0  # the membrane is drawn up to this height; boxes end below it
N_NEIGHBOURS = 6  # sampled points whose planes are blended into one height
BLEND_WORKING_VOXEL = 2.0  # a plane whose point is this much farther counts 1/e
RIM_WORKING_VOXEL = (2.0, 6.0)  # lateral distance from the points over which the membrane ends
CLEAR_WORKING_VOXEL = 10.0  # distance from annotated particles where bare membrane is measured
LEAST_BARE = 0.1  # of the points, the farthest ones, measure it where fewer are that far
FADE_BINS = 4  # over which the profile's ends go over to the background
MIN_BIN_VOXELS = 20
CUBE_VOXEL = 4  # parts of a block that are looked at as a whole first


@dataclass(frozen=True)
class Sheet:
    """Sampled points of one side of a membrane.

    Attributes
    ----------
    points, normals : (n, 3) float64, zyx, voxel
    step : float, length of a working voxel in voxels of the tomogram
    """

    points: np.ndarray
    normals: np.ndarray
    step: float = 1.0


@dataclass(frozen=True)
class Band:
    """Voxels near a membrane that lie in one block.

    Attributes
    ----------
    start : (3,) int, zyx: the block's first voxel
    index : (n,) int, flat index in the block
    height, lateral : (n,) float32, voxel: along the normal and across it from the nearest point
    nearest : (n,) int, row of the nearest point
    """

    start: np.ndarray
    index: np.ndarray
    height: np.ndarray
    lateral: np.ndarray
    nearest: np.ndarray


@dataclass(frozen=True)
class Profile:
    """Mean grey values by height.

    Attributes
    ----------
    heights : (n,) float64, voxel, ascending
    values : (n,) float64, grey value of the tomogram file minus the background
    """

    heights: np.ndarray
    values: np.ndarray


def iter_bands(sheet: Sheet, threads: int = 1) -> Iterator[Band]:
    """Yield the voxels within reach of a sheet, block by block.

    Notes
    -----
    The height of a voxel is the mean of its heights above the planes of the nearest points, each
    weighted by ``exp(-(d - d_nearest) / blend)``: it has no step where the nearest point changes.
    """
    tree = cKDTree(sheet.points)
    reach = REACH_WORKING_VOXEL * sheet.step
    cubes = _cubes()
    for number in _blocks_near(sheet.points, reach):
        start = number * BLOCK_VOXEL
        centres = start + cubes.mean(axis=1)
        is_near = np.isfinite(tree.query(centres, distance_upper_bound=reach + CUBE_VOXEL)[0])
        places = cubes[is_near].reshape(-1, 3)
        found = tree.query(
            start + places, k=N_NEIGHBOURS, distance_upper_bound=reach, workers=threads
        )
        is_in = np.isfinite(found[0][:, 0])
        if is_in.any():
            index = np.ravel_multi_index(places[is_in].T, (BLOCK_VOXEL,) * 3)
            yield _band(sheet, start, index, start + places[is_in], *(f[is_in] for f in found))


def _band(sheet: Sheet, start, index, places, distance, row) -> Band:
    """Return a block's voxels with their heights; neighbours out of reach are infinitely far."""
    row = np.minimum(row, len(sheet.points) - 1)
    above = np.einsum("nka,nka->nk", places[:, None] - sheet.points[row], sheet.normals[row])
    weight = np.exp((distance[:, :1] - distance) / (BLEND_WORKING_VOXEL * sheet.step))
    height = (above * weight).sum(axis=1) / weight.sum(axis=1)
    lateral = np.sqrt(np.maximum(distance[:, 0] ** 2 - above[:, 0] ** 2, 0))
    return Band(start, index, height.astype(np.float32), lateral.astype(np.float32), row[:, 0])


def _cubes() -> np.ndarray:
    """Return the voxels of a block by cubes of 4^3, (512, 64, 3) int, zyx."""
    n = BLOCK_VOXEL // CUBE_VOXEL
    corners = CUBE_VOXEL * np.indices((n, n, n)).reshape(3, -1).T
    return corners[:, None] + np.indices((CUBE_VOXEL,) * 3).reshape(3, -1).T


def _blocks_near(points: np.ndarray, reach: float) -> np.ndarray:
    """Return the numbers of the blocks that may hold voxels within reach of points, (m, 3) int."""
    if not len(points):
        return np.empty((0, 3), dtype=int)
    own = np.unique(np.floor(points / BLOCK_VOXEL).astype(int), axis=0)
    around = np.arange(-math.ceil(reach / BLOCK_VOXEL), math.ceil(reach / BLOCK_VOXEL) + 1)
    shifts = np.stack(np.meshgrid(around, around, around, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.unique((own[:, None] + shifts).reshape(-1, 3), axis=0)


def bare_points(sheet: Sheet, positions: np.ndarray) -> np.ndarray:
    """Return which points lie away from annotated particles, (n,) bool.

    Where fewer than a tenth of the points are 10 working voxels away, the farthest tenth is taken.

    Parameters
    ----------
    sheet : Sheet
    positions : (m, 3) float, zyx, voxel
    """
    if not len(positions):
        return np.ones(len(sheet.points), dtype=bool)
    distance = cKDTree(positions).query(sheet.points)[0]
    return distance >= min(CLEAR_WORKING_VOXEL * sheet.step, np.quantile(distance, 1 - LEAST_BARE))


def measure_profile(
    bands: list[Band],
    sheet: Sheet,
    is_bare: np.ndarray,
    read_box: ReadBox,
    shape: tuple[int, int, int],
    background: float,
) -> Profile:
    """Return the mean grey value by height, over the voxels nearest to bare points.

    Parameters
    ----------
    bands : list of Band, from `iter_bands`
    sheet : Sheet
    is_bare : (n_points,) bool
    read_box : function of (start, stop), returns the voxels of a box of the tomogram, zyx
    shape : (3,) int, zyx, voxel: of the tomogram
    background : float, mean grey value away from membranes

    Notes
    -----
    Bins are one voxel high. One with fewer than 20 voxels, and the ends over `FADE_BINS`, go over
    to the background.
    """
    reach = math.ceil(REACH_WORKING_VOXEL * sheet.step)
    edges = np.arange(-reach - 0.5, reach + 1.5)
    n_bins = len(edges) - 1
    totals, counts = np.zeros(n_bins), np.zeros(n_bins)
    for band in bands:
        low, high = np.clip(band.start, 0, shape), np.clip(band.start + BLOCK_VOXEL, 0, shape)
        place = np.stack(np.unravel_index(band.index, (BLOCK_VOXEL,) * 3), axis=1) + band.start
        is_used = is_bare[band.nearest] & (band.lateral < RIM_WORKING_VOXEL[0] * sheet.step)
        is_used &= ((place >= low) & (place < high)).all(axis=1)
        if not is_used.any():
            continue
        values = read_box(low, high)[tuple((place[is_used] - low).T)].astype(np.float64)
        which = np.digitize(band.height[is_used], edges) - 1
        is_in = (which >= 0) & (which < n_bins)
        totals += np.bincount(which[is_in], values[is_in] - background, n_bins)
        counts += np.bincount(which[is_in], minlength=n_bins)
    mean = np.where(counts >= MIN_BIN_VOXELS, totals / np.maximum(counts, 1), 0.0)
    from_end = np.minimum(np.arange(n_bins), np.arange(n_bins)[::-1])
    return Profile((edges[1:] + edges[:-1]) / 2, mean * np.clip(from_end / FADE_BINS, 0, 1))


def draw_profile(bands: list[Band], sheet: Sheet, profile: Profile) -> SparseVolume:
    """Return the membrane that a profile gives, as grey values minus the background."""
    out = SparseVolume()
    first, last = (part * sheet.step for part in RIM_WORKING_VOXEL)
    for band in bands:
        block = np.zeros(BLOCK_VOXEL**3, np.float32)
        there = np.clip((last - band.lateral) / (last - first), 0, 1)
        block[band.index] = there * np.interp(band.height, profile.heights, profile.values)
        out.add(band.start, block.reshape((BLOCK_VOXEL,) * 3))
    return out
