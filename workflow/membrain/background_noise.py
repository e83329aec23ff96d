"""Noise with the power spectrum of a tomogram's background, missing wedge included."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from .errors import InputError
from .mask_cells import MaskCells
from .subvolumes import ReadBox

log = logging.getLogger(__name__)

PATCH_WORKING_VOXEL = 32
MAX_PATCH_VOXEL = 64
N_PATCHES = 160
ENOUGH_PATCHES = 40  # below, patches farther away and smaller ones are looked for
FEWEST_PATCHES = 8
MAX_TRIES = 20_000
MARGIN_WORKING_VOXEL = 6  # between a patch and the next mask voxel
NEAR_WORKING_VOXEL = 64  # patches this near to the membrane's own box are taken first
MAX_VARIANCE = 4.0  # times the median: patches with gold or ice do not count
MAX_PERIOD_VOXEL = 256  # noise repeats at this distance: 64 MB


@dataclass(frozen=True)
class Background:
    """What a tomogram holds away from membranes.

    Attributes
    ----------
    level : float, mean grey value of the tomogram file
    power : (Z, Y, X) float64, zero frequency first
        Mean square of the Fourier transform of unit-variance white noise that is given this colour:
        its mean over all frequencies is the variance of the grey values.
    n_patches : int, patches that were measured
    """

    level: float
    power: np.ndarray
    n_patches: int


def measure_background(
    read_box: ReadBox,
    shape: Sequence[int],
    cells: MaskCells,
    points: np.ndarray,
    step: float,
    rng: np.random.Generator,
) -> Background:
    """Return level and power spectrum of patches away from every mask, near a membrane first.

    Parameters
    ----------
    read_box : function of (start, stop), returns the voxels of a box of the tomogram, zyx
    shape : (3,) int, zyx, voxel: of the tomogram
    cells : MaskCells of every mask of the tomogram
    points : (n, 3) float, zyx, voxel: of the membrane
    step : float, length of a working voxel in voxels of the tomogram
    rng : numpy Generator

    Raises
    ------
    InputError
        When fewer than 8 patches are free of membranes.

    Notes
    -----
    A patch v loses its mean and is windowed by a Hann window w; its power is
    ``|F(v w)|^2 / sum(w^2)``. Patches may overlap.
    """
    patch, starts = _choose_patches(shape, cells, points, step, rng)
    if len(starts) < FEWEST_PATCHES:
        raise InputError(
            "too little room without membranes to measure noise in",
            found=f"{len(starts)} boxes of {patch.tolist()[::-1]} voxels (x, y, z)",
            expected=f"at least {FEWEST_PATCHES}",
            remedy="set replicate_membranes.replicas to 0 for this data",
        )
    boxes = (read_box(start, start + patch).astype(np.float64) for start in starts)
    windows = [np.hanning(n + 2)[1:-1] for n in patch]
    window = windows[0][:, None, None] * windows[1][:, None] * windows[2]
    found = [(box.mean(), box.var(), box) for box in boxes]
    variances = np.array([variance for _, variance, _ in found])
    is_used = variances <= MAX_VARIANCE * np.median(variances)
    power = np.zeros(patch)
    for (mean, _, box), used in zip(found, is_used, strict=True):
        if used:
            power += np.abs(fft.fftn((box - mean) * window)) ** 2
    n = int(is_used.sum())
    level = float(
        np.mean([mean for (mean, _, _), used in zip(found, is_used, strict=True) if used])
    )
    return Background(level, power / (n * (window**2).sum()), n)


def _choose_patches(shape, cells: MaskCells, points, step: float, rng) -> tuple:
    """Return size (3,) and corners (n, 3) of free patches, smaller ones where room is scarce."""
    largest = min(MAX_PATCH_VOXEL, max(PATCH_WORKING_VOXEL, int(PATCH_WORKING_VOXEL * step)))
    for size in (largest, largest * 3 // 4, largest // 2):
        patch = np.minimum(size, np.array(shape))
        starts = _free_patches(shape, cells, points, step, patch, rng)
        if len(starts) >= ENOUGH_PATCHES:
            break
    return patch, starts


def _free_patches(shape, cells: MaskCells, points, step: float, patch, rng) -> np.ndarray:
    """Return corners of free patches, (n, 3) int: those near the membrane, else any."""
    margin = int(np.ceil(MARGIN_WORKING_VOXEL * step))
    every = [np.arange(0, n - p + 1, max(1, p // 4)) for n, p in zip(shape, patch, strict=True)]
    corners = np.stack(np.meshgrid(*every, indexing="ij"), axis=-1).reshape(-1, 3)
    corners = rng.permutation(corners)
    reach = NEAR_WORKING_VOXEL * step
    low, high = points.min(axis=0) - reach - patch, points.max(axis=0) + reach
    is_near = ((corners >= low) & (corners <= high)).all(axis=1)
    out: list[np.ndarray] = []
    for group in (corners[is_near], corners[~is_near]):
        for corner in group[:MAX_TRIES]:
            if len(out) == N_PATCHES:
                break
            if cells.is_free(corner - margin, corner + patch + margin):
                out.append(corner)
        if len(out) >= ENOUGH_PATCHES:
            break
    return np.array(out, dtype=int).reshape(-1, 3)


def periodic_noise(
    background: Background, size: Sequence[int], rng: np.random.Generator, threads: int = 1
) -> np.ndarray:
    """Return noise of the background's colour that can be laid side by side, (Z, Y, X) float32.

    Parameters
    ----------
    background : Background
    size : (3,) int, zyx, voxel: wanted; lengths above 256 become 256, others may grow a little
    rng : numpy Generator
    """
    shape = [fft.next_fast_len(int(min(n, MAX_PERIOD_VOXEL)), real=True) for n in size]
    transform = fft.rfftn(rng.standard_normal(shape, dtype=np.float32), workers=threads)
    amplitude = np.sqrt(background.power).astype(np.float32)
    bins = amplitude.shape
    f_z, f_y = (fft.fftfreq(n) * b for n, b in zip(shape[:2], bins[:2], strict=True))
    f_x = fft.rfftfreq(shape[2]) * bins[2]
    for plane, z in zip(transform, f_z, strict=True):
        place = np.meshgrid([z], f_y, f_x, indexing="ij")
        plane *= ndimage.map_coordinates(amplitude, place, order=1, mode="grid-wrap")[0]
    return fft.irfftn(transform, s=shape, workers=threads).astype(np.float32, copy=False)


def read_periodic(noise: np.ndarray, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
    """Return a box of periodic noise."""
    axes = [np.arange(a, b) % n for a, b, n in zip(start, stop, noise.shape, strict=True)]
    return noise[np.ix_(*axes)]
