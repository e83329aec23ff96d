"""A comparison as text."""

from __future__ import annotations

from membrain.comparison import COLUMNS
from membrain.comparison_text import HEADER, comparison_cells, markdown, screen_lines


def row(**changes):
    known = dict.fromkeys(COLUMNS)
    known |= {"list": "crYOLO", "class": "PSII", "n_picks": 900, "n_predicted": 80}
    known |= {"n_annotated": 70, "paper_precision": 0.1234, "paper_recall": 1.0, "paper_f1": 0.2}
    known |= {"paper_f1_low": 0.1, "paper_f1_high": 0.3}
    known |= {"in_plane_error_mean_degree": 24.4, "in_plane_error_median_degree": 12.04}
    return {**known, **changes}


def test_cells_stand_below_their_headers():
    cells = dict(zip(HEADER, comparison_cells(row()), strict=True))
    assert cells["list"] == "crYOLO"
    assert (cells["P"], cells["R"], cells["F1"]) == ("0.12", "1.00", "0.20")
    assert (cells["strict P"], cells["strict F1"]) == ("-", "-")
    assert cells["in-plane"] == "24.4 / 12.0"
    assert cells["normal"] == "-"
    assert comparison_cells(row())[6] == "0.10-0.30"


def test_lines_are_aligned_and_parted_by_class():
    lines = screen_lines([row(), row(list="a much longer name"), row(**{"class": "b6f"})])
    assert lines[0] == "PSII, 70 annotated"
    assert lines[4] == "b6f, 70 annotated"
    assert len({len(line) for line in lines[1:4]}) == 1


def test_markdown_has_a_table_per_class():
    text = markdown([row(list="a|b"), row(**{"class": "b6f"})], "split test", 4.5, 20)
    lines = text.splitlines()
    assert lines[0].startswith("Picks within 20 working voxels of an annotated membrane (split te")
    assert "**PSII** (70 annotated)" in lines
    assert "**b6f** (70 annotated)" in lines
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) == 6
    assert tables[2].startswith("| a\\|b | 900 | 80 | 0.12 |")
    assert {line.replace("\\|", "").count("|") for line in tables} == {len(HEADER) + 1}
