"""Correlation of predicted and true distances of points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from membrain.evaluation import Case, ClassGroup
from membrain.formats.base import Annotations
from membrain.heatmaps import correlation, heatmap_correlations, outputs_of_group
from membrain.labels import Labelling, label_membrane
from membrain.particles import empty_particles
from membrain.tables import PointTable

UK = frozenset({"uk"})
PSII = ClassGroup("PSII", frozenset({"psii"}), frozenset({"psii"}))
B6F = ClassGroup("b6f", frozenset({"b6f"}), frozenset({"b6f"}))


def test_correlation_agrees_with_scipy_also_with_ties():
    rng = np.random.default_rng(0)
    true = np.minimum(rng.uniform(0, 12, 300), 7.0).astype(np.float32)  # many at the cap
    predicted = (true + rng.normal(0, 2, 300)).astype(np.float32)
    pearson, spearman = correlation(predicted, true)
    assert pearson == pytest.approx(pearsonr(predicted, true).statistic, abs=1e-5)
    assert spearman == pytest.approx(spearmanr(predicted, true).statistic, abs=1e-5)


def test_points_without_a_number_are_left_out():
    predicted, true = np.array([1.0, 2, np.nan, 3]), np.array([2.0, 4, 9, 6])
    assert correlation(predicted, true) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("predicted", "true"), [([1, 2, 3], [7, 7, 7]), ([1, 1, 1], [1, 2, 3]), ([1, 2], [1, 2])]
)
def test_no_correlation_where_a_side_does_not_vary(predicted, true):
    assert correlation(np.array(predicted, float), np.array(true, float)) is None


def test_outputs_follow_the_picks_then_the_annotations():
    classes = [["PSII", "UK"], ["b6f"]]
    assert outputs_of_group(PSII, classes) == [0]
    assert outputs_of_group(B6F, classes) == [1]
    nothing_picked = ClassGroup("particle", frozenset({"particle"}), frozenset({"b6f"}))
    assert outputs_of_group(nothing_picked, classes) == [1]
    foreign = ClassGroup("x", frozenset({"x"}), frozenset({"y"}))
    assert outputs_of_group(foreign, classes) == [0, 1]


def flat_membrane(positions, classes, scores=None, outputs=(("PSII", "UK"), ("b6f",))):
    """Return scored points on the plane z = 20 and a case with annotations zyx in it."""
    y, x = np.mgrid[0:40, 0:60].reshape(2, -1)
    points = np.stack([np.full(len(x), 20.0), y, x], axis=1).astype(np.float32)
    n = len(points)
    normals = np.tile(np.float32([1, 0, 0]), (n, 1))
    found = Annotations(np.array(positions, float).reshape(-1, 3), tuple(classes), None, "csv")
    case = Case("T1", "M1", "", found, empty_particles(), 1.0)
    if scores is None:
        how = Labelling(outputs, {}, 7.0)
        scores = label_membrane(points, normals, np.zeros(n, int), found, how)
    table = PointTable(
        points, normals, np.zeros(n, np.int32), np.zeros(n, np.int8), ("M1",), "T1",
        (40, 40, 60), 10.0, extra={"scores": scores},
        meta={"classes": [list(group) for group in outputs], "cap": 7.0},
    )  # fmt: skip
    return table, {("T1", "M1"): case}


def test_true_distances_as_scores_correlate_perfectly():
    where, names = [[20, 8, 10], [20, 30, 40], [20, 20, 25]], ["PSII", "b6f", "UK"]
    table, cases = flat_membrane(where, names)
    found = heatmap_correlations(table, cases, [PSII, B6F], UK, {})
    assert found == {("T1", "M1", "PSII"): (1.0, 1.0), ("T1", "M1", "b6f"): (1.0, 1.0)}
    # exchanged outputs do not
    swapped = table.with_extra(scores=table.extra["scores"][:, ::-1])
    assert abs(heatmap_correlations(swapped, cases, [PSII], UK, {})["T1", "M1", "PSII"][0]) < 0.3


def test_ambiguous_annotations_count_where_the_output_was_trained_with_them():
    table, cases = flat_membrane([[20, 8, 10], [20, 20, 25]], ["PSII", "UK"])
    without = table.with_extra()
    without.meta["classes"] = [["PSII"], ["b6f"]]
    assert heatmap_correlations(without, cases, [PSII], UK, {})["T1", "M1", "PSII"][0] < 0.9


def test_upside_down_scores_correlate_negatively():
    table, cases = flat_membrane([[20, 8, 10]], ["PSII"])
    turned = table.with_extra(scores=-table.extra["scores"])
    assert heatmap_correlations(turned, cases, [PSII], UK, {}) == {("T1", "M1", "PSII"): (-1, -1)}


def test_membranes_without_annotation_case_or_fit_have_none(caplog):
    table, cases = flat_membrane([], [], scores=np.random.default_rng(0).random((2400, 2)))
    assert heatmap_correlations(table, cases, [PSII], UK, {}) == {}
    assert heatmap_correlations(table, {}, [PSII], UK, {}) == {}
    table, cases = flat_membrane([[20, 8, 10]], ["PSII"])
    far = Annotations(np.array([[900.0, 8, 10]]), ("PSII",), None, "csv")
    cases = {key: Case("T1", "M1", "", far, empty_particles()) for key in cases}
    assert heatmap_correlations(table, cases, [PSII], UK, {}) == {}
    assert "no heatmap correlation: T1/M1: the annotated particles do not lie" in caplog.text
