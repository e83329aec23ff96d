"""OBJ meshes."""

from __future__ import annotations

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.formats.mesh import read_obj

SQUARE = "# a square\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvn 0 0 1\n"


def write(tmp_path, text):
    path = tmp_path / "a.obj"
    path.write_text(text, encoding="utf-8")
    return path


def test_faces_are_zero_based_and_normals_right_handed(tmp_path):
    mesh = read_obj(write(tmp_path, SQUARE + "f 1 2 3\nf 1/1/1 3//1 4\n"))
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    np.testing.assert_allclose(mesh.area_normals, [[0, 0, 1], [0, 0, 1]])
    np.testing.assert_allclose(mesh.first_edge(1), [1, 1, 0])


def test_negative_indices_count_back(tmp_path):
    assert read_obj(write(tmp_path, SQUARE + "f -4 -3 -2\n")).faces.tolist() == [[0, 1, 2]]


def test_smooth_normal_leaves_out_the_far_side(tmp_path):
    below = "v 0 0 -1\nv 1 0 -1\nv 1 1 -1\n"
    mesh = read_obj(write(tmp_path, SQUARE + below + "f 1 2 3\nf 1 3 4\nf 7 6 5\n"))
    np.testing.assert_allclose(mesh.smooth_normal(0, np.zeros(3), 10.0), [0, 0, 1])
    np.testing.assert_allclose(mesh.smooth_normal(2, np.zeros(3), 10.0), [0, 0, -1])


def test_smooth_normal_weighs_faces_by_area(tmp_path):
    # a ridge: one face of area 1 looking along z, one of area 3 tilted by 45 degrees
    text = "v 0 0 0\nv 2 0 0\nv 0 1 0\nv 0 -3 -3\nf 1 2 3\nf 1 4 2\n"
    mesh = read_obj(write(tmp_path, text))
    areas = mesh.area_normals
    expected = areas.sum(axis=0) / np.linalg.norm(areas.sum(axis=0))
    assert areas[1] @ areas[0] > 0
    np.testing.assert_allclose(mesh.smooth_normal(0, np.zeros(3), 10.0), expected)
    np.testing.assert_allclose(mesh.smooth_normal(0, np.full(3, 90.0), 1.0), [0, 0, 1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SQUARE + "f 1 2 3 4\n", "line 7: not a triangle; found 4 corners"),
        (SQUARE, "no triangle; expected a mesh as Wavefront OBJ"),
        (SQUARE + "f 1 2 9\n", "a face names a vertex that is not there"),
        ("v 0 0 a\n", "not an OBJ mesh"),
        ("v 0 0 0\nv 0 1\n", r"line 2: not a vertex; found \[0.0, 1.0\]; expected three finite"),
        ("v 0 0 nan\n", "line 1: not a vertex; found"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_obj(write(tmp_path, text))


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="b.obj: unreadable"):
        read_obj(tmp_path / "b.obj")
