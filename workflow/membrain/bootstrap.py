"""How certain an F1 is: membranes drawn again and again, with replacement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def strict_f1(counts: np.ndarray) -> np.ndarray:
    """Return the strict F1 of summed counts.

    Parameters
    ----------
    counts : (n, 3) int
        Annotated (above 0), judged (predicted less ignored) and hit particles.
    """
    return 2 * counts[:, 2] / (counts[:, 0] + counts[:, 1])


def paper_f1(counts: np.ndarray) -> np.ndarray:
    """Return the paper's F1 of summed counts; 0 where nothing was predicted.

    Parameters
    ----------
    counts : (n, 4) int
        Annotated (above 0), predicted, recalled and right particles.
    """
    recall = counts[:, 2] / counts[:, 0]
    precision = counts[:, 3] / np.maximum(counts[:, 1], 1)
    total = precision + recall
    return np.where(total > 0, 2 * precision * recall / np.where(total > 0, total, 1), 0.0)


def bootstrap_interval(
    counts: np.ndarray,
    n_draws: int = 1000,
    seed: int = 0,
    figure: Callable[[np.ndarray], np.ndarray] = strict_f1,
) -> tuple[float, float] | None:
    """Return the 95 % interval of a figure when membranes are drawn with replacement.

    Parameters
    ----------
    counts : (n_membranes, n) int
        What the figure is made of, for each membrane; the first column counts the annotated.
    n_draws, seed : int
        The same seed and number of membranes draw the same membranes.
    figure : function of (n_draws, n) summed counts, `strict_f1` or `paper_f1`

    Returns
    -------
    tuple of two floats, or None
        2.5th and 97.5th percentile; None for fewer than two membranes, no draw, or where no draw
        holds an annotated particle.
    """
    if len(counts) < 2 or n_draws < 1:
        return None
    rng = np.random.default_rng(seed)
    drawn = counts[rng.integers(len(counts), size=(n_draws, len(counts)))].sum(axis=1)
    drawn = drawn[drawn[:, 0] > 0]
    if not len(drawn):
        return None
    low, high = np.percentile(figure(drawn), [2.5, 97.5])
    return round(float(low), 6), round(float(high), 6)
