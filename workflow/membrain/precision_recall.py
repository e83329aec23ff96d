"""Precision and recall as the smallest accepted score of a particle goes down."""

from __future__ import annotations

import numpy as np


def precision_recall(
    scores: np.ndarray, kinds: np.ndarray, n_annotated: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the strict precision and recall of the particles that score at least so much.

    Parameters
    ----------
    scores : (n_predicted,) float
    kinds : (n_predicted,) int: 1 hit, 0 ignored, -1 wrong, see `evaluation.Outcome`
    n_annotated : int

    Returns
    -------
    score, precision, recall : (n,) float64
        One entry for each score that occurs, descending. Empty where a score is not known, nothing
        is annotated, or nothing was predicted; without those that begin with ignored particles
        alone, which have no precision.
    """
    scores, kinds = np.asarray(scores, dtype=np.float64), np.asarray(kinds)
    if not len(scores) or not n_annotated or not np.isfinite(scores).all():
        return np.zeros(0), np.zeros(0), np.zeros(0)
    order = np.argsort(-scores, kind="stable")
    n_hits, n_judged = np.cumsum(kinds[order] == 1), np.cumsum(kinds[order] != 0)
    is_last = np.append(np.diff(scores[order]) != 0, True)  # equal scores come together
    rows = np.flatnonzero(is_last & (n_judged > 0))
    return scores[order][rows], n_hits[rows] / n_judged[rows], n_hits[rows] / n_annotated


def average_precision(scores: np.ndarray, kinds: np.ndarray, n_annotated: int) -> float | None:
    """Return the area under the curve: each step of recall times the precision at its end.

    Parameters
    ----------
    scores, kinds, n_annotated : see `precision_recall`

    Returns
    -------
    float, 0 to 1, or None
        At most the recall of all particles: what was not picked counts as never found. 0 where
        nothing was predicted; None where nothing is annotated or a score is not known.
    """
    if n_annotated and not len(scores):
        return 0.0
    _, precision, recall = precision_recall(scores, kinds, n_annotated)
    if not len(recall):
        return 0.0 if n_annotated and np.isfinite(scores).all() else None
    return round(float(np.sum(np.diff(recall, prepend=0.0) * precision)), 6)
