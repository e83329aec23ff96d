"""What each part of the method is worth, on semi-real tomograms, beside table 2 of the paper.

    python benchmarks/ablation.py --output /tmp/ablation --cores 16 [--level medium]
        [--seeds 41 42] [--test T1S2M15] [--numbers 1 2 4] [--repeats 1] [--config my.yaml]

Builds a set as `semireal.py` does for each seed: the same three membranes, other crowding and other
noise. Together they make one data set, a tomogram for each seed. The membranes of --test are judged
and never trained on, the two others of each tomogram train: 1, 2, 4 ... all of them. Then
`snakemake ablation` runs, every cell a job of its own, and its table is printed beside the paper's.
Where the level's tomograms are denoised, a row takes them as they were before. --config adds or
changes options, as {train_model: {epochs: 2}} for a quick look. What is there already is not made
again. The paper's columns are 1, 8 and 28 real training membranes of other tomograms: what can be
compared is what a row loses, not F1 itself. Intervals are over the membranes judged, of which there
are few.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

import yaml
from semireal import DATA, LEVELS, MAP, ROOT, build_set

MEMBRANES = ("T1S1M1", "T1S2M15", "T1S4M8")
# F1 at 1, 8 and 28 training membranes, Lamm et al. 2022, table 2
PAPER = {
    "full": (0.88, 0.91, 0.92),
    "classification": (0.79, 0.80, 0.91),
    "euclidean": (0.86, 0.89, 0.90),
    "not_aligned": (0.81, 0.86, 0.87),
    "not_denoised": (0.78, 0.80, 0.85),
}


def read_rows(path: Path) -> list[dict]:
    """Return the rows of a tab-separated table."""
    with open(path, encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def write_rows(path: Path, rows: list[dict]) -> None:
    """Write a tab-separated table."""
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def build_sets(args: argparse.Namespace, noise: list[str], name: str) -> list[Path]:
    """Make the sets of all seeds that are not there; return their folders."""
    folders = []
    for seed in args.seeds:
        folders.append(args.output / f"{name}{seed}")
        build_set(args.data, noise, seed, folders[-1])
    return folders


def write_tomograms(path: Path, folders: list[Path], names: list[str]) -> Path:
    """Write the sheet of the tomograms of some sets; return its path."""
    rows = [read_rows(folder / "tomograms.tsv")[0] for folder in folders]
    for row, folder, name in zip(rows, folders, names, strict=True):
        row |= {"tomogram": name, "path": str(folder / row["path"])}
    write_rows(path, rows)
    return path


def write_membranes(path: Path, folders: list[Path], names: list[str], test: list[str]) -> Path:
    """Write the sheet of the membranes of some sets, with their roles; return its path."""
    rows = []
    for folder, name in zip(folders, names, strict=True):
        for row in read_rows(folder / "membranes.tsv"):
            row |= {column: str(folder / row[column]) for column in ("mask", "annotations")}
            row |= {"tomogram": name, "split": "test" if row["membrane"] in test else "train"}
            rows.append(row)
    write_rows(path, rows)
    return path


def options_of(args: argparse.Namespace) -> dict:
    """Build what is not there; return the configuration of the run."""
    noise = LEVELS[args.level]
    folders = build_sets(args, noise, args.level)
    names = [folder.name for folder in folders]
    rows = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["ablation"]
    rows = rows["rows"]
    if "--denoise" in noise:
        before = build_sets(args, noise[: noise.index("--denoise")], f"{args.level}-before")
        sheet = write_tomograms(args.output / "not_denoised.tsv", before, names)
        rows["not_denoised"] = {"tomograms": str(sheet)}
    sheet = args.output / "membranes.tsv"
    return {
        "tomograms": str(write_tomograms(args.output / "tomograms.tsv", folders, names)),
        "membranes": str(write_membranes(sheet, folders, names, args.test)),
        "results": str(args.output / "results"),
        "model": "train",
        "label_points": {"classes": [["PSII", "UK"]], "map": str(args.data / MAP)},
        "ablation": {"rows": rows, "membranes": args.numbers, "repeats": args.repeats},
    }


def run_workflow(args: argparse.Namespace, options: dict) -> Path:
    """Run Snakemake's target ablation; return the table."""
    extra = yaml.safe_load(args.config.read_text(encoding="utf-8")) if args.config else {}
    for key, value in extra.items():
        is_section = isinstance(value, dict)
        options[key] = {**options.get(key, {}), **value} if is_section else value
    config = args.output / "ablation.yaml"
    config.write_text(yaml.safe_dump(options, sort_keys=False), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "ablation",
        "--snakefile",
        str(ROOT / "Snakefile"),
    ]
    command += ["--configfile", str(config), "--cores", str(args.cores), "--quiet", "rules"]
    subprocess.run(command, cwd=args.output, check=True, stdout=sys.stderr)
    return Path(options["results"]) / "ablation/table.tsv"


def cell_text(row: dict, way: str) -> str:
    """Return an F1 with its interval, where it has one."""
    f1, low, high = (row[f"{way}_f1{end}"] for end in ("", "_low", "_high"))
    value = f"{float(f1):.2f}" if f1 else "-"
    return f"{value} ({float(low):.2f} to {float(high):.2f})" if low and high else value


def show(table: Path) -> None:
    """Print the table, the paper's figures beside."""
    cells = read_rows(table)
    numbers = list(dict.fromkeys(cell["n_training"] for cell in cells))
    head = " | ".join(f"{way} F1, {n}" for way in ("paper", "strict") for n in numbers)
    print(f"| training membranes | {head} | paper 1 | 8 | 28 |")
    print("| --- |" + " --- |" * (2 * len(numbers) + 3))
    for name in dict.fromkeys(cell["row"] for cell in cells):
        own = {cell["n_training"]: cell for cell in cells if cell["row"] == name}
        texts = [cell_text(own[n], way) for way in ("paper", "strict") for n in numbers]
        texts += [f"{value:.2f}" for value in PAPER.get(name, ())] or ["-"] * 3
        print(f"| {name} | {' | '.join(texts)} |")
    first = cells[0]
    print(f"{first['n_annotated']} particles on {first['n_membranes']} membranes are judged.")
    print(f"{table}, {table.with_suffix('.png')}")


def main() -> None:
    """Read the flags, build, run, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder with make_semireal.py")
    parser.add_argument("--output", type=Path, help="sets (0.3 GB each) and results")
    parser.add_argument("--level", choices=LEVELS, default="medium")
    parser.add_argument("--seeds", nargs="+", type=int, default=[41, 42])
    parser.add_argument("--test", nargs="+", choices=MEMBRANES, default=["T1S2M15"])
    parser.add_argument("--numbers", nargs="+", type=int, help="left out: 1, 2, 4 ... all")
    parser.add_argument("--repeats", type=int, default=1, help="choices of as many membranes")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--config", type=Path, help="YAML with options that differ")
    args = parser.parse_args()
    if not (args.data / "make_semireal.py").is_file():
        print(f"skipped: {args.data} is not here, --data names it")
        return
    if not args.output:
        print("skipped: takes an hour and more, --output names a folder to begin")
        return
    args.data, args.output = args.data.resolve(), args.output.resolve()
    args.output.mkdir(parents=True, exist_ok=True)
    show(run_workflow(args, options_of(args)))


if __name__ == "__main__":
    main()
