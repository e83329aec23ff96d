import itertools

import numpy as np
import pytest
from scipy.spatial import cKDTree

from membrain.points import sample_sides, thin_points
from membrain.surfaces import orient_surface
from membrain.voting import vote_normals


def near_voxels(distance, shape, thickness=4.0):
    grid = np.argwhere(np.ones(shape, bool))
    return grid[np.abs(distance(grid)) <= thickness / 2]


def gradient(distance, p, h=1e-3):
    p = np.asarray(p, float)
    g = np.stack([distance(p + s) - distance(p - s) for s in np.eye(3) * h], axis=-1)
    return g / np.linalg.norm(g, axis=-1, keepdims=True)


TILT = np.array([0.7, 0.5, -0.4]) / np.linalg.norm([0.7, 0.5, -0.4])


def tilted(p):
    return (p - np.array([35, 36, 37])) @ TILT


def sphere(p):
    return np.linalg.norm(p - np.array([40, 42, 44]), axis=-1) - 28


def torus(p):
    d = p - np.array([25, 60, 62])
    return np.hypot(np.hypot(d[..., 1], d[..., 2]) - 35, d[..., 0]) - 15


def u_fold(p):
    z, x = p[..., 0] - 30, p[..., 2] - 24.0
    return np.where(x < 0, np.hypot(z, x), np.abs(z)) - 12


def plane(axis, at=23.5):
    def distance(p):
        return p[..., axis] - at

    return distance


def disc(voxels, centre, radius):
    return voxels[np.linalg.norm(voxels - centre, axis=1) < radius]


def stacked(p):
    """Distance to the nearer of two tilted sheets whose middles lie 8 voxels apart."""
    below = (p - np.array([31, 36, 37])) @ TILT
    return np.where(np.abs(below) < np.abs(below - 8), below, below - 8)


def scene(name):
    """Return voxels, the signed distance, positive on side a, and largest errors in degree.

    The errors are the median's and the 95th percentile's, about 1.3 times what was measured.
    """
    if name.startswith("plane"):
        axis = int(name[-1])
        shape = (50, 64, 78)[axis:] + (50, 64, 78)[:axis]
        return near_voxels(plane(axis), shape), plane(axis), (0.1, 0.1)
    if name == "tilted":
        return disc(near_voxels(tilted, (70, 72, 74)), [35, 36, 37], 33), tilted, (0.7, 2.0)
    if name == "stacked":
        return disc(near_voxels(stacked, (70, 72, 74)), [35, 36, 37], 33), stacked, (0.7, 2.0)
    if name == "sphere":
        return near_voxels(sphere, (82, 85, 88)), sphere, (0.3, 0.6)
    if name == "holes":
        voxels = near_voxels(sphere, (82, 85, 88))
        return voxels[np.abs(voxels[:, 0] - 40) < 23], sphere, (0.5, 1.5)
    if name == "torus":
        return near_voxels(torus, (50, 120, 124)), torus, (2.8, 8.5)
    voxels = near_voxels(u_fold, (60, 70, 190))
    return voxels, u_fold, (0.2, 7.5)


SCENES = ("plane0", "plane1", "plane2", "tilted", "stacked", "sphere", "holes", "torus", "fold")


@pytest.mark.parametrize("name", SCENES)
def test_voted_normals_follow_the_shape(name):
    voxels, distance, (median, most) = scene(name)
    sampled = sample_sides(orient_surface(voxels), ("a", "b"))
    for side, sign in (("a", 1), ("b", -1)):
        one = sampled[side]
        assert len(one.points) > 300
        voted = vote_normals(one.points, one.raw_normals, one.reference)
        cosine = sign * (voted * gradient(distance, one.points)).sum(axis=1)
        error = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        assert np.median(error) < median
        assert np.percentile(error, 95) < most
        assert (cosine > 0).mean() > 0.99  # no sign is turned
        # points are the mask voxels at that face
        assert set(map(tuple, one.points)) <= set(map(tuple, voxels))
        assert (sign * distance(one.points) > 0).mean() > 0.99


