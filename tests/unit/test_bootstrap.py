"""Intervals of F1 over membranes."""

from __future__ import annotations

import numpy as np
import pytest

from membrain.bootstrap import bootstrap_interval, paper_f1, strict_f1


def test_f1_of_counts_by_hand():
    assert strict_f1(np.array([[10, 7, 6]])) == pytest.approx([12 / 17])
    # recall 7 / 10, precision 6 / 8
    assert paper_f1(np.array([[10, 8, 7, 6]])) == pytest.approx([2 * 0.7 * 0.75 / 1.45])
    assert paper_f1(np.array([[10, 0, 0, 0], [10, 4, 0, 0]])).tolist() == [0, 0]


def test_interval_holds_the_value_and_repeats_by_seed():
    rng = np.random.default_rng(0)
    annotated = rng.integers(5, 30, 12)
    counts = np.stack([annotated, annotated, (annotated * 0.8).astype(int)], axis=1)
    low, high = bootstrap_interval(counts, seed=3)
    assert low < strict_f1(counts.sum(axis=0)[None])[0] < high
    assert bootstrap_interval(counts, seed=3) == (low, high)
    assert bootstrap_interval(counts, seed=4) != (low, high)


def test_interval_of_equal_membranes_is_a_point_and_of_one_is_none():
    assert bootstrap_interval(np.array([[10, 10, 5]] * 6)) == (0.5, 0.5)
    assert bootstrap_interval(np.array([[10, 10, 5, 5]] * 6), figure=paper_f1) == (0.5, 0.5)
    assert bootstrap_interval(np.array([[10, 10, 5]])) is None
    assert bootstrap_interval(np.array([[0, 3, 0]] * 2)) is None
    assert bootstrap_interval(np.array([[10, 10, 5]] * 6), n_draws=0) is None


@pytest.mark.parametrize("figure", [strict_f1, paper_f1])
def test_interval_agrees_with_the_spread_of_independent_membranes(figure):
    # hits 0 or 10 of 10: F1 of a draw is its share of full membranes, binomial(40, 0.5) / 40
    full = [10, 10, 10, 10] if figure is paper_f1 else [10, 10, 10]
    none = [10, 10, 0, 0] if figure is paper_f1 else [10, 10, 0]
    low, high = bootstrap_interval(np.array([full, none] * 20), n_draws=4000, figure=figure)
    assert low == pytest.approx(0.5 - 1.96 * np.sqrt(0.25 / 40), abs=0.03)
    assert high == pytest.approx(0.5 + 1.96 * np.sqrt(0.25 / 40), abs=0.03)
