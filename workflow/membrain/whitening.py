"""A filter that makes all frequencies of a tomogram count alike, measured on the tomogram itself.

Grey values of a tomogram are mostly slow waves, and whole ranges of directions are missing from it
(the wedge between the largest tilts). Both are seen in its power spectrum. Everything here is on
the **working grid**: voxels of the working pixel size, whatever the tomogram's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import fft

from .errors import InputError
from .grey_values import normalise
from .sampling import (
    SPLINE_REACH_VOXEL,
    sample_boxes,
    smooth,
    smooth_reach,
    smoothing_sigma,
    spline_coefficients,
)
from .subvolumes import ReadBox

CUBE_VOXEL = 32  # edge of the cubes that the spectrum is measured in, working voxels
N_CUBES = 150  # the mean of so many has a standard error of 8 % in each frequency
# power of a frequency as a part of the strong ones of its length from which it counts as measured
SEEN_SHARE = 0.5
# least power of a frequency's length, as a part of the middle lengths': what is fainter is left so
LEAST_POWER = 0.002
# 1 would be best if stationary noise were all that there is; chosen on one membrane, see the docs
EXPONENT = 0.65


def working_shape(shape: Sequence[int], step: float) -> tuple[int, int, int]:
    """Return the voxels (zyx) of the working grid that lie inside a tomogram.

    Parameters
    ----------
    shape : (3,) int, zyx, voxel of the tomogram
    step : float
        Working voxel in voxels of the tomogram.
    """
    z, y, x = (int((n - 1) / step + 1e-9) + 1 for n in shape)
    return z, y, x


def read_working(
    read_box: ReadBox, info: Mapping, start: Sequence[int], stop: Sequence[int], step: float
) -> np.ndarray:
    """Return a box of the working grid, whose voxel (0, 0, 0) is that of the tomogram.

    Parameters
    ----------
    read_box : function of (start, stop), returns the voxels of a box of the tomogram, zyx
    info : mapping, info of the tomogram: `shape` and `grey`
    start, stop : (3,) int, zyx, working voxel; inside `working_shape`
    step : float, working voxel in voxels of the tomogram

    Returns
    -------
    (z, y, x) float32
        Grey values as deviations from the tomogram, in its standard deviations.
    """
    grey, start, stop = info["grey"], np.asarray(start), np.asarray(stop)
    is_same = abs(step - 1) < 1e-6
    sigma = smoothing_sigma(step)
    margin = 0 if is_same else SPLINE_REACH_VOXEL + smooth_reach(sigma)
    low = np.maximum(np.floor(start * step).astype(int) - margin, 0)
    high = np.minimum(np.ceil((stop - 1) * step - 1e-6).astype(int) + 1 + margin, info["shape"])
    values = normalise(read_box(low, high), grey)
    values = np.float32(grey["low"]) + np.float32(grey["high"] - grey["low"]) * values
    if is_same:
        return values
    coefficients = spline_coefficients(smooth(values, sigma))
    steps = step * np.eye(3)[None]
    return sample_boxes(coefficients, (start * step - low)[None], steps, tuple(stop - start))[0]


def measure_power(
    read_box: ReadBox,
    info: Mapping,
    step: float,
    rng: np.random.Generator,
    n_cubes: int = N_CUBES,
) -> np.ndarray:
    """Return the mean power spectrum of cubes anywhere in a tomogram.

    Parameters
    ----------
    read_box, info, step : see `read_working`
    rng : numpy Generator, of the places
    n_cubes : int

    Returns
    -------
    (S, S, S) float64
        Frequencies as `numpy.fft.fftfreq` orders them, cycles per working voxel; S is `CUBE_VOXEL`
        or the largest even number that fits the tomogram. Cubes of one grey value do not count.

    Raises
    ------
    InputError
        When the tomogram is thinner than 8 working voxels, or flat wherever it was looked at.
    """
    shape = working_shape(info["shape"], step)
    size = min(CUBE_VOXEL, min(shape) // 2 * 2)
    if size < 8:
        raise InputError(
            f"{info['tomogram']}: too thin to measure its spectrum",
            found=f"{min(shape)} working voxels",
            expected="at least 8",
            remedy="set refine_angles.template to none",
        )
    window = np.hanning(size + 2)[1:-1]
    window = window[:, None, None] * window[:, None] * window
    total, n_used = np.zeros((size,) * 3), 0
    for _ in range(n_cubes):
        start = np.array([rng.integers(0, n - size + 1) for n in shape])
        cube = read_working(read_box, info, start, start + size, step)
        cube = cube - cube.mean()
        if np.ptp(cube) > 1e-6:
            total += np.abs(fft.fftn(cube * window)) ** 2
            n_used += 1
    if n_used == 0:
        raise InputError(f"{info['tomogram']}: one grey value wherever it was looked at")
    return total / n_used / (window**2).sum()


def whitening_response(power: np.ndarray, exponent: float = EXPONENT) -> np.ndarray:
    """Return the filter ``seen(f) P(|f|)^-exponent`` of a power spectrum.

    Parameters
    ----------
    power : (S, S, S), see `measure_power`
    exponent : float, 0 to 1

    Returns
    -------
    (S, S, S) float64, in the same order
        0 for the mean and beyond the Nyquist frequency.

    Notes
    -----
    P(|f|) is the upper quartile of the power of all directions, so that a missing wedge does not
    lower it. `seen` is 1 where the power is at least half of P, and falls to 0 with it.
    """
    size = len(power)
    squares = fft.fftfreq(size) ** 2
    length = np.sqrt(squares[:, None, None] + squares[:, None] + squares)
    last = size // 2
    shell = np.minimum(np.rint(length * size).astype(int), last)
    strong = np.array([np.quantile(power[shell == s], 0.75) for s in range(last + 1)])
    middle = np.median(strong[max(last // 5, 1) : last // 2 + 1])
    strong = np.maximum(strong, max(LEAST_POWER * middle, 1e-12 * strong.max()))
    seen = np.clip(power / strong[shell] / SEEN_SHARE, 0, 1)
    response = seen * strong[shell] ** -exponent
    response[(shell == 0) | (length > 0.5)] = 0
    return response


def _spread(size: int, n: int, half: bool) -> np.ndarray:
    """Return the matrix that interpolates `size` frequencies linearly to those of n voxels."""
    place = (fft.rfftfreq(n) if half else fft.fftfreq(n)) * size
    lower = np.floor(place).astype(int)
    matrix = np.zeros((len(place), size))
    rows = np.arange(len(place))
    matrix[rows, lower % size] += 1 - (place - lower)
    matrix[rows, (lower + 1) % size] += place - lower
    return matrix


def apply_response(volume: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return a volume filtered by a response; it is mirrored at its faces.

    Parameters
    ----------
    volume : (Z, Y, X) float32
    response : (S, S, S), see `whitening_response`

    Returns
    -------
    (Z, Y, X) float32
    """
    reach = len(response) // 2
    fast = [fft.next_fast_len(n + 2 * reach, real=True) for n in volume.shape]
    room = [(reach, m - n - reach) for n, m in zip(volume.shape, fast, strict=True)]
    spectrum = fft.rfftn(np.pad(volume.astype(np.float32), room, mode="symmetric"))
    onto = [_spread(len(response), m, axis == 2) for axis, m in enumerate(fast)]
    factors = np.einsum("abc,za,yb,xc->zyx", response, *onto, optimize=True)
    spectrum *= factors.astype(np.float32)
    inner = tuple(slice(reach, reach + n) for n in volume.shape)
    return np.ascontiguousarray(fft.irfftn(spectrum, fast)[inner], dtype=np.float32)


def cut_margin(size: int, reach: float) -> int:
    """Return the room that a crop needs around its points to be filtered and sampled."""
    return math.ceil(reach) + size // 2 + 3
