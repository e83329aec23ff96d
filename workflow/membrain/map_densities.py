"""A user's density map in place of an average of annotated particles: laid on it and scaled."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import fft, ndimage, optimize
from scipy.spatial.transform import Rotation

from .class_options import ANY_CLASS, by_class
from .errors import InputError
from .grids import resolve_pixel_size
from .headers import read_header
from .particle_densities import soft_ball, turned
from .particle_shapes import AXES, DEFAULT_THRESHOLD_FRACTION
from .sampling import smooth, smoothing_sigma
from .volumes import read_box

log = logging.getLogger(__name__)

TURN_DEGREE = 10  # in the plane between tried poses
LEAST_CORRELATION = 0.5  # of a map with the average; below it the average stays


def replace_by_maps(
    averages: Mapping[str, np.ndarray],
    maps: Sequence[str],
    first_class: str,
    pixel_size: float,
    axis: str,
    reach: float,
) -> dict[str, np.ndarray]:
    """Return averages with those that have a map replaced by it.

    Parameters
    ----------
    averages : mapping of class to (n, n, n) float32, grey values in the particle's frame
    maps : sequence of str
        ``CLASS=PATH``; a ``PATH`` alone is the map of `first_class`.
    first_class : str
    pixel_size : float, angstrom per voxel of the averages
    axis : {"x", "y", "z"}, axis of the maps along the normal
    reach : float, voxel: radius of the averages

    Raises
    ------
    InputError
        When a map cannot be read or has no pixel size or no density.
    """
    files = by_class("--map", maps)
    if ANY_CLASS in files:
        files.setdefault(first_class.lower(), files.pop(ANY_CLASS))
    out = dict(averages)
    for name, average in averages.items():
        if name.lower() not in files:
            continue
        path = files[name.lower()]
        density, r = fit_map(*read_map(path, axis), average, pixel_size, reach)
        if r < LEAST_CORRELATION:
            log.warning(
                "%s: correlation %.2f with the average of class %s, below %g: the average is used",
                *(path, r, name, LEAST_CORRELATION),
            )
            continue
        log.info("%s: drawn for class %s, correlation %.2f with its average", path, name, r)
        out[name] = density
    return out


def read_map(path: str, axis: str) -> tuple[np.ndarray, float]:
    """Return a map with its z axis along the normal, (Z, Y, X) float32, and its pixel size.

    Raises
    ------
    InputError
        When it cannot be read, or has no pixel size or no density above 0.
    """
    volume = read_header(path)
    density = read_box(volume, (0, 0, 0), volume.shape).astype(np.float32)
    if not density.max() > 0:
        raise InputError(f"{path}: no density above 0", found=f"at most {density.max():g}")
    x, y, z = AXES[axis]
    return density.transpose(2 - z, 2 - y, 2 - x), resolve_pixel_size(volume)


def fit_map(
    density: np.ndarray,
    map_pixel_size: float,
    average: np.ndarray,
    pixel_size: float,
    reach: float,
) -> tuple[np.ndarray, float]:
    """Return a map as an average of particles would show it, and its correlation with the average.

    Parameters
    ----------
    density : (Z, Y, X) float32, z along the normal, up or down
    map_pixel_size, pixel_size : float, angstrom per voxel of the map and of the average
    average : (n, n, n) float32
    reach : float, voxel of the average: radius within which the two are compared

    Returns
    -------
    (n, n, n) float32, grey values like the average's, zero beyond the reach
    float, -1 to 1

    Notes
    -----
    Turns about the normal by 10 degrees, upright and upside down, are tried at every shift up to
    half the reach; from the best one, angle and shift are refined. Factor (of either sign) and
    offset are those of least squares; the offset is left to the background.
    """
    half = len(average) // 2
    ball = soft_ball(half, reach)
    step = pixel_size / map_pixel_size
    density = smooth(np.ascontiguousarray(density), smoothing_sigma(step))
    centre = np.argwhere(density > DEFAULT_THRESHOLD_FRACTION * density.max()).mean(axis=0)
    grid = np.indices(average.shape).reshape(3, -1).T - half  # (n_voxels, 3) zyx

    def draw(flip: float, pose: np.ndarray) -> np.ndarray:
        """Return the map turned by an angle and moved by voxels zyx, like the average."""
        rotation = turned(pose[0]) * Rotation.from_euler("x", flip)
        matrix = rotation.as_matrix()[::-1, ::-1]  # zyx, of the map -> of the average
        place = step * (grid - pose[1:]) @ matrix + centre
        return ndimage.map_coordinates(density, place.T, order=1).reshape(average.shape)

    def misfit(pose: np.ndarray, flip: float) -> float:
        return -_scaled(draw(flip, pose), average, ball)[1]

    flip, pose = _best_on_grid(draw, average, ball, reach)
    simplex = np.vstack([pose, pose + np.diag([np.radians(TURN_DEGREE) / 2, 0.5, 0.5, 0.5])])
    options = {"initial_simplex": simplex, "maxfev": 120, "xatol": 0.01, "fatol": 1e-4}
    found = optimize.minimize(misfit, pose, (flip,), "Nelder-Mead", options=options)
    return _scaled(draw(flip, found.x), average, ball)


def _best_on_grid(draw, average: np.ndarray, ball: np.ndarray, reach: float) -> tuple:
    """Return the flip and the pose (angle, shift zyx) on a grid that match an average best."""
    weighted = ball * (average - np.average(average, weights=ball))
    wanted = np.conj(fft.rfftn(weighted))
    shifts = np.fft.fftfreq(len(average), 1 / len(average))
    radius = np.sqrt(shifts[:, None, None] ** 2 + shifts[:, None] ** 2 + shifts**2)
    best = (-1.0, 0.0, np.zeros(4))
    angles = np.radians(np.arange(0, 360, TURN_DEGREE))
    for flip, angle in itertools.product((0, np.pi), angles):
        drawn = draw(flip, np.array([angle, 0, 0, 0]))
        match = np.abs(fft.irfftn(wanted * fft.rfftn(drawn), s=average.shape))
        match[radius > reach / 2] = 0  # by how much the map lies beyond the average
        peak = np.unravel_index(match.argmax(), match.shape)
        if match[peak] > best[0]:
            best = match[peak], flip, np.array([angle, *(-shifts[list(peak)])])
    return best[1:]


def _scaled(drawn: np.ndarray, average: np.ndarray, ball: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a map scaled to an average by least squares within a ball, and their correlation."""
    a = drawn - np.average(drawn, weights=ball)
    b = average - np.average(average, weights=ball)
    squares = (ball * a * a).sum()
    if not squares > 0:
        return np.zeros_like(average), 0.0
    factor = (ball * a * b).sum() / squares
    r = abs(factor) * np.sqrt(squares / max((ball * b * b).sum(), 1e-30))
    return (factor * ball * drawn).astype(np.float32), float(r)
