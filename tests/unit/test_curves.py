"""Curves of a run."""

import pytest

from membrain.curves import draw_curves, write_curves
from membrain.files import read_table

ROWS = [
    {"epoch": 1, "learning_rate": 1e-4, "training_loss": 2.5, "validation_loss": 2.25},
    {"epoch": 2, "learning_rate": 1e-3, "training_loss": 1.5, "validation_loss": 1.75},
]
BLIND = [{**row, "validation_loss": None} for row in ROWS]


def test_table_holds_one_row_per_epoch(tmp_path):
    write_curves(tmp_path / "curves.csv", ROWS)
    columns, rows = read_table(tmp_path / "curves.csv", ",")
    assert columns == ["epoch", "learning_rate", "training_loss", "validation_loss"]
    assert rows[1] == {
        "epoch": "2",
        "learning_rate": "0.001",
        "training_loss": "1.5",
        "validation_loss": "1.75",
    }


def test_no_validation_leaves_its_cells_empty(tmp_path):
    write_curves(tmp_path / "curves.csv", BLIND)
    assert [r["validation_loss"] for r in read_table(tmp_path / "curves.csv", ",")[1]] == ["", ""]


@pytest.mark.parametrize("rows", [ROWS, BLIND, ROWS[:1]])
def test_picture_is_a_png_with_the_same_bytes_each_time(tmp_path, rows):
    for name in ("a.png", "b.png"):
        draw_curves(tmp_path / name, rows, 1)
    content = (tmp_path / "a.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert content == (tmp_path / "b.png").read_bytes()
