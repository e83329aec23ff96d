"""Rows of tomograms.tsv and membranes.tsv for the files of a folder."""

from __future__ import annotations

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .errors import InputError, Problems
from .file_names import clean_name
from .files import write_table
from .folders import Arrangement, TomogramFiles
from .label_maps import list_labels, split_labels
from .volumes import Volume, check_same_grid, has_pixel_size, read_header, stem_of

log = logging.getLogger(__name__)

TOMOGRAM_COLUMNS = ("tomogram", "path", "pixel_size_angstrom")
MEMBRANE_COLUMNS = (
    "tomogram",
    "membrane",
    "mask",
    "label",
    "side",
    "split",
    "annotations",
    "mesh",
)
COMPONENTS_SUFFIX = "_components.mrc"
MAX_PARENTS = 3  # of "../" in a path before it is written absolute


@dataclass(frozen=True)
class Options:
    """How masks become rows.

    Attributes
    ----------
    output_dir : Path, folder of the sheets
    layout : ``auto``, ``membrain``, ``masks`` or ``labels``
    split_components : bool, one row a connected piece
    min_voxels : int, smaller labels and pieces are left out
    pixel_size : float, angstrom, written to the sheet; 0: left to the header
    force : bool, whether files that exist are replaced
    """

    output_dir: Path
    layout: str = "auto"
    split_components: bool = False
    min_voxels: int = 500
    pixel_size: float = 0.0
    force: bool = False


@dataclass
class Draft:
    """Rows of both sheets, and the files that were left out with the reason."""

    tomograms: list[dict[str, object]] = field(default_factory=list)
    membranes: list[dict[str, object]] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def path_in_sheet(path: Path, folder: Path) -> str:
    """Return a path relative to a sheet's folder, or absolute where that is far away.

    Raises
    ------
    InputError
        When its name cannot stand in a sheet.
    """
    if any(c in "{}\t\r\n" or "\ud800" <= c <= "\udfff" for c in str(path)):
        raise InputError(
            f"{str(path)!a}: a name that sheets cannot hold",
            expected="no {, }, tabs, line breaks or bytes that are not UTF-8",
            remedy="rename the file or folder",
        )
    relative = Path(os.path.relpath(path, folder))
    is_far = relative.parts.count("..") > MAX_PARENTS
    return os.path.abspath(path) if is_far else relative.as_posix()


def draft_sheets(arrangement: Arrangement, options: Options) -> Draft:
    """Return the rows of both sheets; with `split_components` the label maps of pieces are written.

    Parameters
    ----------
    arrangement : Arrangement
    options : Options

    Raises
    ------
    InputError
        When a tomogram is unreadable, two masks get one name, a file would be replaced, or no
        membrane is left. Lists every such mistake.
    """
    volumes = _read_tomograms(arrangement, options)
    draft = Draft(left_out=list(arrangement.left_out))
    for entry, volume in zip(arrangement.tomograms, volumes, strict=True):
        rows = _membrane_rows(entry, volume, arrangement.layout, options, draft)
        if not rows:
            draft.left_out.append((entry.path, "no membrane belongs to it"))
            continue
        _warn_of_pixel_size(entry, volume, options)
        cells = (
            entry.name,
            path_in_sheet(entry.path, options.output_dir),
            f"{options.pixel_size:g}" if options.pixel_size else "",
        )
        draft.tomograms.append(dict(zip(TOMOGRAM_COLUMNS, cells, strict=True)))
        draft.membranes.extend(rows)
    if not draft.membranes:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in draft.left_out[:5])
        raise InputError(
            "no membrane found",
            found=reasons or "no mask in the folder",
            remedy="--tomogram and --layout tell what the files are, see init --help",
        )
    return draft


def _read_tomograms(arrangement: Arrangement, options: Options) -> list[Volume]:
    """Return the tomograms' headers after checking all that can be checked before writing."""
    problems, volumes = Problems(), []
    for entry in arrangement.tomograms:
        try:
            volumes.append(read_header(entry.path))
        except InputError as error:
            problems.errors.append(error)
        for name, count in Counter(clean_name(stem_of(mask)) for mask in entry.masks).items():
            if count > 1:
                problems.add(
                    f"tomogram '{entry.name}': {count} masks would be named '{name}'",
                    remedy="rename the files",
                )
        if options.split_components and not options.force:
            for path in (_components_path(entry, mask, options) for mask in entry.masks):
                if path.exists():
                    problems.add(f"{path}: exists already", remedy="give --force to replace it")
    problems.raise_if_any()
    return volumes


