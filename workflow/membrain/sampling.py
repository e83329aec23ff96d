"""Boxes in any orientation, read from a volume by cubic B-splines.

A box is an array with axes ``[k, i, j]`` around a point p of a membrane::

      n  ^   k = 0 lies highest above the membrane
         |  +-----------+
         |  |           |
         |  |     p     |   p is index `centre`
    -----|--|-----------|------ membrane
         |  +-----------+
            i, j run along the in-plane axes e_i, e_j

Index (k, i, j) samples ``p + s ((c_k - k) n + (i - c_i) e_i + (j - c_j) e_j)``, where c is the
centre and the step s is the box's voxel in voxels of the volume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy import ndimage

from .rotations import frames_from_normals

# A frequency response of 1/2 at period L belongs to a Gaussian of sigma = L sqrt(ln 2 / 2) / pi.
SIGMA_PER_HALF_PERIOD = math.sqrt(math.log(2) / 2) / math.pi
# Gaussian that one voxel stands for: response 1/2 at its Nyquist period of 2 voxels.
SIGMA_PER_VOXEL = 2 * SIGMA_PER_HALF_PERIOD
# Beyond this distance the cubic spline's pole (sqrt(3) - 2) has decayed to 2e-7.
SPLINE_REACH_VOXEL = 12
# A narrower Gaussian keeps more than 98 % of every amplitude and is not worth a pass.
MIN_SIGMA_VOXEL = 0.05
# Of the liberties of fast maths only fused multiplication and addition: with all of them the code
# that numba has just compiled rounds otherwise than the same code read from its cache (0.68).
FUSED = {"contract"}


@dataclass(frozen=True)
class BoxGrid:
    """Size of the boxes.

    Attributes
    ----------
    shape : (3,) tuple of int, voxels along k, i, j
    centre : (3,) tuple of float, index of the sampled point
    step : float, size of the box's voxel in voxels of the volume
    """

    shape: tuple[int, int, int] = (12, 12, 12)
    centre: tuple[float, float, float] = (6, 6, 6)
    step: float = 1.0

    @property
    def reach(self) -> float:
        """Distance from the point to the farthest corner, in voxels of the volume."""
        far = [max(c, n - 1 - c) for n, c in zip(self.shape, self.centre, strict=True)]
        return self.step * math.hypot(*far)


def box_axes(
    points: np.ndarray, normals: np.ndarray, grid: BoxGrid
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the boxes begin and how they step.

    Parameters
    ----------
    points, normals : (n, 3) float, zyx, voxel
    grid : BoxGrid

    Returns
    -------
    origins : (n, 3) float64, zyx, voxel
        Position of index (0, 0, 0).
    steps : (n, 3, 3) float64, zyx, voxel
        ``steps[:, a]`` leads from one index to the next along box axis a (k, i, j).
    """
    frames = frames_from_normals(normals)
    steps = grid.step * np.stack([-frames[:, :, 2], frames[:, :, 0], frames[:, :, 1]], axis=1)
    origins = np.asarray(points, dtype=np.float64).reshape(-1, 3) - np.asarray(grid.centre) @ steps
    return origins, steps


def boxes_inside(origins: np.ndarray, steps: np.ndarray, grid: BoxGrid, shape: tuple) -> np.ndarray:
    """Return which boxes lie inside a volume with all their samples, (n,) bool.

    Parameters
    ----------
    origins, steps : as `box_axes` returns them
    grid : BoxGrid
    shape : (3,) int, zyx, voxel
    """
    lengths = (np.array(grid.shape) - 1)[None, :, None] * steps  # (n, 3 edges, 3 zyx)
    low = origins + np.minimum(lengths, 0).sum(axis=1)
    high = origins + np.maximum(lengths, 0).sum(axis=1)
    slack = 1e-6  # rounding of rotated corners that lie on the outermost voxel
    return ((low >= -slack) & (high <= np.array(shape) - 1 + slack)).all(axis=1)


def smoothing_sigma(step: float, lowpass_voxel: float = 0.0) -> float:
    """Return the Gaussian to smooth a volume with before it is sampled, sigma in its voxels.

    Parameters
    ----------
    step : float
        Sampling step in voxels of the volume; above 1 the volume is anti-aliased.
    lowpass_voxel : float
        Period (in voxels of the volume) at which the amplitude falls to one half; 0: no low-pass.

    Notes
    -----
    A voxel is taken for a Gaussian with response 1/2 at its Nyquist period. Going from voxel 1 to
    voxel `step` thus needs ``SIGMA_PER_VOXEL sqrt(step^2 - 1)``, which begins at zero for equal
    voxels. Of this and the low-pass the wider one is taken; below `MIN_SIGMA_VOXEL` it is 0.
    """
    anti_alias = SIGMA_PER_VOXEL * math.sqrt(max(step * step - 1.0, 0.0))
    sigma = max(anti_alias, SIGMA_PER_HALF_PERIOD * lowpass_voxel)
    return sigma if sigma >= MIN_SIGMA_VOXEL else 0.0


