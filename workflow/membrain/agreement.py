"""Whether the annotated particles of a membrane and the points sampled on it belong together."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from .errors import InputError
from .formats.base import Annotations
from .misfits import CLEARLY_BETTER, what_would_fit
from .rotations import poses_from_relion

log = logging.getLogger(__name__)

FAR_WORKING_VOXEL = 10.0
FAR_SHARE = 0.3  # of a membrane's annotations
NEAR_WORKING_VOXEL = 4.0  # what counts as lying on the membrane where a remedy is sought
MIN_AGREEING = 0.05  # of the annotations must lie on a sampled side
# A surface and the opposite one are about 50 angstrom apart (3.7 voxels of 13.68 on real masks)
OTHER_SIDE_ANGSTROM = 40.0
OTHER_SIDE_WORKING_VOXEL = 3.0  # where the pixel size is not known
CROWDED_WORKING_VOXEL = 2.0  # particles are wider than this
CORNER_PART = 1 / 3  # of the membrane's extent
SMALLEST_PART = 0.1  # shrunken to less than this, positions fit anywhere
MIN_FOR_SPREAD = 3  # annotations
FARTHEST = 1e9  # voxel


@dataclass(frozen=True)
class Place:
    """Where the points of a membrane lie, and how their tomogram counts.

    Attributes
    ----------
    points, normals : (n_points, 3) float, zyx, voxel; at least one point
    side : (n_points,) int
    step : float, length of a working voxel in voxels of the tomogram
    pixel_size : float, angstrom per voxel of the tomogram; 0: not known
    shape : (3,) int, zyx, voxel, or None: size of the tomogram
    where : str, names membrane and file in messages
    """

    points: np.ndarray
    normals: np.ndarray
    side: np.ndarray
    step: float = 1.0
    pixel_size: float = 0.0
    shape: Sequence[int] | None = None
    where: str = "annotations"

    def select(self, rows: np.ndarray, where: str) -> Place:
        """Return the points that a mask or an index array names, under another name."""
        return replace(
            self,
            points=self.points[rows],
            normals=self.normals[rows],
            side=self.side[rows],
            where=where,
        )


def sides_of(annotations: Annotations, place: Place) -> tuple[np.ndarray, np.ndarray]:
    """Return which annotated particles lie on which sampled side of a membrane.

    Returns
    -------
    is_on : (n_sides, n) bool
        For each value of `place.side` in ascending order. With angles: the particle's z axis and
        the nearest point's normal point to the same half space. Without: the side is the nearest
        one; where a single side is sampled, particles 40 angstrom below it are on the other one.
    rows : (n_sides, n) int, nearest point of that side
    """
    values = np.unique(place.side)
    distances = np.empty((len(values), len(annotations)))
    nearest = np.empty((len(values), len(annotations)), dtype=np.int64)
    for s, value in enumerate(values):
        rows = np.flatnonzero(place.side == value)
        distances[s], found = cKDTree(place.points[rows]).query(annotations.positions)
        nearest[s] = rows[found]
    if annotations.angles is not None:
        axes = poses_from_relion(annotations.angles).apply([0.0, 0.0, 1.0])[:, ::-1]  # zyx
        return np.einsum("sna,na->sn", place.normals[nearest], axes) > 0, nearest
    if len(values) > 1:
        return distances.argmin(axis=0) == np.arange(len(values))[:, None], nearest
    offsets = annotations.positions - place.points[nearest]
    heights = np.einsum("sna,sna->sn", offsets, place.normals[nearest])
    depth = OTHER_SIDE_WORKING_VOXEL * place.step
    if place.pixel_size > 0:
        depth = OTHER_SIDE_ANGSTROM / place.pixel_size
    return heights >= -depth, nearest


def check_near(annotations: Annotations, place: Place, far_share: float = FAR_SHARE) -> np.ndarray:
    """Return which annotations lie on the membrane that was sampled, (n,) bool.

    Parameters
    ----------
    annotations : Annotations
    place : Place
    far_share : float, 0 to 1
        Part of them that may lie farther than 10 working voxels from every sampled point.

    Raises
    ------
    InputError
        When more of them lie far, or all; says how far, and which factor or offset would fit.
    """
    n = len(annotations)
    distances = cKDTree(place.points).query(annotations.positions)[0] / place.step
    is_far = distances > FAR_WORKING_VOXEL
    n_far = int(is_far.sum())
    if not n_far or (n_far < n and n_far <= far_share * n):
        return ~is_far
    raise InputError(
        f"{place.where}: the annotated particles do not lie on the membrane",
        found=f"{n_far} of {n} far from it, half of these at least "
        f"{np.median(distances[is_far]):.0f} working voxels; they span "
        f"{ranges(annotations.positions)}, the membrane {ranges(place.points)} voxels",
        expected=f"at most {100 * far_share:.0f} % farther than {FAR_WORKING_VOXEL:g} working "
        "voxels (config: label_points.far_share)",
        remedy=remedy(annotations.positions, place) or _question(n_far, n),
    )


def _question(n_far: int, n: int) -> str:
    """Ask what may be wrong where no change of unit, axes or origin fits."""
    several = "does it hold several membranes? then name it in the row of each"
    return several if 2 * n_far <= n else "is this the file of this membrane and this tomogram?"


def check_spread(annotations: Annotations, place: Place) -> str:
    """Return a remark where annotations are crowded; empty where they are not.

    Raises
    ------
    InputError
        When they are crowded into one corner of the membrane and some factor would spread them
        over it: a membrane that passes by the tomogram's corner hides a wrong unit from
        `check_near`.
    """
    positions = annotations.positions
    if len(positions) < MIN_FOR_SPREAD:
        return ""
    gap = float(np.median(cKDTree(positions).query(positions, k=2)[0][:, 1])) / place.step
    if gap >= CROWDED_WORKING_VOXEL:
        return ""
    words = ""
    if _spread(positions) < CORNER_PART * _spread(place.points):
        words = remedy(positions, place, must_spread=True)
    if not words:
        return f"half of the annotations are within {gap:.1f} working voxels of another one"
    raise InputError(
        f"{place.where}: the annotated particles lie all in one corner",
        found=f"{len(positions)} in {ranges(positions)} voxels, half of them within {gap:.2g} "
        "working voxels of another",
        expected=f"particles spread over the membrane, {ranges(place.points)}",
        remedy=words,
    )


def check_side(is_on: np.ndarray, annotations: Annotations, where: str) -> str:
    """Return a remark on annotations of a side that is not sampled; empty where there is none.

    Parameters
    ----------
    is_on : (n_sides, n) bool, as `sides_of` returns it
    annotations : Annotations
    where : str

    Raises
    ------
    InputError
        When fewer than 5 % lie on a sampled side.
    """
    n_on, n = int(is_on.any(axis=0).sum()), len(annotations)
    if n_on >= MIN_AGREEING * n:
        return f"{n - n_on} of {n} annotations on a side not sampled" if n_on < n else ""
    if annotations.angles is None:
        raise InputError(
            f"{where}: the annotated particles lie on the other side of the membrane",
            found=f"{n_on} of {n} on the sampled side",
            remedy="sample side 'annotations' or 'both'",
        )
    raise InputError(
        f"{where}: the annotated particles' z axes point away from the sampled side",
        found=f"{n_on} of {n} towards it",
        expected="z along the membrane's normal on the side that the particles stand out",
        remedy="sample side 'annotations' or 'both', or turn the angles' z axis round",
    )


def remedy(
    positions: np.ndarray, place: Place, enough: float = 0.5, must_spread: bool = False
) -> str:
    """Say which factor, axes or offset would bring positions to the points; empty: none found.

    Where no single change does, one after that from angstrom to voxels is tried.

    Parameters
    ----------
    positions : (n, 3) float, zyx, voxel
    place : Place
    enough : float, 0 to 1, part of them that has to lie within 4 working voxels of a point then
    must_spread : bool, whether positions narrower than the membrane count less
    """
    positions = np.clip(positions, -FARTHEST, FARTHEST)  # squares of larger ones overflow
    tree, width = cKDTree(place.points), max(_spread(place.points), 1e-9)

    def near_share(moved: np.ndarray) -> float:
        part = _spread(moved) / width
        if len(positions) >= MIN_FOR_SPREAD and part < SMALLEST_PART:
            return 0.0
        share = float(np.mean(tree.query(moved)[0] <= NEAR_WORKING_VOXEL * place.step))
        return share * min(part, 1.0) if must_spread else share

    size = place.pixel_size
    changes = [("", positions, size)]
    if size > 1:
        words = f"divided by {size:g} (angstrom, not voxels?) and "
        changes.append((words, positions / size, 0.0))
        enough = max(enough, near_share(positions) + CLEARLY_BETTER)
    for words, changed, unit in changes:
        shifts = [("an origin?", _shift_to(tree, changed))] if len(changed) > 2 else []
        found = what_would_fit(changed, near_share, enough, unit, shifts, place.shape)
        if found:
            return words + found.words
    return ""


def _shift_to(tree: cKDTree, positions: np.ndarray) -> np.ndarray:
    """Return the offset (3,) that brings most positions close to points."""
    shift = np.median(tree.data, axis=0) - np.median(positions, axis=0)
    for _ in range(30):
        moved = positions + shift
        shift = shift + np.median(tree.data[tree.query(moved)[1]] - moved, axis=0)
    return shift


def _spread(positions: np.ndarray) -> float:
    return float(np.sqrt(positions.var(axis=0).sum()))


def ranges(positions: np.ndarray) -> str:
    """Return the range of positions zyx as text in the order x, y, z."""
    low, high = positions.min(axis=0)[::-1], positions.max(axis=0)[::-1]
    return ", ".join(f"{n} {a:.0f} to {b:.0f}" for n, a, b in zip("xyz", low, high, strict=True))
