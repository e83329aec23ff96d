"""One membrane with all that its steps need: a random tomogram, sheet, points, a heatmap."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from membrain.command import main
from membrain.points import sample_sides
from membrain.surfaces import orient_surface
from membrain.tables import PointTable
from membrain.volumes import new_volume, read_header

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "resources/weights/simulated.safetensors"
PIXEL_SIZE = 13.68  # angstrom, of the toy data set


def run_step(verb: str, *flags) -> None:
    """Run one step in this process, quietly."""
    if main([verb, *map(str, flags), "--threads", os.environ["OMP_NUM_THREADS"], "--quiet"]):
        raise SystemExit(f"{verb} failed")


def steps_of_membrane(folder: Path) -> list[list]:
    """Return verb and flags of the steps of one membrane, from mask to particles."""
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    size = ["--pixel-size-angstrom", card["pixel_size_angstrom"]]
    status, info = ["--status", folder / "status.tsv"], ["--info", folder / "info.json"]
    points, cut, boxes = (folder / name for name in ("points.npz", "cut.npz", "boxes.npy"))
    scores, clusters = folder / "scores.npz", folder / "clusters.npz"
    sheet = ["--sheet", folder / "membranes.tsv", "--tomogram", "T1"]
    return [
        ["sample_points", *sheet, *info, *size, "--output", points, *status],
        ["extract_subvolumes", "--points", points, "--path", folder / "tomogram.mrc", *info, *size]
        + ["--output-subvolumes", boxes, "--output-points", cut, *status],
        ["score_points", "--subvolumes", boxes, "--points", cut, "--weights", WEIGHTS]
        + ["--device", "cpu", "--output", scores, *status],
        # scores of noise are all high; this threshold keeps every point
        ["cluster_points", "--scores", scores, *size, "--threshold", 1000]
        + ["--output", clusters, *status],
        ["orient_particles", "--scores", scores, "--clusters", clusters, *size]
        + ["--output", folder / "particles.tsv", *status],
    ]


def prepare(mask: Path, folder: Path) -> None:
    """Write a random tomogram of the mask's shape with its info, and the sheet of one membrane."""
    volume = read_header(mask)
    rng, path = np.random.default_rng(0), folder / "tomogram.mrc"
    with new_volume(path, volume.shape, np.float32, PIXEL_SIZE, volume.origin) as mrc:
        for plane in mrc.data:
            plane[:] = rng.standard_normal(plane.shape, dtype=np.float32)
    header, row = "tomogram\tmembrane\tmask\tside", f"T1\tM1\t{mask.absolute()}\tboth"
    (folder / "membranes.tsv").write_text(f"{header}\n{row}\n")
    output = ("--output", folder / "info.json")
    run_step("inspect_tomogram", "--tomogram", "T1", "--path", path, *output)
    run_step(*steps_of_membrane(folder)[0])


def all_points(voxels: np.ndarray, n: int) -> list[np.ndarray]:
    """Return points, raw normals and reference of n points of both sides, not thinned."""
    sides = sample_sides(orient_surface(voxels), ("a", "b"), thinning=0).values()
    names = ("points", "raw_normals", "reference")
    columns = [np.concatenate([getattr(one, name) for one in sides]) for name in names]
    rows = np.random.default_rng(0).permutation(len(columns[0]))[:n]
    return [column[rows] for column in columns]


def heatmap(folder: Path, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (n, 3) and weights (n,) of points below the threshold around particles.

    Particles lie at random at least 14 voxels apart on both sides, on half of the places that fit.
    The score of a point is its distance to the nearest, halved and more, and the threshold 3. One
    membrane has fewer than n such points: it is laid out as often as needed.
    """
    table, rng, parts = PointTable.read(folder / "points.npz"), np.random.default_rng(0), []
    for side in (0, 1):
        points = table.points[table.side == side].astype(float)
        tree, is_free, centres = cKDTree(points), np.ones(len(points), dtype=bool), []
        for row in rng.permutation(len(points)):
            if is_free[row]:
                is_free[tree.query_ball_point(points[row], 14)] = False
                centres.append(row)
        score = cKDTree(points[centres[::2]]).query(points)[0] / 2.5
        parts.append(np.column_stack([points, score]))
    near = np.concatenate(parts)
    near = near[near[:, 3] < 3]
    near = np.concatenate([near + [0, 0, 600 * k, 0] for k in range(-(-n // len(near)))])[:n]
    return near[:, :3], ((3 - near[:, 3]) / 3) ** 2
