import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from membrain.command import main
from membrain.sheets import read_membranes, read_tomograms
from membrain.volumes import write_volume

SHAPE = (10, 20, 30)
SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason="foreign data are not here")


def write_grey(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, np.random.default_rng(0).normal(0, 9, SHAPE).astype(np.float32), 10.0)


def write_mask(path, z=4, labels=(1,)):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.zeros(SHAPE, np.int8)
    for i, label in enumerate(labels):
        array[z, 2:18, 1 + 9 * i : 8 + 9 * i] = label
    write_volume(path, array, 10.0)


def init(folder, output, *flags):
    return main(["init", "--folder", str(folder), "--output-dir", str(output), *map(str, flags)])


def sheets(output):
    tomograms = read_tomograms(output / "tomograms.tsv")
    return tomograms, read_membranes(output / "membranes.tsv", tomograms)


def test_published_arrangement(tmp_path):
    for name in ("Tomo1", "Tomo2"):
        write_grey(tmp_path / name / f"{name}_bin4.rec")
        write_mask(tmp_path / name / "membranes/S1M1.mrc")
        write_mask(tmp_path / name / "membranes/S1M2.mrc", 7)
        (tmp_path / name / "positions").mkdir()
        (tmp_path / name / "positions/S1M2.xml").touch()
    assert init(tmp_path, tmp_path) == 0
    tomograms, membranes = sheets(tmp_path)
    assert list(tomograms) == ["Tomo1", "Tomo2"]
    assert [(m.tomogram, m.membrane, m.side) for m in membranes] == [
        ("Tomo1", "S1M1", "both"),
        ("Tomo1", "S1M2", "annotations"),
        ("Tomo2", "S1M1", "both"),
        ("Tomo2", "S1M2", "annotations"),
    ]
    assert "\tTomo1/membranes/S1M1.mrc\t" in (tmp_path / "membranes.tsv").read_text()


def test_folder_of_masks_with_one_tomogram_elsewhere(tmp_path, caplog):
    caplog.set_level("INFO")
    write_grey(tmp_path / "elsewhere/rec.mrc")
    for name in ("a", "b", "c"):
        write_mask(tmp_path / f"masks/{name}.mrc")
    flags = ("--tomogram", tmp_path / "elsewhere/rec.mrc", "--pixel-size-angstrom", "13.68")
    assert init(tmp_path / "masks", tmp_path / "out", *flags) == 0
    tomograms, membranes = sheets(tmp_path / "out")
    assert [(t.tomogram, t.pixel_size) for t in tomograms.values()] == [("rec", 13.68)]
    assert [m.membrane for m in membranes] == ["a", "b", "c"]
    assert "tomograms 1, membranes 3, annotated 0, left out 0" in caplog.text


def test_label_map_split_into_pieces_and_run_again(tmp_path, capsys):
    write_grey(tmp_path / "T1.mrc")
    write_mask(tmp_path / "T1_labels.mrc", labels=(3, 200 - 256))
    assert init(tmp_path, tmp_path, "--min-voxels", "100") == 0
    assert [(m.membrane, m.label) for m in sheets(tmp_path)[1]] == [("M003", 3), ("M200", 200)]
    flags = ("--min-voxels", "100", "--split-components")
    assert init(tmp_path, tmp_path, *flags) == 2
    assert "tomograms.tsv: exists already; give --force to replace it" in capsys.readouterr().err
    for _ in range(2):  # the second time the pieces of the first lie there
        assert init(tmp_path, tmp_path, *flags, "--force") == 0
        rows = sheets(tmp_path)[1]
        assert [(m.membrane, m.label, m.mask.name) for m in rows] == [
            ("M001", 1, "T1_labels_components.mrc"),
            ("M002", 2, "T1_labels_components.mrc"),
        ]


def test_what_is_left_out_is_told(tmp_path, caplog):
    write_grey(tmp_path / "T1.mrc")
    write_mask(tmp_path / "T1_M1.mrc")
    write_volume(tmp_path / "T1_M2.mrc", np.ones((2, 2, 2), np.int8), 10.0)
    assert init(tmp_path, tmp_path / "out") == 0
    assert "T1_M2.mrc: " in caplog.text
    assert "not of the tomogram's size" in caplog.text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--folder", "nowhere"], "nowhere: no such folder"),
        (["--min-voxels", "0"], "--min-voxels; found 0; expected at least 1"),
        (["--tomogram", "nothing.mrc"], "--tomogram nothing.mrc: no such file"),
        (["--tomogram", "A={t}", "--tomogram", "A={t}"], "the name 'A' stands twice"),
        (["--layout", "membrain"], "no folder 'membranes' in it or directly below"),
        (["--tomogram", "{t}", "--layout", "labels"], "no membrane found"),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(tmp_path, capsys, flags, message):
    write_grey(tmp_path / "T1.mrc")
    flags = [flag.format(t=tmp_path / "T1.mrc") for flag in flags]
    assert init(tmp_path, tmp_path / "out", *flags) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_negative_pixel_size_is_refused(tmp_path, capsys):
    assert init(tmp_path, tmp_path, "--pixel-size-angstrom", "-1") == 2
    assert "--pixel-size-angstrom; found -1.0; expected 0 or more" in capsys.readouterr().err


@needs_data
def test_simulated_label_map_of_other_software(tmp_path):
    folder = SHARED / "polnet_a"
    assert init(folder, tmp_path, "--prefer", "lownoise") == 0
    tomograms, membranes = sheets(tmp_path)
    assert list(tomograms) == ["tomo_lownoise"]
    assert [m.label for m in membranes] == [1, 2, 3, 4]


@needs_data
def test_real_folder_of_the_published_program(tmp_path):
    source, folder = SHARED / "thylakoid", tmp_path / "Tomo1"
    (folder / "membranes").mkdir(parents=True)
    for name in ("positions", "meshes"):
        os.symlink(source.resolve() / name, folder / name)
    crop = gzip.decompress((source / "crops/T1S4M8_mask.mrc.gz").read_bytes())
    (folder / "membranes/T1S4M8.mrc").write_bytes(crop)
    shape = np.frombuffer(crop[:12], "<i4")[::-1]
    grey = np.random.default_rng(0).normal(0, 9, shape).astype(np.float32)
    write_volume(folder / "Tomo1_bin4.mrc", grey, 13.68)
    assert init(tmp_path, tmp_path) == 0
    ((name, row),) = [(m.membrane, m) for m in sheets(tmp_path)[1]]
    assert name == "T1S4M8"
    assert row.side == "annotations"
    assert row.annotations.name == "T1S4M8.xml"
    assert row.mesh.name == "T1S4M8.obj"
