import os

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.folders import Arrangement, TomogramFiles
from membrain.sheet_drafts import Options, draft_sheets, path_in_sheet, write_sheets
from membrain.sheets import read_membranes, read_tomograms
from membrain.volumes import write_volume

SHAPE = (10, 20, 30)


def sheet_of(z, labels=(1,)):
    array = np.zeros(SHAPE, np.int8)
    for i, label in enumerate(labels):
        array[z, 2:18, 1 + 9 * i : 8 + 9 * i] = label  # 112 voxels each
    return array


@pytest.fixture
def files(tmp_path):
    """A tomogram with two masks, one of them annotated."""
    for name, z in (("M1", 3), ("M2", 6)):
        write_volume(tmp_path / f"{name}.mrc", sheet_of(z), 10.0)
    write_volume(tmp_path / "T1.mrc", np.random.default_rng(0).random(SHAPE, np.float32), 10.0)
    (tmp_path / "M1.csv").write_text("class,x,y,z\n")
    (tmp_path / "M1.obj").write_text("")
    return TomogramFiles(
        "T1",
        tmp_path / "T1.mrc",
        [tmp_path / "M1.mrc", tmp_path / "M2.mrc"],
        {"M1": tmp_path / "M1.csv"},
        {"M1": tmp_path / "M1.obj"},
    )


def draft(files, tmp_path, layout="files", **options):
    arrangement = Arrangement(layout, files if isinstance(files, list) else [files])
    return draft_sheets(arrangement, Options(tmp_path / "out", **{"min_voxels": 10, **options}))


def reasons(found):
    return {path.name: reason for path, reason in found.left_out}


def test_sheets_are_read_back(files, tmp_path):
    write_sheets(draft(files, tmp_path, pixel_size=13.68), tmp_path / "out")
    tomograms = read_tomograms(tmp_path / "out/tomograms.tsv")
    assert os.path.samefile(tomograms["T1"].path, files.path)
    assert tomograms["T1"].pixel_size == 13.68
    first, second = read_membranes(tmp_path / "out/membranes.tsv", tomograms)
    assert (first.membrane, first.side, first.label, first.split) == ("M1", "annotations", None, "")
    assert os.path.samefile(first.mask, files.masks[0])
    assert os.path.samefile(first.annotations, tmp_path / "M1.csv")
    assert os.path.samefile(first.mesh, tmp_path / "M1.obj")
    assert (second.membrane, second.side, second.annotations) == ("M2", "both", None)


@pytest.mark.parametrize("name", ["M{2}.mrc", "M\t2.mrc", "M\n2.mrc", b"M\xff.mrc"])
def test_name_that_a_sheet_cannot_hold_is_told_before_anything_is_written(files, tmp_path, name):
    odd = tmp_path / os.fsdecode(name)
    files.masks[1].rename(odd)
    files.masks[1] = odd
    found = draft(files, tmp_path)
    assert [row["membrane"] for row in found.membranes] == ["M1"]
    (reason,) = reasons(found).values()
    assert ": a name that sheets cannot hold; expected no {, }, tabs" in reason
    reason.encode()  # can be written to any log
    files.path, files.masks = files.path.rename(odd), files.masks[:1]
    with pytest.raises(InputError, match="a name that sheets cannot hold; .*; rename the file or"):
        draft(files, tmp_path)


def test_only_mask_with_several_labels_gives_a_row_each(files, tmp_path):
    write_volume(tmp_path / "M1.mrc", sheet_of(3, (2, 5)), 10.0)
    files.masks = files.masks[:1]
    rows = draft(files, tmp_path).membranes
    assert [(r["membrane"], r["label"], r["side"]) for r in rows] == [
        ("M002", 2, "both"),
        ("M005", 5, "both"),
    ]
    plain = draft(files, tmp_path, layout="membrain").membranes  # there a mask is one membrane
    assert [(r["membrane"], r["label"]) for r in plain] == [("M1", "")]
    assert [r["label"] for r in draft(files, tmp_path, layout="files").membranes] == [2, 5]


def test_layout_masks_takes_a_label_map_as_one_membrane(files, tmp_path):
    write_volume(tmp_path / "M1.mrc", sheet_of(3, (2, 5)), 10.0)
    files.masks = files.masks[:1]
    arrangement = Arrangement("files", [files])
    (row,) = draft_sheets(arrangement, Options(tmp_path / "out", layout="masks")).membranes
    assert (row["membrane"], row["label"], row["side"]) == ("M1", "", "annotations")


