"""Clusters of well-scored points: one for each particle, and the table that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .entries import NAME_LISTS, check_entries
from .errors import InputError
from .files import read_arrays, write_arrays
from .mean_shift import climb, diameter, fuse
from .tables import PLACE

# Centres nearer than this many bandwidths are one particle. On simulated distance maps of elongated
# particles (half axes at the threshold 10 and 5.6 voxels, neighbours from 8 voxels on, noise 0.5)
# 1.0 breaks particles in two, and 2.2 (the published 10 voxels at 4.5) joins true neighbours.
FUSE_PER_BANDWIDTH = 1.5


@dataclass(frozen=True)
class Clusters:
    """Clusters of one set of points.

    Attributes
    ----------
    positions : (m, 3) float64, voxel: where the densest point of a cluster ends its climb
    scores : (m,) float64, 0 to 1, high is certain
    labels : (n,) int, row of the cluster that a point belongs to, -1: none
    weights : (n,) float64, 0 to 1, what a point counted in the mean shift, 0: not kept
    """

    positions: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    weights: np.ndarray


def point_weights(scores: np.ndarray) -> np.ndarray:
    """Return the weights of points from their scores (low is near a particle), 0 to 1.

    Notes
    -----
    With s the negative score: ``((s - min s) / (max s - min s))^2``, as the program published with
    Lamm et al. (2022) does; the farthest point thus counts nothing. Equal scores all weigh 1.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if len(scores) == 0 or scores.max() == scores.min():
        return np.ones(len(scores))
    return ((scores.max() - scores) / (scores.max() - scores.min())) ** 2


def mean_at_centre(
    points: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    centre: np.ndarray,
    bandwidth: float,
) -> float:
    """Return the mean of the points' values, weighted as in the mean shift around a centre."""
    near = np.exp(-((points - centre) ** 2).sum(axis=1) / (4 * bandwidth**2))
    weights = weights * near if (weights > 0).any() else near
    return float((weights * values).sum() / weights.sum())


