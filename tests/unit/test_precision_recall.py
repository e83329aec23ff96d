"""Precision and recall over the score."""

from __future__ import annotations

import numpy as np
import pytest

from membrain.precision_recall import average_precision, precision_recall


def test_curve_by_hand():
    scores = np.array([0.2, 0.9, 0.8, 0.5, 0.7])
    kinds = np.array([1, 1, -1, 0, 1])
    score, precision, recall = precision_recall(scores, kinds, 4)
    assert score.tolist() == [0.9, 0.8, 0.7, 0.5, 0.2]
    np.testing.assert_allclose(precision, [1, 1 / 2, 2 / 3, 2 / 3, 3 / 4])  # ignored: not judged
    np.testing.assert_allclose(recall, [1 / 4, 1 / 4, 2 / 4, 2 / 4, 3 / 4])
    assert average_precision(scores, kinds, 4) == pytest.approx((1 + 2 / 3 + 3 / 4) / 4, abs=1e-6)


def test_equal_scores_come_together():
    score, precision, recall = precision_recall([0.5, 0.5, 0.5], [1, -1, 1], 2)
    assert (score.tolist(), recall.tolist()) == ([0.5], [1.0])
    np.testing.assert_allclose(precision, [2 / 3])


def test_order_of_the_particles_does_not_matter():
    rng = np.random.default_rng(0)
    scores, kinds = rng.random(50), rng.integers(-1, 2, 50)
    order = rng.permutation(50)
    once, again = (
        average_precision(scores, kinds, 40),
        average_precision(scores[order], kinds[order], 40),
    )
    assert once == again


def test_perfect_particles_have_average_precision_one_and_lost_ones_bound_it():
    assert average_precision(np.arange(5.0), np.ones(5), 5) == 1.0
    assert average_precision(np.arange(5.0), np.ones(5), 10) == 0.5


@pytest.mark.parametrize(
    ("scores", "kinds", "n_annotated", "expected"),
    [
        ([], [], 3, 0.0),
        ([], [], 0, None),
        ([0.5], [-1], 0, None),
        ([np.nan, 0.5], [1, 1], 2, None),
        ([0.5], [0], 2, 0.0),
        ([0.5], [-1], 2, 0.0),
    ],
)
def test_nothing_predicted_annotated_or_scored(scores, kinds, n_annotated, expected):
    assert average_precision(np.array(scores), np.array(kinds), n_annotated) == expected
