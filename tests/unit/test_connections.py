import numba
import numpy as np
import pytest
from scipy.spatial import cKDTree

from membrain.connections import find_connections


def places(found):
    return np.round(found.surface[found.owner] + found.vectors).astype(int)


def ball_and_sheet():
    """A tilted sheet with a hole, a lone voxel and a block, at places that blocks cut across."""
    grid = np.argwhere(np.ones((30, 50, 62))) + [101, -3, 7]
    height = (grid - [116, 20, 35]) @ [0.8, 0.36, -0.48]
    voxels = grid[(np.abs(height) < 2) & (np.linalg.norm(grid - [116, 20, 35], axis=1) > 9)]
    return np.concatenate([voxels, [[103, 45, 60]], np.argwhere(np.ones((5, 5, 5))) + [102, 0, 9]])


@pytest.mark.parametrize("band", [1.5, 4.0, 9.0, 15.5])
def test_each_place_is_joined_to_a_nearest_mask_voxel(band):
    voxels = ball_and_sheet()
    found = find_connections(voxels, band)
    known = set(map(tuple, voxels))
    assert set(map(tuple, found.surface)) <= known
    ends = places(found)
    assert not any(tuple(p) in known for p in ends)
    np.testing.assert_allclose(found.lengths, np.linalg.norm(found.vectors, axis=1))
    np.testing.assert_allclose(found.lengths, cKDTree(voxels).query(ends)[0])
    assert found.lengths.max() < band


@pytest.mark.parametrize("band", [1.5, 4.0, 9.0])
def test_no_place_of_the_lattice_is_forgotten(band):
    voxels = ball_and_sheet()
    low, high = voxels.min(axis=0) - 12, voxels.max(axis=0) + 13
    grid = np.argwhere(np.ones(high - low)) + low
    length = cKDTree(voxels).query(grid)[0]
    corner = voxels.min(axis=0) - int(np.ceil(band)) - 1  # where the blocks begin
    is_used = ((grid - corner) @ (1, 2, 3)) % 4 == 0
    expected = grid[(length > 1) & (length < band) & is_used]
    found = find_connections(voxels, band)
    far = places(found)[found.lengths > 1]
    assert len(far) == len(expected)
    assert set(map(tuple, far)) == set(map(tuple, expected))
    # and every bare face has its place
    known = set(map(tuple, voxels))
    faces = np.concatenate(
        [voxels + s * np.eye(3, dtype=int)[a] for a in range(3) for s in (-1, 1)]
    )
    n_bare = sum(tuple(p) not in known for p in faces)
    assert (found.lengths == 1).sum() == n_bare


def test_surface_is_the_sorted_voxels_with_a_bare_face():
    voxels = np.argwhere(np.ones((5, 6, 7))) + 20
    found = find_connections(np.random.default_rng(0).permutation(voxels), 3.0)
    inner = ((voxels > 20) & (voxels < np.array([24, 25, 26]))).all(axis=1)
    np.testing.assert_array_equal(found.surface, voxels[~inner])


def test_single_voxel():
    found = find_connections(np.array([[7, 8, 9]]), 2.0)
    assert found.surface.tolist() == [[7, 8, 9]]
    assert (found.owner == 0).all()
    assert sorted(found.lengths[:6]) == [1.0] * 6
    assert set(np.round(found.lengths[6:] ** 2)) <= {2, 3}


def test_ties_are_drawn_by_the_seed_and_lean_nowhere():
    """Half way between two sheets every place is as near to the one as to the other."""
    plane = np.argwhere(np.ones((1, 60, 60)))
    voxels = np.concatenate([plane, plane + [10, 0, 0]])
    found = find_connections(voxels, 8.0, seed=1)
    is_tie = (np.abs(found.vectors[:, 0]) == 5) & (found.lengths == 5)
    up = (found.vectors[is_tie, 0] > 0).mean()
    assert is_tie.sum() > 500
    assert 0.4 < up < 0.6
    again = find_connections(voxels, 8.0, seed=1)
    np.testing.assert_array_equal(found.owner, again.owner)
    assert (found.owner != find_connections(voxels, 8.0, seed=2).owner).any()


def test_same_for_any_order_of_voxels_and_number_of_threads():
    voxels = ball_and_sheet()
    first = find_connections(voxels, 9.0)
    before = numba.get_num_threads()
    try:
        for threads in (1, before):
            numba.set_num_threads(threads)
            other = find_connections(np.random.default_rng(3).permutation(voxels), 9.0)
            for name in ("surface", "owner", "vectors", "lengths"):
                np.testing.assert_array_equal(getattr(first, name), getattr(other, name))
    finally:
        numba.set_num_threads(before)
