"""Files that appear whole or not at all, with their provenance."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from . import __version__
from .errors import InputError
from .scratch import scratch_path


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` when the block ends well.

    Parameters
    ----------
    path : path
        Final name. Missing folders are made. On an error nothing is left behind.

    Raises
    ------
    InputError
        When the disk is full or refuses to write, see `scratch.scratch_path`.
    """
    with scratch_path(path) as temporary:
        yield temporary
        os.replace(temporary, path)


def provenance(step: str, parameters: Mapping[str, object]) -> dict:
    """Return what made a file: program, version, step and parameters.

    Holds neither time nor folder, so that the same run gives the same bytes anywhere.
    """
    return {
        "program": "membrain-flow",
        "version": __version__,
        "step": step,
        "parameters": dict(sorted(parameters.items())),
    }


def write_arrays(path: str | Path, meta: Mapping[str, object], **arrays: np.ndarray) -> None:
    """Write named arrays and a JSON `meta` entry to one uncompressed ``.npz`` file."""
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, meta=np.array(json.dumps(meta)), **arrays)


def read_arrays(path: str | Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the meta entry and the arrays of a file made by `write_arrays`.

    Raises
    ------
    InputError
        When the file is absent, damaged, or not one of this program's.
    """
    try:
        with open(path, "rb") as handle:  # np.load leaves a damaged file open
            archive = np.load(handle, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("a single array")
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", remedy="run the step that makes it") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path}: unreadable", found=error, expected="an .npz file of membrain-flow"
        ) from None
    if "meta" not in arrays:
        raise InputError(
            f"{path}: not made by membrain-flow",
            found=f"arrays {', '.join(arrays) or 'none'}",
            expected="an entry 'meta'",
        )
    try:
        return json.loads(str(arrays.pop("meta"))), arrays
    except ValueError as error:
        raise InputError(f"{path}: damaged", found=f"entry 'meta': {error}") from None


def write_json(path: str | Path, content: object) -> None:
    """Write `content` as indented JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict:
    """Return the object of a JSON file.

    Raises
    ------
    InputError
        When the file is absent or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: unreadable", found=error.strerror) from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON", found=error) from None


def write_table(
    path: str | Path,
    columns: Iterable[str],
    rows: Iterable[Iterable[object]],
    delimiter: str = "\t",
) -> None:
    """Write a text table with a header line; no rows give a valid, empty table."""
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as handle,
    ):
        writer = csv.writer(handle, delimiter=delimiter, lineterminator="\n")
        writer.writerow(list(columns))
        writer.writerows(rows)


def _text(path: str | Path) -> str:
    """Return the text of a file."""
    try:
        content = Path(path).read_bytes()
        is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: unreadable", found=error.strerror) from None
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}: not text",
            found=f"byte 0x{byte:02x} in line {line}",
            expected="UTF-8",
            remedy="save it as text with UTF-8 encoding",
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: not text", found="a zero byte", expected="a table as UTF-8 text")
    return text


def read_table(path: str | Path, delimiter: str = "\t") -> tuple[list[str], list[dict[str, str]]]:
    """Return the column names and the rows (as dicts of text) of a text table.

    Blank lines and lines that begin with ``#`` are passed over; text is UTF-8, or UTF-16 with a
    byte-order mark, as spreadsheets write it.

    Raises
    ------
    InputError
        When the file is absent, not text, empty, or a row has more or fewer cells than the header.
    """
    lines = [
        (number, line)
        for number, line in enumerate(io.StringIO(_text(path), newline=""), 1)
        if line.strip() and line[0] != "#"
    ]
    if not lines:
        raise InputError(f"{path}: empty", expected="a header line with column names")
    try:
        cells = list(csv.reader((line for _, line in lines), delimiter=delimiter))
    except csv.Error as error:
        raise InputError(f"{path}: not a table", found=error) from None
    columns = [name.strip() for name in cells[0]]
    rows = []
    for (number, _), row in zip(lines[1:], cells[1:], strict=False):
        if len(row) != len(columns):
            raise InputError(
                f"{path}, line {number}: wrong number of cells",
                found=len(row),
                expected=f"{len(columns)} ({', '.join(columns)})",
                remedy="columns are separated by "
                + ("tabs" if delimiter == "\t" else repr(delimiter)),
            )
        rows.append({name: cell.strip() for name, cell in zip(columns, row, strict=True)})
    return columns, rows
