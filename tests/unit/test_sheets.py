import pytest

from membrain.errors import InputError
from membrain.sheets import (
    MembraneRow,
    TomogramRow,
    read_membranes,
    read_tomograms,
    select_membranes,
)


def sheet(folder, name, *lines):
    """Write a sheet whose cells are given with spaces between them, ``-`` for an empty cell."""
    rows = ["\t".join("" if cell == "-" else cell for cell in line.split(" ")) for line in lines]
    path = folder / name
    path.write_text("\n".join(rows) + "\n")
    return path


def tomograms(folder, *lines):
    (folder / "t1.mrc").touch()
    return sheet(folder, "tomograms.tsv", *lines)


def membranes(folder, *lines):
    (folder / "m.mrc").touch()
    (folder / "a.csv").touch()
    return sheet(folder, "membranes.tsv", *lines)


def mistakes(read, *args, **kwargs):
    """Return the lines of the error that reading raises, without the heading and the folder."""
    with pytest.raises(InputError) as caught:
        read(*args, **kwargs)
    lines = str(caught.value).replace(f"{args[0].parent}/", "").splitlines()
    return lines if len(lines) == 1 else [line.partition(". ")[2] for line in lines[1:]]


def row(name, tomogram="t1", **cells):
    return MembraneRow(tomogram, name, "m.mrc", **cells)


def test_tomograms_are_read_with_paths_beside_the_sheet(tmp_path):
    path = tomograms(
        tmp_path, "tomogram path pixel_size_angstrom", "t1 t1.mrc 13.68", "t0 ./t1.mrc -"
    )
    assert read_tomograms(path) == {
        "t1": TomogramRow("t1", tmp_path / "t1.mrc", 13.68),
        "t0": TomogramRow("t0", tmp_path / "t1.mrc", None),
    }
    assert list(read_tomograms(path)) == ["t1", "t0"]


def test_paths_are_beside_the_sheet_wherever_the_program_runs(tmp_path, monkeypatch):
    tomograms(tmp_path, "tomogram path", "t1 t1.mrc")
    monkeypatch.chdir(tmp_path)
    assert read_tomograms("tomograms.tsv")["t1"].path == tmp_path / "t1.mrc"


def test_numeric_names_stay_text(tmp_path):
    path = tomograms(tmp_path, "tomogram path", "001 t1.mrc")
    assert list(read_tomograms(path)) == ["001"]


def test_sheet_without_tomograms_is_a_mistake(tmp_path):
    path = sheet(tmp_path, "tomograms.tsv", "tomogram path")
    assert mistakes(read_tomograms, path) == [
        "tomograms.tsv: no tomogram; expected at least one row below the header"
    ]


def test_every_mistake_of_a_tomogram_sheet_is_told_at_once(tmp_path):
    path = tomograms(
        tmp_path,
        "tomogram path pixel_size_angstrom",
        "t1 t1.mrc x",
        "t1 gone.mrc 0",
        "../t t1.mrc -",
        "t2 - -",
    )
    assert mistakes(read_tomograms, path) == [
        "tomograms.tsv, row 1 (t1): column 'pixel_size_angstrom'; found 'x'; expected a number",
        "tomograms.tsv, row 2 (t1): column 'pixel_size_angstrom'; found 0.0; expected at least 0.1",
        "tomograms.tsv, row 3 (../t): column 'tomogram'; found '../t'; expected letters, digits "
        "and . _ + - only, beginning with a letter or digit",
        "tomograms.tsv, row 4 (t2): column 'path' is missing or empty",
        "tomograms.tsv, row 2 (t1): tomogram 't1' stands twice",
        "tomograms.tsv, row 2 (t1): tomogram file not found; found gone.mrc",
    ]


def test_heading_counts_the_mistakes(tmp_path):
    path = tomograms(tmp_path, "tomogram path", "t1 gone.mrc", "t2 gone.mrc")
    with pytest.raises(InputError, match=r"^\S+/tomograms\.tsv: 2 mistakes:\n1\. .*\n2\. "):
        read_tomograms(path)


def test_files_need_not_exist_when_not_asked_for(tmp_path):
    path = sheet(tmp_path, "tomograms.tsv", "tomogram path", "t1 gone.mrc")
    assert list(read_tomograms(path, must_exist=False)) == ["t1"]
    path = sheet(tmp_path, "membranes.tsv", "tomogram membrane mask", "t1 M1 gone.mrc")
    assert [r.membrane for r in read_membranes(path, must_exist=False)] == ["M1"]


