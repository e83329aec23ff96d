"""Time to plan a large data set, and Snakemake's own share of a full run.

    python benchmarks/planning.py [--skip-run] [--many-run] [--cores 1] [--membranes 72]

Planning: 455 membranes in 9 tomograms, each its own (tiny) file, as the published method's largest
set, and 3000 in 60. Printed are the wall and processor time of `snakemake -n`, of `plan`, of
reading and checking both sheets, and the number of jobs. Processor time tells less of other work on
the machine.

Overhead of jobs alone: with --idle-run many (or published) the membranes are run through a copy of
the workflow whose steps do nothing but make their files; what is left is Snakemake's own.

With --judge a simulated set that no constant of the plan comes from (measuring/judged.yaml), or
with --config any other, is planned and run, and both are set beside each other.

With --many-run the 455 membranes, which are small (24 x 24 voxels), are run through the whole
workflow, and the plan made before is set beside what the run took.

Overhead: the demo's two tomograms are simulated and the rows of its sheet repeated under other
names until three tomograms hold 72 membranes of full size, then the whole workflow runs with the
default batch size. Each job's benchmark file says how many seconds s its command took, start
of Python and libraries included, and is written when the job ends at time e. Some job is at work
during the union of all [e - s, e], which counts jobs that ran side by side once. In the rest of the
wall time Snakemake starts, plans, watches and ends:

    overhead = 1 - length(union of [e - s, e]) / wall time

With one core jobs follow each other and the union is the sum of all s.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measuring.planning_data import make_full, make_many, read_sheet, write_config

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
SETS = {"published": (9, 455, 5), "many": (60, 3000, 15)}  # tomograms, membranes, goal in s


def show(name: str, value: str, goal: str = "-") -> None:
    """Print one figure beside its goal."""
    print(f"{name:<56}{value:>12}   goal {goal}", flush=True)


def snakemake(config: Path, *flags: str, root: Path = ROOT) -> tuple[float, float, str]:
    """Run Snakemake; return wall and processor seconds and what it printed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile")]
    command += ["--configfile", str(config), *flags]
    environment = {**os.environ, "MEMBRAIN_NO_SUMMARY": "1"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=config.parent, env=environment, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"snakemake ended with {done.returncode}:\n{done.stderr[-3000:]}")
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, seconds, done.stdout + done.stderr


def measure_planning(folder: Path, name: str) -> None:
    """Print how long planning takes."""
    from membrain import batches, sheets

    n_tomograms, n_membranes, goal = SETS[name]
    config = make_many(folder, n_tomograms, n_membranes)
    runs = [snakemake(config, "--cores", "2", "--dry-run") for _ in range(3)]
    wall, seconds, text = min(runs, key=lambda run: run[0])
    n_jobs = next(line.split()[1] for line in text.splitlines() if line.startswith("total"))
    show(
        f"dry run, {n_membranes} membranes in {n_tomograms} tomograms", f"{wall:.2f} s", f"{goal} s"
    )
    show("  of this processor time", f"{min(run[1] for run in runs):.2f} s")
    show("  jobs", n_jobs)
    wall, seconds, _ = snakemake(config, "--cores", "2", "plan")
    show("  plan, which reads masks for 20 s at most", f"{wall:.2f} s")
    show("  of this processor time", f"{seconds:.2f} s")
    start = time.perf_counter(), time.process_time()
    tomograms = sheets.read_tomograms(folder / "tomograms.tsv")
    rows = sheets.read_membranes(folder / "membranes.tsv", tomograms)
    batches.group_batches(rows, 32)
    show("  reading and checking both sheets", f"{time.perf_counter() - start[0]:.3f} s", "2 s")
    show("  of this processor time", f"{time.process_time() - start[1]:.3f} s")


def busy_seconds(results: Path) -> tuple[float, float, int]:
    """Return the union of all jobs' times, their sum, and the number of jobs."""
    spans = []
    for path in (results / "benchmarks").rglob("*.tsv"):
        seconds = float(read_sheet(path)[0]["s"])
        end = path.stat().st_mtime
        spans.append((end - seconds, end))
    union, reached = 0.0, 0.0
    for start, end in sorted(spans):
        union += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return union, sum(end - start for start, end in spans), len(spans)


