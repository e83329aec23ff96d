import numpy as np
import pytest

from membrain.label_maps import list_labels, split_labels
from membrain.masks import count_labels, read_voxels
from membrain.volumes import read_header, write_volume

SHAPE = (12, 30, 40)


@pytest.fixture
def label_map(tmp_path):
    """Label 1 in pieces of 60, 100 and 1 voxels, label 4 in one of 50; origin and pixel size."""
    array = np.zeros(SHAPE, np.int16)
    array[1, 2:8, 5:15] = 1
    array[6, 2:12, 5:15] = 1
    array[11, 29, 39] = 1
    array[9, 20:25, 20:30] = 4
    write_volume(tmp_path / "a.mrc", array, 13.68, (1, 2, 3))
    return read_header(tmp_path / "a.mrc")


def test_labels_below_the_size_are_left_out_with_the_reason(label_map):
    assert list_labels(label_map, 50) == ([1, 4], [], 2)
    kept, reasons, n_labels = list_labels(label_map, 60)
    assert (kept, n_labels) == ([1], 2)
    assert reasons == ["label 4 has 50 voxels, fewer than --min-voxels 60"]


def test_label_that_fills_the_volume_is_told(tmp_path, caplog):
    write_volume(tmp_path / "a.mrc", np.ones(SHAPE, np.int8), 10.0)
    list_labels(read_header(tmp_path / "a.mrc"), 1)
    assert "label 1 fills 100 % of the volume; if it is no membrane, delete its row" in caplog.text


def test_empty_label_map_is_told(tmp_path):
    write_volume(tmp_path / "a.mrc", np.zeros(SHAPE, np.int8), 10.0)
    assert list_labels(read_header(tmp_path / "a.mrc"), 1) == ([], ["no voxel above 0"], 0)


def test_pieces_are_numbered_by_label_then_size(label_map, tmp_path):
    path = tmp_path / "pieces.mrc"
    n_pieces, reasons = split_labels(label_map, [1, 4], 10, path)
    assert n_pieces == 3
    assert reasons == ["1 pieces of label 1, 1 voxels in all, are smaller than --min-voxels 10"]
    assert count_labels(path) == {1: 100, 2: 60, 3: 50}
    assert set(read_voxels(path, 1)[:, 0]) == {6}
    volume = read_header(path)
    assert volume.shape == SHAPE
    assert volume.origin == (1, 2, 3)
    assert volume.header_pixel_size == pytest.approx((13.68,) * 3)


def test_no_piece_writes_no_file(label_map, tmp_path):
    n_pieces, reasons = split_labels(label_map, [1, 4], 1000, tmp_path / "pieces.mrc")
    assert n_pieces == 0
    assert len(reasons) == 2
    assert not (tmp_path / "pieces.mrc").exists()
