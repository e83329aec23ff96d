import errno
import gzip
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from membrain import masks
from membrain.errors import InputError
from membrain.masks import (
    count_labels,
    missing_label,
    read_label_voxels,
    read_voxels,
    write_labels,
)
from membrain.volumes import read_header, write_volume

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"
SHAPE = (6, 7, 11)


def write(path, array):
    """Write with mrcfile, so that the byte order of the array is kept."""
    with mrcfile.new(path, overwrite=True) as mrc:
        mrc.set_data(array)
    return path


@pytest.fixture
def labels():
    """Sparse labels 1, 2, 3 and 7, with the corners set: first and last byte of the file."""
    rng = np.random.default_rng(4)
    array = rng.choice([0, 0, 0, 0, 1, 2, 3, 7], SHAPE)
    array[0, 0, 0], array[-1, -1, -1] = 2, 7
    array[2] = 0
    return array


@pytest.mark.parametrize("dtype", ["i1", "<i2", ">i2", "u2", ">u2", "f2", "<f4", ">f4"])
@pytest.mark.parametrize("block_bytes", [8, 64, 1 << 20])
def test_voxels_equal_those_of_the_whole_array(tmp_path, labels, dtype, block_bytes, monkeypatch):
    monkeypatch.setattr(masks, "BLOCK_BYTES", block_bytes)
    path = write(tmp_path / "a.mrc", labels.astype(dtype))
    voxels = read_voxels(path)
    assert voxels.dtype == np.int32
    assert np.array_equal(voxels, np.argwhere(labels > 0))
    assert np.array_equal(read_voxels(path, 3), np.argwhere(labels == 3))
    found = read_label_voxels(path, [7, 1])
    assert list(found) == [7, 1]
    for label, voxels in found.items():
        assert np.array_equal(voxels, np.argwhere(labels == label))
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    assert count_labels(path) == dict(zip(values.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("width", range(1, 18))
def test_any_row_length(tmp_path, width):
    array = np.zeros((2, 3, width), np.int8)
    array[1, 2, width - 1] = array[0, 1, 0] = 1
    write_volume(tmp_path / "a.mrc", array, 10.0)
    assert read_voxels(tmp_path / "a.mrc").tolist() == [[0, 1, 0], [1, 2, width - 1]]


def test_compressed_label_map(tmp_path, labels):
    path = write(tmp_path / "a.mrc", labels.astype(np.int8))
    packed = tmp_path / "a.mrc.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(read_voxels(packed, 2), np.argwhere(labels == 2))


def test_labels_above_127_written_as_unsigned_bytes(tmp_path, caplog):
    caplog.set_level("INFO")
    array = np.zeros(SHAPE, np.uint8)
    array[1, 2, 3], array[4, 5, 6], array[5, 0, 0] = 200, 255, 12
    path = write(tmp_path / "a.mrc", array.view(np.int8))
    assert count_labels(path) == {12: 1, 200: 1, 255: 1}
    assert read_voxels(path, 200).tolist() == [[1, 2, 3]]
    assert len(read_voxels(path)) == 3
    assert "2 voxels are negative and taken as 128 to 255" in caplog.text


def test_negative_int16_is_background(tmp_path):
    array = np.full(SHAPE, -1, np.int16)
    array[1, 2, 3] = 300
    path = write(tmp_path / "a.mrc", array)
    assert count_labels(path) == {300: 1}
    assert read_voxels(path).tolist() == [[1, 2, 3]]


def test_float_mask_is_cut_at_one_half(tmp_path):
    array = np.zeros(SHAPE, np.float32)
    array[0, 0, :6] = [0.1, 0.49, 0.5, 0.9, 1.0, 1.49]
    array[1, 0, :4] = [1.5, 2.0, np.nan, -3.0]
    path = tmp_path / "a.mrc"
    write_volume(path, array, 10.0)
    assert read_voxels(path)[:, 2].tolist() == [2, 3, 4, 5, 0, 1]
    assert read_voxels(path, 1).tolist() == [[0, 0, x] for x in (2, 3, 4, 5)]
    assert count_labels(path) == {1: 4, 2: 2}


def test_empty_mask_is_told(tmp_path):
    write_volume(tmp_path / "a.mrc", np.zeros(SHAPE, np.int8), 10.0)
    with pytest.raises(InputError, match=r"a\.mrc: empty mask; found values 0 to 0; expected v"):
        read_voxels(tmp_path / "a.mrc")
    assert count_labels(tmp_path / "a.mrc") == {}
    with pytest.raises(InputError, match="no voxel has label 1; found an empty volume"):
        read_voxels(tmp_path / "a.mrc", 1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.0, 0.4], "empty mask; found values 0 to 0.4; expected voxels of 0.5 and more"),
        ([-3.0, -1.0], "found values -3 to -1; expected"),
        ([0.0, np.nan], "found values 0 to 0, 1 voxels that are no numbers; expected"),
        ([np.nan, np.nan], "found no number, 2 voxels that are no numbers; expected"),
    ],
)
def test_mask_without_voxels_tells_its_values(tmp_path, values, message):
    write_volume(tmp_path / "a.mrc", np.float32(values).reshape(1, 1, 2), 10.0)
    with pytest.raises(InputError, match=message):
        read_voxels(tmp_path / "a.mrc")


