"""Annotations for training: the classes of a whole sheet, and the particles of one membrane."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from .agreement import FAR_WORKING_VOXEL, MIN_AGREEING, Place, ranges, remedy
from .annotations import Annotations, annotations_of_membrane, read_annotations
from .cases import annotations_by_membrane
from .class_groups import resolve_classes
from .errors import InputError, Problems
from .sheets import MembraneRow, read_membranes

log = logging.getLogger(__name__)

ENOUGH_OF_SHARED = 0.2  # of a file's annotations, as the points may be those of few membranes


def classes_of_sheet(sheet: str | Path) -> list[list[str]]:
    """Return the groups of classes that all training rows of a sheet give, see `resolve_classes`.

    Every batch thus gets the same outputs.
    """
    files = {}
    for row in read_membranes(sheet, must_exist=False):
        if row.split == "train":
            files[row.tomogram, row.annotations] = row
    problems = Problems()
    names = list(filter(None, (_class_names(row, problems) for row in files.values())))
    if not names:
        problems.raise_if_any(f"{sheet}: no annotations for training can be read")
    for error in problems.errors:
        log.warning("left out where classes are counted: %s", error)
    classes = resolve_classes(names)
    log.info("classes of the outputs: %s", "; ".join(" + ".join(group) for group in classes))
    return classes


def _class_names(row: MembraneRow, problems: Problems) -> Sequence[str]:
    """Return the class of each annotation; none where they cannot be read."""
    # names alone are of interest: any pixel size and any shape do
    try:
        return list(
            read_annotations(
                row.annotations,
                row.mesh,
                pixel_size=1.0,
                shape=(1, 1, 1),
                tomogram=row.tomogram,
                must_have_rows=False,
                must_be_inside=False,
            ).classes
        )
    except InputError as error:
        problems.errors.append(error)
        return []


def read_by_name(
    sheet: str | Path, rows: Sequence[MembraneRow], info: Mapping, place: Place
) -> Callable[..., Annotations]:
    """Return a function from the name of a membrane, and its own place, to its annotations.

    Parameters
    ----------
    sheet : path
        Where several membranes of the tomogram name one file, each particle goes to the nearest.
    rows : sequence of MembraneRow of one tomogram
    info : mapping, info of the tomogram
    place : Place
        Points of all of `rows`, by which a file of several membranes is checked.

    Notes
    -----
    The function raises `InputError` where a membrane has no annotations, they cannot be read, or
    those of a shared file lie on none of its membranes.
    """
    by_name = {row.membrane: row for row in rows}
    tomogram = info["tomogram"]
    annotated = [row for row in read_membranes(sheet, must_exist=False) if row.annotations]
    annotated = [row for row in annotated if row.tomogram == tomogram]
    shared: dict[tuple, dict] = {}

    def find(name: str, own: Place | None = None) -> Annotations:
        row = by_name[name]
        if row.annotations is None:
            raise InputError(
                f"{sheet}: membrane '{name}' has no file in column 'annotations'",
                remedy="a membrane for training needs annotated particles",
            )
        key = (row.annotations, row.mesh)
        same = [r for r in annotated if (r.annotations, r.mesh) == key]
        if len(same) == 1:
            return annotations_of_membrane(row, info, own and partial(remedy, place=own))
        if key not in shared:
            shared[key] = _divide(same, info, place)
        return shared[key][tomogram, name]

    return find


def _divide(same: Sequence[MembraneRow], info: Mapping, place: Place) -> dict:
    """Return the annotations of each of the membranes that share a file."""
    working = place.step * place.pixel_size
    found = annotations_by_membrane(same, {same[0].tomogram: info}, 2 * FAR_WORKING_VOXEL, working)
    if len(place.points):
        n_assigned = sum(map(len, found.values()))
        place = replace(place, where=same[0].annotations.name)
        check_shared(annotations_of_membrane(same[0], info), n_assigned, place)
    return found


def check_shared(annotations: Annotations, n_assigned: int, place: Place) -> None:
    """Check that a file of several membranes holds annotations of some of them.

    Parameters
    ----------
    annotations : Annotations of the whole file
    n_assigned : int
        How many of them lie on one of the membranes that name the file.
    place : Place, points of these membranes

    Raises
    ------
    InputError
        When none does, or fewer than 5 % and some factor, axes or offset would bring a fifth of
        them to the points.
    """
    n = len(annotations)
    if not n or n_assigned >= MIN_AGREEING * n:
        return
    words = remedy(annotations.positions, place, ENOUGH_OF_SHARED)
    if words or not n_assigned:
        raise InputError(
            f"{place.where}: the annotated particles lie on none of the membranes that name it",
            found=f"{n_assigned} of {n} on one of them; they span "
            f"{ranges(annotations.positions)}, the membranes {ranges(place.points)} voxels",
            remedy=words or "is this the file of this tomogram?",
        )
