"""Picks of this workflow and of other programs."""

from __future__ import annotations

from pathlib import Path

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


def star(tmp_path, lines, columns=("X", "Y", "Z"), names=True):
    head = [f"_rlnCoordinate{axis}" for axis in columns] + (["_rlnTomoName"] if names else [])
    path = tmp_path / "p.star"
    path.write_text("data_\n\nloop_\n" + "\n".join(head) + "\n" + "\n".join(lines) + "\n")
    return path


def info(name):
    return {**INFO, "tomogram": name}


BOTH = {"T1": info("T1"), "T2": info("T2")}


def test_scores_of_other_programs_are_kept(tmp_path):
    (tmp_path / "p.csv").write_text("x,y,z,score\n1,2,3,0.25\n4,5,6,0.5\n")
    assert read_picks(tmp_path / "p.csv", {"T1": INFO}).score.tolist() == [0.25, 0.5]


def test_table_with_a_column_tomogram_serves_several(tmp_path):
    (tmp_path / "p.csv").write_text("tomogram,x,y,z\nT1,1,2,3\nT2,4,5,6\nT3,7,8,9\n")
    found = read_picks(tmp_path / "p.csv", BOTH)
    assert found.tomogram.tolist() == ["T1", "T2"]
    assert found.voxel.tolist() == [[3, 2, 1], [6, 5, 4]]


def test_one_file_per_tomogram(tmp_path):
    for i, name in enumerate(BOTH):
        (tmp_path / f"{name}.csv").write_text(f"x,y,z\n{i},2,3\n")
    found = read_picks(str(tmp_path / "{tomogram}.csv"), BOTH)
    assert found.tomogram.tolist() == ["T1", "T2"]
    assert found.voxel[:, 2].tolist() == [0, 1]
    with pytest.raises(InputError, match="T3.csv: no such file of picks"):
        read_picks(tmp_path / "{tomogram}.csv", {**BOTH, "T3": info("T3")})


@pytest.mark.parametrize(("unit", "expected"), [(None, 30), (1.0, 3), (2.5, 7.5)])
def test_unit_of_coordinates(tmp_path, unit, expected):
    (tmp_path / "p.csv").write_text("x,y,z\n30,30,30\n")
    found = read_picks(tmp_path / "p.csv", {"T1": INFO}, unit)
    assert found.voxel.tolist() == [[expected] * 3]
    found = read_picks(star(tmp_path, ["30 30 30 T1"]), {"T1": INFO}, unit)
    assert found.voxel.tolist() == [[expected] * 3]


def test_columns_in_angstrom(tmp_path):
    (tmp_path / "p.csv").write_text("x_angstrom,y_angstrom,z_angstrom\n10,20,30\n")
    assert read_picks(tmp_path / "p.csv", {"T1": INFO}).voxel.tolist() == [[3, 2, 1]]
    with pytest.raises(InputError, match="expected none: column x_angstrom tells it"):
        read_picks(tmp_path / "p.csv", {"T1": INFO}, 2.0)


def test_picks_of_other_tomograms_alone_are_a_mistake(tmp_path):
    with pytest.raises(InputError, match="no particle of tomogram 'T1'.*found tomo_0024"):
        read_picks(star(tmp_path, ["1 2 3 tomo_0024"]), BOTH)
    (tmp_path / "p.csv").write_text("tomogram,x,y,z\ntomo_0024,1,2,3\n")
    with pytest.raises(InputError, match="no row of tomogram 'T1' in column tomogram; found tomo"):
        read_picks(tmp_path / "p.csv", BOTH)


def test_file_that_names_no_tomogram_serves_one_alone(tmp_path):
    path = star(tmp_path, ["1 2 3"], names=False)
    assert len(read_picks(path, {"T1": INFO})) == 1
    with pytest.raises(InputError, match="does not say which tomogram a pick belongs to"):
        read_picks(path, BOTH)


def test_no_tomogram_of_interest_gives_no_pick(tmp_path):
    assert len(read_picks(star(tmp_path, ["1 2 3 T1"]), {})) == 0


CHLAMY = Path(__file__).resolve().parents[3] / "shared/data/others/chlamy_ps2.star"


@pytest.mark.skipif(not CHLAMY.is_file(), reason=f"{CHLAMY} is not there")
def test_real_star_file_of_another_group_is_read_whole():
    names = {line.split()[6] for line in CHLAMY.read_text().splitlines() if "tomo_" in line}
    shape = (512, 1024, 1024)  # binned by 4
    infos = {n: {"tomogram": n, "pixel_size_angstrom": 7.84, "shape": shape} for n in sorted(names)}
    found = read_picks(CHLAMY, infos, 1.96)
    assert (len(found), len(set(found.tomogram))) == (3111, 21)
    assert set(found.classes) == {"PSII"}
    assert (found.voxel.min() > -10) & (found.voxel < np.array(shape) + 10).all()
    assert np.isfinite(found.angles).all()
    first = found.select(found.tomogram == "tomo_0024").voxel[0]
    np.testing.assert_allclose(first * 4, [1041.465173, 3862.465173, 3726.465173])
