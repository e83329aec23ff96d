"""Headers of MRC files, with the faults that real ones have."""

from __future__ import annotations

import gzip
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE
from mrcfile.utils import byte_order_from_machine_stamp, dtype_from_mode

from .errors import InputError

log = logging.getLogger(__name__)

HEADER_BYTES = 1024
SUFFIXES = (".mrc", ".rec", ".map", ".st", ".mrcs")
REAL_MODES = {0: "int8", 1: "int16", 2: "float32", 6: "uint16", 12: "float16"}
OTHER_MODES = {3: "complex int16", 4: "complex float32", 16: "RGB", 101: "4 bit"}


@dataclass(frozen=True)
class Volume:
    """What the header of an MRC file says, checked against the file.

    Attributes
    ----------
    path : Path
    shape : (3,) tuple of int, zyx, voxel
    dtype : numpy dtype with the file's byte order
    header_pixel_size : (3,) tuple of float, xyz, angstrom; 0 where the header gives none
    origin : (3,) tuple of float, xyz, angstrom
    offset : int, bytes before the first voxel
    is_compressed : bool, gzip
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype
    header_pixel_size: tuple[float, float, float]
    origin: tuple[float, float, float]
    offset: int
    is_compressed: bool = False

    @property
    def plane_bytes(self) -> int:
        """Bytes of one z-slice."""
        return self.shape[1] * self.shape[2] * self.dtype.itemsize


def stem_of(path: str | Path) -> str:
    """Return a volume's file name without ``.gz`` and without its MRC suffix."""
    name = Path(path).name.removesuffix(".gz")
    return name[: -len(Path(name).suffix)] if Path(name).suffix.lower() in SUFFIXES else name


def _first_bytes(path: Path) -> tuple[bytes, bool]:
    """Return the first 1024 bytes, unpacked, and whether the file is compressed."""
    try:
        with open(path, "rb") as handle:
            is_compressed = handle.read(2) == b"\x1f\x8b"
        with (gzip.open if is_compressed else open)(path, "rb") as handle:
            return handle.read(HEADER_BYTES), is_compressed
    except (OSError, EOFError, zlib.error) as error:
        found = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: unreadable", found=found, expected="an MRC file") from None


def _is_plausible(header: np.recarray) -> bool:
    sizes = (int(header.nx), int(header.ny), int(header.nz))
    return (
        int(header.mode) in REAL_MODES | OTHER_MODES
        and all(0 < n < 1 << 20 for n in sizes)
        and int(header.nsymbt) >= 0
    )


def _parse(path: Path, first: bytes) -> np.recarray:
    """Return the header in the byte order that makes sense, whatever the machine stamp says."""
    fault = InputError(
        f"{path}: not an MRC file", expected="an MRC header of 1024 bytes (.mrc, .rec, .map)"
    )
    if len(first) < HEADER_BYTES:
        raise fault
    stamp = np.frombuffer(first, HEADER_DTYPE)[0]["machst"]
    try:
        orders = "<>" if byte_order_from_machine_stamp(stamp) == "<" else "><"
        is_known = True
    except ValueError:
        orders, is_known = "<>", False
    for order in orders:
        dtype = HEADER_DTYPE.newbyteorder(order)
        header = np.frombuffer(first, dtype).reshape(()).view(np.recarray)
        if _is_plausible(header):
            break
    else:
        raise fault
    if not is_known or order != orders[0]:
        kind = "little" if order == "<" else "big"
        text = "".join(f"{byte:02x}" for byte in stamp)
        log.info("%s: machine stamp 0x%s is wrong, read as %s endian", path, text, kind)
    if bytes(header.map)[:3] != b"MAP":
        log.info("%s: the header lacks the word MAP, read as MRC all the same", path)
    return header


def read_header(path: str | Path) -> Volume:
    """Return the header of an MRC file, compressed by gzip or not.

    Parameters
    ----------
    path : path

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        When the file is absent, not MRC, holds complex or packed voxels, stores its axes in another
        order than x, y, z, or is shorter than its header says.

    Notes
    -----
    A wrong machine stamp (0x00000000 is common) is told in the log; the byte order is then the one
    that gives a possible mode and possible sizes.
    """
    path = Path(path)
    first, is_compressed = _first_bytes(path)
    header = _parse(path, first)
    mode = int(header.mode)
    if mode not in REAL_MODES:
        raise InputError(
            f"{path}: voxels of this kind cannot be read",
            found=f"mode {mode} ({OTHER_MODES[mode]})",
            expected=", ".join(f"{m} ({name})" for m, name in REAL_MODES.items()),
        )
    axes = (int(header.mapc), int(header.mapr), int(header.maps))
    if axes not in ((1, 2, 3), (0, 0, 0)):
        raise InputError(
            f"{path}: axes stored in another order",
            found=f"mapc, mapr, maps = {axes}",
            expected="(1, 2, 3)",
            remedy="rewrite the file with x fastest and z slowest",
        )
    sampling = {axis: int(header[f"m{axis}"]) for axis in "xyz"}
    pixel_size = (float(header.cella[axis]) / n if n > 0 else 0.0 for axis, n in sampling.items())
    volume = Volume(
        path=path,
        shape=(int(header.nz), int(header.ny), int(header.nx)),
        dtype=dtype_from_mode(mode).newbyteorder(header.mode.dtype.byteorder),
        header_pixel_size=tuple(pixel_size),
        origin=tuple(float(header.origin[axis]) for axis in "xyz"),
        offset=HEADER_BYTES + int(header.nsymbt),
        is_compressed=is_compressed,
    )
    if not is_compressed:
        _check_length(volume)
    return volume


def _check_length(volume: Volume) -> None:
    expected = volume.offset + volume.shape[0] * volume.plane_bytes
    found = volume.path.stat().st_size
    if found < expected:
        raise truncated(volume, f"{found} bytes", f"{expected} bytes")
    if found > expected:
        log.info("%s: %d bytes after the last voxel are left unread", volume.path, found - expected)


def truncated(volume: Volume, found: str, expected: str) -> InputError:
    """Return the error for a file that ends before its last voxel."""
    return InputError(
        f"{volume.path}: cut short",
        found=found,
        expected=f"{expected} for {volume.shape[::-1]} voxels (x, y, z) of {volume.dtype.name}",
        remedy="copy the file again",
    )
