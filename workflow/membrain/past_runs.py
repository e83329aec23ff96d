"""What finished jobs tell of those to come: points of membranes, seconds of steps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from . import rates
from .errors import InputError
from .files import read_table
from .tries import count_given_up
from .workplan import Run, load_of


def known_points(results: Path, tomogram: str, batch: str) -> dict[str, int]:
    """Return how many points each membrane of a batch had when it was done last.

    Those that never were done, or failed, are left out.
    """
    path = results / "sample_points" / tomogram / f"{batch}.status.tsv"
    if not path.is_file():
        return {}
    try:
        rows = [row for row in read_table(path)[1] if row["status"] != "failed"]
        return {row["membrane"]: int(row["n"]) for row in rows}
    except (InputError, KeyError, ValueError):  # of another version: as if it were not there
        return {}


def find_factors(
    run: Run, machine: float, threads: Mapping[str, int] | None = None
) -> tuple[dict[str, float], dict[str, int]]:
    """Return how many times slower than the built-in rates each step is, and from how many jobs.

    Parameters
    ----------
    run : Run
    machine : float
        Of `rates.machine_factor`, for steps of which no job has finished.
    threads : mapping of int, by step
        That finished jobs ran with; 1 where not given.

    Notes
    -----
    Snakemake's benchmark files of finished jobs tell their wall time; its sum is set against what
    the built-in rates give for the same jobs. The files do not tell threads.
    """
    taken: dict[str, float] = defaultdict(float)
    expected: dict[str, float] = defaultdict(float)
    n_jobs: Counter[str] = Counter()
    for step in rates.RATES:
        for path in _benchmark_files(run, step):
            seconds = _benchmark_seconds(path)
            name = path.relative_to(run.results / "benchmarks").with_suffix("")
            log = run.results / "logs" / f"{name}.log"
            if seconds is None or count_given_up(log):  # given up: it did no work
                continue
            names = name.parts[1:]
            names = () if step == "train_model" else names  # members are no tomograms
            load = load_of(run, step, *(*names, None, None)[:2])
            taken[step] += seconds
            expected[step] += rates.wall_seconds(step, load, (threads or {}).get(step, 1))
            n_jobs[step] += 1
    factors = {step: taken[step] / expected[step] for step in n_jobs}
    return {step: factors.get(step, machine) for step in rates.RATES}, dict(n_jobs)


def _benchmark_files(run: Run, step: str) -> list[Path]:
    """Return the benchmark files of a step's jobs that are of this run's batches and tomograms."""
    folder = run.results / "benchmarks"
    files = [folder / f"{step}.tsv"]
    files += [folder / step / f"{tomogram}.tsv" for tomogram in {t for t, _ in run.batches}]
    files += [folder / step / tomogram / f"{batch}.tsv" for tomogram, batch in run.batches]
    files += sorted((folder / "train_model").glob("member*.tsv")) * (step == "train_model")
    return [path for path in files if path.is_file()]


def _benchmark_seconds(path: Path) -> float | None:
    try:
        rows = read_table(path)[1]
        return sum(float(row["s"]) for row in rows) / len(rows)
    except (InputError, KeyError, ValueError, ZeroDivisionError):  # cut off: as if not there
        return None
