"""Membranorama sessions."""

from __future__ import annotations

import gzip
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.formats import membranorama
from membrain.formats.base import Grid
from membrain.rotations import poses_from_relion

THYLAKOID = Path(__file__).parents[3] / "shared/data/thylakoid"
GRID = Grid(10.0, origin=(0.0, 0.0, 300.0), tomogram="T1")
# two triangles in the plane z = 500 angstrom, seen from above counter-clockwise
MESH = "v 0 0 500\nv 100 0 500\nv 100 100 500\nv 0 100 500\nf 1 2 3\nf 1 3 4\n"


def session(tmp_path, groups, encoding="utf-16", head=""):
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{head}<Session>\n<PointGroups>\n'
    for name, points in groups:
        text += f'<Group Name="{name}" Color="1,2,3,4">\n'
        for face, position, angle in points:
            text += (
                f'<Point ID="{face}" Position="{position}" Offset="0" Barycentric="0,0,1" '
                f'Orientation="{angle},0,0" />\n'
            )
        text += "</Group>\n"
    text += "</PointGroups><SurfacePatches /></Session>"
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode(encoding))
    return path


def mesh(tmp_path):
    path = tmp_path / "a.obj"
    path.write_text(MESH)
    return path


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8"])
def test_origin_is_taken_off_and_angstrom_become_voxels(tmp_path, encoding):
    path = session(tmp_path, [("M1_PSII_dimer", [(0, "10,20,500", 0)])], encoding)
    found = membranorama.read(path, GRID)
    np.testing.assert_allclose(found.positions, [[20, 2, 1]])  # z: (500 - 300) / 10
    assert found.classes == ("PSII",)
    assert found.angles is None


def test_angle_turns_from_the_first_edge_against_the_normal(tmp_path):
    path = session(tmp_path, [("PSII", [(0, "60,30,500", 0.3), (1, "30,60,500", 0.0)])])
    found = membranorama.read(path, GRID, mesh(tmp_path))
    matrices = poses_from_relion(found.angles).as_matrix()
    np.testing.assert_allclose(matrices[:, :, 2], [[0, 0, 1], [0, 0, 1]], atol=1e-9)
    # triangle 0 begins along x, triangle 1 along the diagonal; the angle counts clockwise
    np.testing.assert_allclose(matrices[0, :, 0], [np.cos(0.3), -np.sin(0.3), 0], atol=1e-9)
    np.testing.assert_allclose(matrices[1, :, 0], [np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("M2_PSII_dimer", "PSII"),
        ("my PS2", "PSII"),
        ("M3b_b6f_dimer", "b6f"),
        ("bf6", "b6f"),
        ("M26b_UKdensity", "UK"),
        ("unknown", "UK"),
        ("M26b_PSI", "PSI"),
        ("ATP synthase", "ATP synthase"),
        ("", "particle"),
    ],
)
def test_classes_of_group_names(name, expected):
    assert membranorama.class_of_group(name) == expected


def test_session_without_points_is_no_annotation(tmp_path):
    found = membranorama.read(session(tmp_path, [("PSII", [])]), GRID, mesh(tmp_path))
    assert found.positions.shape == (0, 3)


def test_mistakes_are_named(tmp_path):
    good = [("PSII", [(0, "10,20,500", 0)])]
    entity = '<!DOCTYPE a [<!ENTITY b "c">]>\n'
    with pytest.raises(InputError, match="XML with a document type"):
        membranorama.read(session(tmp_path, good, head=entity), GRID)
    with pytest.raises(InputError, match="point 1: Position; found '1,2'; expected three numbers"):
        membranorama.read(session(tmp_path, [("PSII", [(0, "1,2", 0)])]), GRID)
    with pytest.raises(InputError, match="point 1: Position; found 'nan,1,2'"):
        membranorama.read(session(tmp_path, [("PSII", [(0, "nan,1,2", 0)])]), GRID)
    points = [(0, "1,2,3", 0), (2, "1,2,3", 0)]
    with pytest.raises(InputError, match="point 2: triangle '2' is not in the mesh; found 2 tri"):
        membranorama.read(session(tmp_path, [("PSII", points)]), GRID, mesh(tmp_path))
    for number in ("x", "-1", ""):
        points = [(number, "1,2,3", 0)]
        with pytest.raises(InputError, match=f"point 1: triangle '{number}' is not in the mesh"):
            membranorama.read(session(tmp_path, [("PSII", points)]), GRID, mesh(tmp_path))
    flat = tmp_path / "flat.obj"
    flat.write_text("v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n")
    with pytest.raises(InputError, match="point 1: triangle 0 of the mesh has no area; make the"):
        membranorama.read(session(tmp_path, good), GRID, flat)
    path = tmp_path / "b.xml"
    path.write_text("no xml")
    with pytest.raises(InputError, match="b.xml: not XML"):
        membranorama.read(path, GRID)
    path.write_text("<Other/>")
    with pytest.raises(InputError, match="not a Membranorama session; found root element 'Other'"):
        membranorama.read(path, GRID)
    with pytest.raises(InputError, match="c.xml: unreadable"):
        membranorama.read(tmp_path / "c.xml", GRID)


