"""MRC volumes: boxes and slabs, without ever holding a whole tomogram in memory.

Arrays are ``[z, y, x]`` as the file stores them; pixel sizes and origins of a header are xyz,
angstrom. Gzip-compressed files are streamed. Reading headers and comparing grids is offered here
too, so that this module is the one to import.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

import mrcfile
import numpy as np

from . import __version__
from .errors import InputError
from .files import atomic_path
from .grids import check_same_grid, has_pixel_size, resolve_pixel_size
from .headers import REAL_MODES, SUFFIXES, Volume, read_header, stem_of, truncated
from .scratch import reserve

__all__ = [
    "SUFFIXES",
    "Volume",
    "check_same_grid",
    "has_pixel_size",
    "iter_blocks",
    "iter_slabs",
    "new_volume",
    "read_box",
    "read_header",
    "resolve_pixel_size",
    "stem_of",
    "write_volume",
]

SLAB_BYTES = 1 << 24


@contextlib.contextmanager
def _open_voxels(volume: Volume) -> Iterator[io.RawIOBase | gzip.GzipFile]:
    """Yield a handle that stands at the first voxel; a damaged file becomes an `InputError`."""
    try:
        if volume.is_compressed:
            with gzip.open(volume.path, "rb") as handle:
                handle.seek(volume.offset)
                yield handle
        else:
            with open(volume.path, "rb", buffering=0) as handle:
                handle.seek(volume.offset)
                yield handle
    except (OSError, EOFError, zlib.error) as error:
        found = getattr(error, "strerror", None) or error
        raise InputError(f"{volume.path}: damaged or unreadable", found=found) from None


def _fill(handle: io.RawIOBase | gzip.GzipFile, view: memoryview, volume: Volume) -> None:
    """Read until the buffer is full: one call may return less."""
    done = 0
    while done < len(view):
        count = handle.readinto(view[done:])
        if not count:
            raise truncated(volume, "an early end", f"{len(view) - done} bytes more")
        done += count


def iter_blocks(volume: Volume, n_voxels: int) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield position, number of voxels and raw bytes of consecutive blocks of the file.

    Parameters
    ----------
    volume : Volume
    n_voxels : int
        Voxels of a block; the last one may be shorter.

    Yields
    ------
    start, n_here : int
    content : (n_bytes,) uint8
        Padded with zeros to a multiple of 8 bytes. The next block overwrites it.

    Raises
    ------
    InputError
        When the file ends early or is damaged.
    """
    n_all = prod(volume.shape)
    item = volume.dtype.itemsize
    buffer = np.zeros(-(-min(n_voxels, n_all) * item // 8) * 8, np.uint8)
    with _open_voxels(volume) as handle:
        for start in range(0, n_all, n_voxels):
            n_here = min(n_voxels, n_all - start)
            _fill(handle, memoryview(buffer)[: n_here * item], volume)
            buffer[n_here * item :] = 0
            yield start, n_here, buffer[: -(-n_here * item // 8) * 8]


def iter_slabs(volume: Volume, max_bytes: int = SLAB_BYTES) -> Iterator[tuple[int, np.ndarray]]:
    """Yield first z and voxels of each slab, in order.

    Parameters
    ----------
    volume : Volume
    max_bytes : int
        Size of a slab; at least one slice is read.

    Yields
    ------
    start : int
    slab : (n_slices, y, x) of the file's dtype. The next slab overwrites it.
    """
    n_plane = volume.shape[1] * volume.shape[2]
    n_slices = max(1, max_bytes // volume.plane_bytes)
    for start, n_here, content in iter_blocks(volume, n_slices * n_plane):
        voxels = content[: n_here * volume.dtype.itemsize].view(volume.dtype)
        yield start // n_plane, voxels.reshape(-1, *volume.shape[1:])


def read_box(volume: Volume, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
    """Return a box of voxels.

    Parameters
    ----------
    volume : Volume
    start, stop : (3,) int, zyx, voxel
        First voxel and the one past the last, inside the volume.

    Returns
    -------
    (z, y, x) array of the file's kind, in the machine's byte order

    Raises
    ------
    InputError
        When the box leaves the volume, or the file is damaged.
    """
    low, high = [int(n) for n in start], [int(n) for n in stop]
    if not all(0 <= a <= b <= n for a, b, n in zip(low, high, volume.shape, strict=True)):
        raise InputError(
            f"{volume.path}: box outside the volume",
            found=f"{low} to {high} (z, y, x)",
            expected=f"within {list(volume.shape)}",
        )
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    native = volume.dtype.newbyteorder("=")
    if not volume.is_compressed:
        try:
            mapped = np.memmap(volume.path, volume.dtype, "r", volume.offset, volume.shape)
        except (OSError, ValueError) as error:  # gone or cut since its header was read
            found = getattr(error, "strerror", None) or error
            raise InputError(f"{volume.path}: damaged or unreadable", found=found) from None
        return np.array(mapped[box], dtype=native)
    out = np.empty([b - a for a, b in zip(low, high, strict=True)], native)
    for first, slab in iter_slabs(volume):
        if first >= high[0]:
            break
        here = slice(max(low[0] - first, 0), min(high[0] - first, len(slab)))
        if here.stop > here.start:
            target = slice(first + here.start - low[0], first + here.stop - low[0])
            out[target] = slab[here, box[1], box[2]]
    return out


@contextlib.contextmanager
def new_volume(
    path: str | Path,
    shape: Sequence[int],
    dtype: np.dtype | str,
    pixel_size: float,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
) -> Iterator[mrcfile.mrcmemmap.MrcMemmap]:
    """Yield a mapped MRC file full of zeros; it appears under its name when the block ends well.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    shape : (3,) int, zyx, voxel
    dtype : int8, int16, uint16, float16 or float32
    pixel_size : float, angstrom per voxel; 0: unknown
    origin : (3,) float, xyz, angstrom

    Yields
    ------
    MrcMemmap
        Fill its ``data``; parts that are never touched take no room on most file systems.

    Notes
    -----
    The file holds no time: the same voxels give the same bytes.
    """
    modes = {np.dtype(name): mode for mode, name in REAL_MODES.items()}
    with atomic_path(path) as temporary:
        with mrcfile.new_mmap(temporary, tuple(map(int, shape)), modes[np.dtype(dtype)]) as mrc:
            mrc.voxel_size = float(pixel_size)
            mrc.header.origin = tuple(float(o) for o in origin)
            mrc.header.nlabl = 0  # the first label, with the time of writing, is replaced
            mrc.add_label(f"membrain-flow {__version__}")
            yield mrc


def write_volume(
    path: str | Path,
    array: np.ndarray,
    pixel_size: float,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
) -> None:
    """Write an array as an MRC file that appears whole or not at all.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    array : (z, y, x) bool, int8, int16, uint16, float16 or float32
        bool is written as int8. At least one voxel.
    pixel_size : float, angstrom per voxel
    origin : (3,) float, xyz, angstrom

    Raises
    ------
    ValueError
        When MRC cannot hold the array.
    """
    array = np.asarray(array)
    dtype = np.dtype(np.int8) if array.dtype == bool else array.dtype.newbyteorder("=")
    if array.ndim != 3 or array.size == 0 or dtype.name not in REAL_MODES.values():
        raise ValueError(
            f"{path}: MRC cannot hold an array of shape {array.shape} and type {array.dtype}; "
            f"expected three dimensions and one of bool, {', '.join(REAL_MODES.values())}"
        )
    with new_volume(path, array.shape, dtype, pixel_size, origin) as mrc:
        reserve(mrc.data.filename, os.path.getsize(mrc.data.filename))
        mrc.data[:] = array
        mrc.header.dmin, mrc.header.dmax = array.min(), array.max()
        with np.errstate(invalid="ignore"):  # infinite voxels are the reader's to refuse
            mrc.header.dmean = array.mean(dtype=np.float64)
