"""How far the networks of an ensemble are apart about a particle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .clusters import Clusters, mean_at_centre
from .tables import PointTable


def cluster_spreads(
    points: np.ndarray,
    spreads: np.ndarray,
    clusters: Clusters,
    threshold: float,
    bandwidth: float,
) -> np.ndarray:
    """Return the spread of each cluster's score.

    Parameters
    ----------
    points : (n, 3) float, voxel, those that were clustered
    spreads : (n,) float, working voxel, standard deviation of each point's predicted distance
    clusters : Clusters of these points
    threshold : float, working voxel, below which points were kept
    bandwidth : float, voxel, of the mean shift

    Returns
    -------
    (m,) float64

    Notes
    -----
    The mean of ``spread / threshold`` over a cluster's points, each weighted as for the score
    itself, in whose unit it is: where the networks differ by as much at all points of a particle,
    it is the standard deviation of their scores; where their differences cancel, it is more.
    """
    points = np.asarray(points, dtype=np.float64)
    out = np.empty(len(clusters.scores))
    for label in range(len(out)):
        rows = clusters.labels == label
        parts = points[rows], spreads[rows] / threshold, clusters.weights[rows]
        out[label] = mean_at_centre(*parts, clusters.positions[label], bandwidth)
    return out


def spreads_of(
    table: PointTable, found: Sequence[tuple], thresholds: Sequence[float], bandwidth: float
) -> np.ndarray | None:
    """Return the spread of every cluster's score; None where the scores are of one network.

    Parameters
    ----------
    table : PointTable, scored
    found : sequence of (membrane, side, output, rows, Clusters)
    thresholds : sequence of float, working voxel, one per output
    bandwidth : float, voxel
    """
    if "score_spread" not in table.extra:
        return None
    out = [np.empty(0)]
    for _, _, output, rows, clusters in found:
        spreads = table.extra["score_spread"][rows, output]
        out.append(
            cluster_spreads(table.points[rows], spreads, clusters, thresholds[output], bandwidth)
        )
    return np.concatenate(out)
