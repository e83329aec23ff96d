"""Annotations for training: classes of a sheet, files of one membrane and of several."""

import mrcfile
import numpy as np
import pytest

from membrain.agreement import Place
from membrain.errors import InputError
from membrain.sheets import select_membranes
from membrain.training_annotations import classes_of_sheet, read_by_name

INFO = {"tomogram": "T1", "shape": [400, 400, 400], "pixel_size_angstrom": 10.0}


def write_positions(path, xyz, name="A"):
    rows = "".join(f"{name},{x},{y},{z}\n" for x, y, z in xyz)
    path.write_text("class,x,y,z\n" + rows)


@pytest.fixture
def data(tmp_path):
    """A label map with two flat membranes, M1 at z 8 and M2 at z 30, that share a file."""
    labels = np.zeros((40, 40, 50), np.int8)
    labels[7:10], labels[29:32] = 1, 2
    with mrcfile.new(tmp_path / "m.mrc") as handle:
        handle.set_data(labels)
        handle.voxel_size = 10.0
    lines = ["tomogram\tmembrane\tmask\tlabel\tsplit\tannotations"]
    lines += [f"T1\tM{i}\tm.mrc\t{i}\ttrain\tall.csv" for i in (1, 2)]
    lines += ["T1\tM3\tm.mrc\t3\ttest\t"]
    (tmp_path / "membranes.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def find(folder, name):
    y, x = (a.ravel() for a in np.mgrid[0:40:2.0, 0:50:2.0])
    points = np.concatenate([np.stack([np.full(x.size, z), y, x], 1) for z in (10.0, 32.0)])
    normals = np.tile([1.0, 0, 0], (len(points), 1))
    place = Place(points, normals, np.zeros(len(points), int), 1.0, 10.0, INFO["shape"])
    sheet = folder / "membranes.tsv"
    rows = select_membranes(sheet, "T1", ["M1", "M2", "M3"])
    return read_by_name(sheet, rows, INFO, place)(name)


SPREAD = [(5 + 4 * i, 7 + 3 * (i * 5 % 10), 10 if i % 2 else 32) for i in range(10)]


def test_shared_file_is_divided_among_its_membranes(data):
    write_positions(data / "all.csv", SPREAD)
    assert set(find(data, "M1").positions[:, 0]) == {10}
    assert set(find(data, "M2").positions[:, 0]) == {32}


def test_shared_file_in_other_units_fails_for_each_membrane(data):
    write_positions(data / "all.csv", [(7 * x, 7 * y, 7 * z) for x, y, z in SPREAD])
    for name in ("M1", "M2"):
        with pytest.raises(InputError, match="all.csv: .* none of the membranes .* divided by 7"):
            find(data, name)


def test_membrane_without_annotations_is_named(data):
    with pytest.raises(InputError, match="membrane 'M3' has no file in column 'annotations'"):
        find(data, "M3")


def test_classes_are_those_of_all_training_rows(data):
    write_positions(data / "all.csv", SPREAD * 2, "PSII")
    assert classes_of_sheet(data / "membranes.tsv") == [["PSII"]]


def test_file_that_cannot_be_read_is_told_and_left_out(data, caplog):
    write_positions(data / "all.csv", SPREAD, "PSII")
    with open(data / "membranes.tsv", "a") as sheet:
        sheet.write("T1\tM4\tm.mrc\t4\ttrain\tgone.csv\n")
    assert classes_of_sheet(data / "membranes.tsv") == [["PSII"]]
    assert "left out where classes are counted" in caplog.text
    assert "gone.csv" in caplog.text.partition("counted")[2]


def test_sheet_without_a_readable_file_is_refused(data):
    with pytest.raises(InputError, match=r"all\.csv: unreadable"):
        classes_of_sheet(data / "membranes.tsv")
