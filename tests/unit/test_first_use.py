"""The first use of a function compiles it, later ones read it from a cache: no byte may differ."""

import os
import subprocess
import sys
from pathlib import Path

import membrain

# every compiled function that computes with floats, on data at random
USE_ALL = """
import hashlib
import numpy as np
from membrain import connections, mean_shift, sampling, template_matching, voting, winding

rng = np.random.default_rng(0)
places = rng.uniform(20, 40, (300, 3))
normals = rng.normal(size=(300, 3)) + [4, 0, 0]
volume = rng.random((60, 60, 60), dtype=np.float32)
axes = sampling.box_axes(places, normals, sampling.BoxGrid())
boxes = sampling.sample_boxes(sampling.spline_coefficients(volume), *axes, (12, 12, 12))
stack = template_matching.Stack(None, None, rng.normal(size=(99, 3)) / 9, rng.random(99))
cube = rng.random((20, 20, 20))
poses = np.linalg.qr(rng.normal(size=(30, 3, 3)))[0]
found = connections.find_connections(np.argwhere(volume[:3] > 0.5), 6.0)
turns = rng.uniform(0, 3, 9)
results = {
    "boxes": [boxes],
    "normals": [voting.vote_normals(places, normals)],
    "centres": mean_shift.climb(places, rng.random(300), 5.75),
    "winding": [winding.winding_numbers(places, places, normals, rng.random(300))],
    "energies": [template_matching.template_energies(stack, cube, poses, turns)],
    "connections": [found.vectors, found.lengths],
}
for name, arrays in results.items():
    print(name, *(hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in arrays))
"""


def use_all(cache: Path) -> str:
    paths = (str(Path(membrain.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    return subprocess.run(
        [sys.executable, "-c", USE_ALL], env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_results_of_the_first_use_are_those_of_later_ones(tmp_path):
    first = use_all(tmp_path)
    assert list(tmp_path.rglob("*.nbc"))
    assert use_all(tmp_path).splitlines() == first.splitlines()
