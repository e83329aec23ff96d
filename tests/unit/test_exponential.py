import numpy as np
from numba import njit

from membrain.exponential import decay, decay_within_quarter


@njit
def over(values, is_small):
    out = np.empty_like(values)
    for i in range(len(values)):
        out[i] = decay_within_quarter(values[i]) if is_small else decay(values[i])
    return out


def test_small_numbers():
    t = np.linspace(0, 0.25, 1001)
    np.testing.assert_allclose(over(t, True), np.exp(-t), atol=2e-14)
    assert over(np.zeros(1), True)[0] == 1


def test_numbers_up_to_sixteen_and_beyond():
    t = np.linspace(0, 16, 1001)
    np.testing.assert_allclose(over(t, False), np.exp(-t), rtol=2e-12)
    assert over(np.array([17.0, 1e9, np.inf]), False).tolist() == [over(t, False)[-1]] * 3
