"""Settings that hold for every test; they have to stand before numpy, numba and torch load."""

from __future__ import annotations

import os

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # no window
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # pytest-xdist already fills the cores
os.environ.setdefault("NUMBA_NUM_THREADS", "2")  # two, so that tests can compare one with two


@pytest.fixture(autouse=True, scope="module")
def _numba_stays_as_it_began():
    """Fail where a module leaves another number of threads: a later module would fail for it."""
    before = os.environ["NUMBA_NUM_THREADS"]
    yield
    after = os.environ.get("NUMBA_NUM_THREADS")
    os.environ["NUMBA_NUM_THREADS"] = before
    assert after == before, f"NUMBA_NUM_THREADS was left at {after}, numba began with {before}"
