"""The status of every membrane in every step, joined and judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .errors import InputError
from .files import read_table, write_table
from .steps import VERBS
from .tables import STATUS_COLUMNS

OUTCOMES = ("ok", "empty", "failed")


def join_status(paths: Iterable[str | Path]) -> list[dict[str, str]]:
    """Return the rows of status tables, by tomogram, membrane and the workflow's order of steps.

    Raises
    ------
    InputError
        When a file is not a status table, or a status is none of ok, empty and failed.
    """
    order = {verb: i for i, verb in enumerate(VERBS)}
    rows = []
    for path in paths:
        columns, found = read_table(path)
        if not set(STATUS_COLUMNS) <= set(columns):
            raise InputError(
                f"{path}: not a status table",
                found=f"columns {', '.join(columns)}",
                expected=", ".join(STATUS_COLUMNS),
            )
        for row in found:
            if row["status"] not in OUTCOMES:
                raise InputError(
                    f"{path}: membrane '{row['membrane']}'",
                    found=f"status '{row['status']}'",
                    expected=f"one of {', '.join(OUTCOMES)}",
                )
            rows.append(row)
    last = len(order)
    return sorted(
        rows, key=lambda r: (r["tomogram"], r["membrane"], order.get(r["step"], last), r["step"])
    )


def write_status(path: str | Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Write joined rows as a tab-separated table."""
    write_table(path, STATUS_COLUMNS, ([row[name] for name in STATUS_COLUMNS] for row in rows))


def count_lines(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return for each step how many membranes went through, stayed empty, or failed, as text."""
    counts = Counter((row["step"], row["status"]) for row in rows)
    steps = [verb for verb in VERBS if any((verb, o) in counts for o in OUTCOMES)]
    steps += sorted({row["step"] for row in rows} - set(steps))
    return [
        f"{step}: " + ", ".join(f"{counts[step, outcome]} {outcome}" for outcome in OUTCOMES)
        for step in steps
    ]


def failures(rows: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], Mapping[str, str]]:
    """Return the first failed row of each membrane, by (tomogram, membrane)."""
    out: dict[tuple[str, str], Mapping[str, str]] = {}
    for row in rows:
        if row["status"] == "failed":
            out.setdefault((row["tomogram"], row["membrane"]), row)
    return out


def failure_lines(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a line for each failed membrane, or for those of a tomogram with the same fault.

    A line says where, in which step, and why.
    """
    together: dict[tuple[str, str, str], list[str]] = {}
    for (tomogram, membrane), row in failures(rows).items():
        together.setdefault((tomogram, row["step"], row["message"]), []).append(membrane)
    return [
        f"{tomogram}/{', '.join(membranes)}, {step}: {message}"
        for (tomogram, step, message), membranes in together.items()
    ]


def check_failures(rows: Sequence[Mapping[str, str]], n_allowed: int = 0) -> None:
    """Check that no more than `n_allowed` membranes failed.

    Raises
    ------
    InputError
        Of several lines: the count, then the failed membranes with their message.
    """
    n_failed = len(failures(rows))
    if n_failed <= n_allowed:
        return
    n_membranes = len({(row["tomogram"], row["membrane"]) for row in rows})
    error = InputError(
        f"{n_failed} of {n_membranes} membranes failed",
        expected=f"at most {n_allowed}",
        remedy="mend what the lines below say and run again: only these are redone",
    )
    error.args = ("\n".join([str(error), *(f"  {line}" for line in failure_lines(rows))]),)
    raise error
