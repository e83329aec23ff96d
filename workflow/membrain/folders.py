"""Which tomogram, masks, annotations and meshes of a folder belong together.

Two arrangements are known. That of the program published with the method, one folder a tomogram::

    Tomo1/  Tomo1_bin4_denoised.rec       the tomogram, directly inside
            membranes/T1S1M1.mrc ...      one mask a membrane
            positions/T1S1M1.xml ...      annotations of the same stem
            meshes/T1S1M1.obj ...         meshes of the same stem

and a folder, with subfolders or without, of tomograms and masks or label maps, told apart by their
voxels and brought together by their names.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import InputError, Problems
from .file_names import clean_name, is_volume, match_tomogram
from .volumes import Volume, iter_slabs, read_box, read_header, stem_of

ANNOTATION_SUFFIXES = (".csv", ".star", ".xml", ".tbl", ".json")
N_PLANES = 9  # slices looked at to tell a mask from a tomogram
FEW_VALUES = 32  # different values in a label map's slices at most


@dataclass
class TomogramFiles:
    """A tomogram and what belongs to it; `annotations` and `meshes` by stem of the mask."""

    name: str
    path: Path
    masks: list[Path] = field(default_factory=list)
    annotations: dict[str, Path] = field(default_factory=dict)
    meshes: dict[str, Path] = field(default_factory=dict)


@dataclass
class Arrangement:
    """What a folder holds: `left_out` says of each file that is not used why."""

    layout: str
    tomograms: list[TomogramFiles] = field(default_factory=list)
    left_out: list[tuple[Path, str]] = field(default_factory=list)


def looks_like_mask(volume: Volume) -> bool:
    """Return whether a volume is a mask or label map, judged by nine of its slices.

    In a mask most voxels are 0, or hardly above the lowest value (probabilities), or there are
    only a few different values. The grey values of a tomogram form a broad hill.
    """
    planes = np.unique(np.linspace(0, volume.shape[0] - 1, N_PLANES + 2).astype(int)[1:-1])
    voxels = np.concatenate([plane.ravel() for plane in _read_planes(volume, planes)])
    low, high = float(voxels.min()), float(voxels.max())
    share = max(np.mean(voxels == 0), np.mean(voxels <= low + 0.02 * (high - low)))
    return bool(share > 0.5 or len(np.unique(voxels)) < FEW_VALUES)


def _read_planes(volume: Volume, planes: np.ndarray) -> Iterator[np.ndarray]:
    if not volume.is_compressed:
        for z in planes:
            yield read_box(volume, (z, 0, 0), (z + 1, *volume.shape[1:]))
        return
    for start, slab in iter_slabs(volume):
        for z in planes[(planes >= start) & (planes < start + len(slab))]:
            yield slab[z - start].astype(volume.dtype.newbyteorder("="))


def _by_stem(
    files: Iterable[Path], suffixes: tuple[str, ...], masks: Iterable[Path], out: Arrangement
) -> dict[str, Path]:
    """Return the files that bear the stem of a mask; where two do, neither, and a note."""
    stems = {stem_of(mask) for mask in masks}
    found: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        if file.suffix.lower() in suffixes and file.stem in stems and file.is_file():
            found[file.stem].append(file)
    for several in found.values():
        if len(several) > 1:
            others = ", ".join(map(str, several[1:]))
            out.left_out.append((several[0], f"not clear which to use: {others} is named alike"))
    return {stem: several[0] for stem, several in found.items() if len(several) == 1}


def published_folders(folder: Path) -> list[Path]:
    """Return the folders of tomograms in the published arrangement; none: it is not used here."""

    def is_one(candidate: Path) -> bool:
        return (candidate / "membranes").is_dir() or (candidate / "membranes.zip").is_file()

    if is_one(folder):
        return [folder]
    return sorted(sub for sub in folder.iterdir() if sub.is_dir() and is_one(sub))


def _pick_tomogram(
    folder: Path, name: str, given: Mapping[str, Path], prefer: str, problems: Problems
) -> Path | None:
    """Return the one tomogram of a published folder, or note why there is none."""
    if name in given:
        return given[name]
    candidates = [file for file in sorted(folder.iterdir()) if is_volume(file)]
    matching = [file for file in candidates if prefer in file.name]
    if len(matching) == 1:
        return matching[0]
    names = ", ".join(file.name for file in matching or candidates)
    problems.add(
        f"{folder}: {'more than one tomogram' if matching else 'no tomogram'}",
        found=names or "no MRC file beside the masks' folder",
        expected="one MRC file" + (f" with '{prefer}' in its name" if prefer else ""),
        remedy=f"give --tomogram {name}=FILE" + (" or --prefer TEXT" if candidates else ""),
    )
    return None


def arrange_published(
    folders: Iterable[Path], given: Mapping[str, Path], prefer: str, problems: Problems
) -> Arrangement:
    """Return what belongs together in folders of the published arrangement.

    Parameters
    ----------
    folders : iterable of Path
        One a tomogram; its name becomes the tomogram's.
    given : mapping of str to Path
        Tomograms that lie elsewhere, by name.
    prefer : str
        Part of the file name that picks one of several versions of a tomogram.
    problems : Problems
        Takes a note of each tomogram that is absent or ambiguous, and of masks still packed.
    """
    out = Arrangement("membrain")
    for folder in folders:
        name = clean_name(folder.resolve().name)
        path = _pick_tomogram(folder, name, given, prefer, problems)
        if not (folder / "membranes").is_dir():
            problems.add(f"{folder / 'membranes.zip'}: masks are packed", remedy="unzip it first")
            continue
        masks = [file for file in sorted((folder / "membranes").iterdir()) if is_volume(file)]
        annotations = sorted((folder / "positions").glob("*"))
        meshes = sorted((folder / "meshes").glob("*"))
        stems = {stem_of(mask) for mask in masks}
        orphans = [f for f in (*annotations, *meshes) if f.stem not in stems]
        out.left_out += [(file, "no mask of this name") for file in orphans]
        if path is not None:
            found = _by_stem(annotations, ANNOTATION_SUFFIXES, masks, out)
            models = _by_stem(meshes, (".obj",), masks, out)
            out.tomograms.append(TomogramFiles(name, path, masks, found, models))
    unknown = sorted(set(given) - {entry.name for entry in out.tomograms})
    if unknown and not problems.errors:
        problems.add(
            f"--tomogram {unknown[0]}: no folder of this name",
            expected=f"one of {', '.join(entry.name for entry in out.tomograms)}",
        )
    return out


def arrange_by_name(
    folder: Path, given: Mapping[str, Path], prefer: str, skip: Iterable[Path], problems: Problems
) -> Arrangement:
    """Return what belongs together in a folder of tomograms and masks or label maps.

    Parameters
    ----------
    folder : Path
        Searched with its direct subfolders.
    given : mapping of str to Path
        Tomograms by name; when there are any, no other volume is taken for one.
    prefer : str
        Part of the file name that every tomogram must have.
    skip : iterable of Path
        Files to pass over.
    problems : Problems
        Takes a note when there is no tomogram or two have the same name.
    """
    out = Arrangement("files")
    passed = {path.resolve() for path in (*skip, *given.values())}
    files = [
        f for f in sorted([*folder.glob("*"), *folder.glob("*/*")]) if f.resolve() not in passed
    ]
    masks, greys = [], []
    for file in filter(is_volume, files):
        try:
            (masks if looks_like_mask(read_header(file)) else greys).append(file)
        except InputError as error:
            out.left_out.append((file, str(error)))
    if given or prefer:
        unused = greys if given else [file for file in greys if prefer not in file.name]
        out.left_out += [(file, "looks like a tomogram, but not one asked for") for file in unused]
        greys = [file for file in greys if file not in unused]
    tomograms = {**given, **_name_tomograms(greys, problems)}
    if not tomograms:
        problems.add(f"{folder}: no tomogram found", remedy="give --tomogram NAME=FILE")
    annotations = _by_stem(files, ANNOTATION_SUFFIXES, masks, out)
    meshes = _by_stem(files, (".obj",), masks, out)
    for name, path in tomograms.items():
        out.tomograms.append(TomogramFiles(name, path, [], annotations, meshes))
    for mask in masks if tomograms else []:
        names = match_tomogram(mask, tomograms)
        if len(names) == 1:
            next(e for e in out.tomograms if e.name == names[0]).masks.append(mask)
        elif names:
            out.left_out.append((mask, f"fits more than one tomogram: {', '.join(names)}"))
        else:
            out.left_out.append((mask, "its name begins with no tomogram's name"))
    return out


def _name_tomograms(paths: Iterable[Path], problems: Problems) -> dict[str, Path]:
    """Return tomograms by name: their stem, or their folder where stems are alike."""
    paths = list(paths)
    stems = Counter(clean_name(stem_of(path)) for path in paths)
    out: dict[str, Path] = {}
    for path in paths:
        stem = clean_name(stem_of(path))
        name = stem if stems[stem] == 1 else clean_name(path.parent.name)
        if name in out:
            problems.add(
                f"{path}: a second tomogram that would be named '{name}'",
                found=out[name],
                remedy="rename one of the files",
            )
        out.setdefault(name, path)
    return out
