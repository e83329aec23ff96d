"""Thresholds of predicted distances, by how well the clusters below them match the annotated ones.

Predictions of points that were not trained on are drawn to the mean label where the network is not
certain, so that the distance below which points make particles depends on the data. It is chosen
as a user would: cluster, and compare with the particles.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .clusters import find_clusters
from .matching import match_one_to_one
from .training_data import Joined

log = logging.getLogger(__name__)

HIT_RADIUS_VOXEL = 4.5  # working voxel, as in the evaluation of Lamm et al. 2022
STEP_VOXEL = 0.25
SMOOTHING = np.array([1, 2, 3, 2, 1]) / 9  # over steps: half a working voxel to either side
# Other membranes' predictions are drawn to the mean further than those of a membrane's other part,
# so of thresholds that do as well the highest is taken, up to so much above the best
AS_WELL_F1 = 0.02
MOST_ABOVE_VOXEL = 0.75


@dataclass(frozen=True)
class Judged:
    """Predicted and true distances of points, all in working voxels.

    Attributes
    ----------
    points : (n, 3) float
    group : (n,) int, points of one side of one membrane have the same
    predicted, labels, clear_labels : (n,) float
        `labels` to any particle, `clear_labels` to those of clear class: the others may be found
        but need not be, as in the evaluation.
    """

    points: np.ndarray
    group: np.ndarray
    predicted: np.ndarray
    labels: np.ndarray
    clear_labels: np.ndarray


def _true_particles(points: np.ndarray, labels: np.ndarray, clear: np.ndarray, near: float):
    """Return the positions of clear and of optional particles, (n, 3) each, by their labels."""
    wanted = find_clusters(points, clear, near).positions
    optional = find_clusters(points, labels, near).positions
    if len(wanted) and len(optional):
        optional = optional[cKDTree(wanted).query(optional)[0] > HIT_RADIUS_VOXEL]
    return wanted, optional


def candidates(judged: Judged) -> np.ndarray:
    """Return the thresholds that are tried, (m,) float64, rising in steps of 0.25."""
    highest = float(judged.labels.max(initial=0)) - STEP_VOXEL
    return np.arange(1.5, highest + 1e-9, STEP_VOXEL)


def count_hits(
    judged: Judged, near: float, thresholds: np.ndarray, **clustering: float | None
) -> np.ndarray:
    """Return what the clusters below each threshold hit, for each group by itself.

    Parameters
    ----------
    judged : Judged
    near : float, working voxel
        The true particles are the clusters of the points with a true distance below it.
    thresholds : (m,) float, working voxel
    clustering : options of `clusters.find_clusters` for what is predicted

    Returns
    -------
    (n_groups, m, 3) float64: true particles, found ones less ignored, one-to-one hits
        Groups in the order of their numbers.
    """
    groups = np.unique(judged.group)
    counts = np.zeros((len(groups), len(thresholds), 3))
    for number, value in enumerate(groups):
        rows = judged.group == value
        points, predicted = judged.points[rows], judged.predicted[rows]
        true, optional = _true_particles(
            points, judged.labels[rows], judged.clear_labels[rows], near
        )
        for i, threshold in enumerate(thresholds):
            found = find_clusters(points, predicted, threshold, **clustering).positions
            hits = match_one_to_one(found, true, HIT_RADIUS_VOXEL)
            left = np.delete(found, hits[:, 0], axis=0)
            n_ignored = len(match_one_to_one(left, optional, HIT_RADIUS_VOXEL))
            counts[number, i] = len(true), len(found) - n_ignored, len(hits)
    return counts


def f1_of_counts(counts: np.ndarray) -> np.ndarray:
    """Return the F1 of counts (..., 3) as `count_hits` gives them; NaN without true particles."""
    n_both = counts[..., 0] + counts[..., 1]
    f1 = np.divide(2 * counts[..., 2], n_both, out=np.zeros(n_both.shape), where=n_both > 0)
    return np.where(counts[..., 0] > 0, f1, np.nan)


def f1_curve(judged: Judged, near: float) -> tuple[np.ndarray, np.ndarray]:
    """Return thresholds and the one-to-one F1 of the clusters below each.

    Returns
    -------
    thresholds : (m,) float64, rising in steps of 0.25
    f1 : (m,) float64; NaN where there is no true particle
    """
    thresholds = candidates(judged)
    return thresholds, f1_of_counts(count_hits(judged, near, thresholds).sum(axis=0))


def highest_threshold(judged: Judged, near: float) -> float:
    """Return the threshold above which a point is more likely away from every particle than near.

    Notes
    -----
    A prediction is the mean of what a point may be. One that is near (label `near` or less) with
    probability 1/2, and else as far as labels go, is predicted to lie in the middle of the two.
    Networks that learned from few particles tell hardly anything of what was held out; F1 alone
    would then draw thresholds up to where bare membrane is kept. Labels of the target membership
    are 0 or as far as they go: there 0 is near.
    """
    last = float(judged.labels.max(initial=0))
    has_between = bool(((judged.labels > 0) & (judged.labels < last)).any())
    return (near + max(near, last)) / 2 if has_between else last / 2


def best_threshold(thresholds: np.ndarray, f1: np.ndarray, highest: float = np.inf) -> float:
    """Return the highest threshold that does as well as the best.

    Parameters
    ----------
    thresholds : (m,) float, rising in even steps
    f1 : (m,) float
    highest : float
        What lies above it is not chosen, see `highest_threshold`.

    Notes
    -----
    The best is that of the highest smoothed F1, the middle of equals that follow each other, and
    of several such rows that of the highest. As well does what has
    at most 0.02 less, and lies no farther than 0.75 working voxels above it. Where no threshold
    finds anything the highest is taken.
    """
    smooth = np.convolve(np.pad(f1, 2, mode="edge"), SMOOTHING, mode="valid")
    is_allowed = thresholds <= max(highest, thresholds[0]) + 1e-9
    thresholds, smooth = thresholds[is_allowed], smooth[is_allowed]
    if not smooth.any():
        return float(thresholds[-1])
    equals = np.flatnonzero(smooth >= smooth.max() - 1e-9)
    row = np.split(equals, np.flatnonzero(np.diff(equals) > 1) + 1)[-1]
    best = float(np.median(thresholds[row]))
    does_as_well = smooth >= smooth.max() - AS_WELL_F1 - 1e-9
    is_near = (thresholds >= best) & (thresholds <= best + MOST_ABOVE_VOXEL + 1e-9)
    return float(thresholds[does_as_well & is_near].max(initial=best))


def find_thresholds(joined: Joined, predicted: np.ndarray, near: float) -> tuple[float, ...]:
    """Return the threshold of each output.

    Parameters
    ----------
    joined : Joined
    predicted : (n, n_outputs) float, working voxel
        NaN where a point took no part.
    near : float, working voxel
        As for `f1_curve`; the threshold itself where no true particle took part.
    """
    used = np.isfinite(predicted[:, 0])
    group = (2 * joined.membrane + joined.side)[used]
    out = []
    for output, names in enumerate(joined.meta["classes"]):
        columns = [a[used, output] for a in (predicted, joined.labels, joined.clear_labels)]
        judged = Judged(joined.points[used], group, *columns)
        thresholds, f1 = f1_curve(judged, near)
        if not len(f1) or np.isnan(f1).any():
            out.append(near)
            continue
        out.append(round(best_threshold(thresholds, f1, highest_threshold(judged, near)), 3))
        log.info(
            "%s: threshold %.2f, F1 there %.2f",
            *("+".join(names), out[-1], np.interp(out[-1], thresholds, f1)),
        )
    return tuple(out)
