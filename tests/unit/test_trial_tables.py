"""Figures of trials, pooled from the tables of their membranes."""

import pytest

from membrain.errors import InputError
from membrain.files import write_table
from membrain.metrics import MEMBRANE_COLUMNS
from membrain.trial_tables import FIGURES, NEEDED, figures_of, pool, read_counts, tabulate


def write(path, *rows):
    """Write membranes: name, class, annotated, picked, hits, ignored, right, recalled."""
    lines = []
    for membrane, kind, known, picked, hits, ignored, right, recalled in rows:
        cells = dict.fromkeys(MEMBRANE_COLUMNS, "")
        cells |= {"tomogram": "T1", "membrane": membrane, "split": "test", "class": kind}
        cells |= {"n_annotated": known, "n_predicted": picked, "n_hits": hits}
        cells["n_ignored"] = ignored
        cells["paper_precision"] = round(right / picked, 6) if picked else ""
        cells["paper_recall"] = round(recalled / known, 6) if known else ""
        lines.append(cells.values())
    write_table(path, MEMBRANE_COLUMNS, lines, ",")
    return path


def test_counts_of_classes_are_added_and_the_paper_s_found_again(tmp_path):
    path = write(
        tmp_path / "m.csv",
        *(
            ("M1", "A", 7, 9, 5, 1, 7, 6),
            ("M1", "B", 3, 0, 0, 0, 0, 0),
            ("M2", "A", 0, 2, 0, 0, 0, 0),
        ),
    )
    counts = read_counts(path)
    assert counts["T1", "M1"].tolist() == [10, 9, 6, 7, 1, 5]
    assert counts["T1", "M2"].tolist() == [0, 2, 0, 0, 0, 0]


def test_something_else_is_refused(tmp_path):
    write_table(tmp_path / "m.csv", ("tomogram", "membrane"), [], ",")
    with pytest.raises(InputError, match="not a table of evaluated membranes; found columns tomog"):
        read_counts(tmp_path / "m.csv")
    assert set(NEEDED) <= set(MEMBRANE_COLUMNS)


def test_figures_are_those_of_the_evaluation(tmp_path):
    figures = figures_of(
        read_counts(
            write(tmp_path / "m.csv", ("M1", "A", 8, 8, 6, 2, 8, 6), ("M2", "A", 2, 4, 1, 0, 1, 1))
        )
    )
    assert tuple(figures) == FIGURES
    assert (figures["n_membranes"], figures["n_annotated"], figures["n_hits"]) == (2, 10, 7)
    assert figures["strict_precision"] == pytest.approx(7 / 10)
    assert figures["strict_f1"] == pytest.approx(0.7)
    assert figures["paper_precision"] == pytest.approx(9 / 12)
    assert figures["paper_recall"] == pytest.approx(0.7)
    assert figures["strict_f1_low"] == pytest.approx(1 / 3)  # the second membrane twice
    assert figures["strict_f1_high"] == pytest.approx(6 / 7)


def test_nothing_annotated_has_no_f1_and_one_membrane_no_interval(tmp_path):
    none = figures_of(read_counts(write(tmp_path / "m.csv", ("M1", "A", 0, 2, 0, 0, 0, 0))))
    assert (none["strict_f1"], none["paper_recall"], none["strict_f1_low"]) == (None, None, None)
    assert figures_of({})["strict_f1"] is None


def test_trials_of_one_name_are_pooled_and_all_of_them_overall(tmp_path):
    first = read_counts(write(tmp_path / "a.csv", ("M1", "A", 4, 4, 4, 0, 4, 4)))
    second = read_counts(write(tmp_path / "b.csv", ("M1", "A", 4, 4, 0, 0, 0, 0)))
    labels = [{"row": "x", "n": "1"}, {"row": "x", "n": "1"}, {"row": "y", "n": "1"}]
    columns, rows = tabulate(labels, [first, second, first], has_overall=True)
    assert columns[:4] == ["row", "n", "n_trials", "n_membranes"]
    assert [(r["row"], r["n_trials"], r["n_membranes"]) for r in rows] == [
        *(("x", 2, 1), ("y", 1, 1), ("overall", 3, 1)),
    ]
    assert [round(r["strict_f1"], 3) for r in rows] == [0.5, 1.0, 0.667]
    assert pool([first, second])["T1", "M1"].tolist() == [8, 8, 4, 4, 0, 4]