def gaussian_kernel(sigma: float) -> np.ndarray:
    """Return the kernel whose frequency response is ``exp(-2 (pi sigma f)^2)`` up to Nyquist.

    Parameters
    ----------
    sigma : float, voxel, above zero

    Returns
    -------
    (2 m + 1,) float64, sum 1

    Notes
    -----
    A Gaussian sampled at the voxels is far from that response below sigma 0.6 (at sigma 0.4 it
    keeps 0.84 where 0.5 is asked for); the kernel is therefore made in frequency space. Cut off at
    its radius it is within 0.004 of the response up to 0.95 Nyquist, and within 0.02 at Nyquist.
    """
    radius = max(8, math.ceil(4 * sigma))
    frequency = np.fft.rfftfreq(16 * radius)  # cycles per voxel
    kernel = np.fft.irfft(np.exp(-2 * (np.pi * sigma * frequency) ** 2))
    kernel = np.concatenate([kernel[-radius:], kernel[: radius + 1]])
    return kernel / kernel.sum()


def smooth(volume: np.ndarray, sigma: float) -> np.ndarray:
    """Return a volume smoothed by a Gaussian, mirrored at its faces; sigma 0 changes nothing."""
    if sigma <= 0:
        return volume
    kernel = gaussian_kernel(sigma)
    for axis in range(volume.ndim):
        volume = ndimage.correlate1d(volume, kernel, axis=axis, output=np.float32, mode="mirror")
    return volume


def smooth_reach(sigma: float) -> int:
    """Return how many voxels away `smooth` looks."""
    return 0 if sigma <= 0 else len(gaussian_kernel(sigma)) // 2


def spline_coefficients(volume: np.ndarray) -> np.ndarray:
    """Return the cubic B-spline coefficients of a volume, as `sample_boxes` takes them.

    Parameters
    ----------
    volume : (Z, Y, X) float32, each length at least 4

    Returns
    -------
    (Z + 3, Y + 3, X + 3) float32
        With one mirrored layer before and two behind each axis, so that no tap of the spline
        leaves the array.
    """
    coefficients = ndimage.spline_filter(volume, order=3, output=np.float32, mode="mirror")
    return np.pad(coefficients, (1, 2), mode="reflect")


@njit(cache=True, inline="always", fastmath=FUSED)
def _weights(t):  # numba: float32 in [0, 1) -> weights of the four coefficients around it
    one, sixth = np.float32(1), np.float32(1 / 6)
    s = one - t
    return (
        sixth * s * s * s,
        sixth * (np.float32(4) + np.float32(3) * t * t * (t - np.float32(2))),
        sixth * (np.float32(4) + np.float32(3) * s * s * (s - np.float32(2))),
        sixth * t * t * t,
    )


@njit(cache=True, inline="always", fastmath=FUSED)
def _mirrored(x, last):  # position reflected at the centres of the outermost voxels
    return max(last - abs(last - abs(x)), 0.0)


@njit(cache=True, parallel=True, fastmath=FUSED)
def _sample(coefficients, origins, steps, out):
    last_z = coefficients.shape[0] - 4.0
    last_y = coefficients.shape[1] - 4.0
    last_x = coefficients.shape[2] - 4.0
    for box in prange(out.shape[0]):
        step = steps[box]
        for k in range(out.shape[1]):
            for i in range(out.shape[2]):
                start_z = origins[box, 0] + k * step[0, 0] + i * step[1, 0]
                start_y = origins[box, 1] + k * step[0, 1] + i * step[1, 1]
                start_x = origins[box, 2] + k * step[0, 2] + i * step[1, 2]
                for j in range(out.shape[3]):
                    z = _mirrored(start_z + j * step[2, 0], last_z)
                    y = _mirrored(start_y + j * step[2, 1], last_y)
                    x = _mirrored(start_x + j * step[2, 2], last_x)
                    cell_z, cell_y, cell_x = int(z), int(y), int(x)
                    weights_z = _weights(np.float32(z - cell_z))
                    weights_y = _weights(np.float32(y - cell_y))
                    w0, w1, w2, w3 = _weights(np.float32(x - cell_x))
                    s0 = s1 = s2 = s3 = np.float32(0)
                    for a in range(4):
                        for b in range(4):
                            w = weights_z[a] * weights_y[b]
                            row = coefficients[cell_z + a, cell_y + b]
                            s0 += w * row[cell_x]
                            s1 += w * row[cell_x + 1]
                            s2 += w * row[cell_x + 2]
                            s3 += w * row[cell_x + 3]
                    out[box, k, i, j] = s0 * w0 + s1 * w1 + s2 * w2 + s3 * w3


def sample_boxes(
    coefficients: np.ndarray, origins: np.ndarray, steps: np.ndarray, shape: tuple[int, int, int]
) -> np.ndarray:
    """Return boxes sampled from a volume's spline; beyond its faces the volume is mirrored.

    Parameters
    ----------
    coefficients : as `spline_coefficients` returns them
    origins, steps : as `box_axes` returns them, voxels of the volume
    shape : (3,) int
        Voxels of a box along k, i, j.

    Returns
    -------
    (n, K, I, J) float32
    """
    out = np.empty((len(origins), *shape), dtype=np.float32)
    if len(origins):
        _sample(coefficients, origins, steps, out)
    return out
