"""Which annotations belong to which membrane."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from membrain.cases import annotations_by_membrane, nearest_membrane, working_voxel
from membrain.errors import InputError
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
    found = annotations_by_membrane(membranes(label_map, path, path), INFOS, 10.0, 0.0)
    assert {key: len(part) for key, part in found.items()} == {("T1", "M1"): 2, ("T1", "M2"): 1}
    assert "1 of 4 annotated positions lie on none of M1, M2: left out" in caplog.text
    assert "is the pixel size" not in caplog.text


def test_own_file_keeps_what_lies_on_the_membrane(tmp_path, label_map, caplog):
    path = annotation_file(tmp_path, [(10, 10, 4), (10, 10, 31), (10, 20, 31)])
    found = annotations_by_membrane(membranes(label_map, path), INFOS, 20.0, 0.0)
    assert len(found["T1", "M1"]) == 1
    assert "2 of 3 annotated positions" in caplog.text
    assert "is the pixel size or the origin" in caplog.text


def test_unreadable_mask_leaves_its_own_file_whole(tmp_path, caplog):
    path = annotation_file(tmp_path, [(10, 10, 4)])
    row = MembraneRow("T1", "M1", tmp_path / "gone.mrc", annotations=path)
    assert len(annotations_by_membrane([row], INFOS, 20.0, 0.0)["T1", "M1"]) == 1
    assert "gone.mrc" in caplog.text


def test_limit_follows_the_working_voxel(tmp_path, label_map):
    path = annotation_file(tmp_path, [(10, 10, 15)])
    rows = membranes(label_map, path)
    for working, n in ((0.0, 0), (20.0, 1)):
        assert len(annotations_by_membrane(rows, INFOS, 6.0, working)["T1", "M1"]) == n
    assert working_voxel(INFOS["T1"], 13.68) == pytest.approx(1.368)


def test_every_unreadable_file_is_named(tmp_path, label_map):
    rows = membranes(label_map, tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(InputError) as caught:
        annotations_by_membrane(rows, INFOS, 20.0, 0.0)
    assert "2 files of annotations cannot be used" in str(caught.value)
    assert "1. " in str(caught.value)
    assert "b.csv: unreadable" in str(caught.value)


def test_file_outside_the_tomogram_is_told_what_brings_it_to_one_of_its_membranes(
    tmp_path, label_map
):
    xyz = np.array([(5 + 7 * i, 3 + 11 * (i % 5), 5 if i % 2 else 30) for i in range(10)])
    path = annotation_file(tmp_path, xyz * 10 + [0, 0, 3170])
    with pytest.raises(InputError, match="outside the tomogram; .* divided by 10 .* and moved by"):
        annotations_by_membrane(membranes(label_map, path, path), INFOS, 20.0, 0.0)
    path = annotation_file(tmp_path, xyz * 10)
    rows = [MembraneRow("T1", "M1", tmp_path / "gone.mrc", annotations=path)]
    with pytest.raises(InputError, match="outside the tomogram; .* they would fit divided by"):
        annotations_by_membrane(rows, INFOS, 20.0, 0.0)
