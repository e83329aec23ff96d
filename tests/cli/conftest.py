"""Steps run in the tests' own process here, where numba has begun with a number of threads."""

from __future__ import annotations

import pytest

from membrain import command


@pytest.fixture(autouse=True, scope="module")  # before the modules' own fixtures, which run steps
def _numba_keeps_its_threads():
    # a variable that differs from what numba began with stops the next function it compiles
    kept = tuple(name for name in command.THREAD_VARIABLES if name != "NUMBA_NUM_THREADS")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "THREAD_VARIABLES", kept)
        yield
