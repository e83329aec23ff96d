"""A volume kept as blocks reads like a dense one."""

import numpy as np

from membrain.sparse_volumes import BLOCK_VOXEL, SparseVolume


def test_boxes_across_blocks_and_below_zero_add_up():
    rng = np.random.default_rng(0)
    dense, origin = np.zeros((90, 80, 70), np.float32), np.array([20, 10, 5])
    sparse = SparseVolume()
    for _ in range(6):
        start, size = rng.integers(-5, 40, 3), rng.integers(1, 35, 3)
        values = rng.random(size).astype(np.float32)
        sparse.add(start, values)
        dense[tuple(slice(a, a + n) for a, n in zip(start + origin, size, strict=True))] += values
    found = sparse.read(-origin, np.array(dense.shape) - origin)
    assert np.array_equal(found, dense)
    part = sparse.read((3, 4, 5), (40, 41, 50))
    assert np.array_equal(part, dense[23:60, 14:51, 10:55])


def test_nothing_added_is_zero_and_takes_no_room():
    sparse = SparseVolume()
    assert not sparse.read((0, 0, 0), (100, 3, 3)).any()
    sparse.add((BLOCK_VOXEL, 0, 0), np.ones((1, 1, 1), np.float32))
    assert list(sparse.blocks) == [(1, 0, 0)]


def test_copy_changes_by_itself():
    sparse = SparseVolume()
    sparse.add((0, 0, 0), np.ones((2, 2, 2), np.float32))
    other = sparse.copy()
    other.add((0, 0, 0), np.ones((2, 2, 2), np.float32))
    assert sparse.read((0, 0, 0), (1, 1, 1)) == 1
    assert other.read((0, 0, 0), (1, 1, 1)) == 2
