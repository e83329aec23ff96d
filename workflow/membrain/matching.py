"""Pairs of predicted and annotated positions within a radius."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree


def pairs_within(
    predicted: np.ndarray, annotated: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every pair whose distance is at most `radius`.

    Parameters
    ----------
    predicted, annotated : (n_predicted, 3), (n_annotated, 3) float, same axis order and unit
    radius : float, same unit

    Returns
    -------
    rows_predicted, rows_annotated : (n_pairs,) int
    distances : (n_pairs,) float64
    """
    predicted = np.asarray(predicted, dtype=np.float64).reshape(-1, 3)
    annotated = np.asarray(annotated, dtype=np.float64).reshape(-1, 3)
    if not len(predicted) or not len(annotated):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    near = cKDTree(annotated).query_ball_point(predicted, radius, return_sorted=True)
    rows_predicted = np.repeat(np.arange(len(predicted)), [len(rows) for rows in near])
    rows_annotated = np.array([row for rows in near for row in rows], dtype=np.int64)
    distances = np.linalg.norm(predicted[rows_predicted] - annotated[rows_annotated], axis=1)
    return rows_predicted, rows_annotated, distances


def match_one_to_one(predicted: np.ndarray, annotated: np.ndarray, radius: float) -> np.ndarray:
    """Return the best assignment in which each position has one partner at most.

    Of all assignments within the radius it is one with the most pairs, and among those one with
    the smallest sum of distances.

    Parameters
    ----------
    predicted, annotated : (n_predicted, 3), (n_annotated, 3) float, same axis order and unit
    radius : float, same unit; a distance equal to it counts

    Returns
    -------
    (n_pairs, 2) int64
        Rows of `predicted` and `annotated`, sorted by the first.

    Notes
    -----
    Solved exactly for each connected group of pairs. A forbidden pair costs more than all allowed
    ones together, so that the cheapest full assignment has the fewest forbidden pairs.
    """
    rows_p, rows_a, distances = pairs_within(predicted, annotated, radius)
    if not len(rows_p):
        return np.zeros((0, 2), dtype=np.int64)
    n_p, n_nodes = len(predicted), len(predicted) + len(annotated)
    edges = coo_array((np.ones(len(rows_p)), (rows_p, rows_a + n_p)), shape=(n_nodes, n_nodes))
    group_of_node = connected_components(edges, directed=False)[1]
    group_of_pair = group_of_node[rows_p]
    order = np.argsort(group_of_pair, kind="stable")
    starts = np.flatnonzero(np.diff(group_of_pair[order])) + 1
    pairs = []
    for members in np.split(order, starts):
        p, p_index = np.unique(rows_p[members], return_inverse=True)
        a, a_index = np.unique(rows_a[members], return_inverse=True)
        forbidden = (min(len(p), len(a)) + 1) * (radius + 1.0)
        cost = np.full((len(p), len(a)), forbidden)
        cost[p_index, a_index] = distances[members]
        chosen_p, chosen_a = linear_sum_assignment(cost)
        is_allowed = cost[chosen_p, chosen_a] < forbidden
        pairs.append(np.stack([p[chosen_p[is_allowed]], a[chosen_a[is_allowed]]], axis=1))
    found = np.concatenate(pairs).astype(np.int64)
    return found[np.argsort(found[:, 0], kind="stable")]


def match_in_order(predicted: np.ndarray, annotated: np.ndarray, radius: float) -> np.ndarray:
    """Return for each prediction whether it adds a pair to those before it.

    Parameters
    ----------
    predicted, annotated : (n_predicted, 3), (n_annotated, 3) float, same axis order and unit
        Predictions in the order in which they are taken, the surest first.
    radius : float, same unit; a distance equal to it counts

    Returns
    -------
    (n_predicted,) bool
        Among the first k predictions as many are true as there are pairs in their best one-to-one
        assignment, for every k.

    Notes
    -----
    Each prediction looks for a free annotation along a path of changes of partners (Berge 1957); a
    prediction that has a partner keeps one.
    """
    rows_p, rows_a, _ = pairs_within(predicted, annotated, radius)
    near: dict[int, list[int]] = {}
    for p, a in zip(rows_p.tolist(), rows_a.tolist(), strict=True):
        near.setdefault(p, []).append(a)
    partner: dict[int, int] = {}  # annotation to prediction
    holds: dict[int, int] = {}  # prediction to annotation
    found = np.zeros(len(predicted), dtype=bool)
    for start in near:  # ascending
        reached_from: dict[int, int] = {}
        free = _free_annotation(start, near, partner, reached_from)
        found[start] = free is not None
        while free is not None:
            taker = reached_from[free]
            before = holds.get(taker)
            holds[taker], partner[free] = free, taker
            free = before
    return found


def _free_annotation(
    start: int, near: dict[int, list[int]], partner: dict[int, int], reached_from: dict[int, int]
) -> int | None:
    """Return a free annotation that changes of partners reach; fills in the way to it."""
    queue = [start]
    for p in queue:
        for a in near[p]:
            if a in reached_from:
                continue
            reached_from[a] = p
            if a not in partner:
                return a
            queue.append(partner[a])
    return None
