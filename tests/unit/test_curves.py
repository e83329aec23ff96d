"""Curves of a run."""

import pytest

from membrain.curves import draw_curves, write_curves
from membrain.files import read_table

COLUMNS = ("run", "epoch", "learning_rate", "training_loss", "validation_loss")
COLUMNS += ("validation_angle_degree",)
ROWS = [
    dict(zip(COLUMNS, ("trial 1", 1, 1e-4, 2.5, 2.25, None), strict=True)),
    dict(zip(COLUMNS, ("final", 2, 1e-3, 1.5, 1.75, 12.5), strict=True)),
]
BLIND = [{**row, "validation_loss": None} for row in ROWS]


def test_table_holds_one_row_per_epoch(tmp_path):
    write_curves(tmp_path / "curves.csv", ROWS)
    columns, rows = read_table(tmp_path / "curves.csv", ",")
    assert columns == list(COLUMNS)
    assert rows[1] == {
        "run": "final",
        "epoch": "2",
        "learning_rate": "0.001",
        "training_loss": "1.5",
        "validation_loss": "1.75",
        "validation_angle_degree": "12.5",
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
