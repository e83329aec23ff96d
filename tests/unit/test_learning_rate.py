"""Learning rate over a run."""

import pytest

from membrain.learning_rate import one_cycle


def test_rate_rises_to_the_peak_and_falls_to_nothing():
    rates = [one_cycle(i / 1000, 1e-3) for i in range(1001)]
    assert rates[0] == pytest.approx(1e-3 / 25)
    assert max(rates) == pytest.approx(1e-3)
    assert rates.index(max(rates)) == 300
    assert rates[-1] == pytest.approx(1e-7)
    assert all(a < b for a, b in zip(rates[:300], rates[1:301], strict=True))
    assert all(a > b for a, b in zip(rates[300:-1], rates[301:], strict=True))
