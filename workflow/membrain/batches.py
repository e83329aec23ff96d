"""Batches: which membranes of a tomogram one job works through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import InputError
from .sheets import MembraneRow
from .tables import read_status

Batch = tuple[str, str]  # tomogram, name of the batch


def group_batches(
    rows: Sequence[MembraneRow],
    membranes_per_job: int,
    known: Mapping[Batch, Sequence[str]] | None = None,
) -> dict[Batch, list[MembraneRow]]:
    """Return the membranes of each batch, by (tomogram, batch).

    A batch holds membranes of one tomogram and one role: training and validation membranes never
    share a batch with the rest, so that training waits for nothing else.

    Parameters
    ----------
    rows : sequence of MembraneRow
    membranes_per_job : int
        Largest size of a batch that is not pinned by the sheet.
    known : mapping of (tomogram, batch) to names of membranes, optional
        Batches of an earlier run, from `read_batches`. They stay together unless there are more
        than `membranes_per_job`, so that a row that is added makes a batch of its own and the
        others need not run again.
    """
    out: dict[Batch, list[MembraneRow]] = defaultdict(list)
    free: dict[Batch, dict[str, MembraneRow]] = defaultdict(dict)
    for row in rows:
        role = "train" if row.split in ("train", "validation") else "batch"
        if row.batch:
            prefix = "pinned" if role == "batch" else "train"
            out[row.tomogram, f"{prefix}-{row.batch}"].append(row)
        else:
            free[row.tomogram, role][row.membrane] = row
    for (tomogram, role), members in free.items():
        taken = _keep(members, tomogram, role, membranes_per_job, known or {})
        rest = [row for name, row in members.items() if name not in taken]
        for name, row in members.items():
            if name in taken:
                out[tomogram, taken[name]].append(row)
        number = 1
        for start in range(0, len(rest), membranes_per_job):
            while f"{role}{number:03d}" in taken.values():
                number += 1
            out[tomogram, f"{role}{number:03d}"] = rest[start : start + membranes_per_job]
            number += 1
    return dict(sorted(out.items()))


def _keep(
    members: Mapping[str, MembraneRow],
    tomogram: str,
    role: str,
    membranes_per_job: int,
    known: Mapping[Batch, Sequence[str]],
) -> dict[str, str]:
    """Return the batch of each membrane that stays in one of an earlier run."""
    kept = {}
    for (where, batch), names in known.items():
        number = batch.removeprefix(role)
        if where == tomogram and batch != number and number.isdecimal():
            here = [name for name in names if name in members]
            if len(here) <= membranes_per_job:
                kept.update(dict.fromkeys(here, batch))
    return kept


def read_batches(results: str | Path) -> dict[Batch, list[str]]:
    """Return the membranes of each batch that an output folder holds.

    Parameters
    ----------
    results : path
        Need not exist. A damaged table is passed over: its batch runs again in any case.
    """
    known = {}
    for path in sorted(Path(results).glob("sample_points/*/*.status.tsv")):
        try:
            names = list(dict.fromkeys(row["membrane"] for row in read_status(path)))
        except (InputError, KeyError):
            continue
        known[path.parent.name, path.name.removesuffix(".status.tsv")] = names
    return known
