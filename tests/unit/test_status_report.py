"""Joined status tables."""

from __future__ import annotations

import pytest

from membrain.errors import InputError
from membrain.status_report import (
    check_failures,
    count_lines,
    failure_lines,
    join_status,
    write_status,
)
from membrain.tables import Status


def write(tmp_path, name, tomogram, step, *rows):
    status = Status(tomogram, step)
    for membrane, n in rows:
        if isinstance(n, str):
            status.fail(membrane, InputError(n, remedy="mend it"))
        else:
            status.record(membrane, n)
    status.write(tmp_path / name)
    return tmp_path / name


@pytest.fixture
def rows(tmp_path):
    return join_status(
        [
            write(tmp_path, "1.tsv", "T2", "cluster_points", ("M1", 4)),
            write(tmp_path, "2.tsv", "T1", "cluster_points", ("M2", 0), ("M1", 3)),
            write(
                tmp_path, "3.tsv", "T1", "sample_points", ("M2", 9), ("M1", 5), ("M3", "no mask")
            ),
            write(tmp_path, "4.tsv", "T1", "another_step", ("M1", 1)),
            write(tmp_path, "5.tsv", "T1", "cluster_points", ("M3", "no points")),
        ]
    )


def test_rows_are_sorted_by_tomogram_membrane_and_order_of_steps(rows):
    assert [(r["tomogram"], r["membrane"], r["step"]) for r in rows] == [
        ("T1", "M1", "sample_points"),
        ("T1", "M1", "cluster_points"),
        ("T1", "M1", "another_step"),
        ("T1", "M2", "sample_points"),
        ("T1", "M2", "cluster_points"),
        ("T1", "M3", "sample_points"),
        ("T1", "M3", "cluster_points"),
        ("T2", "M1", "cluster_points"),
    ]


def test_counts_per_step(rows):
    assert count_lines(rows) == [
        "sample_points: 2 ok, 0 empty, 1 failed",
        "cluster_points: 2 ok, 1 empty, 1 failed",
        "another_step: 1 ok, 0 empty, 0 failed",
    ]


def test_failed_membrane_is_told_once_with_its_first_message(rows):
    assert failure_lines(rows) == ["T1/M3, sample_points: no mask; mend it"]


def test_check_counts_membranes(rows):
    check_failures(rows, 1)
    with pytest.raises(InputError) as caught:
        check_failures(rows, 0)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("1 of 4 membranes failed; expected at most 0; mend")
    assert lines[1] == "  T1/M3, sample_points: no mask; mend it"


def test_joined_table_can_be_joined_again(tmp_path, rows):
    write_status(tmp_path / "all.tsv", rows)
    assert join_status([tmp_path / "all.tsv"]) == rows


def test_nothing_to_join(tmp_path):
    assert join_status([]) == []
    write_status(tmp_path / "all.tsv", [])
    assert join_status([tmp_path / "all.tsv"]) == []
    assert count_lines([]) == []
    check_failures([])


def test_mistakes_are_named(tmp_path):
    (tmp_path / "a.tsv").write_text("tomogram\tmembrane\nT\tM\n")
    with pytest.raises(InputError, match="a.tsv: not a status table; found columns tomogram, memb"):
        join_status([tmp_path / "a.tsv"])
    (tmp_path / "a.tsv").write_text("NaN\n")  # without rows
    with pytest.raises(InputError, match="a.tsv: not a status table; found columns NaN; expected"):
        join_status([tmp_path / "a.tsv"])
    header = "tomogram\tmembrane\tstep\tstatus\tn\tmessage\n"
    (tmp_path / "b.tsv").write_text(header + "T\tM\tsample_points\tgood\t1\t\n")
    with pytest.raises(InputError, match="membrane 'M'; found status 'good'; expected one of ok"):
        join_status([tmp_path / "b.tsv"])


def test_membranes_with_the_same_fault_share_a_line_but_count_each():
    row = {"step": "sample_points", "status": "failed", "n": "0", "message": "cut short"}
    rows = [{"tomogram": t, "membrane": m, **row} for t in ("T1", "T2") for m in ("M1", "M2")]
    rows[3] = {**rows[3], "message": "empty"}
    assert failure_lines(rows) == [
        "T1/M1, M2, sample_points: cut short",
        "T2/M1, sample_points: cut short",
        "T2/M2, sample_points: empty",
    ]
    check_failures(rows, 4)
    with pytest.raises(InputError, match="4 of 4 membranes failed; expected at most 3"):
        check_failures(rows, 3)
