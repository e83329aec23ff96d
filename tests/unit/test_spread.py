"""How far networks are apart about a cluster."""

from types import SimpleNamespace

import numpy as np
import pytest

from membrain.clusters import Clusters
from membrain.spread import cluster_spreads, spreads_of

POINTS = np.zeros((3, 3))


def clusters(labels, weights=(1.0, 1.0, 1.0)):
    n = max(labels) + 1
    labels = np.array(labels)
    return Clusters(np.zeros((n, 3)), np.ones(n), labels, np.array(weights))


def test_spread_is_the_points_mean_in_thresholds():
    found = cluster_spreads(POINTS, np.array([0.3, 0.9, 3.0]), clusters([0, 0, 1]), 3.0, 4.5)
    assert found == pytest.approx([0.2, 1.0])


def test_points_count_as_in_the_mean_shift():
    found = cluster_spreads(POINTS, np.array([0.3, 3.0, 0]), clusters([0, 0, -1], (1, 0, 0)), 3, 4)
    assert found == pytest.approx([0.1])


def test_points_far_from_the_centre_count_less():
    points = np.array([[0.0, 0, 0], [0, 0, 9]])
    one = Clusters(np.zeros((1, 3)), np.ones(1), np.zeros(2, int), np.ones(2))
    kernel = np.exp(-81 / (4 * 4.5**2))
    found = cluster_spreads(points, np.array([0.0, 3.0]), one, 3.0, 4.5)
    assert found == pytest.approx([kernel / (1 + kernel)])


def test_one_network_has_none_and_each_output_its_own_threshold():
    table = SimpleNamespace(points=POINTS, extra={})
    rows = np.arange(3)
    found = [(0, 0, 0, rows, clusters([0, 0, 0])), (0, 0, 1, rows, clusters([0, 0, 0]))]
    assert spreads_of(table, found, (3.0, 1.5), 4.5) is None
    table.extra["score_spread"] = np.full((3, 2), 0.6)
    assert spreads_of(table, found, (3.0, 1.5), 4.5) == pytest.approx([0.2, 0.4])
    assert spreads_of(table, [], (3.0, 1.5), 4.5).tolist() == []
