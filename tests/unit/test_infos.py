"""Info files of tomograms."""

import json

import pytest

from membrain.errors import InputError
from membrain.infos import read_failures, read_info, read_infos

GREY = {"centre": 1.0, "scale": 2, "low": -3.0, "high": 3.0}
INFO = {
    "tomogram": "T1",
    "shape": [30, 40, 50],
    "pixel_size_angstrom": 10.0,
    "header_pixel_size_angstrom": 0.0,
    "origin_angstrom": [0, -1.5, 0],
    "mean": 0.5,
    "std": 2.0,
    "grey": GREY,
}


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_info_is_returned_whole(tmp_path):
    path = write(tmp_path / "T1.json", {**INFO, "more": 1})
    assert read_info(path, needs=("grey", "std")) == {**INFO, "more": 1}


@pytest.mark.parametrize("content", [None, 3, [1], "a", float("nan")])
def test_something_else_than_an_object_is_told(tmp_path, content):
    path = write(tmp_path / "T1.json", content)
    message = r"T1.json: not the info of a tomogram; found \w+; expected an object; run inspect_"
    with pytest.raises(InputError, match=message):
        read_info(path)


def test_missing_entries_are_told_together(tmp_path):
    path = write(tmp_path / "T1.json", {"tomogram": "T1"})
    message = "T1.json: not the info of a tomogram; found no entry shape, grey; run inspect_tom"
    with pytest.raises(InputError, match=message):
        read_info(path, needs=("grey",))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("tomogram", "", "a name"),
        ("shape", [30, 40], "three whole numbers above 0"),
        ("shape", [30, 40, 0], "three whole numbers above 0"),
        ("shape", [30, 40, 1.5], "three whole numbers above 0"),
        ("shape", "abc", "three whole numbers above 0"),
        ("pixel_size_angstrom", 0, "a number above 0"),
        ("pixel_size_angstrom", None, "a number above 0"),
        ("header_pixel_size_angstrom", -1, "a number, 0 or more"),
        ("origin_angstrom", [0, 0, float("nan")], "three numbers"),
        ("mean", "x", "a number"),
        ("std", 0, "a number above 0"),
        ("grey", None, "centre, scale above 0, and low below high"),
        ("grey", {**GREY, "scale": 0}, "centre, scale above 0"),
        ("grey", {**GREY, "low": 3.0}, "centre, scale above 0"),
        ("grey", {"centre": 1}, "centre, scale above 0"),
    ],
)
def test_wrong_entries_are_told(tmp_path, name, value, expected):
    path = write(tmp_path / "T1.json", {**INFO, name: value})
    message = rf"T1.json: entry '{name}'; found .*; expected {expected}.*; run inspect_tomogram"
    with pytest.raises(InputError, match=message):
        read_info(path)


def test_long_values_are_cut_in_messages(tmp_path):
    path = write(tmp_path / "T1.json", {**INFO, "shape": ["x" * 500], "mean": "y"})
    with pytest.raises(InputError, match=r"(?s)^.*T1.json: 2 mistakes:\n1. .*xxx\.\.\.;.*\n2. "):
        read_info(path)


def test_infos_by_name_may_repeat_but_not_contradict(tmp_path):
    one, two = write(tmp_path / "1.json", INFO), write(tmp_path / "2.json", INFO)
    three = write(tmp_path / "3.json", {**INFO, "tomogram": "T2"})
    assert list(read_infos([one, two, three])) == ["T1", "T2"]
    write(two, {**INFO, "mean": 9})
    with pytest.raises(InputError, match="2.json: another info of tomogram 'T1' is given too"):
        read_infos([one, two])


def test_tomogram_that_failed_is_told_and_left_out_of_several(tmp_path, caplog):
    good = write(tmp_path / "1.json", INFO)
    bad = write(tmp_path / "2.json", {"tomogram": "T2", "failure": "it is cut short"})
    with pytest.raises(InputError, match="tomogram 'T2' failed: it is cut short"):
        read_info(bad)
    assert list(read_infos([good, bad])) == ["T1"]
    assert "2.json: the tomogram failed and is left out" in caplog.text
    assert read_failures([good, bad]) == {"T2": "it is cut short"}
