"""Heatmaps and particles for viewers."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from membrain.particles import ParticleTable, empty_particles
from membrain.tables import PointTable
from membrain.viewing import output_names, write_heatmaps, write_particle_points

INFOS = {"T1": {"pixel_size_angstrom": 10.0, "shape": [40, 60, 80]}}


def numbers(path, name):
    """Return a float32 or int32 array of a VTP file."""
    element = next(e for e in ET.parse(path).iter("DataArray") if e.get("Name") == name)
    kind = {"Float32": "<f4", "Int32": "<i4"}[element.get("type")]
    found = np.frombuffer(base64.b64decode(element.text)[8:], kind)
    return found.reshape(-1, 3) if element.get("NumberOfComponents") == "3" else found


def names(path):
    return [e.get("Name") for e in ET.parse(path).getroot().find("PolyData/Piece/PointData")]


@pytest.fixture
def scored():
    n = 5
    return PointTable(
        points=np.arange(3.0 * n, dtype=np.float32).reshape(n, 3),
        normals=np.tile(np.array([0.0, 0.6, 0.8], np.float32), (n, 1)),
        membrane=np.array([0, 0, 0, 2, 2], np.int32),
        side=np.array([0, 1, 0, 0, 0], np.int8),
        membranes=("M1", "M2", "M3"),
        tomogram="T1",
        shape=(40, 60, 80),
        pixel_size=10.0,
        extra={"scores": np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)},
        meta={"classes": [["PSII", "UK"], ["b6f"]]},
    )


def test_heatmap_of_each_membrane_and_side(tmp_path, scored):
    files = write_heatmaps(tmp_path, scored)
    assert [str(f.relative_to(tmp_path)) for f in files] == [
        "T1/M1_a_heatmap.vtp",
        "T1/M1_b_heatmap.vtp",
        "T1/M3_a_heatmap.vtp",
    ]
    assert names(files[0]) == ["normal", "distance_PSII", "distance_b6f"]
    np.testing.assert_array_equal(numbers(files[0], "Points"), [[20, 10, 0], [80, 70, 60]])  # xyz
    np.testing.assert_allclose(numbers(files[0], "normal"), [[0.8, 0.6, 0]] * 2, rtol=1e-6)
    np.testing.assert_array_equal(numbers(files[0], "distance_b6f"), [1, 5])


def test_origin_moves_positions(tmp_path, scored):
    files = write_heatmaps(tmp_path, scored, (1.0, 2.0, 3000.0))
    np.testing.assert_array_equal(numbers(files[0], "Points")[0], [21, 12, 3000])


def test_one_output_without_classes_and_no_point(tmp_path, scored):
    plain = scored.select(np.zeros(5, bool))
    assert write_heatmaps(tmp_path, plain) == []
    assert output_names([], 2) == ["output1", "output2"]
    assert output_names([["PSII"], ["PSII"]], 2) == ["PSII_1", "PSII_2"]


def test_particles_and_empty_groups(tmp_path):
    voxel = np.array([[1.0, 2, 3], [4, 5, 6]])
    words = [np.array(w, dtype=object) for w in (["T1"] * 2, ["M1"] * 2, ["a", "b"])]
    normals, axes = np.array([[1.0, 0, 0]] * 2), np.array([[0.0, 1, 0]] * 2)  # zyx: z and y
    table = ParticleTable(
        *words, np.array([1, 1]), voxel, voxel * 10, np.array([0.25, 1]), np.array([3, 4]),
        normals, axes, np.zeros((2, 3)), np.array(["b6f", "PSII"], dtype=object),
    )  # fmt: skip
    files = write_particle_points(tmp_path, table, INFOS, [("T1", "M9", "a")])
    assert [f.name for f in files] == [f"{m}_particles.vtp" for m in ("M1_a", "M1_b", "M9_a")]
    np.testing.assert_array_equal(numbers(files[0], "Points"), [[30, 20, 10]])
    np.testing.assert_array_equal(numbers(files[0], "normal"), [[0, 0, 1]])
    np.testing.assert_array_equal(numbers(files[0], "axis"), [[0, 1, 0]])
    np.testing.assert_array_equal(numbers(files[0], "axis_across"), [[-1, 0, 0]])  # z cross y
    assert [numbers(f, "class").tolist() for f in files] == [[1], [0], []]
    moved = write_particle_points(tmp_path, table, INFOS, origins={"T1": (0, 0, 7.0)})
    np.testing.assert_array_equal(numbers(moved[0], "Points"), [[30, 20, 17]])


def test_no_particle_and_no_group(tmp_path):
    assert write_particle_points(tmp_path, empty_particles(), INFOS) == []