def mask_voxels(name):
    """Return the voxels xyz of a cropped real mask, in the frame of its volume."""
    offsets = {"T1S1M1": (63, 274, 189), "T1S2M15": (240, 533, 196), "T1S4M8": (164, 176, 189)}
    content = gzip.decompress((THYLAKOID / f"crops/{name}_mask.mrc.gz").read_bytes())
    nx, ny, nz = struct.unpack("<3i", content[:12])
    voxels = np.frombuffer(content[-nx * ny * nz :], np.int8).reshape(nz, ny, nx)
    return np.argwhere(voxels)[:, ::-1] + np.array(offsets[name])


@pytest.mark.skipif(not THYLAKOID.exists(), reason="shared data are not here")
def test_real_sessions_lie_on_their_membranes():
    total = Counter()
    grid = Grid(13.68, (0.0, 0.0, 3173.75), (464, 928, 928))
    for name in ("T1S1M1", "T1S2M15", "T1S4M8"):
        path = THYLAKOID / f"positions/{name}.xml"
        found = membranorama.read(path, grid, THYLAKOID / f"meshes/{name}.obj")
        total.update(found.classes)
        voxels = mask_voxels(name)
        gap = [np.linalg.norm(voxels - p[::-1], axis=1).min() for p in found.positions]
        assert np.max(gap) < 4
        # normals look away from the membrane's middle: a step along them leaves the mask
        normals = poses_from_relion(found.angles).apply([0, 0, 1])
        away = [
            np.linalg.norm(voxels - (p[::-1] + 6 * n), axis=1).min()
            - np.linalg.norm(voxels - (p[::-1] - 6 * n), axis=1).min()
            for p, n in zip(found.positions, normals, strict=True)
        ]
        assert np.median(away) > 2
    assert total == {"PSII": 79, "b6f": 50, "UK": 36, "PSI": 1}


def test_real_session_agrees_with_an_independent_reading(tmp_path):
    script = THYLAKOID / "make_semireal.py"
    if not script.exists():
        pytest.skip("shared data are not here")
    # values of one particle, worked out by the formulas of that script's main function
    import xml.etree.ElementTree as ET

    vertices, faces = [], []
    for line in (THYLAKOID / "meshes/T1S4M8.obj").read_text().splitlines():
        cells = line.split()
        if cells and cells[0] == "v":
            vertices.append([float(c) for c in cells[1:]])
        elif cells and cells[0] == "f":
            faces.append([int(c) - 1 for c in cells[1:]])
    triangles = np.array(vertices)[np.array(faces)]
    crosses = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    units = crosses / np.linalg.norm(crosses, axis=1, keepdims=True)
    points = list(ET.parse(THYLAKOID / "positions/T1S4M8.xml").getroot().iter("Point"))
    grid = Grid(13.68, (0.0, 0.0, 3173.75))
    mesh_path = THYLAKOID / "meshes/T1S4M8.obj"
    found = membranorama.read(THYLAKOID / "positions/T1S4M8.xml", grid, mesh_path)
    poses = poses_from_relion(found.angles).as_matrix()
    for point, pose in zip(points, poses, strict=True):
        face, angle = int(point.get("ID")), float(point.get("Orientation").split(",")[0])
        position = np.array([float(c) for c in point.get("Position").split(",")])
        near = np.linalg.norm(triangles.mean(axis=1) - position, axis=1) <= 4 * 13.68
        near &= units @ units[face] > 0.5
        normal = crosses[near].sum(axis=0)
        normal /= np.linalg.norm(normal)
        edge = triangles[face, 1] - triangles[face, 0]
        edge -= normal * (edge @ normal)
        edge /= np.linalg.norm(edge)
        axis = np.cos(angle) * edge - np.sin(angle) * np.cross(normal, edge)
        np.testing.assert_allclose(pose[:, 2], normal, atol=1e-6)
        np.testing.assert_allclose(pose[:, 0], axis, atol=1e-6)


def test_a_unit_is_refused(tmp_path):
    path = session(tmp_path, [("PSII", [(0, "10,20,500", 0)])])
    with pytest.raises(InputError, match="expected none: Membranorama writes angstrom"):
        membranorama.read(path, Grid(10.0, unit=2.0))
