import errno
import logging

import numpy as np
import pytest
import torch

from membrain.errors import InputError
from membrain.files import read_arrays, write_arrays
from membrain.tables import STATUS_COLUMNS, PointTable, Status, read_status


def table(membrane, side, **further):
    """Return a table whose points carry their own row number in every coordinate."""
    n = len(membrane)
    points = np.arange(n, dtype=np.float32)[:, None] + np.array([0.0, 0.25, 0.5], np.float32)
    return PointTable(
        points=points.reshape(n, 3),
        normals=np.tile(np.array([[0, 0, 1]], np.float32), (n, 1)),
        membrane=np.array(membrane, np.int32),
        side=np.array(side, np.int8),
        membranes=("m1", "m2", "m3"),
        tomogram="t1",
        shape=(5, 7, 11),
        pixel_size=13.68,
        **further,
    )


def test_groups_are_sorted_and_hold_the_rows_of_each_membrane_and_side():
    groups = list(table([2, 0, 2, 0, 2], [1, 0, 0, 1, 1]).groups())
    assert [(m, s, rows.tolist()) for m, s, rows in groups] == [
        ("m1", "a", [1]),
        ("m1", "b", [3]),
        ("m3", "a", [2]),
        ("m3", "b", [0, 4]),
    ]


def test_groups_of_many_membranes_do_not_overflow_small_integers():
    n = 200
    many = PointTable(
        points=np.zeros((n, 3), np.float32),
        normals=np.zeros((n, 3), np.float32),
        membrane=np.arange(n, dtype=np.uint8),
        side=np.ones(n, np.int8),
        membranes=tuple(f"m{i}" for i in range(n)),
        tomogram="t",
        shape=(1, 2, 3),
        pixel_size=1.0,
    )
    assert [(m, s, r.tolist()) for m, s, r in many.groups()] == [
        (f"m{i}", "b", [i]) for i in range(n)
    ]


def test_one_point_is_one_group():
    ((membrane, side, rows),) = table([1], [0]).groups()
    assert (membrane, side, rows.tolist()) == ("m2", "a", [0])


def test_select_takes_masks_and_indices_through_every_column():
    full = table([0, 1, 2, 2], [0, 0, 1, 1]).with_extra(scores=np.arange(8.0).reshape(4, 2))
    for rows in (np.array([False, True, False, True]), np.array([1, 3])):
        part = full.select(rows)
        assert len(part) == 2
        assert part.points[:, 0].tolist() == [1, 3]
        assert part.normals.shape == (2, 3)
        assert part.membrane.tolist() == [1, 2]
        assert part.side.tolist() == [0, 1]
        assert part.extra["scores"].tolist() == [[2, 3], [6, 7]]
        assert part.membranes == full.membranes  # those without points stay known
    assert len(full) == 4


def test_with_extra_leaves_the_first_table_alone():
    first = table([0], [0], extra={"labels": np.zeros((1, 1))})
    second = first.with_extra(scores=np.ones((1, 1)))
    assert set(first.extra) == {"labels"}
    assert set(second.extra) == {"labels", "scores"}


def test_empty_table_goes_through_everything(tmp_path):
    empty = table([], [], extra={"scores": np.zeros((0, 2), np.float32)})
    assert list(empty.groups()) == []
    for rows in (np.zeros(0, bool), np.zeros(0, int)):
        assert len(empty.select(rows)) == 0
    assert len(table([0, 1], [0, 1]).select(np.zeros(2, bool))) == 0
    empty.write(tmp_path / "x.npz")
    read = PointTable.read(tmp_path / "x.npz", needs=("scores",))
    assert len(read) == 0
    assert read.points.shape == (0, 3)
    assert read.extra["scores"].shape == (0, 2)
    assert read.membranes == ("m1", "m2", "m3")


def test_table_round_trip(tmp_path):
    extra = {"scores": np.array([[0.5], [7.0]], np.float32), "rim": np.array([True, False])}
    meta = {"provenance": {"step": "x"}, "classes": [["PSII", "UK"], ["b6f"]]}
    written = table([0, 2], [1, 0], extra=extra, meta=meta)
    written.write(tmp_path / "x.npz")
    read = PointTable.read(tmp_path / "x.npz")
    for name in ("points", "normals", "membrane", "side"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name), strict=True)
    for name, values in extra.items():
        np.testing.assert_array_equal(read.extra[name], values, strict=True)
    assert read.extra.keys() == extra.keys()
    assert (read.membranes, read.sides, read.tomogram) == (("m1", "m2", "m3"), ("a", "b"), "t1")
    assert (read.shape, read.pixel_size, read.meta) == ((5, 7, 11), 13.68, meta)


def test_file_keeps_small_types_whatever_the_table_held(tmp_path):
    wide = PointTable(
        points=np.zeros((1, 3)),
        normals=np.ones((1, 3)),
        membrane=np.zeros(1, np.int64),
        side=np.zeros(1, np.int64),
        membranes=("m1",),
        tomogram="t",
        shape=tuple(np.array([1, 2, 3])),
        pixel_size=np.float32(2.0),
    )
    wide.write(tmp_path / "x.npz")
    read = PointTable.read(tmp_path / "x.npz")
    types = [read.points.dtype, read.normals.dtype, read.membrane.dtype, read.side.dtype]
    assert types == [np.float32, np.float32, np.int32, np.int8]


