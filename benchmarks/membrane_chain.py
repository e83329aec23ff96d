"""Speed and memory of each step on one real membrane, beside the goals.

    python benchmarks/membrane_chain.py [--mask T1S1M1.mrc] [--threads 1] [--rows voting boxes]

Uses the largest mask of the published toy data set (or any other) and a random tomogram of its
shape, which takes 1.6 GB of the temporary folder for the time of the run. Each row is measured in a
process of its own. Times are processor seconds, those of the system included, the least of some
calls after a first one that compiles and fills caches; peak memory is that of the whole process
with its libraries. The calibration row, a matrix product, tells machines apart.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from measuring.rows import print_head, print_row, timed, write_figures

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
TOY_DATA = ROOT / "../shared/data/thylakoid/membranes.zip"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
Figures = Iterator[tuple[str, float, str, str]]  # name, value, unit, goal


def calibration(mask: Path, folder: Path) -> Figures:
    """Yield the speed of a matrix product."""
    import numpy as np

    matrix = np.random.default_rng(0).standard_normal((1500, 1500)).astype(np.float32)
    _, seconds = timed(lambda: matrix @ matrix, 5)
    yield "calibration: 1500^3 matrix product", 2 * 1500**3 / seconds / 1e9, "GFLOP/s", "-"


def mask_box(mask: Path, folder: Path) -> Figures:
    """Yield the time of reading a mask."""
    from membrain.masks import read_voxels

    voxels, seconds = timed(lambda: read_voxels(mask))
    yield f"mask box and voxels ({len(voxels)})", seconds, "s", "0.15 s, 100 MB"


def statistics(mask: Path, folder: Path) -> Figures:
    """Yield the time of a tomogram's statistics."""
    from membrain.grey_values import summarise
    from membrain.volumes import read_header

    volume = read_header(folder / "tomogram.mrc")
    _, seconds = timed(lambda: summarise(volume), 1)
    yield "statistics of the tomogram, 1.6 GB", seconds, "s", "-, 100 MB"


def sides(mask: Path, folder: Path) -> Figures:
    """Yield the time of both sides and their points."""
    from membrain.masks import read_voxels
    from membrain.points import sample_sides
    from membrain.surfaces import orient_surface

    voxels = read_voxels(mask)
    sides, seconds = timed(lambda: sample_sides(orient_surface(voxels), ("a", "b")))
    n_points = sum(len(one.points) for one in sides.values())
    yield f"sides and points, both sides ({n_points})", seconds, "s", "1.2 s, 600 MB"


def voting(mask: Path, folder: Path) -> Figures:
    """Yield the time of normal voting."""
    from measuring.example import all_points

    from membrain.masks import read_voxels
    from membrain.voting import vote_normals

    columns = all_points(read_voxels(mask), 20_000)
    for cosine, how in ((0.95, "default"), (0.0, "as published")):
        _, seconds = timed(lambda c=cosine: vote_normals(*columns, cosine=c))
        name = f"normal voting, {len(columns[0])} points, radius 40, {how}"
        yield name, seconds, "s", "1.2 s"


def boxes(mask: Path, folder: Path) -> Figures:
    """Yield the speed of boxes: crops read, normalised and filtered, boxes sampled and written."""
    import json
    from functools import partial

    from membrain.sampling import BoxGrid
    from membrain.subvolumes import SubvolumeWriter, iter_boxes
    from membrain.tables import PointTable
    from membrain.volumes import read_box, read_header

    table = PointTable.read(folder / "points.npz")
    read = partial(read_box, read_header(folder / "tomogram.mrc"))
    grey = json.loads((folder / "info.json").read_text())["grey"]

    def cut() -> None:
        writer = SubvolumeWriter(folder / "row.npy", (12, 12, 12))
        place = (table.shape, table.points, table.normals)
        writer.append(len(table), iter_boxes(read, *place, BoxGrid(), grey))
        writer.close()

    _, seconds = timed(cut)
    name = f"cubic boxes, reading and writing included ({len(table)})"
    yield name, len(table) / seconds, "/s", "8000 /s"