def test_absent_label_lists_those_found(tmp_path, labels):
    path = write(tmp_path / "a.mrc", labels.astype(np.int16))
    with pytest.raises(InputError, match="no voxel has label 5; found labels 1, 2, 3, 7; correct"):
        read_voxels(path, 5)
    with pytest.raises(InputError, match="no voxel has label 5"):
        read_label_voxels(path, [1, 5])


def test_absent_label_may_be_allowed_and_told_later(tmp_path, labels):
    path = write(tmp_path / "a.mrc", labels.astype(np.int16))
    found = read_label_voxels(path, [1, 5], allow_missing=True)
    assert found[5].shape == (0, 3)
    assert len(found[1])
    assert "no voxel has label 5; found labels 1, 2, 3, 7" in str(missing_label(path, 5))


def test_many_labels_are_listed_in_part(tmp_path):
    array = np.arange(6 * 7 * 11).reshape(SHAPE).astype(np.int16)
    text = str(missing_label(write(tmp_path / "a.mrc", array), 999))
    assert "labels 1, 2," in text
    assert "30, ..." in text


@pytest.mark.parametrize("label", [0, -3, 70000])
def test_impossible_label_is_refused(tmp_path, label):
    write_volume(tmp_path / "a.mrc", np.ones(SHAPE, np.int8), 10.0)
    with pytest.raises(InputError, match=f"impossible label; found {label}; expected 1 to 65535"):
        read_voxels(tmp_path / "a.mrc", label)


def test_written_labels_are_read_back(tmp_path):
    groups = [np.array([[0, 1, 2], [5, 6, 10]]), np.array([[3, 3, 3]])]
    path = tmp_path / "a.mrc"
    write_labels(path, groups, SHAPE, 13.68, (0, 0, 3173.75))
    volume = read_header(path)
    assert volume.shape == SHAPE
    assert volume.dtype == np.int16
    with mrcfile.open(path) as mrc:
        assert (mrc.header.dmin, mrc.header.dmax) == (0, 2)
    assert volume.origin == (0, 0, 3173.75)
    assert volume.header_pixel_size == pytest.approx((13.68,) * 3)
    assert {k: v.tolist() for k, v in read_label_voxels(path, [1, 2]).items()} == {
        1: groups[0].tolist(),
        2: groups[1].tolist(),
    }


def test_label_map_without_room_is_refused_before_it_is_filled(tmp_path, monkeypatch):
    asked = []

    def full(path, size):
        asked.append(size)
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(masks, "check_room", full)
    groups = [np.zeros((1, 3), int), np.ones((2, 3), int)]
    with pytest.raises(InputError, match="x.mrc: cannot be written; found full; make room"):
        write_labels(tmp_path / "x.mrc", groups, (40, 50, 60), 10.0)
    assert asked == [3 * 4096]  # a page for each voxel, at most the whole file
    assert list(tmp_path.iterdir()) == []


def test_too_many_pieces_for_int16_are_refused(tmp_path):
    groups = [np.zeros((0, 3), int)] * 40000
    with pytest.raises(InputError, match="too many pieces for one label map; found 40000"):
        write_labels(tmp_path / "a.mrc", groups, SHAPE, 10.0)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not SHARED.is_dir(), reason="foreign data are not here")
@pytest.mark.parametrize("name", ["others/pyseg_ves4_seg", "polnet_a/membranes_labels"])
def test_label_map_of_other_software(name):
    path = SHARED / f"{name}.mrc.gz"
    with mrcfile.open(path, permissive=True) if "polnet" in name else gzip.open(path) as handle:
        content = handle.data if "polnet" in name else np.frombuffer(handle.read()[1024:], np.int8)
    array = np.asarray(content).reshape(read_header(path).shape)
    assert np.array_equal(read_voxels(path, 2), np.argwhere(array == 2))
    assert sum(count_labels(path).values()) == np.count_nonzero(array)
