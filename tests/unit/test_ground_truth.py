"""Annotated membranes, and which picks lie on them."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from membrain.errors import InputError
from membrain.formats.base import Annotations
from membrain.ground_truth import read_ground_truth
from membrain.particles import concatenate_particles, empty_particles
from membrain.picks import as_particles, read_picks
from membrain.sheets import MembraneRow

SHAPE = (40, 60, 80)
INFOS = {
    name: {"tomogram": name, "pixel_size_angstrom": 10.0, "shape": list(SHAPE)}
    for name in ("T1", "T2")
}


@pytest.fixture
def label_map(tmp_path):
    """A label map with membranes 1, 2 and 3 at z = 5, 30 and 36."""
    volume = np.zeros(SHAPE, np.int16)
    volume[5], volume[30], volume[36] = 1, 2, 3
    with mrcfile.new(tmp_path / "labels.mrc") as handle:
        handle.set_data(volume)
        handle.voxel_size = 10.0
    return tmp_path / "labels.mrc"


def membranes(label_map, *annotated, tomogram="T1"):
    """Return rows of the membranes 1, 2, ...; those annotated name a file with one particle."""
    rows = []
    for i, is_annotated in enumerate(annotated, 1):
        path = label_map.parent / f"{tomogram}_{i}.csv"
        path.write_text(f"x,y,z\n10,10,{(5, 30, 36)[i - 1]}\n")
        file = path if is_annotated else None
        rows.append(MembraneRow(tomogram, f"M{i}", label_map, label=i, annotations=file))
    return rows


def picks(zyx, tomogram="T1"):
    found = Annotations(np.asarray(zyx, float), ("particle",) * len(zyx), None, "csv")
    return as_particles(found, tomogram, 10.0)


def test_picks_of_another_program_go_to_the_membrane_they_lie_on(tmp_path, label_map):
    star = tmp_path / "other.star"
    star.write_text(
        "data_\n\nloop_\n_rlnTomoName #1\n_rlnCoordinateX #2\n_rlnCoordinateY #3\n"
        "_rlnCoordinateZ #4\nT1 10 10 5\nT1 10 10 29\nT1 10 10 32\nT1 70 50 18\nT2 1 1 5\n"
    )
    found = read_picks(star, INFOS)
    assert found.tomogram.tolist() == ["T1"] * 4 + ["T2"]
    truth = read_ground_truth(membranes(label_map, True, True), INFOS)
    assigned = truth.masks.assign(found, 10.0)
    assert assigned.membrane.tolist() == ["M1", "M2", "M2", "", ""]
    assert [len(case.particles) for case in truth.cases(assigned)] == [1, 2]
    assert found.membrane.tolist() == [""] * 5  # the input stays


def test_picks_on_a_neighbour_without_annotations_are_not_judged(label_map):
    truth = read_ground_truth(membranes(label_map, True, True, False), INFOS)
    assigned = truth.masks.assign(picks([[31, 9, 9], [35, 9, 9]]), 20.0)
    assert assigned.membrane.tolist() == ["M2", "M3"]
    assert [len(case.particles) for case in truth.cases(assigned)] == [0, 1]


def test_of_two_rows_with_one_mask_the_annotated_one_gets_the_picks(label_map):
    rows = membranes(label_map, True)
    rows.insert(0, MembraneRow("T1", "copy", label_map, label=1))
    truth = read_ground_truth(rows, INFOS)
    assert truth.masks.assign(picks([[5, 9, 9]]), 20.0).membrane.tolist() == ["M1"]


def test_particles_that_have_a_membrane_keep_it(label_map):
    own = picks([[30, 9, 9]])
    own.membrane[:] = "M1"
    truth = read_ground_truth(membranes(label_map, True, True), INFOS)
    assert truth.masks.assign(own, 20.0).membrane.tolist() == ["M1"]


def test_limit_follows_the_working_voxel(label_map):
    for working, name in ((0.0, ""), (20.0, "M1")):
        truth = read_ground_truth(membranes(label_map, True), INFOS, working, 6.0)
        assert truth.masks.assign(picks([[15, 9, 9]]), 6.0).membrane.tolist() == [name]
        assert truth.cases(empty_particles())[0].working_voxel == (2.0 if working else 1.0)


def test_membranes_without_annotations_are_no_case(label_map):
    truth = read_ground_truth(membranes(label_map, False), INFOS)
    assert truth.cases(empty_particles()) == []
    assert truth.positions() == {}
    assert truth.masks.assign(picks([[5, 9, 9]]), 20.0).membrane.tolist() == [""]


def test_positions_of_each_tomogram(label_map):
    rows = membranes(label_map, True, True) + membranes(label_map, True, tomogram="T2")
    found = read_ground_truth(rows, INFOS).positions()
    assert {name: p.tolist() for name, p in found.items()} == {
        "T1": [[5, 10, 10], [30, 10, 10]],
        "T2": [[5, 10, 10]],
    }


def test_several_tomograms_are_kept_apart(label_map):
    rows = membranes(label_map, True) + membranes(label_map, False, True, tomogram="T2")
    truth = read_ground_truth(rows, INFOS)
    both = concatenate_particles([picks([[5, 1, 1]]), picks([[30, 1, 1]], "T2")])
    assert truth.masks.assign(both, 5.0).membrane.tolist() == ["M1", "M2"]


def test_tomogram_without_info_is_named(label_map):
    with pytest.raises(InputError, match="tomogram 'T1' has annotations but no info file; found "):
        read_ground_truth(membranes(label_map, True), {})
