"""Figures of trials, pooled from the tables of their membranes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .bootstrap import bootstrap_interval, paper_f1
from .errors import InputError
from .files import read_table

NEEDED = ("tomogram", "membrane", "n_annotated", "n_predicted", "n_hits", "n_ignored")
NEEDED += ("paper_precision", "paper_recall")
FIGURES = ("n_membranes", "n_annotated", "n_predicted", "n_hits")
FIGURES += tuple(
    f"{way}_{name}"
    for way in ("paper", "strict")
    for name in ("precision", "recall", "f1", "f1_low", "f1_high")
)

Counts = dict[tuple[str, str], np.ndarray]


def read_counts(path: str | Path) -> Counts:
    """Return what was counted on each membrane, over all classes.

    Returns
    -------
    dict of (tomogram, membrane) to (6,) int
        Annotated, predicted, recalled, right, ignored and hit particles.

    Raises
    ------
    InputError
        When the file is not a table of evaluated membranes.
    """
    columns, rows = read_table(path, ",")
    missing = [name for name in NEEDED if name not in columns]
    if missing:
        raise InputError(
            f"{path}: not a table of evaluated membranes",
            found=f"columns {', '.join(columns)}",
            expected=f"also {', '.join(missing)}",
        )
    out: Counts = {}
    for row in rows:
        known, picked, hits, ignored = (int(row[name]) for name in NEEDED[2:6])
        right = round(float(row["paper_precision"] or 0) * picked)
        recalled = round(float(row["paper_recall"] or 0) * known)
        key = row["tomogram"], row["membrane"]
        found = np.array([known, picked, recalled, right, ignored, hits])
        out[key] = out.get(key, 0) + found
    return out


def pool(parts: Iterable[Counts]) -> Counts:
    """Return the counts of several trials, those of a membrane added."""
    out: Counts = {}
    for counts in parts:
        for key, found in counts.items():
            out[key] = out.get(key, 0) + found
    return out


def figures_of(counts: Counts, draws: int = 1000, seed: int = 0) -> dict[str, float | None]:
    """Return the figures of pooled counts, with 95 % intervals over membranes.

    The keys are `FIGURES`; None where a figure is not defined.
    """
    table = np.array(list(counts.values())).reshape(-1, 6)
    known, picked, recalled, right, ignored, hits = map(int, table.sum(axis=0))
    out: dict[str, float | None] = dict(
        zip(FIGURES, (len(table), known, picked, hits), strict=False)
    )
    judged = np.stack([table[:, 0], table[:, 1] - table[:, 4], table[:, 5]], axis=1)
    ways = {
        "paper": (right, picked, recalled, bootstrap_interval(table[:, :4], draws, seed, paper_f1)),
        "strict": (hits, picked - ignored, hits, bootstrap_interval(judged, draws, seed)),
    }
    for way, (n_right, n_judged, n_found, interval) in ways.items():
        precision = n_right / n_judged if n_judged else None
        recall = n_found / known if known else None
        f1 = 2 * precision * recall / (precision + recall) if precision and recall else 0.0
        low, high = interval or (None, None)
        values = (precision, recall, f1 if known else None, low, high)
        names = ("precision", "recall", "f1", "f1_low", "f1_high")
        out |= {f"{way}_{name}": value for name, value in zip(names, values, strict=True)}
    return out


def tabulate(
    labels: Sequence[Mapping[str, str]],
    counts: Sequence[Counts],
    draws: int = 1000,
    seed: int = 0,
    has_overall: bool = False,
) -> tuple[list[str], list[dict]]:
    """Return columns and rows of a table: trials of the same labels are pooled.

    Parameters
    ----------
    labels : sequence of mapping of column to text, for each trial
    counts : sequence of Counts, for each trial
    draws, seed : int, of the intervals
    has_overall : bool, whether a last row ``overall`` pools all trials
    """
    names = list(dict.fromkeys(name for label in labels for name in label))
    groups: dict[tuple, list[Counts]] = {}
    for label, found in zip(labels, counts, strict=True):
        groups.setdefault(tuple(label.get(name, "") for name in names), []).append(found)
    rows = []
    for key, parts in groups.items():
        row = dict(zip(names, key, strict=True))
        rows.append({**row, "n_trials": len(parts), **figures_of(pool(parts), draws, seed)})
    if has_overall:
        first = {name: "overall" if name == names[0] else "" for name in names}
        all_of_them = figures_of(pool(counts), draws, seed)
        rows.append({**first, "n_trials": len(counts), **all_of_them})
    return [*names, "n_trials", *FIGURES], rows
