#!/usr/bin/env python
"""Print what a run found, in some lines: ``python workflow/summary.py RESULTS``."""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from membrain.errors import InputError
from membrain.files import read_table
from membrain.status_report import failure_lines, join_status
from membrain.steps import VERBS
from membrain.tries import DIED

TO_LOOK_AT = (
    ("particles.csv", "every particle: position, normal, angles, score"),
    ("particles.star", "the same for RELION 5"),
    ("heatmaps", "scored points and particles for ParaView (VTP)"),
    ("evaluation/membranes.csv", "figures of each membrane"),
    ("evaluation/radii.png", "precision, recall, F1 over the hit radius"),
    ("evaluation/orientations.png", "angle errors of the hits"),
    ("comparison/table.md", "particles beside the picks of other programs"),
    ("report.html", "the report"),
    ("status.tsv", "what became of each membrane in each step"),
)
# of a job that failed, as Snakemake tells it
LOG = re.compile(r"^ +log: (.+?) \(check log file", re.MULTILINE)
ERROR = re.compile(rf"({'|'.join(VERBS)}): error: ")


def count_outcomes(status: Sequence[Mapping[str, str]]) -> Counter[str]:
    """Return how many membranes are ok, empty (nothing found in some step) and failed.

    Parameters
    ----------
    status : sequence of mapping
        Rows of ``status.tsv``, several of each membrane; the worst one counts.
    """
    found: dict[tuple[str, str], set[str]] = {}
    for row in status:
        found.setdefault((row["tomogram"], row["membrane"]), set()).add(row["status"])
    order = ("failed", "empty", "ok")
    return Counter(next(word for word in order if word in words) for words in found.values())


def summary_lines(
    status: Sequence[Mapping[str, str]], n_particles: int, metrics: Mapping | None
) -> list[str]:
    """Return the summary of a run as lines of text.

    Parameters
    ----------
    status : sequence of mapping
        Rows of ``status.tsv``.
    n_particles : int
    metrics : mapping or None
        Content of ``evaluation/metrics.json``; None where nothing is annotated.
    """
    counts = count_outcomes(status)
    outcomes = ", ".join(f"{counts[word]} {word}" for word in ("ok", "empty", "failed"))
    lines = [f"membranes     {outcomes}"]
    lines += [f"  {line}" for line in failure_lines(status)]
    lines.append(f"particles     {n_particles}")
    if metrics is None:
        return lines
    overall = metrics["overall"]
    strict = overall["strict"]
    lines.append(
        f"strict F1     {_figure(strict['f1'], 3)}  (precision {_figure(strict['precision'], 3)}, "
        f"recall {_figure(strict['recall'], 3)}; {overall['n_annotated']} annotated, "
        f"within {metrics['radius_voxel']:g} voxels)"
    )
    lines.append(f"paper F1      {_figure(overall['paper']['f1'], 3)}")
    in_plane, normal = (
        _figure(overall[name]["median"], 1)
        for name in ("in_plane_error_degree", "normal_error_degree")
    )
    lines.append(f"angle errors  in-plane {in_plane}, normal {normal} degree (median)")
    return lines


def path_lines(folder: Path) -> list[str]:
    """Return the outputs worth a look that are there, with what each holds."""
    there = [(folder / name, words) for name, words in TO_LOOK_AT if (folder / name).exists()]
    width = max((len(str(path)) for path, _ in there), default=0)
    return [f"{path!s:<{width}}  {words}" for path, words in there]


def failure_reasons(folder: Path, since: float, told: str = "") -> list[str]:
    """Return what the steps of a run that failed have to say, a line or some lines each.

    Parameters
    ----------
    folder : Path, output folder of the run
    since : float, seconds since 1970
        Logs that were written earlier are of another run.
    told : str
        What Snakemake told so far: it names the logs of jobs that failed, also at a first try.

    Notes
    -----
    A job that was killed says nothing, and may not have come to write a log. One that went well at
    a later try is known by its benchmark file, which Snakemake writes at a good end.
    """
    logs = [path for path in (folder / "logs").rglob("*.log") if path.stat().st_mtime >= since]
    reasons, silent = [], set()
    for path in sorted(logs, key=lambda path: path.stat().st_mtime):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        first = next((i for i, line in enumerate(lines) if ERROR.match(line)), None)
        if first is not None:
            reasons += lines[first:]
        elif any(line.startswith("Traceback") for line in lines):
            reasons.append(f"{path}: {lines[-1]} (a fault of the program: please report it)")
        else:
            silent.add(path)
    named = map(Path, dict.fromkeys(LOG.findall(told)))
    died = [path for path in named if path in silent or path not in logs]
    return reasons + [
        f"{path}: the job ended without a message: {DIED}"
        for path in died
        if not _ended_well(folder, path, since)
    ]


def _ended_well(folder: Path, log: Path, since: float) -> bool:
    """Return whether the job of a log ended well in the end: its benchmark file is new."""
    if not log.is_relative_to(folder / "logs"):
        return True  # of another workflow
    name = log.relative_to(folder / "logs").with_suffix(".tsv")
    benchmark = folder / "benchmarks" / name
    begun = log.stat().st_mtime if log.is_file() else since
    return benchmark.is_file() and benchmark.stat().st_mtime >= max(begun, since)


def membrane_failures(folder: Path) -> list[str]:
    """Return the membranes that failed in steps that ran: later jobs may fail for them alone."""
    rows = []
    for path in folder.rglob("*.status.tsv"):
        with contextlib.suppress(InputError):  # cut short by what ended the run
            rows += join_status([path])
    order = {verb: i for i, verb in enumerate(VERBS)}
    return failure_lines(sorted(rows, key=lambda row: order.get(row["step"], len(order))))


def tell_failures(folder: Path, since: float, snakemake_logs: Sequence[str | Path] = ()) -> None:
    """Print why a run failed, at its end where it is seen."""
    paths = [path for path in map(Path, snakemake_logs) if path.is_file()]
    told = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)
    reasons = failure_reasons(Path(folder), since, told)
    if reasons:
        known = {reason.strip() for reason in reasons}
        reasons += [line for line in membrane_failures(Path(folder)) if line not in known]
        print("", "What failed, and why:", *reasons, "", sep="\n", file=sys.stderr)


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the results of a run and print their summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="output folder of the run")
    folder = parser.parse_args(arguments).results
    metrics = folder / "evaluation/metrics.json"
    try:
        status = read_table(folder / "status.tsv")[1]
        n_particles = len(read_table(folder / "particles.csv")[1])
        content = json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else None
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("", *summary_lines(status, n_particles, content), "", *path_lines(folder), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
