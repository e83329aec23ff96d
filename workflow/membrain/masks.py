"""Voxels of membranes, read from masks and label maps in one pass without loading them.

A voxel belongs to a membrane by its value:

======================  ==============================  ==================================
voxels of the file      mask (no label)                 label L
======================  ==============================  ==================================
int8                    not 0                           L, or L - 256: bytes are taken as
                                                        unsigned, as old programs write them
int16                   above 0                         L
uint16                  above 0                         L
float16, float32        at least 0.5 (0/1, probability)  L - 0.5 <= value < L + 0.5
======================  ==============================  ==================================
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from .errors import InputError
from .pieces import connected_components
from .scratch import check_room
from .volumes import Volume, iter_blocks, new_volume, read_header

__all__ = [
    "connected_components",
    "count_labels",
    "missing_label",
    "read_label_voxels",
    "read_voxels",
    "write_labels",
]

log = logging.getLogger(__name__)

BLOCK_BYTES = 1 << 20  # stays in a core's cache
PAGE_BYTES = 4096  # a file system gives room in pieces of this size
MAX_LABEL = 65535  # of uint16, the largest integers that MRC holds


def _iter_foreground(volume: Volume) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield position in the file and label of the voxels above 0, block by block.

    Membranes fill about a thousandth of a volume: it is passed over eight bytes at a time, and only
    the words that are not 0 are taken apart.

    Yields
    ------
    index : (n,) int64, ascending
    labels : (n,) uint16, at least 1
    """
    for start, _, content in iter_blocks(volume, BLOCK_BYTES // volume.dtype.itemsize):
        items = content.view(volume.dtype)  # up to 7 bytes of zeros at the end
        if volume.dtype.kind == "f":
            index = np.flatnonzero(items >= 0.5)
            labels = np.minimum(np.floor(items[index].astype(np.float32) + 0.5), MAX_LABEL)
        else:
            words = content.view(np.uint64)
            if not np.bitwise_or.reduce(words):
                continue
            hits = np.flatnonzero(words != 0)
            per_word = 8 // volume.dtype.itemsize
            items = items.reshape(-1, per_word)[hits]  # (n_hits, per_word)
            items = items.view(np.uint8) if volume.dtype.itemsize == 1 else items
            row, column = np.nonzero(items > 0)
            index = hits[row] * per_word + column
            labels = items[row, column]
        if len(index):
            yield start + index, labels.astype(np.uint16)


def _to_voxels(index: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return positions in a file as (n, 3) int32, zyx."""
    out = np.empty((len(index), 3), np.int32)
    rows, out[:, 2] = np.divmod(index, shape[2])
    out[:, 0], out[:, 1] = np.divmod(rows, shape[1])
    return out


def _check_labels(path: Path, labels: Iterable[int]) -> None:
    for label in labels:
        if not 1 <= label <= MAX_LABEL:
            expected = f"1 to {MAX_LABEL}; 0 is background"
            raise InputError(f"{path}: impossible label", found=label, expected=expected)


def missing_label(path: str | Path, label: int) -> InputError:
    """Return the error for a label that a file does not hold; it lists those found."""
    found = count_labels(path)
    names = ", ".join(map(str, list(found)[:30])) + (", ..." if len(found) > 30 else "")
    return InputError(
        f"{path}: no voxel has label {label}",
        found=f"labels {names}" if found else "an empty volume",
        remedy="correct column 'label' of the sheet of membranes",
    )


def _empty_mask(volume: Volume) -> InputError:
    """Return the error for a mask without voxels; it tells the values that there are."""
    low, high, n_bad = np.inf, -np.inf, 0
    for _, n_here, content in iter_blocks(volume, BLOCK_BYTES // volume.dtype.itemsize):
        items = content[: n_here * volume.dtype.itemsize].view(volume.dtype)
        items = items[np.isfinite(items)]
        n_bad += n_here - len(items)
        if len(items):
            low, high = min(low, items.min()), max(high, items.max())
    values = f"values {low:g} to {high:g}" if low <= high else "no number"
    return InputError(
        f"{volume.path}: empty mask",
        found=values + (f", {n_bad} voxels that are no numbers" if n_bad else ""),
        expected="voxels of 0.5 and more" if volume.dtype.kind == "f" else "voxels above 0",
    )


def read_voxels(path: str | Path, label: int | None = None) -> np.ndarray:
    """Return the voxels of a mask, or those of one label of a label map.

    Parameters
    ----------
    path : path
        MRC file, see the head of this module for its values.
    label : int, optional
        1 to 65535. None: every voxel above 0.

    Returns
    -------
    (n_voxels, 3) int32, zyx, voxel, in the file's order

    Raises
    ------
    InputError
        When the mask is empty, the label is not there, or the file is unreadable.
    """
    if label is not None:
        return read_label_voxels(path, [label])[label]
    volume = read_header(path)
    n_above_127 = 0
    parts = []
    for index, labels in _iter_foreground(volume):
        parts.append(index)
        n_above_127 += np.count_nonzero(labels > 127) if volume.dtype.itemsize == 1 else 0
    if not parts:
        raise _empty_mask(volume)
    if n_above_127:
        log.info("%s: %d voxels are negative and taken as 128 to 255", path, n_above_127)
    return _to_voxels(np.concatenate(parts), volume.shape)


def read_label_voxels(
    path: str | Path, labels: Iterable[int], allow_missing: bool = False
) -> dict[int, np.ndarray]:
    """Return the voxels of several labels of a label map, read in one pass.

    Parameters
    ----------
    path : path
    labels : iterable of int
        1 to 65535.
    allow_missing : bool
        Whether a label that is not there gets an empty array; `missing_label` then makes its error.

    Returns
    -------
    dict of (n_voxels, 3) int32, zyx, voxel, in the file's order; keys in the order of `labels`

    Raises
    ------
    InputError
        When a label is not there or impossible, or the file is unreadable.
    """
    volume = read_header(path)
    wanted = [int(label) for label in labels]
    _check_labels(volume.path, wanted)
    is_wanted = np.zeros(MAX_LABEL + 1, bool)
    is_wanted[wanted] = True
    indices, values = [np.empty(0, np.int64)], [np.empty(0, np.uint16)]
    for index, found in _iter_foreground(volume):
        keep = is_wanted[found]
        indices.append(index[keep])
        values.append(found[keep])
    index, value = np.concatenate(indices), np.concatenate(values)
    order = np.argsort(value, kind="stable")  # radix sort: linear in the number of voxels
    value, index = value[order], index[order]
    out = {}
    for label in wanted:
        low, high = np.searchsorted(value, [label, label + 1])
        if low == high and not allow_missing:
            raise missing_label(path, label)
        out[label] = _to_voxels(index[low:high], volume.shape)
    return out


def count_labels(path: str | Path) -> dict[int, int]:
    """Return the number of voxels of each label, by ascending label, in one pass.

    Raises
    ------
    InputError
        When the file is unreadable.
    """
    counts = np.zeros(MAX_LABEL + 1, np.int64)
    for _, labels in _iter_foreground(read_header(path)):
        here = np.bincount(labels)
        counts[: len(here)] += here
    return {int(label): int(counts[label]) for label in np.flatnonzero(counts)}


def write_labels(
    path: str | Path,
    groups: Sequence[np.ndarray],
    shape: Sequence[int],
    pixel_size: float,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
) -> None:
    """Write a label map (int16): the voxels of the first group get 1, of the second 2, and so on.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    groups : sequence of (n, 3) int, zyx, voxel
    shape : (3,) int, zyx, voxel
    pixel_size : float, angstrom per voxel; 0: unknown
    origin : (3,) float, xyz, angstrom

    Raises
    ------
    InputError
        When there are more groups than int16 can name.
    """
    limit = np.iinfo(np.int16).max
    if len(groups) > limit:
        raise InputError(
            f"{path}: too many pieces for one label map",
            found=len(groups),
            expected=f"at most {limit}",
            remedy="raise --min-voxels",
        )
    with new_volume(path, shape, np.int16, pixel_size, origin) as mrc:
        n_bytes = min(mrc.data.nbytes, PAGE_BYTES * sum(map(len, groups)))
        check_room(path, n_bytes)
        for label, voxels in enumerate(groups, 1):
            mrc.data[tuple(np.asarray(voxels).T)] = label
        mrc.header.dmin, mrc.header.dmax = 0, len(groups)