def test_unknown_missing_and_doubled_columns_are_told_together(tmp_path):
    path = tomograms(tmp_path, "Tomogramm pixel_size_angstrom pixel_size_angstrom", "t1 1 1")
    assert mistakes(read_tomograms, path) == [
        "tomograms.tsv: column 'pixel_size_angstrom' stands 2 times",
        "tomograms.tsv: unknown column 'Tomogramm'; did you mean 'tomogram'?",
        "tomograms.tsv: column 'tomogram' is missing; "
        "found Tomogramm, pixel_size_angstrom, pixel_size_angstrom",
        "tomograms.tsv: column 'path' is missing; "
        "found Tomogramm, pixel_size_angstrom, pixel_size_angstrom",
    ]


@pytest.mark.parametrize(
    ("mark", "found"), [(",", "commas"), (";", "semicolons"), ("    ", "spaces")]
)
def test_other_separators_than_tabs_are_told_once(tmp_path, mark, found):
    path = tomograms(tmp_path, "tomogram path", "t1 t1.mrc")
    path.write_text(path.read_text().replace("\t", mark))
    assert mistakes(read_tomograms, path) == [
        f"tomograms.tsv: columns are not separated by tabs; found {found}; expected tabs; save the "
        "sheet as tab-separated text"
    ]


def test_single_unknown_column_is_told_as_such(tmp_path):
    path = tomograms(tmp_path, "tomograms", "t1")
    assert mistakes(read_tomograms, path)[0] == (
        "tomograms.tsv: unknown column 'tomograms'; did you mean 'tomogram'?"
    )


def test_columns_without_a_name_are_told_by_their_number(tmp_path):
    path = tomograms(tmp_path, "tomogram path - -", "t1 t1.mrc - -")
    assert mistakes(read_tomograms, path) == [
        f"tomograms.tsv: column {number} has no name; name it or delete it" for number in (3, 4)
    ]


def test_whole_numbers_may_end_in_point_zero_as_spreadsheets_write_them(tmp_path):
    path = membranes(tmp_path, "tomogram membrane mask label", "t1 M1 m.mrc 7.0")
    (found,) = read_membranes(path)
    assert (found.label, type(found.label)) == (7, int)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400", "1,5"])
def test_numbers_that_are_none_are_told(tmp_path, text):
    path = tomograms(tmp_path, "tomogram path pixel_size_angstrom", f"t1 t1.mrc {text}")
    assert mistakes(read_tomograms, path) == [
        "tomograms.tsv, row 1 (t1): column 'pixel_size_angstrom'; "
        f"found '{text}'; expected a number"
    ]


def test_braces_in_the_name_of_a_file_are_told(tmp_path):
    path = membranes(tmp_path, "tomogram membrane mask annotations", "t1 M1 {m}.mrc a{}.csv")
    assert [line.partition(": ")[2] for line in mistakes(read_membranes, path)[:2]] == [
        "column 'mask'; found '{m}.mrc'; expected a file's name without { and }",
        "column 'annotations'; found 'a{}.csv'; expected a file's name without { and }",
    ]


def test_names_too_long_for_files_are_told(tmp_path):
    name = "x" * 101
    path = membranes(tmp_path, "tomogram membrane mask", f"t1 {name} m.mrc")
    assert "expected at most 100 characters" in mistakes(read_membranes, path)[0]


def test_membranes_are_read_with_all_their_cells(tmp_path):
    (tmp_path / "m.obj").touch()
    path = membranes(
        tmp_path,
        "tomogram membrane mask label side side_x side_y side_z split annotations mesh batch",
        "t1 M2 m.mrc 7 point 1 2.5 -3 train a.csv m.obj p1",
        "t1 M1 m.mrc - - - - - - - - -",
    )
    assert read_membranes(path, tomograms=["t1"]) == [
        MembraneRow(
            "t1",
            "M2",
            tmp_path / "m.mrc",
            label=7,
            side="point",
            side_point=(1.0, 2.5, -3.0),
            split="train",
            annotations=tmp_path / "a.csv",
            mesh=tmp_path / "m.obj",
            batch="p1",
        ),
        MembraneRow("t1", "M1", tmp_path / "m.mrc"),
    ]
    assert read_membranes(path)[1].side == "both"


def test_side_point_is_dropped_for_other_sides(tmp_path):
    path = membranes(
        tmp_path, "tomogram membrane mask side side_x side_y side_z", "t1 M1 m.mrc a 1 2 3"
    )
    assert read_membranes(path)[0].side_point is None


