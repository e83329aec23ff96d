"""Assignment of predicted to annotated positions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from membrain.matching import match_in_order, match_one_to_one, pairs_within


def best_by_trying_all(predicted, annotated, radius):
    """Return the most pairs and their smallest sum of distances, by every injection."""
    distances = np.linalg.norm(predicted[:, None] - annotated[None], axis=2)
    if len(predicted) > len(annotated):
        distances = distances.T
    n_rows, n_columns = distances.shape
    best = (0, 0.0)
    for columns in itertools.permutations(range(n_columns), n_rows):
        chosen = distances[range(n_rows), columns]
        chosen = chosen[chosen <= radius]
        best = min(best, (-len(chosen), chosen.sum()))
    return -best[0], best[1]


@pytest.mark.parametrize("seed", range(40))
def test_assignment_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(0, 9, (rng.integers(1, 7), 3))
    annotated = rng.uniform(0, 9, (rng.integers(1, 7), 3))
    pairs = match_one_to_one(predicted, annotated, 4.5)
    distances = np.linalg.norm(predicted[pairs[:, 0]] - annotated[pairs[:, 1]], axis=1)
    n_best, sum_best = best_by_trying_all(predicted, annotated, 4.5)
    assert len(pairs) == n_best
    assert distances.sum() == pytest.approx(sum_best)
    assert (distances <= 4.5).all()
    assert len(set(pairs[:, 0])) == len(set(pairs[:, 1])) == len(pairs)


def test_more_pairs_win_over_nearer_pairs():
    # the nearest pair (0, 0) would leave prediction 1 and annotation 1 alone
    predicted = np.array([[0.0, 0, 0], [3, 0, 0]])
    annotated = np.array([[0.1, 0, 0], [-4, 0, 0]])
    assert match_one_to_one(predicted, annotated, 4.5).tolist() == [[0, 1], [1, 0]]


def test_far_groups_do_not_mix():
    near = np.array([[0.0, 0, 0], [1, 0, 0]])
    pairs = match_one_to_one(np.vstack([near + 100, near]), np.vstack([near, near + 100]), 1.5)
    assert pairs.tolist() == [[0, 2], [1, 3], [2, 0], [3, 1]]


@pytest.mark.parametrize(("distance", "n_pairs"), [(4.4, 1), (4.5, 1), (4.6, 0)])
def test_radius_counts_itself(distance, n_pairs):
    found = match_one_to_one(np.zeros((1, 3)), np.array([[0, distance, 0]]), 4.5)
    assert len(found) == n_pairs


def test_radius_zero_pairs_equal_positions_only():
    points = np.array([[1.0, 2, 3], [4, 5, 6]])
    assert match_one_to_one(points, points[::-1], 0.0).tolist() == [[0, 1], [1, 0]]
    assert len(match_one_to_one(points, points + 1e-6, 0.0)) == 0


@pytest.mark.parametrize(("n_predicted", "n_annotated"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_match(n_predicted, n_annotated):
    pairs = match_one_to_one(np.zeros((n_predicted, 3)), np.zeros((n_annotated, 3)), 4.5)
    assert pairs.shape == (0, 2)


def test_pairs_within_are_all_pairs_and_their_distances():
    rng = np.random.default_rng(3)
    predicted, annotated = rng.uniform(0, 10, (30, 3)), rng.uniform(0, 10, (20, 3))
    rows_p, rows_a, distances = pairs_within(predicted, annotated, 3.0)
    every = np.linalg.norm(predicted[:, None] - annotated[None], axis=2)
    assert len(distances) == (every <= 3.0).sum()
    np.testing.assert_allclose(distances, every[rows_p, rows_a])


@pytest.mark.parametrize("seed", range(20))
def test_every_beginning_holds_as_many_as_its_best_assignment(seed):
    rng = np.random.default_rng(seed)
    predicted, annotated = rng.uniform(0, 12, (15, 3)), rng.uniform(0, 12, (10, 3))
    found = match_in_order(predicted, annotated, 4.5)
    for k in range(len(predicted) + 1):
        assert found[:k].sum() == len(match_one_to_one(predicted[:k], annotated, 4.5))


def test_the_first_of_two_on_one_annotation_gets_it():
    assert match_in_order([[0, 0, 3], [0, 0, 0]], [[0, 0, 0]], 4.5).tolist() == [True, False]


def test_an_earlier_prediction_makes_room():
    # the first reaches both annotations, the second the first annotation alone
    predicted, annotated = [[0.0, 0, 2], [0, 0, -2]], [[0, 0, 0], [0, 0, 4]]
    assert match_in_order(predicted, annotated, 2.5).tolist() == [True, True]


def test_no_prediction_or_annotation_gives_no_pair_in_order():
    assert match_in_order(np.zeros((0, 3)), np.zeros((2, 3)), 4.5).shape == (0,)
    assert match_in_order(np.zeros((2, 3)), np.zeros((0, 3)), 4.5).tolist() == [False, False]
