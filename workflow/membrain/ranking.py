"""How well trials do on what they had held out, and which does best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .bootstrap import bootstrap_interval
from .held_out import HeldOut
from .thresholds import (
    Judged,
    best_threshold,
    candidates,
    count_hits,
    f1_of_counts,
    highest_threshold,
)
from .trials import CLUSTERING


@dataclass(frozen=True)
class Score:
    """What a trial reached.

    Attributes
    ----------
    thresholds : tuple of float, working voxel, one per output
    n_annotated, n_found, n_hits : int, over all outputs; found less those that may be hit or not
    f1 : float, one to one; NaN without annotated particles
    interval : (low, high) of F1 over membranes, or None where there is one alone
    """

    thresholds: tuple[float, ...]
    n_annotated: int
    n_found: int
    n_hits: int
    f1: float
    interval: tuple[float, float] | None


def _judged(held: HeldOut, output: int) -> Judged:
    columns = (held.predicted, held.labels, held.clear_labels)
    group = 2 * held.membrane + held.side
    return Judged(held.points, group, *(column[:, output] for column in columns))


def judge(
    held: HeldOut, clustering: Mapping, given: float | None = None, draws: int = 1000, seed: int = 0
) -> Score:
    """Return how well predictions of held-out points give their particles.

    Parameters
    ----------
    held : HeldOut
    clustering : mapping, section ``cluster_points`` of a configuration
    given : float, optional, working voxel
        Threshold of every output; default: found for each as in training, with this clustering.
    draws, seed : int, of the interval

    Notes
    -----
    The true particles are the clusters of the points with a true distance below the training's
    ``near_voxel``. Sides count by themselves; a particle found from both is not counted once.
    """
    how = {name: clustering[option] for option, name in CLUSTERING.items() if option in clustering}
    near, thresholds, parts = held.meta["near_voxel"], [], []
    for output in range(held.predicted.shape[1]):
        judged = _judged(held, output)
        tried = candidates(judged) if given is None else np.array([given])
        counts = count_hits(judged, near, tried, **how)  # (n_groups, m, 3)
        f1 = f1_of_counts(counts.sum(axis=0))
        is_known = len(f1) > 0 and not np.isnan(f1).any()
        threshold = given or near
        if is_known and given is None:
            threshold = best_threshold(tried, f1, highest_threshold(judged, near))
        if given is None:  # between two of those tried, or beyond them
            counts = count_hits(judged, near, np.array([threshold]), **how)
        thresholds.append(round(float(threshold), 3))
        parts.append(counts[:, 0])
    table = np.sum(parts, axis=0)  # (n_groups, 3)
    groups = np.unique(2 * held.membrane + held.side)
    by_membrane = np.array([table[groups // 2 == m].sum(axis=0) for m in np.unique(groups // 2)])
    total = by_membrane.sum(axis=0)
    interval = bootstrap_interval(by_membrane, draws, seed)
    return Score(tuple(thresholds), *map(int, total), float(f1_of_counts(total)), interval)


def ranks(scores: Sequence[Score]) -> list[int]:
    """Return the indices of trials from best to worst; of equal ones the first stays first."""
    values = [-1.0 if np.isnan(score.f1) else score.f1 for score in scores]
    return sorted(range(len(scores)), key=lambda i: -values[i])
