"""Shape of a particle as a covariance: of a density map, of a sphere or an ellipsoid, or given.

A covariance (3, 3) stands in the particle's own frame, **xyz**, z along the membrane's normal.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .class_options import ANY_CLASS, by_class, numbers_by_class
from .errors import InputError, suggest
from .grids import resolve_pixel_size
from .headers import read_header
from .volumes import read_box

log = logging.getLogger(__name__)

DEFAULT_THRESHOLD_FRACTION = 0.25  # of the map's maximum: 0.1 in the published maps
# axes of a map that become x, y, z of the particle, for the axis along the normal; cyclic, so that
# the frame keeps its hand
AXES = {"x": (1, 2, 0), "y": (2, 0, 1), "z": (0, 1, 2)}


def covariance_from_map(
    path: str | Path, threshold: float | None = None, axis: str = "z"
) -> np.ndarray:
    """Return the covariance of the voxels of a density map that belong to the particle.

    Parameters
    ----------
    path : path
        MRC file; its header's pixel size is used.
    threshold : float, optional
        Density above which a voxel belongs to the particle; default a quarter of the maximum.
    axis : {"z", "y", "x"}
        Axis of the map that lies along the membrane's normal. Its direction does not matter.

    Returns
    -------
    (3, 3) float64, xyz, angstrom squared

    Raises
    ------
    InputError
        When the map cannot be read, has no pixel size, or fewer than 10 voxels above the threshold
        or all in one plane.
    """
    volume = read_header(path)
    pixel_size = resolve_pixel_size(volume)
    density = read_box(volume, (0, 0, 0), volume.shape)
    if threshold is None:
        threshold = DEFAULT_THRESHOLD_FRACTION * float(density.max())
    inside = np.argwhere(density > threshold)[:, ::-1][:, AXES[axis]] * pixel_size  # xyz
    covariance = np.cov(inside.T) if len(inside) >= 10 else np.zeros((3, 3))
    if np.linalg.eigvalsh(covariance)[0] < (0.2 * pixel_size) ** 2:
        raise InputError(
            f"{path}: no particle above density {threshold:g}",
            found=f"{len(inside)} voxels, densities {density.min():g} to {density.max():g}",
            expected="at least 10 voxels that are not all in one plane",
            remedy="set the threshold of the map (config: label_points.map_threshold)",
        )
    log.info(
        "%s: %d voxels above %g, standard deviations along x, y, normal %s angstrom",
        *(path, len(inside), threshold),
        np.round(np.sqrt(np.diag(covariance)), 1).tolist(),
    )
    return covariance


def covariance_from_radii(radii_angstrom: Sequence[float]) -> np.ndarray:
    """Return the covariance (3, 3), xyz, angstrom squared, of a solid ellipsoid.

    Parameters
    ----------
    radii_angstrom : (3,) float
        Along x, y (in the membrane) and z (the normal). Three equal ones are a sphere.

    Raises
    ------
    InputError
        When there are not three radii above zero.
    """
    if len(radii_angstrom) != 3 or not all(0 < r < np.inf for r in radii_angstrom):
        raise InputError(
            "radii of the particle",
            found=list(radii_angstrom),
            expected="three lengths above 0, angstrom",
        )
    return np.diag(np.square(radii_angstrom, dtype=np.float64)) / 5


def covariance_from_numbers(numbers: Sequence[float]) -> np.ndarray:
    """Return the covariance (3, 3) of its entries xx, yy, zz, xy, xz, yz.

    Raises
    ------
    InputError
        When it is not that of a body: some direction has no extent.
    """
    xx, yy, zz, xy, xz, yz = (float(n) for n in numbers)
    covariance = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    if not np.isfinite(covariance).all() or np.linalg.eigvalsh(covariance)[0] <= 0:
        raise InputError(
            "covariance of the particle",
            found=list(numbers),
            expected="xx yy zz xy xz yz of a positive definite matrix",
        )
    return covariance


def shapes_from_options(
    distance: str = "mahalanobis",
    maps: Sequence[str] = (),
    map_threshold: float | Sequence[str] | None = None,
    map_axis: str = "z",
    radii_angstrom: Sequence[float | str] | None = None,
    covariance_angstrom2: Sequence[float | str] | None = None,
) -> dict[str, np.ndarray]:
    """Return the covariance (3, 3) of each class (lower case) that the options of a step name.

    Parameters
    ----------
    distance : {"mahalanobis", "euclidean"}
        Euclidean distances need no shape.
    maps : sequence of str
        ``CLASS=PATH``, or ``PATH`` for every class that has none of its own.
    map_threshold : float or sequence of str, optional
        Of every map, or ``CLASS=DENSITY``.
    map_axis : see `covariance_from_map`
    radii_angstrom : sequence, optional
        One number (sphere) or three (ellipsoid), or ``CLASS=R[,R,R]``.
    covariance_angstrom2 : sequence, optional
        Six numbers, or ``CLASS=xx,yy,zz,xy,xz,yz``.

    Raises
    ------
    InputError
        When a class has two shapes, or an option is malformed.
    """
    if map_threshold is None or isinstance(map_threshold, (int, float)):
        map_threshold = [] if map_threshold is None else [map_threshold]
    thresholds = numbers_by_class("--map-threshold", map_threshold, (1,))
    files = by_class("--map", maps)
    radii = numbers_by_class("--radii-angstrom", radii_angstrom or (), (1, 3))
    numbers = numbers_by_class("--covariance-angstrom2", covariance_angstrom2 or (), (6,))
    every = [*files, *radii, *numbers]
    twice = [name for name in every if every.count(name) > 1]
    if twice:
        raise InputError(
            "give one of --map, --radii-angstrom and --covariance-angstrom2 for "
            + (f"class {twice[0]}" if twice[0] else "every class")
        )
    if distance == "euclidean":
        return {}
    shapes = {name: covariance_from_radii(r if len(r) == 3 else 3 * r) for name, r in radii.items()}
    shapes |= {name: covariance_from_numbers(value) for name, value in numbers.items()}
    for name, path in files.items():
        threshold = thresholds.get(name, thresholds.get(ANY_CLASS, [None]))[0]
        shapes[name] = covariance_from_map(path, threshold, map_axis)
    if not shapes:
        log.info("no shape given: distances are Euclidean")
    return shapes


def check_names(names: Sequence[str], classes: Sequence[Sequence[str]]) -> None:
    """Check that every class with an option of its own belongs to an output.

    Raises
    ------
    InputError
        Names the class and the one that may be meant.
    """
    known = [name for group in classes for name in group]
    for name in names:
        if name != ANY_CLASS and name not in map(str.lower, known):
            raise InputError(
                f"option of class '{name}': no output has this class",
                expected=f"one of {', '.join(known)}",
                remedy=suggest(name, known),
            )


def metric_of(covariance: np.ndarray) -> np.ndarray:
    """Return the matrix M of the distance ``sqrt(d^T M d)`` that a covariance C gives.

    ``M = C^-1 det(C)^(1/3)``: the Mahalanobis distance times the mean standard deviation
    ``det(C)^(1/6)``, so that distances are lengths, a ball of radius r keeps its volume whatever
    the shape, and a sphere of any size gives the Euclidean distance. The scale is this program's
    choice; the paper measures in standard deviations.
    """
    return np.linalg.inv(covariance) * np.linalg.det(covariance) ** (1 / 3)


def about_normal(covariance: np.ndarray) -> np.ndarray:
    """Return the covariance of the particle when it may be turned about its normal by any angle.

    Both in-plane variances become their geometric mean, so that the extent in the plane stays.
    """
    in_plane = np.sqrt(np.linalg.det(covariance[:2, :2]))
    return np.diag([in_plane, in_plane, covariance[2, 2]])


def shape_of(shapes: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """Return the covariance of a class: its own, that for any class, or a sphere."""
    return shapes.get(name.lower(), shapes.get(ANY_CLASS, np.eye(3)))