def _split(
    points: np.ndarray,
    weights: np.ndarray,
    members: list[np.ndarray],
    centres: list[np.ndarray],
    largest: float,
    bandwidth: float,
    fuse_distance: float,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cluster again what is too wide; return members and centres of all clusters."""
    out_members, out_centres = [], []
    for rows, centre in zip(members, centres, strict=True):
        if largest <= 0 or diameter(points[rows]) <= largest:
            out_members.append(rows)
            out_centres.append(centre)
            continue
        ends, densities = climb(points[rows], weights[rows], bandwidth)
        distinct, labels = fuse(ends, densities, fuse_distance)
        out_members += [rows[labels == label] for label in range(len(distinct))]
        out_centres += list(ends[distinct])
    return out_members, out_centres


def find_clusters(
    points: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    *,
    bandwidth: float = 4.5,
    fuse_distance: float | None = None,
    split_diameter: float = 19.5,
    split_bandwidth: float = 4.0,
    min_points: int = 4,
) -> Clusters:
    """Return the clusters of the points whose score is below a threshold.

    Parameters
    ----------
    points : (n, 3) float, voxel
    scores : (n,) float
        Predicted distance to the nearest particle: low is near.
    threshold : float
        Points below it are kept; above zero.
    bandwidth : float, voxel
        Of the mean shift, see `mean_shift.climb`.
    fuse_distance : float, voxel, optional
        Centres up to this distance are one cluster; `FUSE_PER_BANDWIDTH` bandwidths when absent.
    split_diameter : float, voxel
        Clusters with points farther apart are clustered again; 0: none is.
    split_bandwidth : float, voxel
        Bandwidth of that; its fuse distance shrinks in proportion.
    min_points : int
        Smaller clusters are dropped.

    Notes
    -----
    A cluster's score is the mean of ``(threshold - score) / threshold``, cut to 0..1, over its
    points, each weighted by its weight in the mean shift and by the kernel of its distance to the
    centre: 1 where the points around the centre are predicted to lie on a particle, 0 at threshold.
    """
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    scores = np.asarray(scores, dtype=np.float64)
    if fuse_distance is None:
        fuse_distance = FUSE_PER_BANDWIDTH * bandwidth
    kept = np.flatnonzero(scores < threshold)
    near, weights = points[kept], point_weights(scores[kept])
    ends, densities = climb(near, weights, bandwidth)
    distinct, labels = fuse(ends, densities, fuse_distance)
    members = [np.flatnonzero(labels == label) for label in range(len(distinct))]
    again = (split_diameter, split_bandwidth, fuse_distance * split_bandwidth / bandwidth)
    members, centres = _split(near, weights, members, list(ends[distinct]), *again)
    chosen = [i for i, rows in enumerate(members) if len(rows) >= min_points]
    certainty = np.clip((threshold - scores[kept]) / threshold, 0, 1)
    all_labels, all_weights = np.full(len(points), -1), np.zeros(len(points))
    all_weights[kept] = weights
    found = np.empty(len(chosen))
    for label, i in enumerate(chosen):
        rows = members[i]
        all_labels[kept[rows]] = label
        parts = near[rows], certainty[rows], weights[rows], centres[i]
        found[label] = mean_at_centre(*parts, bandwidth)
    positions = np.array([centres[i] for i in chosen]).reshape(-1, 3)
    return Clusters(positions, found, all_labels, all_weights)


@dataclass(frozen=True)
class ClusterTable:
    """Clusters of the membranes of one batch.

    Attributes
    ----------
    positions : (m, 3) float64, zyx, voxel of the tomogram file
    membrane, side, output : (m,) int, rows in `membranes`, `sides` and `classes`
    score : (m,) float32, 0 to 1, high is certain
    n_points : (m,) int32
    point_cluster : (n_points, n_outputs) int32
        Row of the cluster that each row of the score table belongs to, -1: none.
    point_weight : (n_points, n_outputs) float32
        What a point counted in the mean shift, 0 to 1; 0: not kept.
    tomogram, membranes, sides, shape, pixel_size : as in `tables.PointTable`
    classes : tuple of tuple of str, the classes that each output stands for
    meta : dict, further entries, among them ``provenance``
    score_spread : (m,) float32 or None, see `spread.cluster_spreads`; None: a single network
    """

    positions: np.ndarray
    membrane: np.ndarray
    side: np.ndarray
    output: np.ndarray
    score: np.ndarray
    n_points: np.ndarray
    point_cluster: np.ndarray
    point_weight: np.ndarray
    tomogram: str
    membranes: tuple[str, ...]
    sides: tuple[str, ...]
    shape: tuple[int, int, int]
    pixel_size: float
    classes: tuple[tuple[str, ...], ...]
    meta: dict = field(default_factory=dict)
    score_spread: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def write(self, path: str | Path) -> None:
        """Write the table to an ``.npz`` file."""
        meta = {
            **self.meta,
            "tomogram": self.tomogram,
            "membranes": list(self.membranes),
            "sides": list(self.sides),
            "shape": [int(n) for n in self.shape],
            "pixel_size_angstrom": float(self.pixel_size),
            "classes": [list(names) for names in self.classes],
        }
        arrays = {name: getattr(self, name).astype(kind) for name, kind in ARRAYS.items()}
        if self.score_spread is not None:
            arrays["score_spread"] = self.score_spread.astype(np.float32)
        write_arrays(path, meta, **arrays)


META = {**PLACE, "classes": NAME_LISTS}
ARRAYS = {
    "positions": np.float64,
    "membrane": np.int32,
    "side": np.int8,
    "output": np.int8,
    "score": np.float32,
    "n_points": np.int32,
    "point_cluster": np.int32,
    "point_weight": np.float32,
}


def read_clusters(path: str | Path) -> ClusterTable:
    """Return the clusters of a file made by `ClusterTable.write`.

    Raises
    ------
    InputError
        When the file holds something else.
    """
    meta, arrays = read_arrays(path)
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise InputError(
            f"{path}: not a table of clusters",
            found=f"arrays {', '.join(sorted(arrays))}",
            expected=f"also {', '.join(missing)}",
            remedy="run cluster_points",
        )
    check_entries(path, meta, META, META, "a table of clusters", "run cluster_points")
    return ClusterTable(
        **{name: arrays[name] for name in ARRAYS},
        tomogram=meta.pop("tomogram"),
        membranes=tuple(meta.pop("membranes")),
        sides=tuple(meta.pop("sides")),
        shape=tuple(meta.pop("shape")),
        pixel_size=meta.pop("pixel_size_angstrom"),
        classes=tuple(tuple(names) for names in meta.pop("classes")),
        meta=meta,
        score_spread=arrays.get("score_spread"),
    )
