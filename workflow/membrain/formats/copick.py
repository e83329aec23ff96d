"""Picks of copick: one JSON file per tomogram, user and object, in angstrom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import InputError
from ..files import read_json
from ..rotations import relion_angles
from .base import DEFAULT_CLASS, Annotations, Grid, from_xyz, refuse_unit, to_numbers


def _rotation(path: Path, matrices: np.ndarray) -> Rotation:
    """Return the rotations of (n, 3, 3) matrices.

    Raises
    ------
    InputError
        When a matrix is not a rotation: its columns are not orthonormal, or it mirrors.
    """
    product = np.einsum("nji,njk->nik", matrices, matrices)
    is_bad = np.abs(product - np.eye(3)).max(axis=(1, 2)) > 1e-3
    is_bad |= np.linalg.det(matrices) < 0
    if is_bad.any():
        row = int(np.flatnonzero(is_bad)[0]) + 1
        raise InputError(
            f"{path}, point {row}: 'transformation_' is not a rotation",
            found=np.round(matrices[row - 1], 3).tolist(),
        )
    return Rotation.from_matrix(matrices)


def read(path: str | Path, grid: Grid) -> Annotations:
    """Return the points of a copick file.

    Parameters
    ----------
    path : path
        ``ExperimentRuns/RUN/Picks/USER_SESSION_OBJECT.json``. Positions are `location` plus the
        translation of `transformation_`, angstrom from the centre of the first voxel. Where every
        matrix is the identity, the file holds no orientations.
    grid : Grid

    Raises
    ------
    InputError
        When the file is not a copick file, its unit is not angstrom, or a value is no number.
    """
    path = Path(path)
    refuse_unit(path, grid, "copick writes angstrom")
    content = read_json(path)
    if not isinstance(content, dict) or "points" not in content:
        raise InputError(f"{path}: not a copick file", expected="an object with 'points'")
    unit = content.get("unit", "angstrom")
    if unit != "angstrom":
        raise InputError(f"{path}: unit of the points", found=repr(unit), expected="'angstrom'")
    points = content["points"] or []
    try:
        columns = {axis: [point["location"][axis] for point in points] for axis in "xyz"}
        matrices = np.array(
            [p.get("transformation_") or np.eye(4) for p in points], dtype=np.float64
        )
        matrices = matrices.reshape(-1, 4, 4)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: a point is not as copick writes it",
            found=f"{type(error).__name__} {error}",
            expected="location {x, y, z} and a 4 x 4 transformation_",
        ) from None
    bad = np.flatnonzero(~np.isfinite(matrices).all(axis=(1, 2)))
    if len(bad):
        raise InputError(
            f"{path}, point {bad[0] + 1}: 'transformation_' holds a value that is not a number"
        )
    angstrom = np.stack([to_numbers(path, f"location.{a}", columns[a]) for a in "xyz"], axis=1)
    angstrom = angstrom + matrices[:, :3, 3]
    angles = None
    if len(points) and not np.allclose(matrices[:, :3, :3], np.eye(3)):
        angles = relion_angles(_rotation(path, matrices[:, :3, :3]))
    name = str(content.get("pickable_object_name") or DEFAULT_CLASS)
    scores = None
    if len(points) and all(point.get("score") is not None for point in points):
        scores = to_numbers(path, "score", [point["score"] for point in points])
    return from_xyz(angstrom / grid.pixel_size, [name] * len(points), angles, "copick", scores)
