"""The two sheets that describe a data set: tomograms.tsv and membranes.tsv."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError, Problems, suggest
from .sheet_rows import read_rows


@dataclass(frozen=True)
class TomogramRow:
    """One tomogram of the sheet; `pixel_size` in angstrom per voxel, None: take the header's."""

    tomogram: str
    path: Path
    pixel_size: float | None = None


@dataclass(frozen=True)
class MembraneRow:
    """One membrane of the sheet.

    `label` None: every voxel above 0 of the mask; `side_point`: xyz, voxel, for side ``point``.
    """

    tomogram: str
    membrane: str
    mask: Path
    label: int | None = None
    side: str = "both"
    side_point: tuple[float, float, float] | None = None
    split: str = ""
    annotations: Path | None = None
    mesh: Path | None = None
    batch: str = ""


def read_tomograms(path: str | Path, must_exist: bool = True) -> dict[str, TomogramRow]:
    """Return the tomograms of a sheet by name.

    Parameters
    ----------
    path : path
        ``tomograms.tsv``; paths in it are relative to its folder.
    must_exist : bool
        Whether the files named in the sheet have to be there.

    Raises
    ------
    InputError
        Lists every mistake: unknown column, bad cell, a name twice, a missing file.
    """
    rows, problems = read_rows(path, "tomograms")
    folder = Path(path).absolute().parent
    if not rows and not problems.errors:
        problems.add(f"{path}: no tomogram", expected="at least one row below the header")
    out: dict[str, TomogramRow] = {}
    for row in rows:
        if "tomogram" not in row or "path" not in row:
            continue
        name, file = row["tomogram"], folder / row["path"]
        if name in out:
            problems.add(f"{row['where']}: tomogram '{name}' stands twice")
        if must_exist and not file.is_file():
            problems.add(f"{row['where']}: tomogram file not found", found=file)
        out[name] = TomogramRow(name, file, row.get("pixel_size_angstrom"))
    problems.raise_if_any(f"{path}: {len(problems.errors)} mistakes")
    return out


def _side(row: dict, problems: Problems) -> tuple[str, tuple[float, float, float] | None]:
    side = row.get("side", "both")
    given = [f"side_{axis}" for axis in "xyz" if f"side_{axis}" in row]
    if side == "point" and len(given) < 3:
        problems.add(
            f"{row['where']}: side 'point' needs side_x, side_y and side_z (voxels)",
            found=", ".join(given) or "none of them",
        )
        return side, None
    if side == "annotations" and "annotations" not in row:
        problems.add(f"{row['where']}: side 'annotations' needs a file in column 'annotations'")
    return side, (row["side_x"], row["side_y"], row["side_z"]) if side == "point" else None


def read_membranes(
    path: str | Path, tomograms: Iterable[str] | None = None, must_exist: bool = True
) -> list[MembraneRow]:
    """Return the membranes of a sheet, in its order.

    Parameters
    ----------
    path : path
        ``membranes.tsv``; paths in it are relative to its folder.
    tomograms : iterable of str, optional
        Known tomograms; another name in the sheet is a mistake.
    must_exist : bool
        Whether the files named in the sheet have to be there.

    Raises
    ------
    InputError
        Lists every mistake: unknown column, bad cell, a name twice, a missing file, a side that
        lacks its point or annotations, a training membrane without annotations.
    """
    rows, problems = read_rows(path, "membranes")
    folder = Path(path).absolute().parent
    known = None if tomograms is None else list(tomograms)
    seen: set[tuple[str, str]] = set()
    files: dict[Path, bool] = {}
    out = []
    for row in rows:
        if not {"tomogram", "membrane", "mask"} <= row.keys():
            continue
        where, key = row["where"], (row["tomogram"], row["membrane"])
        if key in seen:
            problems.add(f"{where}: membrane '{key[1]}' stands twice in tomogram '{key[0]}'")
        seen.add(key)
        if known is not None and key[0] not in known:
            problems.add(f"{where}: unknown tomogram '{key[0]}'", remedy=suggest(key[0], known))
        if row.get("split") in ("train", "validation") and "annotations" not in row:
            problems.add(f"{where}: split '{row['split']}' needs a file in column 'annotations'")
        paths = {
            name: folder / row[name] for name in ("mask", "annotations", "mesh") if name in row
        }
        for name, file in paths.items():
            if must_exist and not files.setdefault(file, file.is_file()):
                problems.add(f"{where}: {name} file not found", found=file)
        side, side_point = _side(row, problems)
        out.append(
            MembraneRow(
                *key,
                mask=paths["mask"],
                label=row.get("label"),
                side=side,
                side_point=side_point,
                split=row.get("split", ""),
                annotations=paths.get("annotations"),
                mesh=paths.get("mesh"),
                batch=row.get("batch", ""),
            )
        )
    problems.raise_if_any(f"{path}: {len(problems.errors)} mistakes")
    return out


def select_membranes(
    path: str | Path, tomogram: str, membranes: Sequence[str]
) -> list[MembraneRow]:
    """Return the rows of the named membranes of one tomogram, in the order of the names.

    Raises
    ------
    InputError
        When the tomogram or a name is not in the sheet.
    """
    every = read_membranes(path, must_exist=False)
    rows = {row.membrane: row for row in every if row.tomogram == tomogram}
    if not rows:
        raise InputError(
            f"{path}: no membrane of tomogram '{tomogram}'",
            remedy=suggest(tomogram, {row.tomogram for row in every}),
        )
    if not membranes:
        return list(rows.values())
    for name in membranes:
        if name not in rows:
            raise InputError(
                f"{path}: no membrane '{name}' in tomogram '{tomogram}'", remedy=suggest(name, rows)
            )
    return [rows[name] for name in dict.fromkeys(membranes)]