def test_layout_labels_looks_into_every_mask(files, tmp_path):
    write_volume(tmp_path / "M2.mrc", sheet_of(6, (1, 4)), 10.0)
    rows = draft(files, tmp_path, **{"layout": "files"}).membranes
    assert [r["membrane"] for r in rows] == ["M1", "M2"]
    arrangement = Arrangement("files", [files])
    options = Options(tmp_path / "out", layout="labels", min_voxels=10)
    rows = draft_sheets(arrangement, options).membranes
    assert [(r["membrane"], r["label"]) for r in rows] == [
        ("M1", ""),
        ("M2_M001", 1),
        ("M2_M004", 4),
    ]


def test_split_components_makes_a_row_a_piece(files, tmp_path):
    array = sheet_of(3)
    array[7, 2:18, 1:4] = 1
    write_volume(tmp_path / "M1.mrc", array, 10.0)
    files.masks = files.masks[:1]
    found = draft(files, tmp_path, split_components=True)
    write_sheets(found, tmp_path / "out")
    rows = read_membranes(
        tmp_path / "out/membranes.tsv", read_tomograms(tmp_path / "out/tomograms.tsv")
    )
    assert [(r.membrane, r.label, r.mask.name) for r in rows] == [
        ("M001", 1, "T1_M1_components.mrc"),
        ("M002", 2, "T1_M1_components.mrc"),
    ]
    with pytest.raises(InputError, match=r"T1_M1_components\.mrc: exists already; give --force"):
        draft(files, tmp_path, split_components=True)
    assert draft(files, tmp_path, split_components=True, force=True).membranes == found.membranes


def test_small_labels_are_left_out(files, tmp_path):
    write_volume(tmp_path / "M1.mrc", sheet_of(3, (1, 2)), 10.0)
    files.masks = files.masks[:1]
    with pytest.raises(
        InputError, match="no membrane found; found .*label 1 has 112 voxels, fewer"
    ):
        draft(files, tmp_path, min_voxels=113)


def test_mask_of_another_size_is_left_out(files, tmp_path):
    write_volume(tmp_path / "M2.mrc", np.ones((3, 3, 3), np.int8), 10.0)
    found = draft(files, tmp_path)
    assert [row["membrane"] for row in found.membranes] == ["M1"]
    assert "not of the tomogram's size" in reasons(found)["M2.mrc"]


def test_mask_of_another_pixel_size_is_left_out(files, tmp_path):
    write_volume(tmp_path / "M2.mrc", sheet_of(6), 12.0)
    assert "another pixel size" in reasons(draft(files, tmp_path))["M2.mrc"]


def test_given_pixel_size_is_what_masks_are_compared_with(files, tmp_path):
    write_volume(tmp_path / "M2.mrc", sheet_of(6), 13.68)
    assert len(draft(files, tmp_path, pixel_size=13.68).membranes) == 2


def test_tomogram_without_pixel_size_is_told_with_what_its_masks_say(files, tmp_path, caplog):
    write_volume(files.path, np.random.default_rng(0).random(SHAPE, np.float32), 1.0)
    assert len(draft(files, tmp_path).membranes) == 2
    assert "no pixel size in the header, its masks say 10: fill in" in caplog.text


def test_tomogram_without_membranes_is_left_out(files, tmp_path):
    lonely = TomogramFiles("T2", files.path)
    found = draft([files, lonely], tmp_path)
    assert [row["tomogram"] for row in found.tomograms] == ["T1"]
    assert reasons(found) == {"T1.mrc": "no membrane belongs to it"}


def test_no_membrane_at_all_is_told(files, tmp_path):
    files.masks = []
    with pytest.raises(InputError, match="no membrane found; found .*no membrane belongs to it"):
        draft(files, tmp_path)
    with pytest.raises(InputError, match="no membrane found; found no mask in the folder"):
        draft([], tmp_path)


def test_unreadable_tomogram_and_equal_names_are_told_together(files, tmp_path):
    files.path.write_text("no volume")
    files.masks.append(tmp_path / "sub" / "M1.mrc.gz")
    with pytest.raises(
        InputError, match="(?s)2 mistakes.*not an MRC file.*2 masks would be named 'M1'"
    ):
        draft(files, tmp_path)


def test_far_files_are_named_absolutely(tmp_path):
    assert path_in_sheet(tmp_path / "a/b.mrc", tmp_path) == "a/b.mrc"
    assert path_in_sheet(tmp_path / "b.mrc", tmp_path / "a/c") == "../../b.mrc"
    far = path_in_sheet(tmp_path / "b.mrc", tmp_path / "1/2/3/4")
    assert far == str(tmp_path / "b.mrc")
