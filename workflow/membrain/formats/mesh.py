"""Triangle meshes of Wavefront OBJ files, as far as annotations need them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from ..errors import InputError


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes
    ----------
    vertices : (n_vertices, 3) float64, xyz, in the file's unit (angstrom)
    faces : (n_faces, 3) int64, 0-based rows of `vertices`, counter-clockwise seen from outside
    """

    vertices: np.ndarray
    faces: np.ndarray

    @cached_property
    def area_normals(self) -> np.ndarray:
        """(n_faces, 3) float64, xyz: right-handed normals of twice the face's area."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return np.cross(b - a, c - a)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.vertices[self.faces].mean(axis=1))

    def smooth_normal(self, face: int, centre: np.ndarray, radius: float) -> np.ndarray:
        """Return the unit normal (3,) xyz of a face, averaged by area over its neighbourhood.

        Faces whose middle lies within `radius` of the point `centre` (3,) xyz and that look the
        same way as `face` (less than 60 degrees apart) count: the far side of a thin membrane is
        out.
        """
        areas = self.area_normals
        own = areas[face] / np.linalg.norm(areas[face])
        near = areas[np.union1d(self._tree.query_ball_point(centre, radius), [face]).astype(int)]
        is_same_side = near @ own > 0.5 * np.linalg.norm(near, axis=1)
        normal = near[is_same_side].sum(axis=0)
        return normal / np.linalg.norm(normal)

    def first_edge(self, face: int) -> np.ndarray:
        """Return the vector (3,) xyz from a face's first to its second vertex."""
        a, b = self.vertices[self.faces[face, :2]]
        return b - a


def _vertex(where: str, cells: list[str]) -> list[float]:
    """Return the coordinates of a vertex."""
    vertex = [float(cell) for cell in cells]
    if len(vertex) < 3 or not np.isfinite(vertex).all():
        raise InputError(f"{where}: not a vertex", found=vertex, expected="three finite numbers")
    return vertex


def read_obj(path: str | Path) -> Mesh:
    """Return the mesh of an OBJ file of triangles; normals, textures and materials are ignored.

    Raises
    ------
    InputError
        When the file is absent, has a face that is not a triangle, or no triangle at all.
    """
    vertices: list[list[float]] = []
    faces: list[list[int]] = []
    try:
        with open(path, encoding="utf-8") as handle:
            for number, line in enumerate(handle, 1):
                cells = line.split()
                if not cells or cells[0] not in ("v", "f"):
                    continue
                if cells[0] == "v":
                    vertices.append(_vertex(f"{path}, line {number}", cells[1:4]))
                    continue
                corners = [int(cell.split("/")[0]) for cell in cells[1:]]
                if len(corners) != 3:
                    raise InputError(
                        f"{path}, line {number}: not a triangle", found=f"{len(corners)} corners"
                    )
                # a negative index counts back from the vertices read so far
                faces.append([c - 1 if c > 0 else len(vertices) + c for c in corners])
    except OSError as error:
        raise InputError(f"{path}: unreadable", found=error.strerror) from None
    except ValueError as error:
        raise InputError(f"{path}: not an OBJ mesh", found=error) from None
    if not faces:
        raise InputError(
            f"{path}: no triangle", expected="a mesh as Wavefront OBJ, lines 'v' and 'f'"
        )
    mesh = Mesh(np.array(vertices), np.array(faces, dtype=np.int64))
    if mesh.faces.min() < 0 or mesh.faces.max() >= len(vertices):
        raise InputError(f"{path}: a face names a vertex that is not there", found=len(vertices))
    return mesh
