import gzip
import json

import numpy as np
import pytest

from membrain.command import main
from membrain.grey_values import normalise
from membrain.volumes import write_volume

SHAPE = (6, 9, 11)


@pytest.fixture
def array():
    return np.random.default_rng(1).normal(100, 5, SHAPE).astype(np.float32)


def inspect(path, output, *flags):
    return main(
        [
            "inspect_tomogram",
            "--tomogram",
            "T1",
            "--path",
            str(path),
            "--output",
            str(output),
            *flags,
        ]
    )


def test_info_holds_header_and_statistics(tmp_path, array):
    write_volume(tmp_path / "a.mrc", array, 13.68, (0, 0, 3173.75))
    assert inspect(tmp_path / "a.mrc", tmp_path / "i.json") == 0
    info = json.loads((tmp_path / "i.json").read_text())
    exact = array.astype(float)
    assert info["tomogram"] == "T1"
    assert info["shape"] == [6, 9, 11]
    assert info["pixel_size_angstrom"] == 13.68
    assert info["header_pixel_size_angstrom"] == pytest.approx(13.68)
    assert info["origin_angstrom"] == [0, 0, 3173.75]
    assert info["mean"] == pytest.approx(exact.mean())
    assert info["std"] == pytest.approx(exact.std())
    assert (info["minimum"], info["maximum"]) == (array.min(), array.max())
    assert info["median"] == pytest.approx(np.median(exact))
    assert info["statistics"] == "mean_std"
    assert info["provenance"]["step"] == "inspect_tomogram"
    z = (exact - exact.mean()) / exact.std()
    low, high = max(-3, z.min()), min(3, z.max())
    expected = (np.clip(z, low, high) - low) / (high - low)
    assert normalise(array, info["grey"]) == pytest.approx(expected, abs=1e-5)


def test_flags_reach_the_statistics(tmp_path, array):
    write_volume(tmp_path / "a.mrc", array, 1.0)
    flags = ("--pixel-size-angstrom", "10", "--statistics", "robust", "--clip", "2")
    assert inspect(tmp_path / "a.mrc", tmp_path / "i.json", *flags) == 0
    info = json.loads((tmp_path / "i.json").read_text())
    assert info["pixel_size_angstrom"] == 10
    assert info["header_pixel_size_angstrom"] == 0
    assert info["statistics"] == "robust"
    assert info["grey"]["limit"] == 2
    assert info["grey"]["centre"] == info["median"]


def test_compressed_tomogram_gives_the_same(tmp_path, array):
    write_volume(tmp_path / "a.mrc", array, 10.0)
    (tmp_path / "a.mrc.gz").write_bytes(gzip.compress((tmp_path / "a.mrc").read_bytes()))
    assert inspect(tmp_path / "a.mrc", tmp_path / "a.json") == 0
    assert inspect(tmp_path / "a.mrc.gz", tmp_path / "b.json") == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_missing_pixel_size_ends_in_one_line(tmp_path, array, capsys):
    write_volume(tmp_path / "a.mrc", array, 1.0)
    assert inspect(tmp_path / "a.mrc", tmp_path / "i.json") == 2
    error = capsys.readouterr().err
    assert (
        "no pixel size in the header; found 1 x 1 x 1 angstrom; give pixel_size_angstrom" in error
    )
    assert not (tmp_path / "i.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--clip", "0"], "--clip; found 0.0; expected more than 0"),
        (["--clip", "inf"], "--clip; found inf; expected a finite number"),
        (["--pixel-size-angstrom", "-2"], "found -2.0; expected 0 or more"),
        (["--pixel-size-angstrom", "1e9"], "found 1000000000.0; expected 0.1 to 1000 angstrom"),
        (["--tomogram", "a b"], "--tomogram; found 'a b'; expected letters, digits and . _ + -"),
        (["--tomogram", ""], "--tomogram; found ''; expected letters"),
    ],
)
def test_impossible_flags_are_refused(tmp_path, capsys, flags, message):
    assert inspect(tmp_path / "a.mrc", tmp_path / "i.json", *flags) == 2
    assert message in capsys.readouterr().err


def test_failure_is_recorded_where_asked_for(tmp_path, array):
    write_volume(tmp_path / "a.mrc", np.full(SHAPE, 2, np.float32), 10.0)
    assert inspect(tmp_path / "a.mrc", tmp_path / "i.json", "--record-failure") == 0
    info = json.loads((tmp_path / "i.json").read_text())
    assert (info["tomogram"], set(info)) == ("T1", {"tomogram", "failure", "provenance"})
    assert "a.mrc: every voxel has the same value" in info["failure"]
    assert inspect(tmp_path / "gone.mrc", tmp_path / "i.json", "--record-failure") == 0
    info = json.loads((tmp_path / "i.json").read_text())
    assert "gone.mrc: unreadable; found No such file or directory" in info["failure"]


def test_recording_failures_changes_nothing_else(tmp_path, array):
    write_volume(tmp_path / "a.mrc", array, 10.0)
    for name, flags in (("1.json", ()), ("2.json", ("--record-failure",))):
        assert inspect(tmp_path / "a.mrc", tmp_path / name, *flags) == 0
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
