"""Sessions of Membranorama: points clicked on the mesh of a membrane.

What the numbers mean was checked on real sessions: `Position` is the point with barycentric
coordinates `Barycentric` on triangle `ID`, moved by `Offset` along the triangle's right-handed
normal (agreement 0.01 angstrom on average), in angstrom, the header's origin included::

    e2                 n = normal of the mesh, towards the reader
    |   / x            e1 = first edge of the triangle, made perpendicular to n
    |  /               e2 = n x e1
    | /  -a            x = cos(a) e1 - sin(a) e2: the particle's x axis
    n ------ e1        a = first value of `Orientation`, radian
"""

from __future__ import annotations

import logging
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..rotations import poses_from_axes, relion_angles
from .base import Annotations, Grid, from_xyz, refuse_unit, to_vector
from .mesh import Mesh, read_obj

log = logging.getLogger(__name__)

# parts of a group's name and the class they stand for; the first that is found counts
CLASS_NAMES = (
    ("PSII", "PSII"),
    ("PS2", "PSII"),
    ("b6f", "b6f"),
    ("bf6", "b6f"),
    ("UK", "UK"),
    ("unknown", "UK"),
    ("Unknown", "UK"),
    ("PSI", "PSI"),
    ("PS1", "PSI"),
)
NORMAL_RADIUS_ANGSTROM = 54.72  # 4 voxels of 13.68: evens out the steps of a mask's mesh


def class_of_group(name: str) -> str:
    """Return the class that a group's name stands for; the name itself where none is known."""
    for part, meaning in CLASS_NAMES:
        if part in name:
            return meaning
    return name.strip() or "particle"


def _root(path: Path) -> ET.Element:
    """Return the root of an XML file without entities (they can fill the memory or read files)."""
    try:
        content = path.read_bytes()
        if b"<!DOCTYPE" in content.replace(b"\0", b""):  # in UTF-16 every other byte is 0
            raise InputError(f"{path}: XML with a document type", remedy="remove its DOCTYPE")
        root = ET.fromstring(content)
    except OSError as error:
        raise InputError(f"{path}: unreadable", found=error.strerror) from None
    except ET.ParseError as error:
        raise InputError(f"{path}: not XML", found=error) from None
    if root.tag != "Session" or root.find("PointGroups") is None:
        raise InputError(
            f"{path}: not a Membranorama session",
            found=f"root element '{root.tag}'",
            expected="Session with PointGroups",
        )
    return root


def _axes(
    path: Path, point: ET.Element, position: np.ndarray, row: int, mesh: Mesh
) -> tuple[np.ndarray, np.ndarray]:
    """Return the normal and the particle's x axis, (3,) xyz each."""
    text = point.get("ID", "")
    face = int(text) if text.isdecimal() else -1
    if not 0 <= face < len(mesh.faces):
        raise InputError(
            f"{path}, point {row}: triangle '{text}' is not in the mesh",
            found=f"{len(mesh.faces)} triangles",
            remedy="name the mesh that the session was made with in column 'mesh'",
        )
    if not mesh.area_normals[face].any():
        raise InputError(
            f"{path}, point {row}: triangle {face} of the mesh has no area",
            remedy="make the mesh again, or leave column 'mesh' empty (no angles then)",
        )
    normal = mesh.smooth_normal(face, position, NORMAL_RADIUS_ANGSTROM)
    angle = to_vector(path, "Orientation", point.get("Orientation"), row)[0]
    e1 = mesh.first_edge(face)
    e1 = e1 - normal * (e1 @ normal)
    e1 /= np.linalg.norm(e1)
    return normal, np.cos(angle) * e1 - np.sin(angle) * np.cross(normal, e1)


def read(path: str | Path, grid: Grid, mesh_path: str | Path | None = None) -> Annotations:
    """Return the points of a session.

    Parameters
    ----------
    path : path
        XML file; UTF-16 with byte-order mark as Membranorama writes it, or any declared encoding.
    grid : Grid
        Its `origin` is taken off the positions, its `pixel_size` turns them into voxels.
    mesh_path : path, optional
        OBJ file of the session. Without it there are no angles.

    Raises
    ------
    InputError
        When the file is no session, a value is no number, or a triangle is not in the mesh.
    """
    path = Path(path)
    refuse_unit(path, grid, "Membranorama writes angstrom")
    groups = _root(path).find("PointGroups")
    mesh = read_obj(mesh_path) if mesh_path is not None else None
    positions, classes, normals, axes = [], [], [], []
    row = 0
    for group in groups.iter("Group"):
        name = class_of_group(group.get("Name", ""))
        for point in group.iter("Point"):
            row += 1
            positions.append(to_vector(path, "Position", point.get("Position"), row))
            classes.append(name)
            if mesh is not None:
                normal, axis = _axes(path, point, positions[-1], row, mesh)
                normals.append(normal)
                axes.append(axis)
    angstrom = np.array(positions, dtype=np.float64).reshape(-1, 3)
    voxel = (angstrom - np.asarray(grid.origin)) / grid.pixel_size
    angles = None
    if mesh is not None and positions:
        angles = relion_angles(poses_from_axes(np.array(normals), np.array(axes)))
    elif mesh is None:
        log.info("%s: no mesh given, so no angles", path.name)
    return from_xyz(voxel, classes, angles, "membranorama")
