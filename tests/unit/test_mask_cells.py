"""Which boxes of a tomogram are free of masks."""

import logging

import numpy as np

from membrain.mask_cells import MaskCells, read_cells
from membrain.volumes import write_volume


def test_boxes_that_meet_a_marked_cell_are_not_free():
    cells = MaskCells((40, 50, 60))
    cells.add(np.array([[20, 30, 41]]))
    assert cells.is_free(np.array([0, 0, 0]), np.array([20, 50, 60]))
    assert not cells.is_free(np.array([0, 0, 0]), np.array([21, 50, 60]))
    assert cells.is_free(np.array([0, 0, 44]), np.array([40, 50, 60]))
    assert not cells.is_free(np.array([23, 31, 43]), np.array([40, 50, 60]))


def test_outside_the_tomogram_nothing_is_marked():
    cells = MaskCells((8, 8, 8))
    cells.add(np.array([[7, 7, 7]]))
    assert cells.is_free(np.array([-9, -9, -9]), np.array([4, 20, 20]))
    assert not cells.is_free(np.array([-9, 5, 5]), np.array([20, 20, 20]))


def test_every_label_counts_and_a_wrong_file_is_logged(tmp_path, caplog):
    labels = np.zeros((8, 12, 16), np.int8)
    labels[1, 1, 1], labels[6, 9, 14] = 1, 7
    write_volume(tmp_path / "labels.mrc", labels, 10.0)
    write_volume(tmp_path / "small.mrc", labels[:4], 10.0)
    paths = [tmp_path / "labels.mrc", tmp_path / "small.mrc", tmp_path / "none.mrc"]
    with caplog.at_level(logging.WARNING):
        cells = read_cells(paths, labels.shape)
    assert np.argwhere(cells.is_taken).tolist() == [[0, 0, 0], [1, 2, 3]]
    assert "small.mrc: not of the tomogram's size: its membranes are not kept out" in caplog.text
    assert "none.mrc" in caplog.text
