"""The exponential of small negative numbers, as a polynomial: several are worked out at once."""

from __future__ import annotations

from numba import njit

# exp(-t) for t from 0 to 1/4 within 2e-14, by interpolation at eight Chebyshev nodes
COEFFICIENTS = (
    1.0,
    -0.9999999999947052,
    0.49999999955474517,
    -0.16666665238753023,
    0.04166644146254233,
    -0.008331399993035626,
    0.0013796520633971472,
    -0.00017517460428038997,
)


@njit(cache=True, inline="always")
def decay_within_quarter(t: float) -> float:
    """Return ``exp(-t)`` for t from 0 to 1/4, within 2e-14."""
    high = ((COEFFICIENTS[7] * t + COEFFICIENTS[6]) * t + COEFFICIENTS[5]) * t + COEFFICIENTS[4]
    low = ((high * t + COEFFICIENTS[3]) * t + COEFFICIENTS[2]) * t + COEFFICIENTS[1]
    return low * t + COEFFICIENTS[0]


@njit(cache=True, inline="always")
def decay(t: float) -> float:
    """Return ``exp(-t)`` for t from 0 to 16, within 2e-12 of its size; beyond 16 that of 16."""
    k = decay_within_quarter(min(t, 16.0) / 64.0)
    k *= k
    k *= k
    k *= k
    k *= k
    k *= k
    k *= k
    return k
