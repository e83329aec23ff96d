"""The table of sampled points that goes from step to step, and the status of membranes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .entries import NAME, NAMES, POSITIVE, SIZES, check_entries
from .errors import InputError, is_out_of_memory
from .files import read_arrays, read_table, write_arrays, write_table
from .scratch import IS_FULL

log = logging.getLogger(__name__)

COLUMNS = ("points", "normals", "membrane", "side")
PLACE = {
    "tomogram": NAME,
    "membranes": NAMES,
    "sides": NAMES,
    "shape": SIZES,
    "pixel_size_angstrom": POSITIVE,
}
META = {**PLACE, "extra": NAMES}
STATUS_COLUMNS = ("tomogram", "membrane", "step", "status", "n", "message")


@dataclass(frozen=True)
class PointTable:
    """Sampled points of the membranes of one batch.

    Attributes
    ----------
    points : (n_points, 3) float32, zyx, voxel of the tomogram file
    normals : (n_points, 3) float32, zyx, unit length, away from the membrane to the picked side
    membrane : (n_points,) int32, row in `membranes`
    side : (n_points,) int8, row in `sides`
    membranes : tuple of str, every membrane of the batch, those without points too
    sides : tuple of str, ``("a", "b")``
    tomogram : str
    shape : (3,) tuple of int, zyx, voxel: size of the tomogram
    pixel_size : float, angstrom per voxel of the tomogram file
    extra : dict of (n_points, ...) arrays that later steps add (``scores``, ``labels``)
    meta : dict, further entries, among them ``provenance``
    """

    points: np.ndarray
    normals: np.ndarray
    membrane: np.ndarray
    side: np.ndarray
    membranes: tuple[str, ...]
    tomogram: str
    shape: tuple[int, int, int]
    pixel_size: float
    sides: tuple[str, ...] = ("a", "b")
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    meta: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)

    def select(self, rows: np.ndarray) -> PointTable:
        """Return the table of the points that a mask or an index array names."""
        return replace(
            self,
            points=self.points[rows],
            normals=self.normals[rows],
            membrane=self.membrane[rows],
            side=self.side[rows],
            extra={name: values[rows] for name, values in self.extra.items()},
        )

    def with_extra(self, **arrays: np.ndarray) -> PointTable:
        """Return the table with further columns, one row per point each."""
        return replace(self, extra={**self.extra, **arrays})

    def groups(self) -> Iterator[tuple[str, str, np.ndarray]]:
        """Yield membrane, side and point rows of every (membrane, side) that has points."""
        key = self.membrane.astype(np.int64) * len(self.sides) + self.side
        order = np.argsort(key, kind="stable")
        values, starts = np.unique(key[order], return_index=True)
        if not len(values):
            return
        for value, rows in zip(values, np.split(order, starts[1:]), strict=True):
            membrane, side = divmod(int(value), len(self.sides))
            yield self.membranes[membrane], self.sides[side], rows

    def write(self, path: str | Path) -> None:
        """Write the table to an ``.npz`` file."""
        meta = {
            **self.meta,
            "tomogram": self.tomogram,
            "membranes": list(self.membranes),
            "sides": list(self.sides),
            "shape": [int(n) for n in self.shape],
            "pixel_size_angstrom": float(self.pixel_size),
            "extra": sorted(self.extra),
        }
        write_arrays(
            path,
            meta,
            points=self.points.astype(np.float32),
            normals=self.normals.astype(np.float32),
            membrane=self.membrane.astype(np.int32),
            side=self.side.astype(np.int8),
            **self.extra,
        )

    @classmethod
    def read(cls, path: str | Path, needs: tuple[str, ...] = ()) -> PointTable:
        """Return the table of a file.

        Parameters
        ----------
        path : path
        needs : tuple of str
            Names of `extra` columns that must be there.

        Raises
        ------
        InputError
            When the file is not a point table or lacks a needed column.
        """
        meta, arrays = read_arrays(path)
        missing = [n for n in (*COLUMNS, *needs) if n not in arrays]
        if missing:
            raise InputError(
                f"{path}: not the table that this step takes",
                found=f"arrays {', '.join(sorted(arrays))}",
                expected=f"also {', '.join(missing)}",
            )
        check_entries(path, meta, META, META, "a table of points")
        _check_columns(path, arrays, meta)
        extra = {name: arrays[name] for name in meta.pop("extra")}
        return cls(
            points=arrays["points"],
            normals=arrays["normals"],
            membrane=arrays["membrane"],
            side=arrays["side"],
            membranes=tuple(meta.pop("membranes")),
            sides=tuple(meta.pop("sides")),
            tomogram=meta.pop("tomogram"),
            shape=tuple(meta.pop("shape")),
            pixel_size=meta.pop("pixel_size_angstrom"),
            extra=extra,
            meta=meta,
        )


def _check_columns(path: str | Path, arrays: dict[str, np.ndarray], meta: dict) -> None:
    """Check that the columns of a table of points have a row for each point."""
    lost = [name for name in meta["extra"] if name not in arrays]
    shapes = {name: arrays[name].shape for name in (*COLUMNS, *meta["extra"]) if name not in lost}
    n = len(arrays["membrane"]) if arrays["membrane"].ndim else -1
    is_right = not lost and all(shape[:1] == (n,) for shape in shapes.values())
    is_right &= shapes["points"] == shapes["normals"] == (n, 3)
    for name, names in (("membrane", "membranes"), ("side", "sides")):
        is_right &= bool(np.isin(arrays[name], np.arange(len(meta[names]))).all())
    if not is_right:
        raise InputError(
            f"{path}: columns that do not fit each other",
            found=f"no {', '.join(lost)}" if lost else shapes,
            remedy="run the step that makes it",
        )


class Status:
    """What became of each membrane of a batch in one step."""

    def __init__(self, tomogram: str, step: str) -> None:
        self.tomogram = tomogram
        self.step = step
        self.rows: list[tuple] = []

    def record(self, membrane: str, n: int, message: str = "") -> None:
        """Note a membrane that went through with `n` results; zero is a valid, empty result."""
        self.rows.append((self.tomogram, membrane, self.step, "ok" if n else "empty", n, message))

    def fail(self, membrane: str, error: Exception) -> None:
        """Note a membrane that failed."""
        message = " ".join(str(error).split()) or type(error).__name__
        self.rows.append((self.tomogram, membrane, self.step, "failed", 0, message))

    @contextlib.contextmanager
    def isolate(self, membrane: str) -> Iterator[None]:
        """Turn an error inside the block into a row, so that the batch goes on.

        Memory or a disk that ran out is not the membrane's alone and still ends the job.
        """
        try:
            yield
        except InputError as error:
            log.error("%s/%s: %s", self.tomogram, membrane, error)
            self.fail(membrane, error)
        except Exception as error:
            is_disk_full = isinstance(error, OSError) and error.errno in IS_FULL
            if is_disk_full or is_out_of_memory(error):
                raise
            log.exception("%s/%s: unexpected failure", self.tomogram, membrane)
            self.fail(membrane, RuntimeError(f"unexpected {type(error).__name__}: {error}"))

    def write(self, path: str | Path) -> None:
        """Write the rows as a tab-separated table."""
        write_table(path, STATUS_COLUMNS, self.rows)


def read_status(path: str | Path) -> list[dict[str, str]]:
    """Return the rows of a status table."""
    return read_table(path)[1]
