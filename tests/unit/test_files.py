import json
import os
import re

import numpy as np
import pytest

from membrain import __version__
from membrain.errors import InputError
from membrain.files import (
    atomic_path,
    provenance,
    read_arrays,
    read_json,
    read_table,
    write_arrays,
    write_json,
    write_table,
)


def test_file_appears_only_when_the_block_ends_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "x.npy"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".npy"  # writers that look at the suffix still work
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["x.npy"]


def test_error_in_the_block_leaves_nothing_behind(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic_path(tmp_path / "x.txt") as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


def test_error_in_the_block_keeps_the_older_file(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "x.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_provenance_holds_sorted_parameters_and_neither_time_nor_folder():
    made = provenance("sample_points", {"seed": 1, "band": 2.5})
    assert made == {
        "program": "membrain-flow",
        "version": __version__,
        "step": "sample_points",
        "parameters": {"band": 2.5, "seed": 1},
    }
    assert list(made["parameters"]) == ["band", "seed"]


def test_arrays_round_trip_with_types_and_empty_ones(tmp_path):
    path = tmp_path / "x.npz"
    arrays = {"a": np.arange(6, dtype=np.int8).reshape(1, 2, 3), "b": np.zeros((0, 3), np.float32)}
    write_arrays(path, {"name": "é", "shape": [1, 2, 3]}, **arrays)
    meta, read = read_arrays(path)
    assert meta == {"name": "é", "shape": [1, 2, 3]}
    assert read.keys() == arrays.keys()
    for name, values in arrays.items():
        assert read[name].dtype == values.dtype
        np.testing.assert_array_equal(read[name], values, strict=True)


def test_same_arrays_give_the_same_bytes(tmp_path):
    for name in ("x", "y"):
        write_arrays(tmp_path / name, {"k": 1}, a=np.arange(5.0))
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_failed_write_of_arrays_leaves_nothing_behind(tmp_path):
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_arrays(tmp_path / "x.npz", {"k": object()})
    assert os.listdir(tmp_path) == []


def test_absent_array_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"x\.npz: no such file; run the step that makes it$"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 torn off"])
def test_damaged_array_file_is_told(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"x\.npz: unreadable; found .*; expected an \.npz file of"
    ):
        read_arrays(path)


def test_truncated_array_file_is_told(tmp_path):
    path = tmp_path / "x.npz"
    write_arrays(path, {}, a=np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(InputError, match=r"x\.npz: unreadable"):
        read_arrays(path)


def test_file_of_a_single_array_is_told(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((2, 3)))
    with pytest.raises(
        InputError, match=r"x\.npy: unreadable; found a single array; expected an \.npz"
    ):
        read_arrays(tmp_path / "x.npy")


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, meta=np.array("{}"), a=np.array([{}], dtype=object))
    with pytest.raises(
        InputError, match=r"x\.npz: unreadable; found Object arrays cannot be loaded"
    ):
        read_arrays(path)


def test_damaged_meta_entry_is_told(tmp_path):
    np.savez(tmp_path / "x.npz", meta=np.array("{"))
    with pytest.raises(InputError, match=r"x\.npz: damaged; found entry 'meta': Expecting"):
        read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("arrays", "found"), [({"a": np.zeros(1)}, "arrays a;"), ({}, "arrays none;")]
)
def test_array_file_of_another_program_is_told(tmp_path, arrays, found):
    np.savez(tmp_path / "x.npz", **arrays)
    message = rf"x\.npz: not made by membrain-flow; found {found} expected an entry 'meta'$"
    with pytest.raises(InputError, match=message):
        read_arrays(tmp_path / "x.npz")


def test_json_round_trip(tmp_path):
    content = {"a": [1, 2.5, None], "b": {"c": "µ"}}
    write_json(tmp_path / "x.json", content)
    assert read_json(tmp_path / "x.json") == content
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert text == json.dumps(content, indent=1) + "\n"


def test_failed_write_of_json_keeps_the_older_file(tmp_path):
    write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "x.json", {"a": {1}})
    assert read_json(tmp_path / "x.json") == {"a": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_absent_json_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"x\.json: unreadable; found No such file or directory$"):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("content", [b"", b"{'a': 1}", b"\xff\xfe\x00"])
