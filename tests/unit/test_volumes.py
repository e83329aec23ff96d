import errno
import gzip

import mrcfile
import numpy as np
import pytest

from membrain import volumes
from membrain.errors import InputError
from membrain.volumes import (
    iter_blocks,
    iter_slabs,
    new_volume,
    read_box,
    read_header,
    write_volume,
)

SHAPE = (5, 7, 3)  # slices of 21 voxels: no multiple of 8 bytes in any type


def ramp(dtype):
    return np.arange(np.prod(SHAPE)).reshape(SHAPE).astype(dtype)


@pytest.fixture(params=["i1", "<i2", ">i2", "u2", "<f4", ">f4", "f2", "gzip"])
def written(request, tmp_path):
    """A volume written by mrcfile, with an extended header, and its voxels."""
    is_gzip = request.param == "gzip"
    array = ramp(np.float32 if is_gzip else request.param)
    path = tmp_path / ("a.mrc.gz" if is_gzip else "a.mrc")
    with mrcfile.new(path, compression="gzip" if is_gzip else None) as mrc:
        mrc.set_data(array)
        mrc.voxel_size = 10
        mrc.set_extended_header(np.zeros(13, "V1"))
    return read_header(path), array


def test_box_is_cut_zyx_in_native_byte_order(written):
    volume, array = written
    box = read_box(volume, (1, 2, 0), (4, 6, 2))
    assert np.array_equal(box, array[1:4, 2:6, 0:2])
    assert box.dtype.isnative


def test_whole_volume_is_a_box(written):
    volume, array = written
    assert np.array_equal(read_box(volume, (0, 0, 0), SHAPE), array)


def test_empty_box_is_empty(written):
    assert read_box(written[0], (2, 2, 2), (2, 2, 2)).shape == (0, 0, 0)


@pytest.mark.parametrize(("start", "stop"), [((-1, 0, 0), (1, 1, 1)), ((0, 0, 0), (5, 7, 4))])
def test_box_outside_is_refused(written, start, stop):
    with pytest.raises(InputError, match=r"box outside the volume; found .*within \[5, 7, 3\]"):
        read_box(written[0], start, stop)


def test_volume_that_is_gone_since_its_header_was_read_is_told(tmp_path):
    write_volume(tmp_path / "a.mrc", ramp(np.float32), 10.0)
    volume = read_header(tmp_path / "a.mrc")
    (tmp_path / "a.mrc").unlink()
    with pytest.raises(InputError, match=r"a\.mrc: damaged or unreadable; found No such file"):
        read_box(volume, (0, 0, 0), (1, 1, 1))


@pytest.mark.parametrize("max_bytes", [1, 200, 1 << 20])
def test_slabs_join_to_the_volume(written, max_bytes):
    volume, array = written
    slabs = [(start, slab.copy()) for start, slab in iter_slabs(volume, max_bytes)]
    assert np.array_equal(np.concatenate([slab for _, slab in slabs]), array)
    assert [start for start, _ in slabs] == list(range(0, 5, len(slabs[0][1])))


def test_blocks_are_padded_with_zeros(written):
    volume, array = written
    item = volume.dtype.itemsize
    joined = b""
    for start, n_here, content in iter_blocks(volume, 50):
        assert start * item == len(joined)
        assert len(content) % 8 == 0
        assert not content[n_here * item :].any()
        joined += content[: n_here * item].tobytes()
    assert joined == array.tobytes()


def test_truncated_compressed_file_is_told(tmp_path):
    path = tmp_path / "a.mrc"
    write_volume(path, ramp(np.float32), 10.0)
    packed = tmp_path / "a.mrc.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()[:-9]))
    with pytest.raises(InputError, match="cut short; found an early end; expected 9 bytes more"):
        list(iter_slabs(read_header(packed)))


def test_damaged_compressed_file_is_told(tmp_path):
    path = tmp_path / "a.mrc.gz"
    write_volume(tmp_path / "a.mrc", np.random.default_rng(0).random((9, 20, 20), np.float32), 10.0)
    path.write_bytes(gzip.compress((tmp_path / "a.mrc").read_bytes())[:-5000])
    with pytest.raises(InputError, match="damaged or unreadable; found Compressed file ended"):
        read_box(read_header(path), (0, 0, 0), (9, 20, 20))


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f2", "f4", ">f4"])
def test_write_and_read_back(tmp_path, dtype):
    path = tmp_path / "new" / "a.mrc"
    write_volume(path, ramp(dtype), 13.68, (1, 2, 3))
    with mrcfile.open(path) as mrc:  # strict
        assert np.array_equal(mrc.data, ramp(dtype))
        assert mrc.data.dtype == np.dtype(dtype).newbyteorder("=")
        assert mrc.voxel_size.z == pytest.approx(13.68)
        assert mrc.header.origin.z == 3
        assert (mrc.header.dmin, mrc.header.dmax, mrc.header.dmean) == (0, 104, 52)
    assert mrcfile.validate(path)
    assert [file.name for file in path.parent.iterdir()] == ["a.mrc"]


def test_bool_is_written_as_int8(tmp_path):
    mask = ramp(int) % 3 == 0
    write_volume(tmp_path / "a.mrc", mask, 10.0)
    volume = read_header(tmp_path / "a.mrc")
    assert volume.dtype == np.int8
    assert np.array_equal(read_box(volume, (0, 0, 0), SHAPE), mask)


def test_same_voxels_give_same_bytes(tmp_path):
    for name in ("a.mrc", "b.mrc"):
        write_volume(tmp_path / name, ramp(np.int16), 10.0)
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()
    assert b"20" not in (tmp_path / "a.mrc").read_bytes()[224:1024]  # a year would be a time


def test_input_array_is_not_changed(tmp_path):
    array = ramp(np.float32)
    array.flags.writeable = False
    write_volume(tmp_path / "a.mrc", array, 10.0)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2, 2)),
        np.zeros((2, 2, 2), "c8"),
        np.zeros((2, 2), "f4"),
        np.zeros((0, 2, 2), "f4"),
    ],
)
def test_array_that_mrc_cannot_hold_is_refused(tmp_path, array):
    with pytest.raises(ValueError, match="MRC cannot hold an array of shape"):
        write_volume(tmp_path / "a.mrc", array, 10.0)
    assert not list(tmp_path.iterdir())


def test_volume_without_room_is_refused_before_it_is_filled(tmp_path, monkeypatch):
    def full(path, size):
        assert size == 1024 + 24
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(volumes, "reserve", full)
    with pytest.raises(InputError, match="x.mrc: cannot be written; found full; make room"):
        write_volume(tmp_path / "x.mrc", np.zeros((2, 3, 4), np.int8), 10.0)
    assert list(tmp_path.iterdir()) == []


def test_failure_leaves_nothing_behind(tmp_path):
    def fail():
        with new_volume(tmp_path / "a.mrc", (2, 3, 4), np.int16, 10.0) as mrc:
            mrc.data[1] = 1
            raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        fail()
    assert not list(tmp_path.iterdir())
