from dataclasses import replace

import numpy as np
import pytest

from membrain.clusters import Clusters
from membrain.opposites import cluster_normals, drop_opposites, find_opposites, select_clusters

UP, DOWN = np.array([1.0, 0, 0]), np.array([-1.0, 0, 0])  # zyx


def clusters_at(positions, scores):
    """Clusters of one point each, and a point that belongs to none."""
    n = len(positions)
    return Clusters(
        positions=np.array(positions, dtype=float).reshape(-1, 3),
        scores=np.array(scores, dtype=float),
        labels=np.append(np.arange(n), -1),
        weights=np.append(np.ones(n), 0.0),
    )


def normals_of(clusters, normal):
    return np.tile(normal, (len(clusters.labels), 1))


def pairs(a, b, normal_a=UP, normal_b=DOWN, across=4.5, depth=10.0):
    a, b = (np.array(p, dtype=float).reshape(-1, 3) for p in (a, b))
    normals = np.tile(normal_a, (len(a), 1)), np.tile(normal_b, (len(b), 1))
    return find_opposites((a, b), normals, across, depth).tolist()


def test_particles_back_to_back_are_a_pair():
    assert pairs([[4, 20, 20]], [[0, 21, 22]]) == [[0, 0]]


@pytest.mark.parametrize(
    ("b", "is_pair"),
    [
        ([0, 24.4, 20], True),
        ([0, 24.6, 20], False),
        ([-5.9, 20, 20], True),
        ([-6.1, 20, 20], False),
    ],
)
def test_distances_along_and_through_the_membrane_have_limits_of_their_own(b, is_pair):
    assert pairs([[4, 20, 20]], [b]) == ([[0, 0]] if is_pair else [])


def test_particles_that_face_each_other_over_a_gap_are_no_pair():
    assert pairs([[0, 20, 20]], [[5, 20, 20]]) == []


def test_mask_of_one_voxel_has_pairs_too():
    assert pairs([[0, 20, 20]], [[0.5, 20, 20]]) == [[0, 0]]


def test_normals_that_do_not_point_away_from_each_other_make_no_pair():
    assert pairs([[4, 20, 20]], [[0, 20, 20]], normal_b=UP) == []
    assert pairs([[4, 20, 20]], [[0, 20, 20]], normal_b=np.array([0, 1.0, 0])) == []


def test_axes_are_not_mixed_up():
    """The same pair turned: along x through the membrane, along z across."""
    normal = np.array([0, 0, 1.0])
    assert pairs([[20, 20, 8]], [[20, 20, 0]], normal, -normal) == [[0, 0]]
    assert pairs([[28, 20, 4]], [[20, 20, 0]], normal, -normal) == []


def test_side_without_particles_makes_no_pair():
    assert pairs([], [[0, 20, 20]]) == []
    assert pairs([[0, 20, 20]], []) == []


@pytest.mark.parametrize(("score_b", "kept"), [(0.4, (1, 0)), (0.6, (0, 1)), (0.5, (1, 0))])
def test_more_certain_one_stays_and_of_equals_the_first_side(score_b, kept):
    a, b = clusters_at([[4, 20, 20]], [0.5]), clusters_at([[0, 20, 20]], [score_b])
    sides = drop_opposites((a, b), (normals_of(a, UP), normals_of(b, DOWN)), 4.5, 10.0)
    assert tuple(len(c.scores) for c in sides) == kept


def test_particle_opposite_to_a_dropped_one_stays():
    a = clusters_at([[4, 20, 20], [4, 28, 20]], [0.9, 0.3])
    b = clusters_at([[0, 24, 20]], [0.5])
    kept_a, kept_b = drop_opposites((a, b), (normals_of(a, UP), normals_of(b, DOWN)), 4.5, 10.0)
    assert kept_a.scores.tolist() == [0.9, 0.3]
    assert len(kept_b.scores) == 0


def test_nothing_found_stays_nothing():
    none = clusters_at([], [])
    a, b = drop_opposites((none, none), (normals_of(none, UP), normals_of(none, DOWN)), 4.5, 10.0)
    assert len(a.scores) == len(b.scores) == 0


def test_points_of_a_dropped_cluster_belong_to_none():
    before = clusters_at([[0, 0, 0], [0, 9, 0], [0, 18, 0]], [0.1, 0.2, 0.3])
    after = select_clusters(before, np.array([True, False, True]))
    assert after.labels.tolist() == [0, -1, 1, -1]
    assert after.scores.tolist() == [0.1, 0.3]
    assert before.labels.tolist() == [0, 1, 2, -1]


def test_normal_of_a_cluster_is_the_mean_of_its_points():
    one = replace(clusters_at([[0, 0, 0]], [1.0]), labels=np.array([0, 0, -1]), weights=np.ones(3))
    found = cluster_normals(one, np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]]))
    np.testing.assert_allclose(found, [[2**-0.5, 2**-0.5, 0]])
