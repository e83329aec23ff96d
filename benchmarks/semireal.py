"""Accuracy on semi-real tomograms: train on one annotated membrane, find particles on two others.

    python benchmarks/semireal.py --output /tmp/semireal --cores 2 [--levels easy medium raw]
        [--seeds 11 12] [--config my.yaml] [--particle-map map.mrc] [--full-size]

The data (`make_semireal.py` and what it reads) are real membranes with real particle positions,
orientations and density maps in a simulated tomogram; a noise level and a seed make a set. For each
set the script builds the tomogram, runs Snakemake with `model: train` on membrane T1S1M1 alone
(split train; the two others have split test), reads results/evaluation/metrics.json and prints a
table beside the figures of the published program. `--config` adds or changes options. Sets and
results that are there already are not made again. `--full-size` uses the membranes' own masks of
400 MB and a tomogram of that size, with the crop in its place.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from judging.full_size import build_full_set

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "../shared/data/thylakoid"
LEVELS = {
    "easy": ["--snr", "8"],
    "medium": ["--snr", "2", "--denoise", "wiener"],
    "raw": ["--snr", "0.7"],
}
# F1 and mean in-plane error (degrees) of the program published with Lamm et al. 2022 on such sets
PUBLISHED = {"easy": (0.84, 29), "medium": (0.76, 35), "raw": (0.61, 39)}
PROTEIN = "PSII"
MAP = "structures/Chlamy_C2_14A.mrc"


def build_set(data: Path, noise: list[str], seed: int, folder: Path) -> None:
    """Make the tomogram, masks and sheets of a kind of noise and a seed, unless they are there."""
    if not (folder / "membranes.tsv").is_file():
        command = [sys.executable, str(data / "make_semireal.py"), "--out", str(folder)]
        command += ["--seed", str(seed), *noise]
        subprocess.run(command, check=True, stdout=sys.stderr)


def run_workflow(args: argparse.Namespace, folder: Path) -> Path:
    """Run Snakemake on a set; return the folder of results."""
    results = folder / args.results
    options = {
        "tomograms": str(folder / "tomograms.tsv"),
        "membranes": str(folder / "membranes.tsv"),
        "results": str(results),
        "model": "train",
        "label_points": {
            "classes": [["PSII", "UK"]],
            "map": str(args.particle_map or (args.data / MAP).resolve()),
        },
    }
    extra = yaml.safe_load(args.config.read_text(encoding="utf-8")) if args.config else {}
    for key, value in extra.items():
        is_section = isinstance(value, dict)
        options[key] = {**options.get(key, {}), **value} if is_section else value
    config = folder / f"{args.results}.yaml"
    config.write_text(yaml.safe_dump(options), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(config), "--cores", str(args.cores), "--quiet", "all"]
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    return results


def figures_of(results: Path) -> dict:
    """Return the figures of PSII on the test membranes of one run."""
    metrics = json.loads((results / "evaluation/metrics.json").read_text(encoding="utf-8"))
    card = json.loads((results / "train_model/model.json").read_text(encoding="utf-8"))
    overall = metrics["classes"].get(PROTEIN, metrics["overall"])
    thresholds = np.atleast_1d(card["threshold"])  # one for each output
    return {
        "paper": overall["paper"]["f1"],
        "strict": overall["strict"]["f1"],
        "precision": overall["paper"]["precision"] or 0.0,
        "recall": overall["paper"]["recall"],
        "angle_mean": overall["in_plane_error_degree"]["mean"] or np.nan,
        "angle_median": overall["in_plane_error_degree"]["median"] or np.nan,
        "normal_median": overall["normal_error_degree"]["median"] or np.nan,
        "threshold": float(thresholds[0]),
    }


def show(level: str, seeds: list[int], runs: list[dict]) -> None:
    """Print the rows of a level: each seed, then the mean with the spread over seeds."""
    names = ("paper", "precision", "recall", "strict")
    for seed, run in zip(seeds, runs, strict=True):
        cells = " | ".join(f"{run[name]:.3f}" for name in names)
        angles = f"{run['angle_mean']:.1f} / {run['angle_median']:.1f}"
        print(
            f"| {level} | {seed} | {cells} | {angles} | {run['normal_median']:.1f} "
            f"| {run['threshold']:.2f} |"
        )
    values = {name: np.array([run[name] for run in runs]) for name in runs[0]}
    cells = " | ".join(f"{values[n].mean():.3f} +- {values[n].std():.3f}" for n in names)
    angles = f"{values['angle_mean'].mean():.1f} / {values['angle_median'].mean():.1f}"
    print(
        f"| **{level}** | mean | {cells} | {angles} | {values['normal_median'].mean():.1f} | "
        f"published program: F1 {PUBLISHED[level][0]:.2f}, {PUBLISHED[level][1]} degrees |"
    )


def main() -> None:
    """Read the flags, run every set, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder with make_semireal.py")
    parser.add_argument("--output", type=Path, help="sets (0.3 GB each) and results")
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=list(LEVELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--config", type=Path, help="YAML with options that differ")
    parser.add_argument("--particle-map", type=Path, help="left out: the PSII map of the data")
    parser.add_argument("--full-size", action="store_true", help="sets of 2.8 GB each")
    parser.add_argument("--results", default="results", help="name of the folder of results")
    args = parser.parse_args()
    if not (args.data / "make_semireal.py").is_file():
        print(f"skipped: {args.data} is not here, --data names it")
        return
    if not args.output:
        print("skipped: takes minutes for each set, --output names a folder to begin")
        return
    names = "paper F1 | precision | recall | strict F1 | in-plane error, mean / median | normal"
    print(f"| level | seed | {names} | threshold |\n|{' --- |' * 9}")
    for level in args.levels:
        runs = []
        for seed in args.seeds:
            folder = (args.output / f"{level}{seed}").resolve()
            build_set(args.data.resolve(), LEVELS[level], seed, folder)
            if args.full_size:
                cropped, folder = folder, folder.with_name(f"{folder.name}-full")
                build_full_set(args.data.resolve(), cropped, folder)
            runs.append(figures_of(run_workflow(args, folder)))
        show(level, args.seeds, runs)


if __name__ == "__main__":
    main()
