"""Named lists of picks."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from membrain.errors import InputError
from membrain.ground_truth import read_ground_truth
from membrain.pick_lists import PickSource, parse_sources, read_list
from membrain.sheets import MembraneRow


def test_sources_are_named_files_with_pixel_sizes():
    found = parse_sources("--lists", ["a=x=1.csv", "b=p/{tomogram}.tbl"], ["b=3.42"])
    assert found == [PickSource("a", "x=1.csv"), PickSource("b", "p/{tomogram}.tbl", 3.42)]


@pytest.mark.parametrize(
    ("texts", "sizes", "message"),
    [
        (["a.csv"], [], "--lists; found 'a.csv'; expected NAME=PATH"),
        (["=a.csv"], [], "--lists; found '=a.csv'"),
        (["a=x", "a=y"], [], "two lists are called 'a'"),
        (["a=x"], ["b=1"], "--pixel-sizes: no list 'b'; found 'b=1'; expected a"),
        (["a=x"], ["a=wide"], "--pixel-sizes: list 'a'; found 'wide'; expected angstrom, above 0"),
        (["a=x"], ["a=-1"], "--pixel-sizes: list 'a'; found '-1'"),
    ],
)
def test_mistakes_are_named(texts, sizes, message):
    with pytest.raises(InputError) as caught:
        parse_sources("--lists", texts, sizes)
    assert message in str(caught.value)


@pytest.fixture
def truth(tmp_path):
    """One membrane at z = 20 with 12 annotated positions, 10 angstrom a voxel."""
    volume = np.zeros((40, 60, 80), np.int8)
    volume[20] = 1
    with mrcfile.new(tmp_path / "m.mrc") as handle:
        handle.set_data(volume)
        handle.voxel_size = 10.0
    write(tmp_path / "known.csv", 1.0)
    row = MembraneRow("T1", "M1", tmp_path / "m.mrc", annotations=tmp_path / "known.csv")
    return read_ground_truth([row], INFOS)


INFOS = {"T1": {"tomogram": "T1", "pixel_size_angstrom": 10.0, "shape": [40, 60, 80]}}
KNOWN = np.array([[x, y, 20.0] for x in (10, 30, 55, 70) for y in (8, 29, 51)])


def write(path, factor):
    path.write_text("x,y,z\n" + "".join(f"{x},{y},{z}\n" for x, y, z in KNOWN * factor))


@pytest.mark.parametrize(
    ("factor", "pixel_size"), [(1.0, None), (10.0, 1.0), (4.0, 2.5), (10 / 13.68, 13.68)]
)
def test_lists_in_any_unit_are_read_when_the_unit_is_told(tmp_path, truth, factor, pixel_size):
    write(tmp_path / "p.csv", factor)
    found = read_list(PickSource("TM", str(tmp_path / "p.csv"), pixel_size), truth, INFOS, 4.5)
    np.testing.assert_allclose(found.voxel[:, ::-1], KNOWN)


@pytest.mark.parametrize(
    ("factor", "pixel_size", "message"),
    [
        (10.0, None, "divided by 10 they would fit (angstrom, not voxels?), 12 of 12"),
        (1.0, 1.0, "multiplied by 10 they would fit (voxels, not angstrom?), 12 of 12"),
        (4.0, None, "divided by 4 they would fit (another binning or unit?)"),
        (1.0, 13.68, "they would fit (another pixel size?)"),
    ],
)
def test_a_wrong_unit_is_caught(tmp_path, truth, factor, pixel_size, message):
    write(tmp_path / "p.csv", factor)
    with pytest.raises(InputError) as caught:
        read_list(PickSource("TM", str(tmp_path / "p.csv"), pixel_size), truth, INFOS, 4.5)
    text = str(caught.value)
    assert f"TM ({tmp_path / 'p.csv'}): the picks do not lie where the annotated positions" in text
    assert message in text


def test_tomograms_without_annotations_are_not_read(tmp_path, truth):
    (tmp_path / "p.csv").write_text("tomogram,x,y,z\nT1,10,8,20\nT2,900,900,900\n")
    both = {**INFOS, "T2": {**INFOS["T1"], "tomogram": "T2"}}
    assert len(read_list(PickSource("TM", str(tmp_path / "p.csv")), truth, both, 4.5)) == 1
