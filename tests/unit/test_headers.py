import gzip
import logging
import struct

import mrcfile
import numpy as np
import pytest

from membrain.errors import InputError
from membrain.headers import read_header, stem_of

STAMPS = {"<": b"\x44\x44\x00\x00", ">": b"\x11\x11\x00\x00"}


def header_bytes(
    shape, mode, *, order="<", stamp=None, pixel_size=10.0, origin=(0, 0, 0), **fields
):
    """Return an MRC2014 header packed by hand, `shape` zyx."""
    nz, ny, nx = shape
    head = bytearray(1024)
    struct.pack_into(f"{order}10i", head, 0, nx, ny, nz, mode, 0, 0, 0, nx, ny, nz)
    struct.pack_into(f"{order}3f", head, 40, nx * pixel_size, ny * pixel_size, nz * pixel_size)
    struct.pack_into(f"{order}3i", head, 64, *fields.get("axes", (1, 2, 3)))
    struct.pack_into(f"{order}i", head, 92, fields.get("n_extended", 0))
    struct.pack_into(f"{order}3f", head, 196, *origin)
    head[208:212] = fields.get("word", b"MAP ")
    head[212:216] = STAMPS[order] if stamp is None else stamp
    return bytes(head)


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_header_gives_shape_type_pixel_size_origin_and_offset(tmp_path, order):
    head = header_bytes(
        (3, 4, 5), 1, order=order, pixel_size=13.68, origin=(1, 2, 3), n_extended=80
    )
    volume = read_header(write(tmp_path / "a.mrc", head + bytes(80) + bytes(2 * 60)))
    assert volume.shape == (3, 4, 5)
    assert volume.dtype == np.dtype("i2").newbyteorder(order)
    assert volume.header_pixel_size == pytest.approx((13.68, 13.68, 13.68), rel=1e-6)
    assert volume.origin == (1, 2, 3)
    assert volume.offset == 1104
    assert not volume.is_compressed


@pytest.mark.parametrize(
    ("mode", "name"), [(0, "int8"), (1, "int16"), (2, "float32"), (6, "uint16"), (12, "float16")]
)
def test_every_real_mode_is_read(tmp_path, mode, name):
    content = header_bytes((2, 2, 2), mode) + bytes(8 * np.dtype(name).itemsize)
    assert read_header(write(tmp_path / "a.mrc", content)).dtype.name == name


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", [0, 2])
def test_zero_machine_stamp_is_read_and_told(tmp_path, caplog, order, mode):
    caplog.set_level(logging.INFO)
    head = header_bytes((2, 3, 4), mode, order=order, stamp=bytes(4))
    volume = read_header(write(tmp_path / "a.mrc", head + bytes(96)))
    assert volume.shape == (2, 3, 4)
    assert volume.dtype.newbyteorder("=") == np.dtype("i1" if mode == 0 else "f4")
    assert "machine stamp 0x00000000 is wrong" in caplog.text


def test_stamp_of_the_other_byte_order_is_overruled(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    head = header_bytes((2, 3, 4), 2, order=">", stamp=STAMPS["<"])
    assert read_header(write(tmp_path / "a.mrc", head + bytes(96))).dtype == np.dtype(">f4")
    assert "read as big endian" in caplog.text


def test_header_without_the_word_map_is_read_and_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    head = header_bytes((2, 2, 2), 0, word=bytes(4))
    assert read_header(write(tmp_path / "a.mrc", head + bytes(8))).shape == (2, 2, 2)
    assert "lacks the word MAP" in caplog.text


def test_compressed_header_is_recognised_by_content_not_by_name(tmp_path):
    path = tmp_path / "a.mrc"
    with gzip.open(path, "wb") as handle:
        handle.write(header_bytes((2, 2, 2), 0) + bytes(8))
    volume = read_header(path)
    assert volume.is_compressed
    assert volume.shape == (2, 2, 2)


def test_header_agrees_with_mrcfile(tmp_path):
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as mrc:
        mrc.set_data(np.zeros((3, 4, 5), np.float32))
        mrc.voxel_size = 7.5
        mrc.header.origin = (5, 6, 7)
    volume = read_header(path)
    assert volume.shape == (3, 4, 5)
    assert volume.header_pixel_size == (7.5, 7.5, 7.5)
    assert volume.origin == (5, 6, 7)


def test_sampling_of_zero_gives_pixel_size_zero(tmp_path):
    head = bytearray(header_bytes((2, 2, 2), 0))
    struct.pack_into("<3i", head, 28, 0, 0, 0)
    volume = read_header(write(tmp_path / "a.mrc", bytes(head) + bytes(8)))
    assert volume.header_pixel_size == (0, 0, 0)


def test_bytes_after_the_last_voxel_are_told(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read_header(write(tmp_path / "a.mrc", header_bytes((2, 2, 2), 0) + bytes(11)))
    assert "3 bytes after the last voxel" in caplog.text


def test_absent_file_is_told(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.mrc: unreadable; found No such file"):
        read_header(tmp_path / "nothing.mrc")


@pytest.mark.parametrize("content", [b"", b"tomogram\tpath\n" * 200, b"\xff" * 2000])
def test_file_that_is_not_mrc_is_told(tmp_path, content):
    with pytest.raises(InputError, match="not an MRC file; expected an MRC header"):
        read_header(write(tmp_path / "a.mrc", content))


def test_damaged_gzip_header_is_told(tmp_path):
    with pytest.raises(InputError, match="unreadable; found .*; expected an MRC file"):
        read_header(write(tmp_path / "a.mrc.gz", b"\x1f\x8b" + b"garbage" * 9))


@pytest.mark.parametrize(
    ("mode", "name"), [(4, "complex float32"), (3, "complex int16"), (101, "4 bit")]
)
def test_complex_and_packed_voxels_are_refused(tmp_path, mode, name):
    with pytest.raises(InputError, match=rf"mode {mode} \({name}\); expected 0 \(int8\), 1 "):
        read_header(write(tmp_path / "a.mrc", header_bytes((2, 2, 2), mode) + bytes(64)))


def test_other_axis_order_is_refused(tmp_path):
    head = header_bytes((2, 2, 2), 0, axes=(3, 2, 1))
    with pytest.raises(InputError, match=r"axes stored in another order; found .*\(3, 2, 1\)"):
        read_header(write(tmp_path / "a.mrc", head + bytes(8)))


def test_truncated_file_is_told_with_both_lengths(tmp_path):
    head = header_bytes((2, 3, 4), 2)
    with pytest.raises(InputError, match="cut short; found 1119 bytes; expected 1120 bytes for"):
        read_header(write(tmp_path / "a.mrc", head + bytes(95)))


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a/T1.mrc", "T1"), ("T1.mrc.gz", "T1"), ("T1_10.00Apx.rec", "T1_10.00Apx"), ("T1.x", "T1.x")],
)
def test_stem_loses_only_suffixes_of_volumes(name, stem):
    assert stem_of(name) == stem
