"""What a tilt series leaves of a density: missing wedge, coloured noise, and a Wiener filter.

The tilt axis is y and the beam runs along z: a tomogram holds the frequencies with
``|f_z| <= |f_x| tan(max tilt)``. Transforms are single precision over the real half space, zyx with
x halved.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

N_SHELLS = 96  # of the Wiener filter, from frequency 0 to the corner


def frequencies(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return f_z (nz, 1, 1), f_y (1, ny, 1), f_x (1, 1, nx // 2 + 1), float32, cycles per voxel."""
    z, y, x = shape
    return (
        np.fft.fftfreq(z).astype(np.float32)[:, None, None],
        np.fft.fftfreq(y).astype(np.float32)[None, :, None],
        np.fft.rfftfreq(x).astype(np.float32)[None, None, :],
    )


def measured(shape: tuple[int, int, int], max_tilt_degree: float) -> np.ndarray:
    """Return where a tilt series measures: (nz, 1, nx // 2 + 1) bool; 90 degrees: everywhere."""
    f_z, _, f_x = frequencies(shape)
    if max_tilt_degree >= 90:
        return np.ones((shape[0], 1, shape[2] // 2 + 1), dtype=bool)
    return np.abs(f_z) <= f_x * np.tan(np.radians(max_tilt_degree)) + 1e-6


def _forward(volume: np.ndarray, threads: int) -> np.ndarray:
    return fft.rfftn(volume.astype(np.float32, copy=False), workers=threads)


def _back(transform: np.ndarray, shape: tuple[int, int, int], threads: int) -> np.ndarray:
    return fft.irfftn(transform, s=shape, workers=threads).astype(np.float32, copy=False)


def apply_wedge(volume: np.ndarray, max_tilt_degree: float, threads: int = 1) -> np.ndarray:
    """Return a volume (nz, ny, nx) without the frequencies that a tilt series misses, float32."""
    kept = measured(volume.shape, max_tilt_degree)
    return _back(_forward(volume, threads) * kept, volume.shape, threads)


def coloured_noise(
    shape: tuple[int, int, int],
    exponent: float,
    max_tilt_degree: float,
    rng: np.random.Generator,
    threads: int = 1,
) -> np.ndarray:
    """Return noise of amplitude 1 / f^exponent that falls off towards Nyquist, in the same wedge.

    Notes
    -----
    The amplitude is ``max(f, 1/n)^-exponent exp(-(f / 0.45)^4)`` with f in cycles per voxel and n
    the longest side; the scale is arbitrary.
    """
    f_z, f_y, f_x = frequencies(shape)
    f = np.sqrt(f_z**2 + f_y**2 + f_x**2)
    colour = np.maximum(f, 1 / max(shape)) ** -exponent * np.exp(-((f / 0.45) ** 4))
    white = _forward(rng.standard_normal(shape, dtype=np.float32), threads)
    colour = (colour * measured(shape, max_tilt_degree)).astype(np.float32)
    return _back(white * colour, shape, threads)


def scale_noise(
    signal: np.ndarray, noise: np.ndarray, snr: float, region: np.ndarray
) -> np.ndarray:
    """Return the noise scaled so that variance of signal / variance of noise is `snr` in a region.

    Parameters
    ----------
    signal, noise : (nz, ny, nx) float32
    snr : float, above 0
    region : (nz, ny, nx) bool, not empty
    """
    wanted = signal[region].var(dtype=np.float64) / snr
    return noise * np.float32(np.sqrt(wanted / noise[region].var(dtype=np.float64)))


def wiener_filter(
    signal: np.ndarray, noise: np.ndarray, region: np.ndarray, threads: int = 1
) -> np.ndarray:
    """Return signal + noise, smoothed as well as the knowledge of both spectra allows.

    Every frequency is weighted with S / (S + N), S and N the mean power of signal and noise on its
    shell, S for a tomogram that is filled like `region`: membranes take up a small part.

    Parameters
    ----------
    signal, noise : (nz, ny, nx) float32
    region : (nz, ny, nx) bool, near the membranes
    """
    shape = signal.shape
    f_z, f_y, f_x = frequencies(shape)
    shell = np.sqrt(f_z**2 + f_y**2 + f_x**2) * (2 / np.sqrt(3) * N_SHELLS)
    shell = np.minimum(shell.astype(np.int32), N_SHELLS - 1)

    def power(transform: np.ndarray) -> np.ndarray:
        weights = np.square(np.abs(transform)).ravel()
        return np.bincount(shell.ravel(), weights=weights, minlength=N_SHELLS)

    signal_transform, noise_transform = _forward(signal, threads), _forward(noise, threads)
    signal_power = power(signal_transform) * (region.size / max(int(region.sum()), 1))
    total = np.maximum(signal_power + power(noise_transform), np.finfo(np.float32).tiny)
    weight = (signal_power / total).astype(np.float32)[shell]
    return _back((signal_transform + noise_transform) * weight, shape, threads)
