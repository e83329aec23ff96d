"""Settings that hold for every test; they have to stand before numpy, numba and torch load."""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")  # no window
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # pytest-xdist already fills the cores
os.environ.setdefault("NUMBA_NUM_THREADS", "2")  # two, so that tests can compare one with two
