"""Which membranes of a sheet are judged, whatever their split says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .errors import InputError, suggest
from .sheets import MembraneRow


def select_judged(rows: Sequence[MembraneRow], only: Sequence[str]) -> list[MembraneRow]:
    """Return the rows of a sheet with those named as test membranes, others without annotations.

    Parameters
    ----------
    rows : sequence of MembraneRow
    only : sequence of ``TOMOGRAM/MEMBRANE``; none leaves the rows as they are

    Raises
    ------
    InputError
        When a name is not in the sheet.
    """
    if not only:
        return list(rows)
    names = [f"{row.tomogram}/{row.membrane}" for row in rows]
    for name in only:
        if name not in names:
            raise InputError(f"--only: no membrane '{name}'", remedy=suggest(name, names))
    return [
        replace(row, split="test") if name in only else replace(row, annotations=None)
        for row, name in zip(rows, names, strict=True)
    ]
