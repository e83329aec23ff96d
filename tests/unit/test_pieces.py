import numpy as np
import pytest
from scipy import ndimage

from membrain.pieces import connected_components


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("offset", [0, -50, 10_000])
def test_pieces_equal_those_of_a_dense_labelling(share, offset):
    mask = np.random.default_rng(1).random((9, 17, 13)) < share
    expected, count = ndimage.label(mask, np.ones((3, 3, 3)))
    rng = np.random.default_rng(2)
    pieces = connected_components(rng.permutation(np.argwhere(mask)) + offset)
    assert len(pieces) == count
    for piece in pieces:
        z, y, x = (piece - offset).T
        (label,) = np.unique(expected[z, y, x])
        assert np.array_equal(piece - offset, np.argwhere(expected == label))


def test_corner_contact_joins_and_a_gap_separates():
    assert len(connected_components(np.array([[0, 0, 0], [1, 1, 1]]))) == 1
    assert len(connected_components(np.array([[0, 0, 0], [1, 1, 2]]))) == 2
    assert len(connected_components(np.array([[0, 0, 5], [0, 1, 0]]))) == 2  # ends of two rows


def test_largest_piece_first_then_the_one_met_first():
    line = [[4, 4, x] for x in range(5)]
    voxels = np.array([[9, 0, 0], *line, [0, 9, 0], [0, 0, 9]])
    pieces = connected_components(voxels)
    assert [piece[0].tolist() for piece in pieces] == [[4, 4, 0], [0, 0, 9], [0, 9, 0], [9, 0, 0]]


def test_small_pieces_are_left_out():
    voxels = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [5, 5, 5], [5, 5, 6], [9, 9, 9]], np.int32)
    pieces = connected_components(voxels, min_voxels=2)
    assert [len(piece) for piece in pieces] == [3, 2]
    assert pieces[0].dtype == np.int32
    assert connected_components(voxels, min_voxels=4) == []


def test_one_voxel_and_none():
    assert [p.tolist() for p in connected_components(np.array([[3, 4, 5]]))] == [[[3, 4, 5]]]
    assert connected_components(np.empty((0, 3), np.int32)) == []


def test_order_of_the_voxels_does_not_matter():
    voxels = np.argwhere(np.random.default_rng(0).random((6, 7, 8)) < 0.2)
    first = connected_components(voxels)
    second = connected_components(voxels[::-1])
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