@pytest.mark.parametrize("name", ["plane0", "plane2", *SCENES[3:]])
def test_even_coverage(name):
    voxels, distance, _ = scene(name)
    margin = 4.0
    surface = orient_surface(voxels)
    sampled = sample_sides(surface, ("a", "b"), edge_margin=margin)
    known = set(map(tuple, voxels))
    outward = gradient(distance, voxels)
    for side, sign in (("a", 1), ("b", -1)):
        # a voxel of this face: the next one along the normal's largest component is empty
        axis = np.abs(outward).argmax(axis=1)
        step = np.zeros_like(voxels)
        step[np.arange(len(voxels)), axis] = sign * np.sign(outward[np.arange(len(voxels)), axis])
        is_face = np.array([tuple(p) not in known for p in voxels + step])
        face = voxels[is_face & (sign * distance(voxels) > 0)]
        face = face[rim_distance(name, face, voxels) > margin + 4]
        assert len(face) > 500
        gap = cKDTree(sampled[side].points).query(face)[0]
        assert gap.max() <= 2.0


def rim_distance(name, points, voxels):
    """Return the distance of points to where the sheet is cut off."""
    if name.startswith("plane"):
        others = [a for a in range(3) if a != int(name[-1])]
        low, high = voxels.min(axis=0), voxels.max(axis=0)
        return np.minimum(points - low, high - points)[:, others].min(axis=1)
    if name in ("tilted", "stacked"):
        return 33 - np.linalg.norm(points - [35, 36, 37], axis=1)
    if name == "holes":
        r = np.linalg.norm(points - [40, 42, 44], axis=1)
        return r * (np.arcsin(23 / r) - np.arcsin(np.abs(points[:, 0] - 40) / r))
    if name == "fold":
        return np.minimum.reduce([points[:, 1], 69 - points[:, 1], 189 - points[:, 2]])
    return np.full(len(points), np.inf)


@pytest.mark.parametrize("name", ["plane1", "tilted"])
def test_no_point_lies_in_the_margin(name):
    voxels, _, _ = scene(name)
    surface = orient_surface(voxels)
    for one in sample_sides(surface, ("a", "b"), edge_margin=6.0).values():
        assert rim_distance(name, one.points, voxels).min() > 2.0
        assert one.counts["edge"] > 0
    for one in sample_sides(surface, ("a", "b"), edge_margin=0.0).values():
        assert one.counts["edge"] == 0


def test_two_sheets_in_one_mask_and_in_two():
    def low(p):
        return p[..., 0] - 21.5

    def high(p):
        return p[..., 0] - 29.5  # 4 empty voxels between them

    sheets = [near_voxels(f, (50, 60, 70)) for f in (low, high)]
    both = np.concatenate(sheets)
    together = sample_sides(orient_surface(both), ("a", "b"))
    alone = [sample_sides(orient_surface(v), ("a", "b")) for v in sheets]
    for side, sign, faces in (("a", 1, (23, 31)), ("b", -1, (20, 28))):
        assert set(together[side].points[:, 0]) == set(faces)
        for one, face in zip(alone, faces, strict=True):
            assert set(one[side].points[:, 0]) == {face}
        for one in (together[side], *(s[side] for s in alone)):
            voted = vote_normals(one.points, one.raw_normals, one.reference)
            assert (sign * voted[:, 0] > 0.999).all()


