"""Fourier shell correlation of two half averages, and the resolution that it tells."""

from __future__ import annotations

import numpy as np

THRESHOLD = 0.143  # Rosenthal and Henderson 2003
EDGE_VOXEL = 3.0  # width of the mask's soft edge


def soft_sphere(n: int, edge: float = EDGE_VOXEL) -> np.ndarray:
    """Return a ball that fits into a box of n voxels, 1 inside, with a cosine edge, (n, n, n)."""
    index = np.arange(n) - n // 2
    radius = np.sqrt(sum(a**2 for a in np.meshgrid(index, index, index, indexing="ij")))
    outer = (n - 1) // 2
    part = np.clip((outer - radius) / edge, 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * part)


def shell_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the correlation of two volumes in shells of the Fourier space.

    Parameters
    ----------
    a, b : (n, n, n) float

    Returns
    -------
    (n // 2,) float64
        Of the shells with radius 1, 2, ... n // 2 (the Nyquist frequency); shell s has the
        frequency s / n per voxel. 0 where a volume has no power.

    Notes
    -----
    Both are multiplied by the same soft ball after their mean inside it is subtracted, so that the
    corners of the box do not count.
    """
    n = len(a)
    mask = soft_sphere(n)
    spectra = [np.fft.fftn((v - (v * mask).sum() / mask.sum()) * mask) for v in (a, b)]
    index = np.fft.fftfreq(n) * n
    radius = np.sqrt(sum(k**2 for k in np.meshgrid(index, index, index, indexing="ij")))
    shell = np.rint(radius).astype(int).ravel()

    def sum_shells(values: np.ndarray) -> np.ndarray:
        return np.bincount(shell, values.ravel())[1 : n // 2 + 1]

    cross = sum_shells((spectra[0] * spectra[1].conj()).real)
    power = [sum_shells(np.abs(s) ** 2) for s in spectra]
    norm = np.sqrt(power[0] * power[1])
    return np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0)


def resolution(correlation: np.ndarray, box: int, pixel_size: float) -> float | None:
    """Return the period at which a shell correlation first falls below 0.143.

    Parameters
    ----------
    correlation : (n_shells,) float, from `shell_correlation`
    box : int, voxels of the volumes' edge
    pixel_size : float, angstrom

    Returns
    -------
    float or None, angstrom
        Interpolated between shells; the Nyquist period where it never falls below; None where it
        is below from the first shell on.
    """
    below = np.flatnonzero(correlation < THRESHOLD)
    if not len(below):
        return box * pixel_size / len(correlation)
    last = int(below[0])
    if last == 0:
        return None
    high, low = correlation[last - 1], correlation[last]
    shell = last + (high - THRESHOLD) / (high - low)
    return float(box * pixel_size / shell)
