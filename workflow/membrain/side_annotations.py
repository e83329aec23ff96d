"""The annotated particles of a membrane that tell which of its sides is picked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from scipy.spatial import cKDTree

from .agreement import FAR_WORKING_VOXEL, MIN_AGREEING, Place, ranges, remedy
from .annotations import Annotations, annotations_of_membrane
from .cases import annotations_by_membrane, working_voxel
from .errors import InputError
from .rotations import poses_from_relion
from .sheets import MembraneRow

log = logging.getLogger(__name__)

FIND = Callable[[MembraneRow, np.ndarray], tuple[np.ndarray, np.ndarray | None]]


def read_sides(rows: Sequence[MembraneRow], info: Mapping, working: float) -> FIND:
    """Return a function that tells the particles of a membrane.

    Parameters
    ----------
    rows : sequence of MembraneRow
        The whole sheet: particles of a file that several membranes of a tomogram name go to the
        nearest of them.
    info : mapping, info of the tomogram
    working : float, angstrom per working voxel; 0: the tomogram's own

    Returns
    -------
    function of a row and its mask's voxels (n, 3) zyx
        Returns positions (n, 3) zyx voxel and normals (n, 3) zyx, None where angles are not known.
        Raises `InputError` where the file cannot be read or does not belong to the membrane.
    """
    tomogram, step = info["tomogram"], working_voxel(info, working)
    unit = {"step": step, "pixel_size": info["pixel_size_angstrom"], "shape": tuple(info["shape"])}
    annotated = [row for row in rows if row.annotations and row.tomogram == tomogram]
    divided: dict[tuple, dict] = {}

    def find(row: MembraneRow, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        key = (row.annotations, row.mesh)
        same = [r for r in annotated if (r.annotations, r.mesh) == key]
        if len(same) > 1:
            if key not in divided:
                limits = (2 * FAR_WORKING_VOXEL, working)
                divided[key] = annotations_by_membrane(same, {tomogram: info}, *limits)
            return _with_normals(divided[key][tomogram, row.membrane])
        nothing = np.zeros(voxels.shape), np.zeros(len(voxels))
        place = Place(voxels.astype(np.float64), *nothing, **unit, where=row.membrane)
        known = annotations_of_membrane(row, info, partial(remedy, place=place))
        return _with_normals(keep_near(known, place))

    return find


def keep_near(annotations: Annotations, place: Place) -> Annotations:
    """Return the annotations that lie on a membrane.

    Parameters
    ----------
    annotations : Annotations
    place : Place, voxels of the mask

    Raises
    ------
    InputError
        When none or fewer than 5 % do, or half do not and some factor, axes or offset would bring
        them there: the few that are near by chance would tell any side.
    """
    n = len(annotations)
    if not n:
        return annotations
    distances = cKDTree(place.points).query(annotations.positions)[0] / place.step
    is_near = distances <= FAR_WORKING_VOXEL
    n_far = n - int(is_near.sum())
    words = remedy(annotations.positions, place) if 2 * n_far > n else ""
    if words or n - n_far < max(1.0, MIN_AGREEING * n):
        raise InputError(
            f"{place.where}: the annotated particles that tell its side do not lie on it",
            found=f"{n_far} of {n} far from it, half of these at least "
            f"{np.median(distances[~is_near]):.0f} working voxels; they span "
            f"{ranges(annotations.positions)}, the membrane {ranges(place.points)} voxels",
            remedy=words or "is this the file of this membrane and this tomogram?",
        )
    if n_far:
        log.warning(
            "%s: %d of %d annotations far from it do not tell its side", place.where, n_far, n
        )
    return annotations.select(is_near)


def _with_normals(known: Annotations) -> tuple[np.ndarray, np.ndarray | None]:
    if known.angles is None or not len(known):
        return known.positions, None
    axes = poses_from_relion(known.angles).apply(np.array([0.0, 0, 1]))
    return known.positions, axes[:, ::-1]
