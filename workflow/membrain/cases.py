"""Which annotations belong to which membrane."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from .agreement import Place, remedy
from .annotations import Remedy, annotations_of_membrane
from .errors import InputError, Problems
from .formats.base import Annotations
from .masks import read_label_voxels, read_voxels
from .sheets import MembraneRow

log = logging.getLogger(__name__)


def mask_points(rows: Sequence[MembraneRow]) -> list[np.ndarray]:
    """Return the voxels (n, 3) zyx of membranes; none for a mask that cannot be read."""
    labels: dict[Path, set[int]] = {}
    for row in rows:
        if row.label is not None:
            labels.setdefault(row.mask, set()).add(row.label)
    out = []
    maps: dict[Path, dict[int, np.ndarray]] = {}
    for row in rows:
        try:
            if row.label is None:
                out.append(read_voxels(row.mask))
                continue
            if row.mask not in maps:
                maps[row.mask] = read_label_voxels(row.mask, labels[row.mask], allow_missing=True)
            out.append(maps[row.mask][row.label])
        except InputError as error:  # the step that samples points has told it as a failure
            log.warning("%s/%s: %s", row.tomogram, row.membrane, error)
            out.append(np.zeros((0, 3), dtype=np.int32))
    return out


def nearest_membrane(
    positions: np.ndarray, masks: Sequence[np.ndarray | cKDTree], limit: float
) -> np.ndarray:
    """Return for each position the mask whose nearest voxel is closest.

    Parameters
    ----------
    positions : (n, 3) float, zyx, voxel
    masks : sequence of (n_voxels, 3), zyx, voxel, or of their trees
    limit : float, voxel
        Farther from every mask than this: -1.

    Returns
    -------
    (n,) int64, row of `masks` or -1
    """
    distances = np.full((len(masks) + 1, len(positions)), np.inf)
    distances[-1] = limit
    for i, voxels in enumerate(masks):
        tree = voxels if isinstance(voxels, cKDTree) else cKDTree(voxels)
        if tree.n and len(positions):
            distances[i] = tree.query(positions)[0]
    nearest = distances.argmin(axis=0)
    return np.where(nearest == len(masks), -1, nearest)


def _shares(rows: Sequence[MembraneRow]) -> dict[tuple, list[MembraneRow]]:
    """Return the rows by tomogram and file of annotations."""
    out: dict[tuple, list[MembraneRow]] = {}
    for row in rows:
        out.setdefault((row.tomogram, row.annotations, row.mesh), []).append(row)
    return out


def _tell_strays(path: Path, owner: np.ndarray, members: Sequence[MembraneRow]) -> None:
    """Log how many annotations lie on no membrane that names their file; many are a fault."""
    n_strays, n = int((owner < 0).sum()), len(owner)
    if not n_strays:
        return
    names = ", ".join(row.membrane for row in members[:4]) + (", ..." if len(members) > 4 else "")
    where = f"{path.name}: {n_strays} of {n} annotated positions lie on none of {names}: left out"
    if 2 * n_strays > n:
        where += " (is the pixel size or the origin that they were written with another one?)"
    log.warning("%s", where)


def _remedy_of(masks: Sequence[np.ndarray], info: Mapping, working: float) -> Remedy | None:
    """Return what tells which change would bring positions to one of the masks."""
    voxels = np.concatenate(masks).astype(np.float64)
    if not len(voxels):
        return None
    unit = {"pixel_size": info["pixel_size_angstrom"], "shape": tuple(info["shape"])}
    nothing = np.zeros(voxels.shape), np.zeros(len(voxels))
    return partial(remedy, place=Place(voxels, *nothing, working_voxel(info, working), **unit))


def annotations_by_membrane(
    rows: Sequence[MembraneRow],
    infos: Mapping[str, Mapping],
    limit_working_voxel: float,
    working: float,
) -> dict[tuple[str, str], Annotations]:
    """Return the annotations of each membrane.

    Parameters
    ----------
    rows : sequence of MembraneRow, all with annotations
    infos : mapping of tomogram to its info
    limit_working_voxel : float
        Each position of a file goes to the membrane whose mask is nearest among those that name the
        file; a position farther than this from all of them is left out.
    working : float, angstrom per working voxel; 0: the tomogram's own

    Raises
    ------
    InputError
        Lists every file that cannot be read.
    """
    problems = Problems()
    out = {}
    for (tomogram, path, _), members in _shares(rows).items():
        masks = mask_points(members)
        try:
            what_fits = _remedy_of(masks, infos[tomogram], working)
            found = annotations_of_membrane(members[0], infos[tomogram], what_fits)
        except InputError as error:
            problems.errors.append(error)
            continue
        limit = limit_working_voxel * working_voxel(infos[tomogram], working)
        owner = nearest_membrane(found.positions, masks, limit)
        if len(members) == 1 and not len(masks[0]):
            owner[:] = 0  # its mask is unreadable: there is nothing to judge distances by
        _tell_strays(path, owner, members)
        for i, row in enumerate(members):
            out[tomogram, row.membrane] = found.select(owner == i)
    problems.raise_if_any(f"{len(problems.errors)} files of annotations cannot be used")
    return out


def working_voxel(info: Mapping, working: float) -> float:
    """Return the length of a working voxel in voxels of the tomogram; `working` in angstrom."""
    return working / info["pixel_size_angstrom"] if working else 1.0
