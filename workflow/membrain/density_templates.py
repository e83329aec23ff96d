"""Density maps as templates: turned about the particle's normal and sampled on any grid.

A template stands in the particle's frame, xyz::

      z = normal, away from the membrane
      |   .
      |  .  y = z x x
      | .
      +------- x = the map's own x axis

and turning it by an angle a brings its x axis to ``(cos a, sin a, 0)``.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from .errors import InputError
from .grids import resolve_pixel_size
from .headers import read_header
from .particle_shapes import AXES, DEFAULT_THRESHOLD_FRACTION
from .sampling import BoxGrid, sample_boxes, smooth, smoothing_sigma, spline_coefficients
from .volumes import read_box

log = logging.getLogger(__name__)

MIN_VOXELS = 10  # above the threshold, for a map to have a place and a long axis


@dataclass(frozen=True)
class Template:
    """A density in the particle's frame.

    Attributes
    ----------
    coefficients : spline of the density, protein positive, as `sampling.sample_boxes` takes it
    centre : (3,) float64, zyx, voxel of the density: the particle's place
    step : float, working voxel in voxels of the density
    matrix : (3, 3) float64, xyz, orthonormal; maps particle -> density
    long_axis : float, radian, from the particle's x axis: where the density is longest in the plane
    reach : float, working voxel; farther from the centre there is nothing
    """

    coefficients: np.ndarray
    centre: np.ndarray
    step: float
    matrix: np.ndarray
    long_axis: float
    reach: float


def _cut_around(density: np.ndarray, centre: np.ndarray, reach: float):
    """Return the density within `reach` of a place, zeros beyond its faces, and the place in it."""
    low = np.floor(centre - reach).astype(int)
    high = np.ceil(centre + reach).astype(int) + 1
    out = np.zeros(high - low, np.float32)
    inner_low, inner_high = np.maximum(low, 0), np.minimum(high, density.shape)
    source = tuple(slice(a, b) for a, b in zip(inner_low, inner_high, strict=True))
    target = tuple(slice(a, b) for a, b in zip(inner_low - low, inner_high - low, strict=True))
    out[target] = density[source]
    return out, centre - low


def _face_value(density: np.ndarray) -> float:
    """Return the median of the six faces: what surrounds the particle."""
    faces = [np.take(density, i, axis).ravel() for axis in range(3) for i in (0, -1)]
    return float(np.median(np.concatenate(faces)))


def make_template(
    density: np.ndarray,
    pixel_size: float,
    working_size: float,
    reach: float,
    *,
    axis: str = "z",
    threshold: float | None = None,
    is_centred: bool = False,
    name: str = "map",
) -> Template:
    """Return the template of a density.

    Parameters
    ----------
    density : (Z, Y, X) float
        Protein may be higher or lower than what surrounds it.
    pixel_size, working_size : float, angstrom per voxel of the density and per working voxel
        A finer density is smoothed as a tomogram of that pixel size would be.
    reach : float, working voxel
        What lies farther from the centre is left out.
    axis : {"z", "y", "x"}
        Axis of the density along the normal; x and y of the particle follow it cyclically.
    threshold : float, optional
        Density, counted from the surroundings, above which a voxel is the particle's; default a
        quarter of the maximum. Gives the centre and the long axis.
    is_centred : bool
        Whether the particle is at index n // 2; else at the centroid above the threshold.
    name : str, for messages

    Raises
    ------
    InputError
        When fewer than 10 voxels lie above the threshold, or densities are not numbers.
    """
    density = np.asarray(density, dtype=np.float32)
    if not np.isfinite(density).all():
        raise InputError(f"{name}: densities that are not numbers")
    density = density - np.float32(_face_value(density))
    if -density.min() > density.max():
        log.info("%s: protein is lower than its surroundings; turned round", name)
        density = -density
    step = working_size / pixel_size
    density = smooth(density, smoothing_sigma(step))
    level = DEFAULT_THRESHOLD_FRACTION * float(density.max()) if threshold is None else threshold
    inside = np.argwhere(density > level)
    if len(inside) < MIN_VOXELS or level <= 0:
        raise InputError(
            f"{name}: no particle above density {level:g}",
            found=f"{len(inside)} voxels, densities up to {density.max():g} above the surroundings",
            expected=f"at least {MIN_VOXELS} voxels",
            remedy="set the threshold of the map (config: label_points.map_threshold)",
        )
    centre = np.array(density.shape) // 2 if is_centred else inside.mean(axis=0)
    flat = inside[:, ::-1][:, AXES[axis]][:, :2] * 1.0  # (n, 2) particle x, y
    spread = np.cov(flat.T)
    long_axis = 0.5 * math.atan2(2 * spread[0, 1], spread[0, 0] - spread[1, 1])
    matrix = np.eye(3)[list(AXES[axis])].T  # density coordinate AXES[axis][k] is particle's k
    cut, place = _cut_around(density, centre.astype(np.float64), reach * step + 2)
    return Template(spline_coefficients(cut), place, step, matrix, long_axis, reach)


def read_template(
    path: str | Path,
    working_size: float,
    reach: float,
    axis: str = "z",
    threshold: float | None = None,
    is_centred: bool = False,
) -> Template:
    """Return the template of an MRC map, see `make_template`.

    Raises
    ------
    InputError
        Also when the map cannot be read or has no pixel size.
    """
    volume = read_header(path)
    pixel_size = resolve_pixel_size(volume)
    density = read_box(volume, (0, 0, 0), volume.shape)
    options = {"axis": axis, "threshold": threshold, "is_centred": is_centred, "name": str(path)}
    found = make_template(density, pixel_size, working_size, reach, **options)
    degrees = math.degrees(found.long_axis)
    log.info("%s: longest in the plane at %.1f degrees from x", path, degrees)
    return found


def turn_over(template: Template) -> Template:
    """Return the template upside down: turned by 180 degrees about its long axis in the plane.

    The long axis keeps its place, so that in-plane angles of a symmetric density do not change.
    """
    cos, sin = math.cos(2 * template.long_axis), math.sin(2 * template.long_axis)
    half_turn = np.array([[cos, sin, 0], [sin, -cos, 0], [0, 0, -1.0]])
    return replace(template, matrix=template.matrix @ half_turn)


def sample_turned(
    template: Template, grid: BoxGrid, angles: Sequence[float], symmetry: int = 1
) -> np.ndarray:
    """Return the template turned by angles about its z axis, on a grid around its centre.

    Parameters
    ----------
    template : Template
    grid : BoxGrid
        Indices (k, j, i) run along the particle's z, y, x; its step is in working voxels. Its
        farthest corner lies within the template's reach.
    angles : (n,) float, radian
    symmetry : int
        n of Cn: the template is averaged over its n turns.

    Returns
    -------
    (n, K, J, I) float32
    """
    turns = np.asarray(angles, dtype=np.float64)[:, None]
    turns = (turns + 2 * np.pi * np.arange(symmetry) / symmetry).ravel()
    cos, sin = np.cos(turns), np.sin(turns)
    back = np.zeros((len(turns), 3, 3))  # box -> particle: by minus the angle
    back[:, 0, 0], back[:, 0, 1], back[:, 1, 0], back[:, 1, 1] = cos, sin, -sin, cos
    back[:, 2, 2] = 1
    directions = template.matrix @ back  # (n, density xyz, box xyz)
    steps = template.step * grid.step * directions[:, ::-1, ::-1].transpose(0, 2, 1)
    origins = template.centre - np.asarray(grid.centre) @ steps
    values = sample_boxes(template.coefficients, origins, steps, grid.shape)
    return values.reshape(len(angles), symmetry, *grid.shape).mean(axis=1)
