"""Data sets of many membranes, to plan and to run."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[2]
RUN_TOMOGRAMS = 3
SMALL = (48, 64, 64)  # zyx, voxel, of volumes


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


def make_sheet(rng: np.random.Generator) -> np.ndarray:
    """Return a mask of a flat sheet, 24 x 24 x 4 voxels, tilted at random."""
    normal = np.array([1.0, *rng.uniform(-0.3, 0.3, 2)])
    normal /= np.linalg.norm(normal)
    places = np.moveaxis(np.indices(SMALL), 0, -1) - (np.array(SMALL) - 1) / 2
    is_near = np.abs(places @ normal) <= 2
    return (is_near & (np.abs(places[..., 1:]) <= 12).all(axis=-1)).astype(np.int8)


def make_many(folder: Path, n_tomograms: int, n_membranes: int) -> Path:
    """Write the data set to plan: real numbers of files, each small."""
    (folder / "masks").mkdir(parents=True)
    rng = np.random.default_rng(0)
    sheets = [make_sheet(rng) for _ in range(8)]
    tomograms, membranes = [], []
    for i in range(n_tomograms):
        tomogram = f"T{i + 1}"
        write_volume(folder / f"{tomogram}.mrc", rng.random(SMALL, "f4"))
        tomograms.append({"tomogram": tomogram, "path": f"{tomogram}.mrc"})
        for j in range(i, n_membranes, n_tomograms):
            file = folder / "masks" / f"{tomogram}M{j:03d}.mrc"
            write_volume(file, sheets[j % len(sheets)])
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
