"""collect_status as a command."""

from __future__ import annotations

import pytest

from membrain.command import main
from membrain.tables import STATUS_COLUMNS, Status


@pytest.fixture
def tables(tmp_path):
    good, bad = Status("T1", "sample_points"), Status("T1", "cluster_points")
    good.record("M1", 7)
    good.record("M2", 8)
    bad.record("M1", 0)
    bad.fail("M2", ValueError("all wrong; change the mask"))
    good.write(tmp_path / "1.tsv")
    bad.write(tmp_path / "2.tsv")
    return [str(tmp_path / "2.tsv"), str(tmp_path / "1.tsv")]


def test_joins_sorts_and_tells(tmp_path, tables, caplog):
    caplog.set_level("INFO")
    path = str(tmp_path / "all.tsv")
    assert main(["collect_status", "--status", *tables, "--output", path]) == 0
    lines = (tmp_path / "all.tsv").read_text().splitlines()
    assert lines[0].split("\t") == list(STATUS_COLUMNS)
    assert [line.split("\t")[1:4] for line in lines[1:]] == [
        ["M1", "sample_points", "ok"],
        ["M1", "cluster_points", "empty"],
        ["M2", "sample_points", "ok"],
        ["M2", "cluster_points", "failed"],
    ]
    assert "cluster_points: 0 ok, 1 empty, 1 failed" in caplog.text
    assert "failed: T1/M2, cluster_points: all wrong; change the mask" in caplog.text


def test_check_fails_with_the_list(tmp_path, tables, capsys):
    flags = ["collect_status", "--status", *tables, "--output", str(tmp_path / "a.tsv"), "--check"]
    assert main(flags) == 2
    error = capsys.readouterr().err
    assert "1 of 2 membranes failed; expected at most 0" in error
    assert "  T1/M2, cluster_points: all wrong; change the mask" in error
    assert (tmp_path / "a.tsv").exists()  # the table is there to be read
    assert main([*flags, "--allow-failed", "1"]) == 0


def test_check_of_the_joined_table(tmp_path, tables):
    path = str(tmp_path / "all.tsv")
    assert main(["collect_status", "--status", *tables, "--output", path]) == 0
    assert main(["collect_status", "--status", path, "--check"]) == 2


def test_nothing_to_collect(tmp_path):
    assert main(["collect_status", "--output", str(tmp_path / "all.tsv"), "--check"]) == 0
    assert (tmp_path / "all.tsv").read_text().split() == list(STATUS_COLUMNS)


def test_negative_allowance(capsys):
    assert main(["collect_status", "--check", "--allow-failed", "-1"]) == 2
    assert "--allow-failed; found -1; expected 0 or more" in capsys.readouterr().err
