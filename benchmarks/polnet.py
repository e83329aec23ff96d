"""Sides and picks on an independent simulation (PolNet), through the whole workflow.

    python benchmarks/polnet.py --output /tmp/polnet --cores 2 [--levels low high] [--models ...]

The data set is a label map of four vesicle-like membranes at 10 angstrom, tomograms at two noise
levels, and `gt.csv`: three membrane proteins, one of them on the inside. For each noise level
the script drafts the sheets with `init`, adds annotations and side `both`, runs Snakemake once with
the shipped weights and twice trained on the second membrane, the only one with ten or more of each
protein: with an output for each of them (`train`) and with one for all (`joined`). It prints how
sides, normals and picks compare with the truth; all of it is also in figures.json of the output
folder.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from judging import polnet_figures
from scipy.spatial.transform import Rotation

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
DATA = ROOT / "../shared/data/polnet_a"
LEVELS = {"low": "tomo_lownoise.mrc.gz", "high": "tomo_highnoise.mrc.gz"}
MODELS = ("pretrained", "train", "joined")
PROTEINS = ["mb_4pe5", "mb_5gjv", "mb_5vai"]
TRAINING = "M002"


def read_truth(path: Path) -> list[dict]:
    """Return the membrane proteins of gt.csv; those in the cytosol belong to no membrane."""
    with open(path, encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["kind"] == "mbprotein"]
    return [{k: v if k in ("species", "kind") else float(v) for k, v in r.items()} for r in rows]


def relion_angles(rows: list[dict]) -> np.ndarray:
    """Return rot, tilt, psi (n, 3) in degrees of the quaternions particle -> tomogram.

    RELION's angles are those of the inverse rotation; the file's own are of the rotation itself.
    """
    poses = Rotation.from_quat([[row[f"q{axis}"] for axis in "xyzw"] for row in rows])
    return poses.inv().as_euler("ZYZ", degrees=True)


def write_annotations(rows: list[dict], folder: Path) -> dict[int, Path]:
    """Write one CSV per membrane; return the files by label."""
    files = {}
    for label in sorted({int(row["membrane_id"]) for row in rows}):
        mine = [row for row in rows if row["membrane_id"] == label]
        files[label] = folder / f"label{label}.csv"
        with open(files[label], "w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("class", "x", "y", "z", "rot", "tilt", "psi"))
            for row, angles in zip(mine, relion_angles(mine), strict=True):
                place = (row["x"], row["y"], row["z"], *angles)
                writer.writerow([row["species"], *(f"{value:.4f}" for value in place)])
    return files


def draft_sheets(data: Path, level: str, folder: Path) -> None:
    """Draft the sheets of one noise level from the label map with `init`."""
    command = [sys.executable, str(ROOT / "workflow/step.py"), "init", "--folder", str(data)]
    command += ["--layout", "labels", "--tomogram", f"{level}={data / LEVELS[level]}"]
    command += ["--output-dir", str(folder), "--force", "--quiet"]
    subprocess.run(command, check=True)


def complete_sheet(folder: Path, files: dict[int, Path], model: str) -> Path:
    """Write the drafted sheet of membranes with annotations, side and split; return its path."""
    with open(folder / "membranes.tsv", encoding="utf-8", newline="") as handle:
        lines = [line for line in handle if not line.startswith("#")]
    rows = list(csv.DictReader(lines, delimiter="\t"))
    for row in rows:
        row |= {"side": "both", "annotations": str(files[int(row["label"])].resolve())}
        if model != "pretrained":
            row["split"] = "train" if row["membrane"] == TRAINING else "test"
    path = folder / f"membranes_{model}.tsv"
    with open(path, "w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def run_workflow(folder: Path, sheet: Path, model: str, cores: int) -> Path:
    """Run Snakemake on the sheets; return the folder of results."""
    options = {
        "tomograms": str(folder / "tomograms.tsv"),
        "membranes": str(sheet),
        "results": str(folder / model),
        "model": "pretrained" if model == "pretrained" else "train",
    }
    if model == "joined":
        options["label_points"] = {"classes": [PROTEINS]}
    config = folder / f"{model}.yaml"
    config.write_text(yaml.safe_dump(options), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(config), "--cores", str(cores), "--quiet", "all"]
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    return folder / model


def measure(args: argparse.Namespace) -> dict:
    """Run every noise level and model; return the figures by level, then model."""
    truth, figures = read_truth(args.data / "gt.csv"), {}
    for level in args.levels:
        folder = args.output.resolve() / level
        folder.mkdir(parents=True, exist_ok=True)
        files = write_annotations(truth, folder)
        draft_sheets(args.data.resolve(), level, folder)
        for model in args.models:
            sheet = complete_sheet(folder, files, model)
            results = run_workflow(folder, sheet, model, args.cores)
            sides = polnet_figures.sides(results, truth)
            training = "" if model == "pretrained" else TRAINING
            picks = polnet_figures.picks(results, truth, training)
            differing = polnet_figures.differences(results, picks)
            run = {"sides": sides, "picks": picks, "differences": differing}
            figures.setdefault(level, {})[model] = run
            polnet_figures.show(level, model, sides, picks)
            print(*(f"counted otherwise by evaluate_particles: {d}" for d in differing), sep="\n")
    return figures


def main() -> None:
    """Read the flags, measure, write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder polnet_a")
    parser.add_argument("--output", type=Path, help="left out: a temporary folder")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=list(LEVELS))
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS)
    args = parser.parse_args()
    if not (args.data / "gt.csv").is_file():
        print(f"skipped: {args.data} is not here, --data names it")
        return
    with tempfile.TemporaryDirectory() as temporary:
        args.output = args.output or Path(temporary)
        figures = measure(args)
        from membrain.files import write_json

        write_json(args.output / "figures.json", figures)


if __name__ == "__main__":
    main()
