"""Figures pooled over membranes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from membrain.evaluation import Case, Outcome, Settings, class_groups
from membrain.formats.base import Annotations, no_annotations
from membrain.metrics import (
    MEMBRANE_COLUMNS,
    evaluate,
    harmonic_mean,
    overall_rows,
    summarise,
    table_lines,
)
from membrain.particles import ParticleTable, empty_particles


def outcome(n_annotated, n_predicted, n_hits, n_ignored=0, n_recalled=None, n_right=None, turn=()):
    turn = np.array(turn, dtype=float)
    return Outcome(
        n_annotated=n_annotated,
        n_predicted=n_predicted,
        n_recalled=n_hits if n_recalled is None else n_recalled,
        n_right=n_hits if n_right is None else n_right,
        n_hits=n_hits,
        n_ignored=n_ignored,
        in_plane_degree=np.abs(turn),
        turn_degree=turn,
        fold=np.full(len(turn), 2.0),
        normal_degree=np.full(len(turn), np.nan),
        position_voxel=np.ones(len(turn)),
    )


def particles(voxel):
    voxel = np.asarray(voxel, dtype=float).reshape(-1, 3)
    n = len(voxel)

    def names(value):
        return np.array([value] * n, dtype=object)

    normals, axes = np.tile([1.0, 0, 0], (n, 1)), np.tile([0.0, 0, 1], (n, 1))
    return ParticleTable(
        names("T"), names("M"), names("a"), np.arange(n), voxel, voxel, np.ones(n),
        np.ones(n, int), normals, axes, np.zeros((n, 3)), names("PSII"),
    )  # fmt: skip


def known(positions):
    return Annotations(np.asarray(positions, dtype=float), ("PSII",) * len(positions), None, "csv")


def test_precision_recall_and_f1_by_hand():
    found = summarise([(("T", "M1"), outcome(10, 8, 6, n_ignored=1, n_recalled=7, n_right=8))])
    assert found["strict"] == {"precision": round(6 / 7, 6), "recall": 0.6, "f1": 0.705882}
    assert found["paper"] == {"precision": 1.0, "recall": 0.7, "f1": 0.823529}


def test_strict_f1_is_twice_the_hits_over_both_counts():
    found = summarise([(("T", "M1"), outcome(10, 8, 6, n_ignored=1))])
    assert found["strict"]["f1"] == pytest.approx(2 * 6 / (10 + 7), abs=1e-6)


def test_groups_of_one_membrane_count_it_once():
    found = summarise([(("T", "M1"), outcome(3, 3, 3)), (("T", "M1"), outcome(1, 0, 0))])
    assert found["n_membranes"] == 1
    assert found["interval_strict_f1"] is None
    assert found["n_annotated"] == 4


@pytest.mark.parametrize(
    ("precision", "recall", "expected"),
    [(None, None, None), (0.5, None, None), (None, 0.0, 0.0), (0.0, 0.0, 0.0), (0.5, 1.0, 2 / 3)],
)
def test_f1_where_a_part_is_undefined(precision, recall, expected):
    assert harmonic_mean(precision, recall) == (
        expected if expected is None else pytest.approx(expected)
    )


def test_undefined_figures_are_none_and_json_has_no_nan():
    found = summarise([(("T", "M1"), outcome(0, 0, 0))])
    assert found["strict"] == {"precision": None, "recall": None, "f1": None}
    assert found["in_plane_error_degree"] == {"mean": None, "median": None}
    assert found["in_plane_offset_degree"] is None
    json.dumps(summarise([]), allow_nan=False)


def test_nothing_predicted_scores_zero():
    found = summarise([(("T", "M1"), outcome(5, 0, 0))])
    assert found["strict"] == {"precision": None, "recall": 0.0, "f1": 0.0}


def test_offset_is_the_circular_mean_over_the_fold():
    found = summarise([(("T", "M1"), outcome(4, 4, 4, turn=[88.0, -88.0, 92.0, 268.0]))])
    assert abs(found["in_plane_offset_degree"]) == pytest.approx(90.0)
    found = summarise([(("T", "M1"), outcome(2, 2, 2, turn=[10.0, 200.0]))])
    assert found["in_plane_offset_degree"] == pytest.approx(15.0)


def test_interval_of_both_f1_is_of_the_membranes_drawn():
    full, none = outcome(10, 10, 10, n_recalled=9), outcome(10, 10, 0)
    pairs = [((f"T{i}", "M"), full if i % 2 else none) for i in range(8)]
    found = summarise(pairs, 500, seed=1)
    for way in ("strict", "paper"):
        low, high = found[f"interval_{way}_f1"]
        assert low < found[way]["f1"] < high
    assert found["interval_paper_f1"] != found["interval_strict_f1"]
    assert summarise(pairs[:1])["interval_paper_f1"] is None


def test_heatmap_correlation_is_the_mean_of_the_membranes_that_have_one():
    pairs = [
        (("T", "M1"), replace(outcome(1, 1, 1), heatmap=(0.5, 0.25))),
        (("T", "M2"), replace(outcome(1, 1, 1), heatmap=(0.75, 0.75))),
        (("T", "M3"), outcome(1, 1, 1)),
    ]
    found = summarise(pairs)["heatmap_correlation"]
    assert found == {"pearson": 0.625, "spearman": 0.5, "n": 2}
    assert summarise([])["heatmap_correlation"] == {"pearson": None, "spearman": None, "n": 0}


def test_overall_rows_prefer_test_then_free_then_all():
    assert overall_rows(["train", "test", "none"], [1, 1, 1]) == ("split test", [1])
    words, rows = overall_rows(["train", "none", "validation", "none"], [1, 1, 1, 0])
    assert rows == [1]
    assert words == "neither split train nor validation"
    assert overall_rows(["train", "validation"], [1, 1]) == ("all annotated membranes", [0, 1])


def test_evaluate_pools_per_split_tomogram_and_class():
    here = [[0.0, 0, 0], [30, 0, 0]]
    cases = [
        Case("T1", "M1", "train", known(here), particles(here)),
        Case("T1", "M2", "test", known(here), particles(here[:1])),
        Case("T2", "M1", "test", known(here), particles([[0, 0, 1], [60, 0, 0]])),
    ]
    groups = class_groups(["PSII"], ["PSII"], frozenset())
    metrics, rows = evaluate(cases, groups, Settings())
    assert metrics["rows"] == "split test"
    assert metrics["overall"]["strict"] == {
        "precision": round(2 / 3, 6),
        "recall": 0.5,
        "f1": round(4 / 7, 6),
    }
    assert metrics["classes"]["PSII"] == metrics["overall"]
    assert metrics["splits"]["train"]["strict"]["f1"] == 1.0
    assert metrics["splits"]["test"] == metrics["overall"]
    assert metrics["tomograms"]["T1"]["n_membranes"] == 1  # the training membrane is left out
    assert metrics["tomograms"]["T2"]["position_error_voxel"]["mean"] == 1.0
    assert len(rows) == 3
    assert all(len(row) == len(MEMBRANE_COLUMNS) for row in rows)
    assert rows[1][:8] == ["T1", "M2", "test", "PSII", 2, 1, 1, 0]
    assert len(table_lines(metrics)) == 1 + 1 + 1 + 2 + 2


def test_no_case_gives_empty_figures():
    metrics, rows = evaluate([], [], Settings())
    assert rows == []
    assert metrics["overall"]["n_membranes"] == 0
    assert metrics["rows"].startswith("none")
    assert len(table_lines(metrics)) == 2


def test_membrane_without_annotation_or_particle_has_empty_cells():
    case = Case("T1", "M1", "", no_annotations("csv"), empty_particles())
    groups = class_groups(["PSII"], [], frozenset())
    _, rows = evaluate([case], groups, Settings())
    assert rows[0][:8] == ["T1", "M1", "none", "PSII", 0, 0, 0, 0]
    assert set(rows[0][8:]) == {""}