def test_file_that_is_not_json_is_told(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json: not JSON; found "):
        read_json(tmp_path / "x.json")


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_table_round_trip_quotes_what_needs_it(tmp_path, delimiter):
    rows = [("m1", 3, 'a, "b"'), ("m2", 0, "")]
    write_table(tmp_path / "x", ("name", "n", "text"), rows, delimiter)
    columns, read = read_table(tmp_path / "x", delimiter)
    assert columns == ["name", "n", "text"]
    assert [tuple(row.values()) for row in read] == [("m1", "3", 'a, "b"'), ("m2", "0", "")]


def test_table_without_rows_is_valid(tmp_path):
    write_table(tmp_path / "x.tsv", ("a", "b"), [])
    assert (tmp_path / "x.tsv").read_bytes() == b"a\tb\n"
    assert read_table(tmp_path / "x.tsv") == (["a", "b"], [])


def test_table_of_a_spreadsheet_is_read(tmp_path):
    text = "\ufeff# note\r\n\r\n a \tb\r\n# note\r\n 1 \t2\r\n\r\n"
    (tmp_path / "x.tsv").write_bytes(text.encode())
    # the byte-order mark goes first, so the note behind it is still a note
    assert read_table(tmp_path / "x.tsv") == (["a", "b"], [{"a": "1", "b": "2"}])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_of_spreadsheets_are_read(tmp_path, encoding, end):
    (tmp_path / "x.tsv").write_bytes(f"a\tb{end}1\tä{end}".encode(encoding))
    assert read_table(tmp_path / "x.tsv") == (["a", "b"], [{"a": "1", "b": "ä"}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tb\n1\t\0\n", "x.tsv: not text; found a zero byte; expected a table as UTF-8 text"),
        (b"\xff\xfea", "x.tsv: not text; found byte 0x61 in line 1; expected UTF-8; save it as"),
        (b"a\n" + b"x" * 140_000, "x.tsv: not a table; found field larger than field limit"),
    ],
)
def test_junk_in_place_of_a_table_is_told(tmp_path, content, message):
    (tmp_path / "x.tsv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "x.tsv")


def test_absent_table_is_told(tmp_path):
    with pytest.raises(InputError, match=r"x\.tsv: unreadable; found No such file or directory$"):
        read_table(tmp_path / "x.tsv")


def test_table_that_is_not_text_is_told(tmp_path):
    (tmp_path / "x.tsv").write_bytes(b"a\tb\n\xff\t1\n")
    with pytest.raises(
        InputError, match=r"x\.tsv: not text; found byte 0xff in line 2; expected UTF-8"
    ):
        read_table(tmp_path / "x.tsv")


@pytest.mark.parametrize("text", ["", "\n \n", "# only a note\n"])
def test_table_without_header_is_told(tmp_path, text):
    (tmp_path / "x.tsv").write_text(text)
    message = r"x\.tsv: empty; expected a header line with column names$"
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "x.tsv")


@pytest.mark.parametrize(
    ("delimiter", "separated"), [("\t", "separated by tabs"), (",", "separated by ','")]
)
def test_ragged_row_is_told_with_its_line_in_the_file(tmp_path, delimiter, separated):
    lines = ["a b c", "# note", "", "1 2 3", "1 2"]
    (tmp_path / "x.tsv").write_text("\n".join(lines).replace(" ", delimiter).replace("#\t", "# "))
    message = "x.tsv, line 5: wrong number of cells; found 2; expected 3 (a, b, c); columns are "
    with pytest.raises(InputError, match=re.escape(message + separated) + "$"):
        read_table(tmp_path / "x.tsv", delimiter)
