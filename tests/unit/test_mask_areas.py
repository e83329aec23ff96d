"""Areas of membranes from their masks, and the points that they will give."""

from __future__ import annotations

import logging

import mrcfile
import numpy as np
import pytest

from membrain.mask_areas import expected_points, fill_areas, measure_areas, side_area
from membrain.sheets import MembraneRow


def _write(path, mask):
    with mrcfile.new(path) as handle:
        handle.set_data(mask.astype(np.int8))
        handle.voxel_size = 10.0
    return path


def test_flat_slab_has_a_third_of_its_faces_on_each_side():
    mask = np.ones((2, 30, 40))
    n_faces = 2 * (30 * 40 + 2 * 30 + 2 * 40)
    assert side_area(np.argwhere(mask)) == pytest.approx(n_faces / 3)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0.6, 0.8), (1, 1, 1), (2, 1, 0)])
def test_area_of_a_tilted_sheet_depends_little_on_its_tilt(axis):
    normal = np.array(axis) / np.linalg.norm(axis)
    places = np.indices((90, 90, 90)).reshape(3, -1).T - 44.5
    height = places @ normal
    radius = np.linalg.norm(places - height[:, None] * normal, axis=1)
    voxels = np.argwhere(((np.abs(height) <= 2) & (radius < 40)).reshape(90, 90, 90))
    assert side_area(voxels) == pytest.approx(np.pi * 40**2, rel=0.4)


def test_area_of_a_shell_is_that_of_a_sphere():
    radius = np.linalg.norm(np.indices((80, 80, 80)).reshape(3, -1).T - 39.5, axis=1)
    voxels = np.argwhere((np.abs(radius - 30) <= 2).reshape(80, 80, 80))
    assert side_area(voxels) == pytest.approx(4 * np.pi * 30**2, rel=0.05)


def test_no_voxels_have_no_area():
    assert side_area(np.empty((0, 3), np.int32)) == 0


def test_points_follow_area_sides_and_thinning():
    one = expected_points(1000.0, 1.0, 2.0, 1)
    assert expected_points(1000.0, 1.0, 2.0, 2) == 2 * one
    assert expected_points(1000.0, 2.0, 2.0, 1) == pytest.approx(one / 4)
    assert expected_points(1000.0, 1.0, 0.0, 1) == expected_points(1000.0, 1.0, 0.5, 1)
    assert expected_points(0.0, 1.0, 2.0, 1) == 0


def test_labels_of_one_file_are_told_apart(tmp_path):
    mask = np.zeros((12, 40, 50))
    mask[3:5, 5:15, 5:15] = 1
    mask[8:10, 5:35, 5:35] = 2
    path = _write(tmp_path / "labels.mrc", mask)
    rows = [MembraneRow("T", f"M{label}", path, label) for label in (1, 2, 7)]
    rows.append(MembraneRow("T", "all", path))
    areas = measure_areas(rows, 10.0)
    assert areas["T", "M1"] == side_area(np.argwhere(mask == 1))
    assert areas["T", "M2"] == side_area(np.argwhere(mask == 2))
    assert areas["T", "all"] == pytest.approx(areas["T", "M1"] + areas["T", "M2"])
    assert areas["T", "M7"] == 0


def test_reading_stops_when_the_time_is_up(tmp_path):
    paths = [_write(tmp_path / f"{i}.mrc", np.ones((2, 5, 6))) for i in range(6)]
    rows = [MembraneRow("T", f"M{i}", path) for i, path in enumerate(paths)]
    assert measure_areas(rows, 0.0) == {}
    ticks = iter(range(100))
    found = measure_areas(rows, 3.0, clock=lambda: next(ticks))
    assert len(found) == 2
    ticks = iter(range(100))
    assert found == measure_areas(rows, 3.0, clock=lambda: next(ticks))


def test_unreadable_mask_is_told_and_has_no_area(tmp_path, caplog):
    path = tmp_path / "mask.mrc"
    path.write_bytes(b"junk")
    with caplog.at_level(logging.WARNING):
        assert measure_areas([MembraneRow("T", "M", path)], 1.0) == {("T", "M"): 0.0}
    assert "mask.mrc: not an MRC file" in caplog.text


def test_membranes_that_were_not_read_are_as_large_as_the_others(tmp_path):
    rows = [MembraneRow("T", name, tmp_path) for name in "ABC"]
    known = {("T", "A"): 2.0, ("T", "B"): 4.0}
    assert fill_areas(rows, known, 9.0) == {**known, ("T", "C"): 3.0}
    assert fill_areas(rows, {}, 9.0)["T", "C"] == 9.0
