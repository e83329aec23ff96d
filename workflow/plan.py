#!/usr/bin/env python
"""Tell what a run will take before it starts, and what of it is done already.

Asks Snakemake, by a dry run, which jobs there are and why, and the sheets, file headers and masks
what each has to work through. Nothing is made but the tables that --output-dir names.

  python workflow/plan.py --configfile my.yaml
  python workflow/plan.py --configfile my.yaml --quick --cores 8 --jobs 50 train
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

from job_events import read_jobs
from membrain import sheets
from membrain.batches import group_batches, read_batches
from membrain.errors import InputError
from membrain.files import write_table
from membrain.mask_areas import expected_points, fill_areas, measure_areas
from membrain.past_runs import find_factors, known_points
from membrain.plan_tables import (
    COURSE_COLUMNS,
    STEP_COLUMNS,
    PlannedCourse,
    add_up,
    course_rows,
    plan_lines,
    step_rows,
)
from membrain.rates import machine_factor
from membrain.schedule import Job, play
from membrain.volumes import read_header, resolve_pixel_size
from membrain.workplan import Run, count_passes, plan_jobs, sum_steps, to_membranes, to_schedule

ROOT = Path(__file__).resolve().parents[1]
TYPICAL_AREA = 2.5e6  # angstrom squared; a membrane of 160 x 160 nm, where no mask is read
LOCAL_SECONDS = 0.25  # Snakemake's own time for a job on one machine
CLUSTER_SECONDS = 6.0  # for a job's way through the queue of a cluster that is free
MANY = 100_000  # cores, so that jobs tell the threads that they can use


def dry_run(configfile: Path, targets: Sequence[str], folder: Path) -> tuple[dict, list[dict]]:
    """Return the run and the jobs that Snakemake would start.

    Raises
    ------
    InputError
        Holds what Snakemake says, when it refuses to plan.
    """
    path = folder / "jobs.jsonl"
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(configfile), "--dry-run", "--cores", str(MANY), *targets]
    done = subprocess.run(
        command,
        env={**os.environ, "MEMBRAIN_JOBS_FILE": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not path.is_file():
        lines = done.stderr.strip().splitlines() or ["no message"]
        first = next((i for i, line in enumerate(lines) if line.startswith("error: ")), -20)
        raise InputError("\n".join(lines[first:]).removeprefix("error: "))
    return read_jobs(path)


def estimate_points(
    facts: Mapping, rows: Sequence, pixel_sizes: Mapping[str, float], seconds: float
) -> tuple[dict[tuple[str, str], float], str]:
    """Return how many points each membrane will give, and a note on how that is known.

    Parameters
    ----------
    facts : mapping, what the Snakefile tells of the run
    rows : sequence of MembraneRow
    pixel_sizes : mapping of float, angstrom, by tomogram
    seconds : float, for which masks are read; 0: none
    """
    options, results = facts["options"], Path(facts["results"])
    batches = group_batches(rows, options["membranes_per_job"], read_batches(results))
    points: dict[tuple[str, str], float] = {}
    for (tomogram, batch), members in batches.items():
        known = known_points(results, tomogram, batch)
        points |= {(tomogram, row.membrane): known.get(row.membrane, -1) for row in members}
    unknown = [row for row in rows if points[row.tomogram, row.membrane] < 0]
    squares = {name: pixel_size**2 for name, pixel_size in pixel_sizes.items()}
    areas = {key: area * squares[key[0]] for key, area in measure_areas(unknown, seconds).items()}
    filled = fill_areas(unknown, areas, TYPICAL_AREA)
    for row in unknown:
        key, pixel_size = (row.tomogram, row.membrane), pixel_sizes[row.tomogram]
        points[key] = expected_points(
            filled[key] / pixel_size**2,
            scale=facts["pixel_size_angstrom"] / pixel_size,
            thinning=options["sample_points"]["thinning_voxel"],
            n_sides=2 if row.side == "both" else 1,
        )
    return points, (
        f"Points: {len(rows) - len(unknown)} of {len(rows)} membranes as sampled before, "
        f"{len(areas)} from their masks, {len(unknown) - len(areas)} guessed."
    )


def read_run(facts: Mapping, seconds: float) -> tuple[Run, str]:
    """Return what the sheets, headers and masks tell of a run, and a note on its points.

    Parameters
    ----------
    facts : mapping, what the Snakefile tells of the run
    seconds : float, for which masks are read; 0: none
    """
    options = facts["options"]
    tomograms = sheets.read_tomograms(options["tomograms"])
    rows = sheets.read_membranes(options["membranes"], tomograms)
    used = {name: tomograms[name] for name in sorted({row.tomogram for row in rows})}
    pixel_sizes = {
        name: resolve_pixel_size(read_header(row.path), row.pixel_size)
        for name, row in used.items()
    }
    points, note = estimate_points(facts, rows, pixel_sizes, seconds)
    members = {(m.tomogram, m.name): m for m in to_membranes(rows, points)}
    known = read_batches(facts["results"])
    batches = group_batches(rows, options["membranes_per_job"], known)
    validates = any(row.split == "validation" for row in rows)
    return Run(
        batches={
            key: [members[row.tomogram, row.membrane] for row in batch]
            for key, batch in batches.items()
        },
        tomogram_mb={name: row.path.stat().st_size / 1e6 for name, row in used.items()},
        box_voxels=prod(facts["box_shape"]),
        training_box_voxels=prod(facts["training_box_shape"]),
        n_passes=count_passes(options["train_model"], validates),
        results=Path(facts["results"]),
        n_networks=facts["n_networks"],
    ), note


def play_all(jobs: Sequence[Job], cores: Sequence[int], n_jobs: Sequence[int]) -> list:
    """Return how the run goes on machines with so many cores, and on clusters with so many jobs."""
    here = [PlannedCourse("cores", n, play(jobs, n, LOCAL_SECONDS)) for n in cores]
    return here + [
        PlannedCourse("jobs on a cluster", n, play(jobs, n, CLUSTER_SECONDS, True)) for n in n_jobs
    ]


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the flags."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--configfile", type=Path, help="configuration of the run")
    group.add_argument("--options", help="the configuration itself, as JSON")
    cores = sorted({1, count_cores(), 16})
    add("--cores", type=int, nargs="+", default=cores, help="of one machine")
    add("--jobs", type=int, nargs="+", default=[8, 64], help="at a time, on a cluster")
    add("--quick", action="store_true", help="read no mask: points are guessed")
    add("--seconds", type=float, default=20.0, help="for which masks are read; the rest is guessed")
    add("--output-dir", type=Path, help="folder for plan.tsv and plan_runs.tsv")
    add("targets", nargs="*", help="of the workflow; left out: all")
    return parser.parse_args(argv)


def tell_load(load: float, n_cores: int) -> list[str]:
    """Return a note where other programs keep cores busy, of which a plan knows nothing.

    Parameters
    ----------
    load : float, mean number of programs that want to run
    n_cores : int
    """
    if load < n_cores / 2:
        return []
    return [
        f"This machine is busy ({load:.0f} programs want its {n_cores} cores): times are those of "
        "free cores."
    ]


def make_plan(args: argparse.Namespace, folder: Path) -> list[str]:
    """Return the lines of the plan; write its tables where asked."""
    configfile = args.configfile
    if configfile is None:
        configfile = folder / "options.json"
        configfile.write_text(args.options, encoding="utf-8")
    facts, records = dry_run(configfile, args.targets, folder)
    run, note = read_run(facts, 0.0 if args.quick else args.seconds)
    machine = machine_factor()
    jobs = plan_jobs(run, records)
    # finished jobs are taken to have run on a machine of as many cores as this one
    threads = {job.step: min(job.threads, count_cores()) for job in jobs}
    factors, n_seen = find_factors(run, machine, threads)
    scheduled = to_schedule(jobs, factors)
    steps = sum_steps(jobs, scheduled, {} if args.targets else facts["n_jobs"])
    courses = play_all(scheduled, args.cores, args.jobs)
    if args.output_dir:
        write_table(args.output_dir / "plan.tsv", STEP_COLUMNS, step_rows(steps))
        rows = course_rows(courses, add_up(steps).kept_mb)
        write_table(args.output_dir / "plan_runs.tsv", COURSE_COLUMNS, rows)
    rates_note = (
        f"Time: from {sum(n_seen.values())} finished jobs of {len(n_seen)} steps; other steps from "
        f"built-in rates, this machine takes {machine:.2f} times as long."
    )
    busy = tell_load(os.getloadavg()[0], os.cpu_count() or 1)
    return plan_lines(steps, courses, [note, rates_note, *busy])


def main(argv: Sequence[str] | None = None) -> int:
    """Print a plan; return 0, or 2 where the input is at fault."""
    args = parse_arguments(argv)
    try:
        with tempfile.TemporaryDirectory() as folder:
            print(*make_plan(args, Path(folder)), sep="\n")
    except InputError as error:
        print(f"plan: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