def test_mask_in_several_pieces():
    voxels, distance, _ = scene("plane0")
    voxels = voxels[voxels[:, 2] % 26 > 5]
    one = sample_sides(orient_surface(voxels), ("a",))["a"]
    assert set(one.points[:, 0]) == {25}
    assert len(set(one.points[:, 2] // 26)) == 3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_voxel_thin_mask_has_both_sides(axis):
    voxels = np.roll(np.argwhere(np.ones((1, 50, 60))) + [20, 0, 0], axis, axis=1)
    sampled = sample_sides(orient_surface(voxels), ("a", "b"))
    for side, sign in (("a", 1), ("b", -1)):
        one = sampled[side]
        assert (one.points[:, axis] == 20).all()
        voted = vote_normals(one.points, one.raw_normals, one.reference)
        np.testing.assert_allclose(voted[:, axis], sign, atol=1e-6)


def test_points_without_a_side_are_counted():
    """The bare faces at the rim of a plate, 5 voxels thick, look along it."""
    voxels = np.argwhere(np.ones((5, 40, 50))) + [20, 6, 7]
    one = sample_sides(orient_surface(voxels), ("a", "b"), rim_cosine=0.75)
    for side in ("a", "b"):
        assert one[side].counts["rim"] == 3 * (2 * 40 + 2 * 48)  # the three inner layers
        assert set(one[side].points[:, 0]) == {24 if side == "a" else 20}
    closed, *_ = scene("sphere")
    assert sample_sides(orient_surface(closed), ("a",))["a"].counts["rim"] == 0


def test_dropped_and_kept_points_add_up():
    voxels, *_ = scene("plane0")
    for side, one in sample_sides(orient_surface(voxels), ("a", "b")).items():
        face = voxels[voxels[:, 0] == (25 if side == "a" else 22)]
        assert one.counts["edge"] + one.counts["thinned"] + len(one.points) == len(face)


def test_shuffled_voxels_give_the_same_points():
    voxels, *_ = scene("tilted")
    mixed = np.random.default_rng(0).permutation(voxels)
    first = sample_sides(orient_surface(voxels), ("a", "b"))
    second = sample_sides(orient_surface(mixed), ("a", "b"))
    for side in ("a", "b"):
        np.testing.assert_array_equal(first[side].points, second[side].points)
        np.testing.assert_allclose(first[side].raw_normals, second[side].raw_normals, atol=1e-9)


def test_a_side_is_the_same_alone_and_with_the_other():
    voxels, *_ = scene("tilted")
    surface = orient_surface(voxels)
    both = sample_sides(surface, ("a", "b"))
    assert list(both) == ["a", "b"]
    alone = sample_sides(surface, ("b",))
    assert list(alone) == ["b"]
    np.testing.assert_array_equal(alone["b"].points, both["b"].points)


def test_specks_give_no_points():
    voxels, *_ = scene("plane0")
    speck = np.array([[45, 30, 30], [45, 30, 31]])
    with_speck = np.concatenate([voxels, speck])
    one = sample_sides(orient_surface(with_speck), ("a",))["a"]
    assert one.points[:, 0].max() < 40


@pytest.mark.parametrize("border", [0, 3])
def test_mask_at_the_border_of_the_tomogram(border):
    voxels = np.argwhere(np.ones((2, 40, 40))) + border
    sampled = sample_sides(orient_surface(voxels), ("a", "b"))
    assert set(sampled["b"].points[:, 0]) == {border}
    assert set(sampled["a"].points[:, 0]) == {border + 1}


@pytest.mark.parametrize("distance", [1.5, 3.0])
def test_thinning_is_maximal_and_spaced(distance):
    points = np.random.default_rng(4).integers(0, (6, 40, 50), (3000, 3))
    points = np.unique(points, axis=0)
    kept = thin_points(points, distance, np.random.default_rng(7))
    gaps = cKDTree(points[kept]).query(points[kept], k=2)[0][:, 1]
    assert gaps.min() >= distance - 1e-9
    assert cKDTree(points[kept]).query(points)[0].max() < distance
    again = thin_points(points, distance, np.random.default_rng(7))
    other = thin_points(points, distance, np.random.default_rng(8))
    np.testing.assert_array_equal(kept, again)
    assert not np.array_equal(kept, other)


def test_thinning_equals_the_greedy_walk_in_random_order():
    points = np.random.default_rng(5).integers(0, 12, (200, 3))
    points = np.unique(points, axis=0)
    kept = thin_points(points, 2.5, np.random.default_rng(1))
    rank = np.random.default_rng(1).permutation(len(points))
    greedy = []
    for row in np.argsort(rank):
        if all(np.linalg.norm(points[row] - points[other]) >= 2.5 for other in greedy):
            greedy.append(row)
    assert sorted(greedy) == kept.tolist()


def test_thinning_of_nothing_one_and_by_nothing():
    rng = np.random.default_rng(0)
    assert len(thin_points(np.zeros((0, 3)), 2.0, rng)) == 0
    assert thin_points(np.zeros((1, 3)), 2.0, rng).tolist() == [0]
    corners = np.array(list(itertools.product((0, 1), repeat=3)))
    assert thin_points(corners, 0.0, rng).tolist() == list(range(8))
    assert len(thin_points(corners, 5.0, rng)) == 1
