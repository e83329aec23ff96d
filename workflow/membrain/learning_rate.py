"""Learning rate over a training run."""

from __future__ import annotations

import math

WARM_UP = 0.3  # part of the run in which the learning rate rises
START_DIVISOR, END_DIVISOR = 25.0, 1e4


def one_cycle(part: float, peak: float) -> float:
    """Return the learning rate at a part (0 to 1) of the run: up to the peak, then down to nothing.

    Both branches are half a cosine, from peak / 25 and to peak / 10 000 (Smith and Topin 2018).
    """
    if part < WARM_UP:
        low, position = peak / START_DIVISOR, part / WARM_UP
    else:
        low, position = peak / END_DIVISOR, (1 - part) / (1 - WARM_UP)
    return low + (peak - low) * (1 - math.cos(math.pi * position)) / 2
