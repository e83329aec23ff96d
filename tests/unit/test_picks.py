"""Picks of this workflow and of other programs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.errors import InputError
from membrain.particles import empty_particles
from membrain.picks import read_picks

INFO = {"tomogram": "T1", "pixel_size_angstrom": 10.0, "shape": [40, 60, 80]}


def test_own_table_is_read_as_it_is(tmp_path):
    empty_particles().write(tmp_path / "p.csv", ",")
    assert len(read_picks(tmp_path / "p.csv", {})) == 0
    empty_particles().write(tmp_path / "p.tsv")
    assert len(read_picks(tmp_path / "p.tsv", {"T1": INFO, "T2": INFO})) == 0


def test_foreign_poses_become_normals_and_axes(tmp_path):
    pose = Rotation.from_euler("ZYZ", [10, 20, 30], degrees=True).inv()
    (tmp_path / "p.csv").write_text("x,y,z,rot,tilt,psi\n1,2,3,10,20,30\n")
    found = read_picks(tmp_path / "p.csv", {"T1": INFO})
    np.testing.assert_array_equal(found.voxel, [[3, 2, 1]])
    np.testing.assert_array_equal(found.angstrom, [[30, 20, 10]])
    np.testing.assert_allclose(found.normals[0, ::-1], pose.apply([0, 0, 1.0]))
    np.testing.assert_allclose(found.axes[0, ::-1], pose.apply([1.0, 0, 0]))
    assert (found.membrane[0], found.classes[0]) == ("", "particle")


def test_foreign_picks_without_poses_have_unknown_ones(tmp_path):
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,3\n")
    found = read_picks(tmp_path / "p.csv", {"T1": INFO})
    assert np.isnan(found.normals).all()
    assert np.isnan(found.angles).all()


def test_foreign_file_for_several_tomograms_must_name_them(tmp_path):
    (tmp_path / "p.csv").write_text("x,y,z\n1,2,3\n")
    with pytest.raises(InputError, match="does not say which tomogram a pick belongs to; found 2"):
        read_picks(tmp_path / "p.csv", {"T1": INFO, "T2": INFO})