def scoring(mask: Path, folder: Path) -> Figures:
    """Yield the speed of the network, and that of its arithmetic."""
    import numpy as np
    import torch

    from membrain.network import build_network
    from membrain.scoring import compile_network, score_boxes

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    device = torch.device("cpu")
    boxes = np.random.default_rng(0).random((1024, 12, 12, 12), dtype=np.float32)
    for precision, goal in (("fp32", "1300 /s"), ("bf16", "-")):
        network = build_network("membrain", 1, (12, 12, 12)).eval()
        predict = compile_network(network, device, precision)
        _, seconds = timed(lambda p=predict: score_boxes(p, boxes, "zscore", device))
        yield f"scoring, {precision}", len(boxes) / seconds, "/s", goal
        if precision == "fp32":  # 113 679 872 operations a box
            yield "    of which arithmetic", 0.11368 * len(boxes) / seconds, "GFLOP/s", "-"


def mean_shift(mask: Path, folder: Path) -> Figures:
    """Yield the time of the mean shift on a realistic heatmap and on an even cloud."""
    import numpy as np
    from measuring.example import heatmap

    from membrain.mean_shift import climb

    points, weights = heatmap(folder, 20_000)
    _, seconds = timed(lambda: climb(points, weights, 4.5))
    yield "mean shift, 20 000 points around particles", seconds, "s", "0.1 s"
    cloud = np.random.default_rng(0).uniform(0, 120, (20_000, 3)) * (1, 1, 0.1)
    _, seconds = timed(lambda: climb(cloud, np.ones(len(cloud)), 4.5))
    yield "mean shift, 20 000 points in an even cloud", seconds, "s", "0.1 s"


def chain(mask: Path, folder: Path) -> Figures:
    """Yield the time of all steps of the membrane in one process, and of each."""
    from measuring.example import run_step, steps_of_membrane

    times: dict[str, float] = {}

    def run() -> None:
        for verb, *flags in steps_of_membrane(folder):
            start = time.process_time()
            run_step(verb, *flags)
            times[verb] = min(times.get(verb, 1e9), time.process_time() - start)

    _, seconds = timed(run)
    yield "whole chain of one membrane, fp32", seconds, "s", "8 s, 1000 MB"
    for verb, value in times.items():
        yield f"    {verb}", value, "s", "-"


def commands(mask: Path, folder: Path) -> Figures:
    """Yield the time of the same steps as commands, each of which loads its libraries."""
    from measuring.example import steps_of_membrane

    start = time.perf_counter()
    for flags in steps_of_membrane(folder):
        command = [sys.executable, ROOT / "workflow/step.py", *flags, "--quiet"]
        command += ["--threads", os.environ["OMP_NUM_THREADS"]]
        subprocess.run(list(map(str, command)), check=True)
    clock = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = used.ru_utime + used.ru_stime
    yield "whole chain as five commands, libraries loaded", seconds, "s", "-"
    yield "    by the clock", clock, "s", "-"
    yield "    memory of the largest", used.ru_maxrss / 1024, "MB", "1000 MB"


ROWS = {
    row.__name__: row
    for row in (calibration, mask_box, statistics, sides, voting, boxes, scoring, mean_shift)
} | {"chain": chain, "commands": commands}


def measure(mask: Path, folder: Path, rows: list[str]) -> None:
    """Prepare the data, measure each row in a process of its own and print it."""
    own = [__file__, "--mask", str(mask), "--folder", str(folder), "--row"]
    subprocess.run([sys.executable, *own, "prepare"], check=True)
    print_head()
    for row in rows:
        print_row([*own, row])


def main() -> None:
    """Find a mask and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mask", type=Path, help="MRC file; left out: the toy data set's T1S1M1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="only these")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.row == "prepare":
        from measuring.example import prepare

        return prepare(args.mask, args.folder)
    if args.row:
        return write_figures(ROWS[args.row](args.mask, args.folder))
    os.environ.update(dict.fromkeys(THREADS, str(args.threads)))
    with tempfile.TemporaryDirectory() as folder:
        mask = args.mask
        if mask is None and TOY_DATA.is_file():
            with zipfile.ZipFile(TOY_DATA) as archive:
                mask = Path(archive.extract("membranes/T1S1M1.mrc", folder))
        if mask is None:
            print("skipped: give --mask, the toy data set is not here")
        else:
            measure(mask, Path(folder), args.rows)


if __name__ == "__main__":
    main()
