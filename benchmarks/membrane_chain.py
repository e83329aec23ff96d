"""Speed and memory of each step on one real membrane, beside the goals.

    python benchmarks/membrane_chain.py --mask T1S1M1.mrc [--threads 1]

Uses the first 400 MB mask of the published toy data set (or any other mask) and a random tomogram
of its shape. Times are processor seconds of one process with warm caches; peak memory is that of
the process so far. The calibration line, a matrix product, tells machines apart.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
TOY_DATA = ROOT / "../shared/data/thylakoid/membranes.zip"


def timed(function, repeat: int = 3):
    """Return the result and the least processor time of some calls, the first not counted."""
    result = function()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return result, min(times)


def show(name: str, value: float, unit: str, goal: str) -> None:
    """Print one figure beside its goal and the peak memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name:<44}{value:>10.2f} {unit:<8} goal {goal:<16} peak so far {peak:6.0f} MB")


def measure(mask: Path) -> None:
    """Run the steps of one membrane and print their figures."""
    import numpy as np

    matrix = np.random.default_rng(0).standard_normal((1500, 1500)).astype(np.float32)
    _, seconds = timed(lambda: matrix @ matrix)
    show("calibration: 1500^3 matrix product", 2 * 1500**3 / seconds / 1e9, "GFLOP/s", "-")

    from membrain.masks import read_voxels

    voxels, seconds = timed(lambda: read_voxels(mask))
    show(f"mask box and voxels ({len(voxels)})", seconds, "s", "0.15 s, 100 MB")

    from membrain.points import sample_sides
    from membrain.surfaces import orient_surface

    def sample():
        return sample_sides(orient_surface(voxels), ("a", "b"))

    sides, seconds = timed(sample)
    n_points = sum(len(one.points) for one in sides.values())
    show(f"sides and points, both sides ({n_points})", seconds, "s", "1.2 s, 600 MB")

    from membrain.voting import vote_normals

    points = np.concatenate([one.points for one in sides.values()])
    raw = np.concatenate([one.raw_normals for one in sides.values()])
    rows = np.random.default_rng(0).choice(len(points), 20_000, replace=len(points) < 20_000)
    normals, seconds = timed(lambda: vote_normals(points[rows], raw[rows]), 1)
    show("normal voting, 20 000 points, radius 40", seconds, "s", "1.2 s")

    from membrain.mean_shift import climb

    cloud = np.random.default_rng(0).uniform(0, 120, (20_000, 3)) * (1, 1, 0.1)
    _, seconds = timed(lambda: climb(cloud, np.ones(len(cloud)), 4.5), 1)
    show("mean shift, 20 000 points", seconds, "s", "0.1 s")

    import torch

    from membrain.network import build_network
    from membrain.scoring import compile_network, score_boxes

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    device = torch.device("cpu")
    boxes = np.random.default_rng(0).random((2048, 12, 12, 12), dtype=np.float32)
    for precision, goal in (("fp32", "1300 /s"), ("bf16", "-")):
        network = build_network("membrain", 1, (12, 12, 12)).eval()
        predict = compile_network(network, device, precision)
        _, seconds = timed(lambda p=predict: score_boxes(p, boxes, "zscore", device), 1)
        show(f"scoring, {precision}", len(boxes) / seconds, "/s", goal)


def main() -> None:
    """Find a mask and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mask", type=Path, help="MRC file; left out: the toy data set's T1S1M1")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    if args.mask:
        measure(args.mask)
    elif TOY_DATA.is_file():
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(TOY_DATA) as archive:
            measure(Path(archive.extract("membranes/T1S1M1.mrc", folder)))
    else:
        print("skipped: give --mask, the toy data set is not here")


if __name__ == "__main__":
    main()
