"""Time to plan a large data set, and Snakemake's own share of a full run.

    python benchmarks/planning.py [--skip-run] [--cores 1] [--membranes 72] [--folder DIR]

Planning: 455 membranes in 9 tomograms, each its own (tiny) file, as the published method's largest
set. Printed are the wall and processor time of `snakemake -n`, of reading and checking both
sheets, and the number of jobs.

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
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
N_TOMOGRAMS, N_MEMBRANES = 9, 455
RUN_TOMOGRAMS = 3


def show(name: str, value: str, goal: str = "-") -> None:
    """Print one figure beside its goal."""
    print(f"{name:<56}{value:>12}   goal {goal}", flush=True)


def write_volume(path: Path, values: np.ndarray) -> None:
    """Write a small MRC file of 14 angstrom."""
    import mrcfile

    with mrcfile.new(path) as handle:
        handle.set_data(values)
        handle.voxel_size = 14.0


def write_sheet(path: Path, rows: list[dict]) -> None:
    """Write rows as a tab-separated sheet."""
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_sheet(path: Path) -> list[dict]:
    """Return the rows of a tab-separated sheet."""
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader((line for line in handle if line[0] != "#"), delimiter="\t"))


def make_many(folder: Path) -> Path:
    """Write the data set to plan: real numbers of files, each of 8 x 8 x 8 voxels."""
    (folder / "masks").mkdir(parents=True)
    mask = np.ones((8, 8, 8), np.int8)
    tomograms, membranes = [], []
    for i in range(N_TOMOGRAMS):
        tomogram = f"T{i + 1}"
        write_volume(folder / f"{tomogram}.mrc", np.random.default_rng(i).random((8, 8, 8), "f4"))
        tomograms.append({"tomogram": tomogram, "path": f"{tomogram}.mrc"})
        for j in range(i, N_MEMBRANES, N_TOMOGRAMS):
            file = folder / "masks" / f"{tomogram}M{j:03d}.mrc"
            write_volume(file, mask)
            row = {"tomogram": tomogram, "membrane": f"M{j:03d}", "mask": f"masks/{file.name}"}
            membranes.append(row)
    write_sheet(folder / "tomograms.tsv", tomograms)
    write_sheet(folder / "membranes.tsv", membranes)
    return write_config(folder)


def make_full(folder: Path, n_membranes: int) -> Path:
    """Simulate the demo's data and repeat its rows; return the configuration."""
    step = [sys.executable, str(ROOT / "workflow/step.py"), "simulate", "--quiet"]
    recipe = ROOT / "resources/demo/simulation.yaml"
    subprocess.run([*step, "--recipe", recipe, "--output-dir", folder], check=True)
    volumes = read_sheet(folder / "tomograms.tsv")
    rows = read_sheet(folder / "membranes.tsv")
    tomograms, membranes = [], []
    for i in range(RUN_TOMOGRAMS):
        source = volumes[i % len(volumes)]
        own = [row for row in rows if row["tomogram"] == source["tomogram"]]
        tomograms.append({**source, "tomogram": f"T{i + 1}"})
        for j in range(n_membranes // RUN_TOMOGRAMS):
            row = own[j % len(own)]
            names = {"tomogram": f"T{i + 1}", "membrane": f"{row['membrane']}-{j:03d}"}
            membranes.append({**row, **names})
    write_sheet(folder / "tomograms.tsv", tomograms)
    write_sheet(folder / "membranes.tsv", membranes)
    return write_config(folder)


def write_config(folder: Path) -> Path:
    """Write the configuration of a data set."""
    names = ("tomograms", "membranes")
    options = {name: str(folder / f"{name}.tsv") for name in names}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**options, "results": str(folder / "results")}))
    return path


def snakemake(config: Path, *flags: str) -> tuple[float, float, str]:
    """Run Snakemake; return wall and processor seconds and what it printed."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
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


def measure_planning(folder: Path) -> None:
    """Print how long planning takes."""
    from membrain import sheets

    config = make_many(folder)
    runs = [snakemake(config, "--cores", "2", "--dry-run") for _ in range(3)]
    wall, seconds, text = min(runs, key=lambda run: run[0])
    n_jobs = next(line.split()[1] for line in text.splitlines() if line.startswith("total"))
    show(f"dry run, {N_MEMBRANES} membranes in {N_TOMOGRAMS} tomograms", f"{wall:.2f} s", "5 s")
    show("  of this processor time", f"{seconds:.2f} s")
    show("  jobs", n_jobs)
    start = time.perf_counter()
    tomograms = sheets.read_tomograms(folder / "tomograms.tsv")
    rows = sheets.read_membranes(folder / "membranes.tsv", tomograms)
    sheets.group_batches(rows, 32)
    show("  reading and checking both sheets", f"{time.perf_counter() - start:.3f} s")


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


def measure_overhead(folder: Path, n_membranes: int, cores: int) -> None:
    """Print Snakemake's share of a full run."""
    config = make_full(folder, n_membranes)
    wall, _, _ = snakemake(config, "--cores", str(cores), "--quiet", "all")
    union, total, n_jobs = busy_seconds(folder / "results")
    show(f"full run, {n_membranes} membranes, {cores} cores", f"{wall:.1f} s")
    show(f"  some of {n_jobs} jobs at work", f"{union:.1f} s")
    show("  sum of the jobs' times", f"{total:.1f} s")
    show("  Snakemake's own share", f"{100 * (1 - union / wall):.1f} %", "10 %")


def main() -> None:
    """Measure planning, then a full run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--skip-run", action="store_true", help="planning only")
    parser.add_argument("--membranes", type=int, default=72, help="of the full run")
    parser.add_argument("--cores", type=int, default=1, help="of the full run")
    parser.add_argument("--folder", type=Path, help="empty; left out: a temporary one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).resolve()
        measure_planning(folder / "many")
        if not args.skip_run:
            measure_overhead(folder / "full", args.membranes, args.cores)


if __name__ == "__main__":
    main()
