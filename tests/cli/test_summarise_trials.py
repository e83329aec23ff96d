"""summarise_trials from the command line."""

import json

import pytest

from membrain.command import main
from membrain.files import read_table, write_table
from membrain.metrics import MEMBRANE_COLUMNS


def write(path, membrane, hits):
    cells = dict.fromkeys(MEMBRANE_COLUMNS, "")
    cells |= {"tomogram": "T1", "membrane": membrane, "split": "test", "class": "A"}
    cells |= {"n_annotated": 4, "n_predicted": 4, "n_hits": hits, "n_ignored": 0}
    cells |= {"paper_precision": hits / 4, "paper_recall": hits / 4}
    write_table(path, MEMBRANE_COLUMNS, [cells.values()], ",")
    return str(path)


@pytest.fixture
def plan(tmp_path):
    trials = [
        {"labels": {"row": row, "n": n}, "membranes": write(tmp_path / f"{i}.csv", f"M{i}", hits)}
        for i, (row, n, hits) in enumerate([("full", "1", 2), ("full", "4", 4), ("none", "1", 0)])
    ]
    (tmp_path / "plan.json").write_text(json.dumps(trials))
    return tmp_path


def call(folder, *flags):
    files = ("--plan", "plan.json", "--table", "t.tsv", "--picture", "t.png")
    words = [str(folder / word) if "." in word else word for word in files]
    return main(["summarise_trials", *words, *flags])


def test_a_row_for_each_name_and_one_for_all(plan):
    assert call(plan, "--overall") == 0
    columns, rows = read_table(plan / "t.tsv")
    assert columns[:2] == ["row", "n"]
    assert [(r["row"], r["n"], r["strict_f1"]) for r in rows] == [
        *(("full", "1", "0.5"), ("full", "4", "1"), ("none", "1", "0"), ("overall", "", "0.5")),
    ]
    assert (rows[0]["strict_f1_low"], rows[3]["n_membranes"]) == ("", "3")
    assert 0 <= float(rows[3]["strict_f1_low"]) < 0.5 < float(rows[3]["strict_f1_high"])
    assert (plan / "t.png").read_bytes()[:4] == b"\x89PNG"


def test_lines_over_a_number(plan):
    assert call(plan, "--lines", "row", "n") == 0
    assert len(read_table(plan / "t.tsv")[1]) == 3
    assert (plan / "t.png").read_bytes()[:4] == b"\x89PNG"


def test_same_bytes_each_time(plan):
    for name in ("first", "second"):
        assert call(plan, "--overall") == 0
        for kind in ("tsv", "png"):
            (plan / f"t.{kind}").rename(plan / f"{name}.{kind}")
    for kind in ("tsv", "png"):
        assert (plan / f"first.{kind}").read_bytes() == (plan / f"second.{kind}").read_bytes()
