"""Steps run in the tests' own process here, where numba has begun with a number of threads."""

from __future__ import annotations

import pytest

from membrain import command


@pytest.fixture(autouse=True)
def _numba_keeps_its_threads(monkeypatch):
    # a variable that differs from what numba began with stops the first function it compiles
    kept = tuple(name for name in command.THREAD_VARIABLES if name != "NUMBA_NUM_THREADS")
    monkeypatch.setattr(command, "THREAD_VARIABLES", kept)
