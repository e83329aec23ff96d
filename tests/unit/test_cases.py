"""Which annotations and picks belong to which membrane."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from membrain.cases import membrane_cases, nearest_membrane, working_voxel
from membrain.errors import InputError
from membrain.particles import empty_particles
from membrain.picks import read_picks
from membrain.sheets import MembraneRow

SHAPE = (40, 60, 80)
INFOS = {
    "T1": {"tomogram": "T1", "pixel_size_angstrom": 10.0, "shape": list(SHAPE)},
    "T2": {"tomogram": "T2", "pixel_size_angstrom": 10.0, "shape": list(SHAPE)},
}


@pytest.fixture
def label_map(tmp_path):
    """A label map with membrane 1 at z = 5 and membrane 2 at z = 30."""
    volume = np.zeros(SHAPE, np.int16)
    volume[5], volume[30] = 1, 2
    with mrcfile.new(tmp_path / "labels.mrc") as handle:
        handle.set_data(volume)
        handle.voxel_size = 10.0
    return tmp_path / "labels.mrc"


def annotation_file(tmp_path, xyz, name="a.csv"):
    path = tmp_path / name
    path.write_text("class,x,y,z\n" + "".join(f"PSII,{x},{y},{z}\n" for x, y, z in xyz))
    return path


def membranes(label_map, *paths):
    return [
        MembraneRow("T1", f"M{i}", label_map, label=i, annotations=path)
        for i, path in enumerate(paths, 1)
    ]


def test_nearest_mask_within_the_limit():
    masks = [np.array([[0, 0, 0]]), np.array([[0, 0, 10], [0, 0, 11]]), np.zeros((0, 3))]
    positions = np.array([[0, 0, 4], [0, 0, 6], [0, 0, 40.0]])
    assert nearest_membrane(positions, masks, 20.0).tolist() == [0, 1, -1]
    assert nearest_membrane(np.zeros((0, 3)), masks, 20.0).shape == (0,)


def test_shared_file_is_divided_by_the_nearest_membrane(tmp_path, label_map, caplog):
    path = annotation_file(tmp_path, [(10, 10, 4), (20, 20, 8), (10, 10, 31), (10, 10, 17.4)])
    cases = membrane_cases(
        membranes(label_map, path, path), INFOS, empty_particles(), limit_working_voxel=10.0
    )
    assert [len(case.annotations) for case in cases] == [2, 1]
    assert "1 of 4 annotated positions lie on none of M1, M2: left out" in caplog.text
    assert "is the pixel size" not in caplog.text


def test_own_file_keeps_what_lies_on_the_membrane(tmp_path, label_map, caplog):
    path = annotation_file(tmp_path, [(10, 10, 4), (10, 10, 31), (10, 20, 31)])
    (case,) = membrane_cases(membranes(label_map, path), INFOS, empty_particles())
    assert len(case.annotations) == 1
    assert "2 of 3 annotated positions" in caplog.text
    assert "is the pixel size or the origin" in caplog.text


def test_unreadable_mask_leaves_its_own_file_whole(tmp_path, caplog):
    path = annotation_file(tmp_path, [(10, 10, 4)])
    row = MembraneRow("T1", "M1", tmp_path / "gone.mrc", annotations=path)
    (case,) = membrane_cases([row], INFOS, empty_particles())
    assert len(case.annotations) == 1
    assert "gone.mrc" in caplog.text


def test_limit_follows_the_working_voxel(tmp_path, label_map):
    path = annotation_file(tmp_path, [(10, 10, 15)])
    rows = membranes(label_map, path)
    (near,) = membrane_cases(rows, INFOS, empty_particles(), limit_working_voxel=6.0)
    (far,) = membrane_cases(rows, INFOS, empty_particles(), 20.0, limit_working_voxel=6.0)
    assert (len(near.annotations), len(far.annotations)) == (0, 1)
    assert (near.working_voxel, far.working_voxel) == (1.0, 2.0)
    assert working_voxel(INFOS["T1"], 13.68) == pytest.approx(1.368)


def test_membranes_without_annotations_are_left_out(label_map):
    assert membrane_cases(membranes(label_map, None), INFOS, empty_particles()) == []


def test_picks_of_another_program_go_to_the_membrane_they_lie_on(tmp_path, label_map):
    known = annotation_file(tmp_path, [(10, 10, 4)])
    star = tmp_path / "other.star"
    star.write_text(
        "data_\n\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
        "_rlnCoordinateZ #4\nT1 10 10 5\nT1 10 10 29\nT1 10 10 32\nT1 70 50 18\nT2 1 1 5\n"
    )
    picks = read_picks(star, INFOS)
    assert picks.tomogram.tolist() == ["T1"] * 4 + ["T2"]
    cases = membrane_cases(
        membranes(label_map, known, known), INFOS, picks, limit_working_voxel=10.0
    )
    assert [len(case.particles) for case in cases] == [1, 2]


def test_mistakes_are_named(tmp_path, label_map):
    with pytest.raises(InputError, match="tomogram 'T1' has annotations but no info file; found "):
        membrane_cases(membranes(label_map, tmp_path / "a.csv"), {}, empty_particles())
    rows = membranes(label_map, tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(InputError) as caught:
        membrane_cases(rows, INFOS, empty_particles())
    assert "2 files of annotations cannot be used" in str(caught.value)
    assert "1. " in str(caught.value)
    assert "b.csv: unreadable" in str(caught.value)
