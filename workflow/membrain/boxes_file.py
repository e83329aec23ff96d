"""The file of boxes that goes from extraction to training and scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .errors import InputError

MAGIC = b"\x93NUMPY"


def open_boxes(path: str | Path, n_rows: int) -> np.ndarray:
    """Return a read-only memory map of the boxes of a batch.

    Parameters
    ----------
    path : path, ``.npy``
    n_rows : int
        Number of points that the boxes belong to.

    Returns
    -------
    (n_rows, K, I, J) float32

    Raises
    ------
    InputError
        When the file is absent, not boxes, or has another number of rows.
    """
    try:
        with open(path, "rb") as handle:  # np.load would take an archive too, and leave it open
            if handle.read(len(MAGIC)) != MAGIC:
                raise ValueError("another kind of file")
        boxes = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", remedy="run extract_subvolumes") from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(
            f"{path}: unreadable", found=error, expected="an .npy file of boxes"
        ) from None
    if boxes.ndim != 4 or boxes.dtype != np.float32:
        raise InputError(
            f"{path}: not boxes",
            found=f"{boxes.dtype} array of shape {boxes.shape}",
            expected="float32, four axes",
        )
    if len(boxes) != n_rows:
        raise InputError(
            f"{path}: not the boxes of these points",
            found=f"{len(boxes)} boxes",
            expected=f"{n_rows}, one for each point",
            remedy="give the two files that one run of extract_subvolumes wrote",
        )
    return boxes
