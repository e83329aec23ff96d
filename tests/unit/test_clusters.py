import math

import numpy as np
import pytest
from scipy.spatial import cKDTree

from membrain.clusters import Clusters, ClusterTable, find_clusters, point_weights, read_clusters
from membrain.errors import InputError
from membrain.files import read_arrays, write_arrays

SIGMA = (3.35, 1.86)  # voxel, in-plane spreads of an elongated particle, ratio 1.8


def thinned_plane(rng, size=60.0, distance=1.5):
    """Points of a gently bent sheet, no two nearer than `distance` in its plane."""
    plane = rng.uniform(0, size, (9000, 2))
    is_kept = np.ones(len(plane), dtype=bool)
    for first, near in enumerate(cKDTree(plane).query_ball_point(plane, distance)):
        if is_kept[first]:
            is_kept[[other for other in near if other > first]] = False
    plane = plane[is_kept]
    return np.column_stack([3 * np.sin(plane[:, 0] / 25), plane])


def distance_map(points, centres, angles, rng, noise=0.5, cap=7.0):
    """Ellipsoidal distance to the nearest of some particles in the plane, with noise."""
    out = np.full(len(points), cap)
    for centre, angle in zip(centres, angles, strict=True):
        y, x = (points[:, 1:] - centre).T
        along, across = (
            x * math.cos(angle) + y * math.sin(angle),
            y * math.cos(angle) - x * math.sin(angle),
        )
        out = np.minimum(out, np.hypot(along / SIGMA[0], across / SIGMA[1]))
    return np.minimum(out + rng.normal(0, noise, len(out)), cap)


def matches(found, centres, reach=4.5):
    """Number of centres that have exactly one cluster within reach."""
    d = np.linalg.norm(found[:, None, 1:] - np.asarray(centres)[None], axis=2)
    return int(((d <= reach).sum(axis=0) == 1).sum())


def test_weights_by_hand():
    np.testing.assert_allclose(point_weights([1.0, 2.0, 3.0]), [1, 0.25, 0])
    np.testing.assert_allclose(point_weights([-1.0, 0.5]), [1, 0])


@pytest.mark.parametrize("scores", [[], [2.0], [2.0, 2.0, 2.0]])
def test_equal_scores_weigh_one(scores):
    assert point_weights(scores).tolist() == [1.0] * len(scores)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_nothing_below_the_threshold_gives_no_cluster(n):
    found = find_clusters(np.zeros((n, 3)), np.full(n, 3.0), 3.0)
    assert found.positions.shape == (0, 3)
    assert found.scores.shape == (0,)
    assert found.labels.tolist() == [-1] * n
    assert found.weights.tolist() == [0.0] * n


def test_one_point_is_a_cluster_when_one_is_enough():
    found = find_clusters([[1.0, 2, 3]], [1.2], 3.0, min_points=1)
    np.testing.assert_allclose(found.positions, [[1, 2, 3]])
    np.testing.assert_allclose(found.scores, [0.6])  # (3 - 1.2) / 3
    assert find_clusters([[1.0, 2, 3]], [1.2], 3.0, min_points=2).labels.tolist() == [-1]


