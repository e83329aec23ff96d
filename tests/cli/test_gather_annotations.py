"""gather_annotations on sheets with and without training membranes."""

import json

import numpy as np
import pytest

from membrain.command import main
from membrain.files import write_table
from membrain.particles import read_particles
from membrain.volumes import write_volume

SHAPE = (30, 40, 50)
COLUMNS = ("tomogram", "membrane", "mask", "split", "annotations")


def prepare(folder, rows):
    for name, z in (("low", 8), ("high", 22)):
        mask = np.zeros(SHAPE, np.int8)
        mask[z] = 1
        write_volume(folder / f"{name}.mrc", mask, 10.0)
    write_table(folder / "membranes.tsv", COLUMNS, rows)
    info = {"tomogram": "T1", "shape": SHAPE, "pixel_size_angstrom": 10.0}
    (folder / "info.json").write_text(json.dumps(info))
    text = "class,x,y,z,rot,tilt,psi\nPSII,10,11,9,30,0,0\nb6f,20,21,21,-30,0,0\n"
    (folder / "known.csv").write_text(text)


def run(folder, *flags):
    files = ("--sheet", str(folder / "membranes.tsv"), "--infos", str(folder / "info.json"))
    output = ("--output", str(folder / "out.csv"))
    return main(["gather_annotations", "--quiet", *files, *output, *flags])


def test_particles_of_training_membranes_alone_are_gathered(tmp_path):
    rows = [("T1", "A", "low.mrc", "train", "known.csv"), ("T1", "B", "high.mrc", "", "known.csv")]
    prepare(tmp_path, rows)
    assert run(tmp_path) == 0
    found = read_particles(tmp_path / "out.csv")
    assert list(found.classes) == ["PSII"]  # the other one lies on membrane B
    assert list(found.membrane) == ["A"]
    np.testing.assert_allclose(found.voxel, [[9, 11, 10]])
    np.testing.assert_allclose(found.angles, [[30, 0, 0]])
    np.testing.assert_allclose(found.normals, [[1, 0, 0]], atol=1e-6)


def test_particles_without_in_plane_angles_are_left_out(tmp_path):
    rows = [("T1", "A", "low.mrc", "train", "known.csv"), ("T1", "B", "high.mrc", "train", "b.csv")]
    prepare(tmp_path, rows)
    (tmp_path / "b.csv").write_text("class,x,y,z\nPSII,20,21,21\n")
    assert run(tmp_path) == 0
    assert list(read_particles(tmp_path / "out.csv").membrane) == ["A", "A"]


def test_file_that_cannot_be_used_is_left_out(tmp_path, caplog):
    rows = [("T1", "A", "low.mrc", "train", "known.csv"), ("T1", "B", "high.mrc", "train", "b.csv")]
    prepare(tmp_path, rows)
    (tmp_path / "b.csv").write_text("nothing,here\n1,2\n")
    assert run(tmp_path) == 0
    assert list(read_particles(tmp_path / "out.csv").membrane) == ["A", "A"]
    assert "left out: " in caplog.text
    (tmp_path / "known.csv").write_text("nothing,here\n1,2\n")
    assert run(tmp_path) == 0
    assert len(read_particles(tmp_path / "out.csv")) == 0


def test_no_training_membrane_is_told(tmp_path, capsys):
    prepare(tmp_path, [("T1", "A", "low.mrc", "test", "known.csv")])
    assert run(tmp_path) == 2
    assert "no row with split 'train' and annotations" in capsys.readouterr().err


def test_training_rows_of_a_tomogram_that_failed_give_no_particle(tmp_path):
    prepare(tmp_path, [("T1", "A", "low.mrc", "train", "known.csv")])
    info = next(tmp_path.glob("*.json"))
    info.write_text(json.dumps({"tomogram": "T1", "failure": "NaN"}))
    assert run(tmp_path) == 0
    assert len(read_particles(tmp_path / "out.csv")) == 0


@pytest.mark.parametrize("value", ["-1", "inf"])
def test_wrong_pixel_size_is_told(tmp_path, capsys, value):
    prepare(tmp_path, [("T1", "A", "low.mrc", "train", "known.csv")])
    assert run(tmp_path, "--pixel-size-angstrom", value) == 2
    assert "--pixel-size-angstrom; found" in capsys.readouterr().err
