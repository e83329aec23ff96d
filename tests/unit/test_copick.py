"""copick picks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.errors import InputError
from membrain.formats import copick
from membrain.formats.base import Grid
from membrain.rotations import poses_from_relion

GRID = Grid(10.0)


def point(x, y, z, matrix=None):
    location = {"location": {"x": x, "y": y, "z": z}, "instance_id": 0, "score": 1.0}
    return location if matrix is None else {**location, "transformation_": matrix}


def write(tmp_path, points, **entries):
    content = {
        "pickable_object_name": "PSII",
        "user_id": "somebody",
        "session_id": "1",
        "run_name": "T1",
        "voxel_spacing": 10.0,
        "unit": "angstrom",
        "points": points,
        **entries,
    }
    path = tmp_path / "somebody_1_PSII.json"
    path.write_text(json.dumps(content))
    return path


def test_angstrom_become_voxels_and_the_object_the_class(tmp_path):
    found = copick.read(write(tmp_path, [point(10, 20, 30)]), GRID)
    np.testing.assert_allclose(found.positions, [[3, 2, 1]])
    assert found.classes == ("PSII",)
    assert found.angles is None


def test_matrices_are_particle_to_tomogram_and_translations_add(tmp_path):
    pose = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = pose, (1, 2, 3)
    found = copick.read(write(tmp_path, [point(9, 18, 27, matrix.tolist())]), GRID)
    np.testing.assert_allclose(found.positions, [[3, 2, 1]])
    np.testing.assert_allclose(poses_from_relion(found.angles).as_matrix()[0], pose, atol=1e-9)


def test_identity_everywhere_is_no_orientation(tmp_path):
    found = copick.read(write(tmp_path, [point(1, 2, 3, np.eye(4).tolist())]), GRID)
    assert found.angles is None


@pytest.mark.parametrize("points", [[], None])
def test_no_points_are_no_annotation(tmp_path, points):
    assert len(copick.read(write(tmp_path, points), GRID)) == 0


def test_mistakes_are_named(tmp_path):
    mirror = np.diag([1.0, 1, -1, 1]).tolist()
    with pytest.raises(InputError, match="unit of the points; found 'voxel'"):
        copick.read(write(tmp_path, [], unit="voxel"), GRID)
    with pytest.raises(InputError, match="point 1: 'transformation_' is not a rotation"):
        copick.read(write(tmp_path, [point(1, 2, 3, mirror)]), GRID)
    for place in ((0, 0), (1, 3)):
        matrix = np.eye(4)
        matrix[place] = np.nan
        message = "point 2: 'transformation_' holds a value that is not a number"
        with pytest.raises(InputError, match=message):
            copick.read(write(tmp_path, [point(1, 2, 3), point(1, 2, 3, matrix.tolist())]), GRID)
    with pytest.raises(InputError, match="row 1: column 'location.y'; found None"):
        copick.read(write(tmp_path, [point(1, None, 3)]), GRID)
    with pytest.raises(InputError, match="a point is not as copick writes it; found KeyError"):
        copick.read(write(tmp_path, [{"x": 1}]), GRID)
    with pytest.raises(InputError, match="a point is not as copick writes it; found ValueError"):
        copick.read(write(tmp_path, [point(1, 2, 3, [[1, 0], [0, 1]])]), GRID)
    (tmp_path / "b.json").write_text("[]")
    with pytest.raises(InputError, match="not a copick file"):
        copick.read(tmp_path / "b.json", GRID)


def test_scores_and_a_refused_unit(tmp_path):
    path = write(tmp_path, [point(10, 20, 30)])
    assert copick.read(path, GRID).scores.tolist() == [1.0]
    path.write_text(path.read_text().replace('"score": 1.0', '"score": null'))
    assert copick.read(path, GRID).scores is None
    with pytest.raises(InputError, match="expected none: copick writes angstrom"):
        copick.read(path, Grid(10.0, unit=2.0))