def test_sheet_without_membranes_is_valid(tmp_path):
    assert read_membranes(membranes(tmp_path, "tomogram membrane mask")) == []


def test_every_mistake_of_a_membrane_sheet_is_told(tmp_path):
    path = membranes(
        tmp_path,
        "tomogram membrane mask label side side_x split annotations",
        "t1 M1 m.mrc 1.5 - - - -",
        "t1 M2 m.mrc 0 - - - -",
        "t1 M2 gone.mrc - - - - -",
        "T1 M3 m.mrc - up - - -",
        "t1 M4 m.mrc - point 4 - -",
        "t1 M5 m.mrc - point - - -",
        "t1 M6 m.mrc - annotations - - -",
        "t1 M7 m.mrc - - - train -",
        "t1 M8 m.mrc - - - validation gone.csv",
        "t1 M9 - - - - - -",
    )
    at = "membranes.tsv, row"
    assert mistakes(read_membranes, path, tomograms=["t1"]) == [
        f"{at} 1 (M1): column 'label'; found '1.5'; expected a whole number",
        f"{at} 2 (M2): column 'label'; found 0; expected at least 1",
        f"{at} 4 (M3): column 'side'; found 'up'; expected one of both, point, annotations, "
        "outside, inside, a, b",
        f"{at} 10 (M9): column 'mask' is missing or empty",
        f"{at} 3 (M2): membrane 'M2' stands twice in tomogram 't1'",
        f"{at} 3 (M2): mask file not found; found gone.mrc",
        f"{at} 4 (M3): unknown tomogram 'T1'; did you mean 't1'?",
        f"{at} 5 (M4): side 'point' needs side_x, side_y and side_z (voxels); found side_x",
        f"{at} 6 (M5): side 'point' needs side_x, side_y and side_z (voxels); found none of them",
        f"{at} 7 (M6): side 'annotations' needs a file in column 'annotations'",
        f"{at} 8 (M7): split 'train' needs a file in column 'annotations'",
        f"{at} 9 (M8): annotations file not found; found gone.csv",
    ]


def test_row_without_names_is_told_by_its_number(tmp_path):
    path = membranes(tmp_path, "tomogram membrane mask", "- - m.mrc")
    assert mistakes(read_membranes, path) == [
        "membranes.tsv, row 1: column 'tomogram' is missing or empty",
        "membranes.tsv, row 1: column 'membrane' is missing or empty",
    ]


def test_same_membrane_name_in_two_tomograms_is_right(tmp_path):
    path = membranes(tmp_path, "tomogram membrane mask", "t1 M1 m.mrc", "t2 M1 m.mrc")
    assert [(r.tomogram, r.membrane) for r in read_membranes(path)] == [("t1", "M1"), ("t2", "M1")]


def test_membranes_are_selected_in_the_order_of_the_names(tmp_path):
    lines = ("t1 M1 m.mrc", "t2 M1 m.mrc", "t1 M2 m.mrc", "t1 M3 m.mrc")
    path = membranes(tmp_path, "tomogram membrane mask", *lines)
    selected = select_membranes(path, "t1", ["M3", "M1"])
    assert [(r.tomogram, r.membrane) for r in selected] == [("t1", "M3"), ("t1", "M1")]
    assert [r.membrane for r in select_membranes(path, "t1", [])] == ["M1", "M2", "M3"]


def test_name_that_the_sheet_lacks_is_told(tmp_path):
    path = membranes(tmp_path, "tomogram membrane mask", "t1 M1 m.mrc")
    message = r"membranes\.tsv: no membrane 'm1' in tomogram 't1'; did you mean 'M1'\?$"
    with pytest.raises(InputError, match=message):
        select_membranes(path, "t1", ["m1"])


def test_tomogram_that_the_sheet_lacks_is_told(tmp_path):
    path = membranes(tmp_path, "tomogram membrane mask", "T1 M1 m.mrc")
    with pytest.raises(InputError, match="no membrane of tomogram 'T7'; did you mean 'T1'?"):
        select_membranes(path, "T7", [])


def test_membranes_named_twice_are_selected_once(tmp_path):
    path = membranes(tmp_path, "tomogram membrane mask", "t1 M1 m.mrc", "t1 M2 m.mrc")
    assert [r.membrane for r in select_membranes(path, "t1", ["M2", "M1", "M2"])] == ["M2", "M1"]