def show_plan(folder: Path, cores: int) -> None:
    """Print what the plan said before the run, and what the run took."""
    results = folder / "results"
    (course,) = (
        row
        for row in read_sheet(results / "plan_runs.tsv")
        if (row["where"], row["parallel"]) == ("cores", str(cores))
    )
    files = [path for path in results.rglob("*") if path.is_file()]
    jobs = [read_sheet(path)[0] for path in (results / "benchmarks").rglob("*.tsv")]
    show("  plan: wall time", f"{3600 * float(course['wall_hours']):.0f} s")
    show("  plan: disk at the end", f"{1e3 * float(course['disk_end_gb']):.1f} MB")
    show("  run: disk at the end", f"{sum(path.stat().st_size for path in files) / 1e6:.1f} MB")
    (total,) = (row for row in read_sheet(results / "plan.tsv") if row["step"] == "total")
    show("  plan: largest job's memory", f"{1e3 * float(total['memory_gb']):.0f} MB")
    show("  run: largest job's memory", f"{max(float(job['max_rss']) for job in jobs):.0f} MB")
    show("  plan: processor time", f"{3600 * float(total['cpu_hours']):.0f} s")
    points = [
        row for path in (results / "sample_points").rglob("*.tsv") for row in read_sheet(path)
    ]
    show("  plan: points", total["points"])
    show("  run: points", str(sum(int(row["n"]) for row in points)))


def measure_overhead(config: Path, name: str, cores: int) -> None:
    """Print Snakemake's share of a full run."""
    folder = config.parent
    snakemake(config, "--cores", str(cores), "plan")
    wall, seconds, _ = snakemake(config, "--cores", str(cores), "--quiet", "all")
    union, total, n_jobs = busy_seconds(folder / "results")
    show(f"full run, {name}, {cores} cores", f"{wall:.1f} s")
    show("  of this processor time, of Snakemake and all jobs", f"{seconds:.1f} s")
    show(f"  some of {n_jobs} jobs at work", f"{union:.1f} s")
    show("  sum of the jobs' times", f"{total:.1f} s")
    show("  Snakemake's own share", f"{100 * (1 - union / wall):.1f} %", "10 %")
    show_plan(folder, cores)


def make_judged(folder: Path) -> Path:
    """Simulate the set to judge plans by; return its configuration."""
    recipe = ROOT / "benchmarks/measuring/judged.yaml"
    step = [sys.executable, str(ROOT / "workflow/step.py"), "simulate", "--quiet"]
    subprocess.run([*step, "--recipe", recipe, "--output-dir", folder], check=True)
    return write_config(folder)


def measure_idle(folder: Path, name: str, cores: int) -> None:
    """Print what Snakemake itself takes for each job of a large run whose steps do nothing."""
    n_tomograms, n_membranes, _ = SETS[name]
    config = make_many(folder / "data", n_tomograms, n_membranes)
    copy = folder / "copy"
    for part in ("workflow", "profiles", "envs", "resources"):
        shutil.copytree(ROOT / part, copy / part)
    shutil.copy(ROOT / "Snakefile", copy)
    shutil.copy(ROOT / "benchmarks/measuring/idle_step.py", copy / "workflow/step.py")
    wall, seconds, _ = snakemake(config, "--cores", str(cores), "--quiet", "all", root=copy)
    union, total, n_jobs = busy_seconds(config.parent / "results")
    show(f"run of idle steps, {n_membranes} membranes, {cores} cores", f"{wall:.1f} s")
    show("  of this processor time, of Snakemake and all jobs", f"{seconds:.1f} s")
    show("  jobs", str(n_jobs))
    show("  sum of the jobs' times", f"{total:.1f} s")
    show("  no job at work, per job", f"{1e3 * (wall - union) / n_jobs:.0f} ms")
    show("  processor time per job, its own start included", f"{1e3 * seconds / n_jobs:.0f} ms")


def main() -> None:
    """Measure planning, then a full run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--skip-run", action="store_true", help="planning only")
    parser.add_argument("--many-run", action="store_true", help="run the 455 membranes, no other")
    parser.add_argument("--idle-run", choices=SETS, help="run idle steps on a set, no other")
    parser.add_argument("--judge", action="store_true", help="plan and run a new set, no other")
    parser.add_argument("--config", type=Path, help="plan and run this set, no other")
    parser.add_argument("--membranes", type=int, default=72, help="of the full run")
    parser.add_argument("--cores", type=int, default=1, help="of the full run")
    parser.add_argument("--folder", type=Path, help="empty; left out: a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        if args.many_run:
            config = make_many(folder / "small", *SETS["published"][:2])
            measure_overhead(config, "455 small membranes", args.cores)
            return
        if args.judge or args.config:
            config = args.config or make_judged(folder / "judged")
            measure_overhead(config.resolve(), config.parent.name, args.cores)
            return
        if args.idle_run:
            measure_idle(folder / "idle", args.idle_run, args.cores)
            return
        for name in SETS:
            measure_planning(folder / name, name)
        if not args.skip_run:
            config = make_full(folder / "full", args.membranes)
            measure_overhead(config, f"{args.membranes} membranes", args.cores)


if __name__ == "__main__":
    main()