def _warn_of_pixel_size(entry: TomogramFiles, tomogram: Volume, options: Options) -> None:
    if options.pixel_size or has_pixel_size(tomogram):
        return
    mask = read_header(entry.masks[0])
    known = f", its masks say {mask.header_pixel_size[0]:.4g}" if has_pixel_size(mask) else ""
    log.warning(
        "%s: no pixel size in the header%s: fill in pixel_size_angstrom in tomograms.tsv",
        entry.path,
        known,
    )


def _components_path(entry: TomogramFiles, mask: Path, options: Options) -> Path:
    stem = clean_name(stem_of(mask))
    stem = stem if stem.startswith(entry.name) else f"{entry.name}_{stem}"
    return options.output_dir / f"{stem}{COMPONENTS_SUFFIX}"


def _membrane_rows(
    entry: TomogramFiles, tomogram: Volume, layout: str, options: Options, draft: Draft
) -> list[dict[str, object]]:
    """Return the rows of one tomogram; masks that do not fit are added to `draft.left_out`."""
    looks_inside = options.split_components or options.layout == "labels"
    if options.layout == "auto" and layout == "files" and len(entry.masks) == 1:
        looks_inside = True
    rows = []
    for path in entry.masks:
        try:
            mask = read_header(path)
            own = tomogram.header_pixel_size[0] if has_pixel_size(tomogram) else 0.0
            size = options.pixel_size or own or mask.header_pixel_size[0]
            check_same_grid(mask, tomogram.shape, size or 1.0, tomogram.origin, own)
            if looks_inside:
                rows += _label_rows(entry, mask, options, draft)
            else:
                rows.append(_mask_row(entry, path, options))
        except InputError as error:
            draft.left_out.append((path, str(error)))
    return rows


def _mask_row(entry: TomogramFiles, path: Path, options: Options) -> dict[str, object]:
    """Return the row of a mask that is one membrane."""
    stem = stem_of(path)
    files = {
        "mask": path,
        "annotations": entry.annotations.get(stem),
        "mesh": entry.meshes.get(stem),
    }
    cells = {name: path_in_sheet(file, options.output_dir) for name, file in files.items() if file}
    side = "annotations" if "annotations" in cells else "both"
    row = {"tomogram": entry.name, "membrane": clean_name(stem), "side": side, **cells}
    return {column: row.get(column, "") for column in MEMBRANE_COLUMNS}


def _label_rows(
    entry: TomogramFiles, mask: Volume, options: Options, draft: Draft
) -> list[dict[str, object]]:
    """Return one row a label or a connected piece, or one for the mask if it has no second one."""
    labels, reasons, n_labels = list_labels(mask, options.min_voxels)
    path = mask.path
    if options.split_components and labels:
        path = _components_path(entry, mask.path, options)
        n_pieces, lost = split_labels(mask, labels, options.min_voxels, path)
        labels = list(range(1, n_pieces + 1))
        reasons += lost
    draft.left_out += [(mask.path, reason) for reason in reasons]
    if labels and n_labels == 1 and path is mask.path:
        return [_mask_row(entry, mask.path, options)]
    prefix = "M" if len(entry.masks) == 1 else f"{clean_name(stem_of(mask.path))}_M"
    base = dict.fromkeys(MEMBRANE_COLUMNS, "") | {"tomogram": entry.name, "side": "both"}
    base["mask"] = path_in_sheet(path, options.output_dir)
    return [{**base, "membrane": f"{prefix}{label:03d}", "label": label} for label in labels]


def write_sheets(draft: Draft, output_dir: Path) -> None:
    """Write tomograms.tsv and membranes.tsv."""
    for name, columns, rows in (
        ("tomograms.tsv", TOMOGRAM_COLUMNS, draft.tomograms),
        ("membranes.tsv", MEMBRANE_COLUMNS, draft.membranes),
    ):
        write_table(output_dir / name, columns, [[row[c] for c in columns] for row in rows])
