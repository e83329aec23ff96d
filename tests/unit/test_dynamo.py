"""Dynamo tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.errors import InputError
from membrain.formats import dynamo
from membrain.formats.base import Grid
from membrain.rotations import dynamo_angles, poses_from_relion

GRID = Grid(10.0)


def row(position=(1.5, 2.5, 3.5), angles=(0, 0, 0), shift=(0, 0, 0), n_columns=35, **columns):
    """Return a line; further columns by their number, from 1, as c20=2."""
    cells = [0.0] * n_columns
    cells[3:6], cells[6:9], cells[23:26] = shift, angles, position
    for name, value in columns.items():
        cells[int(name[1:]) - 1] = value
    return " ".join(f"{c:g}" for c in cells)


def write(tmp_path, *rows):
    path = tmp_path / "a.tbl"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_centre_of_the_first_voxel_is_a_half(tmp_path):
    found = dynamo.read(write(tmp_path, row((0.5, 1.5, 2.5))), GRID)
    np.testing.assert_allclose(found.positions, [[2, 1, 0]])


def test_shifts_are_added(tmp_path):
    found = dynamo.read(write(tmp_path, row((1.5, 2.5, 3.5), shift=(0.25, -1, 2))), GRID)
    np.testing.assert_allclose(found.positions, [[5, 1, 1.25]])


def test_angles_are_zxz_of_the_inverse(tmp_path):
    angles = (35.0, 60.0, -110.0)
    found = dynamo.read(write(tmp_path, row(angles=angles)), GRID)
    expected = Rotation.from_euler("zxz", angles, degrees=True).inv().as_matrix()
    np.testing.assert_allclose(poses_from_relion(found.angles).as_matrix()[0], expected, atol=1e-9)


def test_round_trip_of_poses(tmp_path):
    poses = Rotation.random(5, random_state=np.random.default_rng(0))
    rows = [row(angles=angles) for angles in dynamo_angles(poses)]
    found = dynamo.read(write(tmp_path, *rows), GRID)
    difference = poses_from_relion(found.angles).inv() * poses
    np.testing.assert_allclose(difference.magnitude(), 0, atol=1e-4)


def test_pixel_size_column_scales_pixels_of_a_finer_tomogram(tmp_path):
    position = (40.5, 80.5, 120.5)
    finer = dynamo.read(write(tmp_path, row(position, n_columns=36, c36=2.5)), GRID)
    np.testing.assert_allclose(finer.positions, [[30, 20, 10]])
    for unset in (0, 1):
        same = dynamo.read(write(tmp_path, row(position, n_columns=36, c36=unset)), GRID)
        np.testing.assert_allclose(same.positions, [[120, 80, 40]])


def test_class_numbers_are_classes_when_there_are_several(tmp_path):
    assert dynamo.read(write(tmp_path, row(c22=1), row(c22=3)), GRID).classes == ("1", "3")
    assert dynamo.read(write(tmp_path, row(c22=3)), GRID).classes == ("particle",)


def test_no_row_is_no_annotation(tmp_path):
    assert len(dynamo.read(write(tmp_path), GRID)) == 0


def test_mistakes_are_named(tmp_path):
    with pytest.raises(InputError, match="line 1: not a row of a Dynamo table; found 3 columns"):
        dynamo.read(write(tmp_path, "1 2 3"), GRID)
    with pytest.raises(InputError, match="line 2: not a number; found 'x'"):
        dynamo.read(write(tmp_path, row(), row().replace("1.5", "x")), GRID)
    with pytest.raises(InputError, match="row 1: a position or angle is not a finite number"):
        dynamo.read(write(tmp_path, row(position=(np.nan, 1, 2))), GRID)
    with pytest.raises(InputError, match="several tomograms; found column 20: 1, 2"):
        dynamo.read(write(tmp_path, row(c20=1), row(c20=2)), GRID)
    with pytest.raises(InputError, match="rows of different length"):
        dynamo.read(write(tmp_path, row(), row(n_columns=36)), GRID)
    with pytest.raises(InputError, match="b.tbl: unreadable"):
        dynamo.read(tmp_path / "b.tbl", GRID)


def test_unit_of_coordinates_without_a_pixel_size(tmp_path):
    finer = Grid(10.0, unit=2.5)
    found = dynamo.read(write(tmp_path, row((4.5, 8.5, 12.5))), finer)
    np.testing.assert_allclose(found.positions, [[3, 2, 1]])
    found = dynamo.read(write(tmp_path, row((4.5, 8.5, 12.5), n_columns=36)), finer)
    np.testing.assert_allclose(found.positions, [[3, 2, 1]])
    with pytest.raises(InputError, match="found 2.5 angstrom given; expected none: column 36"):
        dynamo.read(write(tmp_path, row(n_columns=36, c36=5)), finer)


def test_correlation_is_the_score(tmp_path):
    found = dynamo.read(write(tmp_path, row(c10=0.25), row(c10=0.5)), GRID)
    assert found.scores.tolist() == [0.25, 0.5]
    assert found.select(np.array([1])).scores.tolist() == [0.5]
