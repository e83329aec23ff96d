from pathlib import Path

import pytest

from membrain.file_names import clean_name, is_volume, match_tomogram


def tomograms(*files):
    return {Path(file).stem: Path(file) for file in files}


@pytest.mark.parametrize(
    ("mask", "files", "expected"),
    [
        ("anything.mrc", ["f/T1.rec"], ["T1"]),
        ("f/T1_M3.mrc", ["f/T1.rec", "f/T2.rec"], ["T1"]),
        ("f/T1_M3.mrc", ["f/T1_bin4_denoised.rec", "f/T10_bin4.rec"], ["T1_bin4_denoised"]),
        ("f/T10_M3.mrc", ["f/T1_bin4.rec", "f/T10_13.68Apx.rec"], ["T10_13.68Apx"]),
        ("f/TS_003_x.mrc", ["f/TS_003_lam2_ali.mrc", "f/TS_004_lam2.mrc"], ["TS_003_lam2_ali"]),
        ("f/T1_a_M.mrc", ["f/T1_bin4.rec", "f/T1_a_bin4.rec"], ["T1_a_bin4"]),
        ("m/T1/M3.mrc", ["f/T1_bin4.rec", "f/T2_bin4.rec"], ["T1_bin4"]),
        ("T1/M3.mrc", ["T1/volume_a.rec", "T2/volume_b.rec"], ["volume_a"]),
        ("f/M3.mrc", ["f/T1.rec", "f/T2.rec"], []),
        ("f/T3_M3.mrc", ["f/T1.rec", "f/T2.rec"], []),
        ("f/T3_M3.mrc", ["f/T_b1.rec", "f/U.rec"], []),
        ("f/T1_M3.mrc", ["f/T1_bin4.rec", "f/T1_rec.rec"], ["T1_bin4", "T1_rec"]),
        ("f/T1S1M1.mrc", ["f/T1.rec", "f/T2.rec"], []),
    ],
)
def test_mask_belongs_to_the_tomogram_its_name_begins_with(mask, files, expected):
    assert match_tomogram(Path(mask), tomograms(*files)) == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("T1", "T1"),
        ("T 1 (a)", "T_1_a_"),
        ("_x", "x"),
        ("µm", "m"),
        ("..", "unnamed"),
        ("ab" * 99, "ab" * 50),
    ],
)
def test_name_is_made_fit_for_the_sheets(text, name):
    assert clean_name(text) == name


def test_volumes_are_known_by_their_suffix(tmp_path):
    names = ("a.mrc", "b.MRC", "c.rec.gz", "d.map", "e.txt", "f.gz", ".g.mrc")
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "h.mrc").mkdir()
    found = sorted(path.name for path in tmp_path.iterdir() if is_volume(path))
    assert found == ["a.mrc", "b.MRC", "c.rec.gz", "d.map"]