def test_two_and_three_points_by_hand():
    # the second has weight 0: the centre is the first, its certainty alone counts
    found = find_clusters([[0.0, 0, 0], [0, 0, 2]], [0.6, 2.4], 3.0, min_points=1)
    np.testing.assert_allclose(found.positions, [[0, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(found.scores, [0.8])
    assert found.labels.tolist() == [0, 0]
    # weights 1, 1/4, 0 and all at the same place: (1 * 1 + 0.25 * 0.5) / 1.25
    found = find_clusters(np.zeros((3, 3)), [0.0, 1.5, 2.999999999], 3.0, min_points=3)
    np.testing.assert_allclose(found.scores, [0.9], atol=1e-6)
    np.testing.assert_allclose(found.weights, [1, 0.25, 0], atol=1e-6)


def test_points_at_or_above_the_threshold_do_not_count():
    points = np.zeros((6, 3))
    found = find_clusters(points, [1.0, 1, 1, 1, 3.0, 5.0], 3.0)
    assert found.labels.tolist() == [0, 0, 0, 0, -1, -1]
    assert found.weights[4:].tolist() == [0, 0]


def test_min_points_drops_small_clusters_and_renumbers():
    points = np.array([[0.0, 0, 0]] * 3 + [[40.0, 0, 0]] * 4)
    found = find_clusters(points, np.full(7, 1.0), 3.0)
    assert found.labels.tolist() == [-1] * 3 + [0] * 4
    np.testing.assert_allclose(found.positions, [[40, 0, 0]])


def test_scores_below_zero_give_certainty_one():
    assert find_clusters(np.zeros((4, 3)), np.full(4, -2.0), 3.0).scores.tolist() == [1.0]


@pytest.mark.parametrize(("distance", "at_least"), [(8.0, 11), (8.5, 12), (9.0, 12), (12.0, 12)])
def test_neighbours_stay_apart_with_the_defaults(distance, at_least):
    """Particles side by side, as near as their shape allows, 12 times over."""
    n_right = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        points = thinned_plane(rng)
        angle = rng.uniform(0, math.pi)
        across = np.array(
            [math.cos(angle), -math.sin(angle)]
        )  # yx, at right angles to the long axis
        centres = 30 + np.outer([-0.5, 0.5], across) * distance
        scores = distance_map(points, centres, [angle, angle], rng)
        found = find_clusters(
            points, scores, 3.0, min_points=10
        )  # noise leaves rare scraps of 4 to 9
        n_right += len(found.scores) == matches(found.positions, centres) == 2
    assert n_right >= at_least


@pytest.mark.parametrize("seed", range(6))
def test_a_long_particle_stays_whole_with_the_defaults(seed):
    rng = np.random.default_rng(10 + seed)
    points = thinned_plane(rng)
    found = find_clusters(points, distance_map(points, [[30, 30]], [seed], rng), 3.0)
    assert len(found.scores) == 1
    assert np.linalg.norm(found.positions[0, 1:] - 30) < 2
    assert found.scores[0] > 0.5


def test_published_fuse_distance_joins_neighbours():
    """What the defaults avoid: the same map, centres up to 10 voxels apart are fused."""
    rng = np.random.default_rng(0)
    points = thinned_plane(rng)
    scores = distance_map(points, [[30, 26], [30, 34]], [math.pi / 2] * 2, rng)
    options = {"bandwidth": 5.75, "fuse_distance": 10.0, "split_diameter": 0}
    assert len(find_clusters(points, scores, 3.0, **options).scores) == 1
    assert len(find_clusters(points, scores, 3.0).scores) == 2


def test_wide_clusters_are_split_and_narrow_ones_are_not():
    rng = np.random.default_rng(3)
    blobs = [rng.normal([0, 0, x], 1.0, (60, 3)) for x in (0, 9)]
    lone = rng.normal([60, 0, 0], 1.0, (60, 3))
    points, scores = np.concatenate([*blobs, lone]), rng.uniform(0.5, 1.0, 180)
    wide = {"bandwidth": 12.0, "fuse_distance": 12.0, "split_bandwidth": 4.0}
    whole = find_clusters(points, scores, 3.0, **wide, split_diameter=0)
    assert len(whole.scores) == 2
    split = find_clusters(points, scores, 3.0, **wide, split_diameter=11.0)
    assert len(split.scores) == 3
    assert [len(set(split.labels[i : i + 60])) for i in (0, 60, 120)] == [1, 1, 1]
    # the fuse distance of the second pass shrinks with the bandwidth: 12 * 4 / 12 = 4
    same = find_clusters(
        points, scores, 3.0, **{**wide, "fuse_distance": 30.0}, split_diameter=11.0
    )
    assert len(same.scores) == 2  # 10 voxels: the halves are fused again


def test_clusters_do_not_depend_on_the_order_of_points():
    rng = np.random.default_rng(5)
    points = thinned_plane(rng)
    scores = distance_map(points, [[20, 20], [20, 30], [45, 40]], [0.3, 1.2, 2.0], rng)
    found = find_clusters(points, scores, 3.0)
    order = rng.permutation(len(points))
    turned = find_clusters(points[order], scores[order], 3.0)
    assert len(turned.scores) == len(found.scores) > 2
    d = np.linalg.norm(found.positions[:, None] - turned.positions[None], axis=2)
    assert d.min(axis=1).max() < 0.05


def test_clusters_turn_with_the_points():
    """Axes are all alike: points with z and x exchanged give positions exchanged."""
    rng = np.random.default_rng(6)
    points = thinned_plane(rng, 40)
    scores = distance_map(points, [[20, 12], [20, 28]], [0.3, 1.2], rng)
    found, turned = (find_clusters(p, scores, 3.0) for p in (points, points[:, ::-1]))
    np.testing.assert_allclose(found.positions, turned.positions[:, ::-1], atol=1e-9)
    np.testing.assert_array_equal(found.labels, turned.labels)


def make_table(m=2):
    return ClusterTable(
        positions=np.arange(3.0 * m).reshape(m, 3),
        membrane=np.arange(m),
        side=np.ones(m, int),
        output=np.zeros(m, int),
        score=np.linspace(0, 1, m),
        n_points=np.full(m, 9),
        point_cluster=np.array([[0, -1], [1, 1]])[:m],
        point_weight=np.array([[0.5, 0], [1, 1]])[:m],
        tomogram="T1",
        membranes=("M1", "M2"),
        sides=("a", "b"),
        shape=(10, 20, 30),
        pixel_size=13.68,
        classes=(("PSII", "UK"), ("b6f",)),
        meta={"threshold": 3.0},
    )


@pytest.mark.parametrize("m", [0, 2])
def test_table_comes_back_as_written(tmp_path, m):
    table = make_table(m)
    table.write(tmp_path / "c.npz")
    back = read_clusters(tmp_path / "c.npz")
    assert len(back) == m
    for name in (
        "positions",
        "membrane",
        "side",
        "output",
        "score",
        "n_points",
        "point_cluster",
        "point_weight",
    ):
        np.testing.assert_allclose(getattr(back, name), getattr(table, name))
    for name in ("tomogram", "membranes", "sides", "shape", "pixel_size", "classes", "meta"):
        assert getattr(back, name) == getattr(table, name)
    assert back.positions.dtype == np.float64
    assert back.point_cluster.dtype == np.int32


def test_another_file_is_told(tmp_path):
    write_arrays(tmp_path / "x.npz", {}, points=np.zeros(3))
    with pytest.raises(
        InputError,
        match=r"x.npz: not a table of clusters; found arrays points; expected also positions",
    ):
        read_clusters(tmp_path / "x.npz")


def test_table_of_clusters_without_its_entries_is_told(tmp_path):
    make_table(2).write(tmp_path / "c.npz")
    meta, arrays = read_arrays(tmp_path / "c.npz")
    write_arrays(tmp_path / "c.npz", {**meta, "classes": [["a"], "b"]}, **arrays)
    message = r"c.npz: entry 'classes'; found .*; expected a list of lists of names; run cluster_po"
    with pytest.raises(InputError, match=message):
        read_clusters(tmp_path / "c.npz")
    del meta["sides"]
    write_arrays(tmp_path / "c.npz", meta, **arrays)
    with pytest.raises(InputError, match="c.npz: not a table of clusters; found no entry sides"):
        read_clusters(tmp_path / "c.npz")


def test_clusters_record_has_one_label_and_weight_per_point():
    found = find_clusters(np.zeros((7, 3)), np.linspace(0, 6, 7), 3.0, min_points=1)
    assert isinstance(found, Clusters)
    assert len(found.labels) == len(found.weights) == 7