def test_lacking_column_is_told(tmp_path):
    table([0], [0]).write(tmp_path / "x.npz")
    message = (
        r"x\.npz: not the table that this step takes; "
        r"found arrays membrane, normals, points, side; expected also scores$"
    )
    with pytest.raises(InputError, match=message):
        PointTable.read(tmp_path / "x.npz", needs=("scores",))


def test_file_of_another_step_is_told(tmp_path):
    write_arrays(tmp_path / "x.npz", {}, positions=np.zeros((0, 3)))
    message = r"found arrays positions; expected also points, normals, membrane, side$"
    with pytest.raises(InputError, match=message):
        PointTable.read(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": None}, "x.npz: not a table of points; found no entry shape"),
        ({"shape": [1, 2]}, r"entry 'shape'; found \[1, 2\]; expected three whole numbers above 0"),
        ({"membranes": "m1"}, "entry 'membranes'; found 'm1'; expected a list of names"),
        ({"pixel_size_angstrom": 0.0}, "entry 'pixel_size_angstrom'; found 0.0; expected a number"),
        ({"extra": ["scores"]}, "x.npz: columns that do not fit each other; found no scores; run"),
        ({"membranes": ["m1"]}, "x.npz: columns that do not fit each other; found {'points': "),
        ({"sides": ["a"]}, "columns that do not fit each other"),
    ],
)
def test_table_whose_entries_are_wrong_is_told(tmp_path, changes, message):
    table([0, 1], [0, 1]).write(tmp_path / "x.npz")
    meta, arrays = read_arrays(tmp_path / "x.npz")
    meta = {name: value for name, value in {**meta, **changes}.items() if value is not None}
    write_arrays(tmp_path / "x.npz", meta, **arrays)
    with pytest.raises(InputError, match=message):
        PointTable.read(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [[1], "a", None])
def test_table_whose_entries_are_no_object_is_told(tmp_path, content):
    table([0], [0]).write(tmp_path / "x.npz")
    write_arrays(tmp_path / "x.npz", content, **read_arrays(tmp_path / "x.npz")[1])
    with pytest.raises(InputError, match="x.npz: not a table of points; found .*; expected an obj"):
        PointTable.read(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("name", "shape"), [("points", (2, 2)), ("normals", (1, 3)), ("membrane", ()), ("side", (3,))]
)
def test_table_of_ragged_columns_is_told(tmp_path, name, shape):
    table([0, 0], [0, 0]).write(tmp_path / "x.npz")
    meta, arrays = read_arrays(tmp_path / "x.npz")
    write_arrays(tmp_path / "x.npz", meta, **{**arrays, name: np.zeros(shape)})
    with pytest.raises(InputError, match=r"columns that do not fit .*; run the step that makes it"):
        PointTable.read(tmp_path / "x.npz")


def test_status_knows_ok_and_empty():
    status = Status("t1", "sample_points")
    status.record("m1", 3)
    status.record("m2", 0, "no point left")
    assert status.rows == [
        ("t1", "m1", "sample_points", "ok", 3, ""),
        ("t1", "m2", "sample_points", "empty", 0, "no point left"),
    ]


def test_input_error_becomes_a_row_and_the_batch_goes_on(caplog):
    status = Status("t1", "s")
    for name in ("m1", "m2"):
        with status.isolate(name):
            if name == "m1":
                raise InputError("mask.mrc: bad", found=0)
            status.record(name, 1)
    assert status.rows == [
        ("t1", "m1", "s", "failed", 0, "mask.mrc: bad; found 0"),
        ("t1", "m2", "s", "ok", 1, ""),
    ]
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.ERROR, None)
    assert record.getMessage() == "t1/m1: mask.mrc: bad; found 0"


def test_unexpected_error_becomes_a_row_of_one_line_and_its_traceback_is_logged(caplog):
    status = Status("t1", "s")
    with status.isolate("m1"):
        raise ValueError("two\nlines\tand tab")
    assert status.rows == [
        ("t1", "m1", "s", "failed", 0, "unexpected ValueError: two lines and tab")
    ]
    (record,) = caplog.records
    assert record.getMessage() == "t1/m1: unexpected failure"
    assert record.exc_info[0] is ValueError


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        KeyboardInterrupt(),
        SystemExit(),
        OSError(errno.ENOSPC, "full"),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_errors_that_concern_the_whole_job_pass(error):
    status = Status("t1", "s")
    with pytest.raises(type(error)), status.isolate("m1"):
        raise error
    assert status.rows == []


def test_error_without_text_is_told_by_its_type():
    status = Status("t1", "s")
    status.fail("m1", KeyError())
    assert status.rows[0][-1] == "KeyError"


def test_status_round_trip(tmp_path):
    status = Status("t1", "s")
    status.write(tmp_path / "none.tsv")
    assert read_status(tmp_path / "none.tsv") == []
    assert (tmp_path / "none.tsv").read_text() == "\t".join(STATUS_COLUMNS) + "\n"
    status.record("m1", 2)
    status.fail("m2", InputError('a "quoted" file'))
    status.write(tmp_path / "some.tsv")
    rows = read_status(tmp_path / "some.tsv")
    assert [list(row.values()) for row in rows] == [
        ["t1", "m1", "s", "ok", "2", ""],
        ["t1", "m2", "s", "failed", "0", 'a "quoted" file'],
    ]
