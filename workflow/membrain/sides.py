"""Which side of a membrane is picked: both, or one that a point, annotations or a name decide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree

from .errors import InputError
from .surfaces import CLOSED, Surface
from .winding import winding_numbers

SIDE_SIGNS = {"a": 1.0, "b": -1.0}
CLEAR_MAJORITY = 0.75  # share of annotations that have to lie on one side
CLEAR_COSINE = 0.5  # beside the sheet, not beyond its rim


def _clearance(surface: Surface, position: np.ndarray) -> float:
    """Return the side of a position as a number from -1 (b) to 1 (a); near 0: cannot be told."""
    k = min(10, len(surface.nodes))
    _, near = cKDTree(surface.nodes).query(position, k=k)
    near = np.atleast_1d(near)
    step = position - surface.nodes[near]
    step = step / np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-9)
    local = float((step * surface.normals[near]).sum(axis=1).mean())
    if abs(local) >= CLEAR_COSINE:
        return local
    # from afar every node counts, by the solid angle under which it is seen
    flux = winding_numbers(position[None], surface.nodes, surface.normals, surface.weights)[0]
    r2 = np.maximum(((surface.nodes - position) ** 2).sum(axis=1), 1.0)
    seen = (surface.weights / r2).sum() / (4 * np.pi)
    return float(-flux / seen)


def _side_of_point(surface: Surface, point_xyz: tuple[float, float, float], name: str) -> str:
    value = _clearance(surface, np.asarray(point_xyz, dtype=np.float64)[::-1])
    if abs(value) < 0.15:
        raise InputError(
            f"{name}: side_x, side_y, side_z = {point_xyz} lies on neither side",
            found=f"{abs(value):.2f} on a scale from 0 (in the sheet's own plane) to 1",
            expected="a point before or behind the membrane",
            remedy="move the point to about 15 voxels from the middle of the side to be picked",
        )
    return "a" if value > 0 else "b"


def _side_of_annotations(
    surface: Surface, positions: np.ndarray, normals: np.ndarray | None, name: str
) -> str:
    if len(positions) == 0:
        raise InputError(
            f"{name}: side 'annotations' without any annotated particle",
            remedy="use side 'point', 'a', 'b' or 'both'",
        )
    _, near = cKDTree(surface.nodes).query(positions)
    if normals is None:
        height = ((positions - surface.nodes[near]) * surface.normals[near]).sum(axis=1)
        signs = np.sign(np.where(np.abs(height) < 0.5, 0.0, height))
    else:
        signs = np.sign((normals * surface.normals[near]).sum(axis=1))
    share = float((signs > 0).sum() / max((signs != 0).sum(), 1))
    if not (signs != 0).any() or max(share, 1 - share) < CLEAR_MAJORITY:
        raise InputError(
            f"{name}: the annotated particles do not tell the side",
            found=f"{(signs > 0).sum()} on side a, {(signs < 0).sum()} on side b, "
            f"{(signs == 0).sum()} on the mid-surface",
            expected=f"at least {CLEAR_MAJORITY:.0%} on one side",
            remedy="use side 'point', 'a', 'b' or 'both'",
        )
    return "a" if share > 0.5 else "b"


def check_side_point(
    point_xyz: tuple[float, float, float], shape: Sequence[int], name: str
) -> None:
    """Check that a point that tells the side lies in the tomogram or not far from it.

    Parameters
    ----------
    point_xyz : (3,) float, xyz, voxel
    shape : (3,) int, zyx, voxel
    name : str, for the message

    Raises
    ------
    InputError
        When it lies farther outside than a quarter of the tomogram's size.
    """
    size = np.array(shape[::-1], dtype=np.float64)
    point = np.array(point_xyz)
    if (point < -size / 4).any() or (point > 1.25 * size).any():
        raise InputError(
            f"{name}: side_x, side_y, side_z lie far outside the tomogram",
            found=" ".join(f"{p:.6g}" for p in point),
            expected=f"a place within {' x '.join(map(str, shape[::-1]))} voxels (x, y, z)",
            remedy="give voxels of the tomogram file, not angstrom",
        )


def choose_sides(
    surface: Surface,
    side: str,
    *,
    point_xyz: tuple[float, float, float] | None = None,
    positions: np.ndarray | None = None,
    normals: np.ndarray | None = None,
    name: str = "membrane",
) -> tuple[str, ...]:
    """Return the names of the sides that are picked, ``("a",)``, ``("b",)`` or both.

    Parameters
    ----------
    surface : Surface
    side : str
        ``both``, ``point``, ``annotations``, ``outside``, ``inside``, ``a`` or ``b``.
    point_xyz : tuple of float, xyz, voxel, optional
        For ``point``: any place before the side, near or far.
    positions : (n, 3) float, zyx, voxel, optional
        For ``annotations``: the annotated particles.
    normals : (n, 3) float, zyx, optional
        Their normals, away from the membrane; without them the positions must stand off it.
    name : str
        For messages.

    Raises
    ------
    InputError
        When the point lies beyond the rim, the annotations contradict each other, or the membrane
        encloses nothing and so has neither outside nor inside.
    """
    if side == "both":
        return ("a", "b")
    if side in SIDE_SIGNS:
        return (side,)
    if side == "point":
        return (_side_of_point(surface, point_xyz, name),)
    if side == "annotations":
        return (_side_of_annotations(surface, positions, normals, name),)
    if surface.enclosure < CLOSED:
        raise InputError(
            f"{name}: side '{side}' of a membrane that is not closed",
            found=f"enclosure {surface.enclosure:.2f}",
            expected=f"at least {CLOSED} (0 is a sheet, 1 a closed vesicle)",
            remedy="use side 'point', 'a', 'b' or 'both'",
        )
    return ("a",) if side == "outside" else ("b",)
