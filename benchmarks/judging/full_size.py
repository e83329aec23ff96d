"""Put a semi-real tomogram into the volume that its membranes were cut from.

The sets of `semireal.py` are crops. Here the masks of `membranes.zip`, 400 MB each, are used as
they are, and the tomogram fills their volume: the crop in its place, beyond it mirrored.
"""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import mrcfile
import numpy as np

MEMBRANES = "membranes.zip"


def _read_rows(path: Path, delimiter: str) -> list[dict]:
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter=delimiter))


def _write_rows(path: Path, rows: list[dict], delimiter: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def mirrored(n: int, first: int, size: int) -> np.ndarray:
    """Return the voxel of a line of n that each of `size` places shows; `first` shows voxel 0."""
    period = np.mod(np.arange(size) - first, 2 * n)
    return np.where(period < n, period, 2 * n - 1 - period)


def write_tomogram(crop: Path, offset: np.ndarray, mask: Path, path: Path) -> None:
    """Write a volume of the mask's shape and place with the crop at an offset, zyx voxel."""
    with mrcfile.mmap(crop) as source, mrcfile.mmap(mask, permissive=True) as like:
        lines = [
            mirrored(n, int(first), size)
            for n, first, size in zip(source.data.shape, offset, like.data.shape, strict=True)
        ]
        with mrcfile.new_mmap(path, like.data.shape, mrc_mode=2, overwrite=True) as out:
            for z, row in enumerate(lines[0]):
                out.data[z] = source.data[row][np.ix_(lines[1], lines[2])]
            out.voxel_size = source.voxel_size
            out.header.origin = like.header.origin


def move_sheets(cropped: Path, offset: np.ndarray, folder: Path) -> None:
    """Write sheets and annotations with places moved by an offset, zyx voxel."""
    moved = dict(zip(("z", "y", "x"), offset, strict=True))
    rows = _read_rows(cropped / "membranes.tsv", "\t")
    for row in rows:
        annotated = _read_rows(cropped / row["annotations"], ",")
        for particle in annotated:
            particle |= {axis: f"{float(particle[axis]) + d:.3f}" for axis, d in moved.items()}
        _write_rows(folder / row["annotations"], annotated, ",")
        row |= {f"side_{a}": f"{float(row[f'side_{a}']) + d:.1f}" for a, d in moved.items()}
        row["mask"] = f"masks/{row['membrane']}.mrc"
    _write_rows(folder / "membranes.tsv", rows, "\t")
    tomogram = _read_rows(cropped / "tomograms.tsv", "\t")
    _write_rows(folder / "tomograms.tsv", tomogram, "\t")


def build_full_set(data: Path, cropped: Path, folder: Path) -> None:
    """Make the full-size set of a cropped one, unless it is there."""
    if (folder / "tomograms.tsv").is_file():
        return
    (folder / "masks").mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(data / MEMBRANES) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".mrc"):
                entry.filename = Path(entry.filename).name
                archive.extract(entry, folder / "masks")
    sides = json.loads((cropped / "sides.json").read_text(encoding="utf-8"))
    offset = np.array(sides["box_offset_voxels"])[::-1]  # xyz -> zyx
    mask = folder / "masks" / "T1S1M1.mrc"
    write_tomogram(cropped / "tomo.mrc", offset, mask, folder / "tomo.mrc")
    move_sheets(cropped, offset, folder)
