"""Two lists of picks: what both found, and what one found alone (figure 5 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .evaluation import Settings
from .matching import match_one_to_one
from .particles import ParticleTable
from .pose_errors import signed_turn
from .rotations import angle_between

ALL = "all"
TABLE_COLUMNS = (
    *("tomogram", "n_first", "n_second", "n_both", "n_only_first", "n_only_second"),
    *("share_of_first", "share_of_second", "jaccard", "distance_mean_voxel"),
)
PAIR_COLUMNS = (
    *("tomogram", "membrane", "x_voxel", "y_voxel", "z_voxel", "first_particle", "second_particle"),
    *("first_score", "second_score", "distance_voxel", "turn_degree", "normal_degree"),
)


@dataclass(frozen=True)
class Consensus:
    """Two lists, matched one to one.

    Attributes
    ----------
    first, second : ParticleTable
    pairs : (n_both, 2) int64, rows of `first` and `second`, sorted by the first
    distance_voxel : (n_both,) float64, working voxels
    """

    first: ParticleTable
    second: ParticleTable
    pairs: np.ndarray
    distance_voxel: np.ndarray

    @property
    def only_first(self) -> np.ndarray:
        """Rows of `first` without a partner."""
        return np.setdiff1d(np.arange(len(self.first)), self.pairs[:, 0])

    @property
    def only_second(self) -> np.ndarray:
        """Rows of `second` without a partner."""
        return np.setdiff1d(np.arange(len(self.second)), self.pairs[:, 1])


def intersect(
    first: ParticleTable, second: ParticleTable, steps: Mapping[str, float], radius_voxel: float
) -> Consensus:
    """Return which picks of two lists are the same particle.

    Parameters
    ----------
    first, second : ParticleTable
    steps : mapping of tomogram to the length of a working voxel in voxels of its file
    radius_voxel : float, working voxels

    Notes
    -----
    Picks are paired within the radius so that there are as many pairs as possible and, among those,
    the sum of distances is smallest. Classes, sides and membranes play no part.
    """
    pairs, distances = [np.zeros((0, 2), dtype=np.int64)], [np.zeros(0)]
    for tomogram in dict.fromkeys(first.tomogram):
        rows_first = np.flatnonzero(first.tomogram == tomogram)
        rows_second = np.flatnonzero(second.tomogram == tomogram)
        here, there = first.voxel[rows_first], second.voxel[rows_second]
        found = match_one_to_one(here, there, radius_voxel * steps[tomogram])
        pairs.append(np.stack([rows_first[found[:, 0]], rows_second[found[:, 1]]], axis=1))
        apart = np.linalg.norm(here[found[:, 0]] - there[found[:, 1]], axis=1)
        distances.append(apart / steps[tomogram])
    every = np.concatenate(pairs)
    order = np.argsort(every[:, 0], kind="stable")
    return Consensus(first, second, every[order], np.concatenate(distances)[order])


def consensus_rows(consensus: Consensus) -> list[dict]:
    """Return the counts of all tomograms together, then of each, by the names `TABLE_COLUMNS`."""
    first, second = consensus.first.tomogram, consensus.second.tomogram
    paired = first[consensus.pairs[:, 0]]
    rows = []
    for name in (ALL, *sorted({*first, *second})):
        everywhere = name == ALL
        n_first = len(first) if everywhere else int((first == name).sum())
        n_second = len(second) if everywhere else int((second == name).sum())
        is_here = np.ones(len(paired), bool) if everywhere else paired == name
        n_both = int(is_here.sum())
        n_any = n_first + n_second - n_both
        rows.append(
            {
                "tomogram": name,
                "n_first": n_first,
                "n_second": n_second,
                "n_both": n_both,
                "n_only_first": n_first - n_both,
                "n_only_second": n_second - n_both,
                "share_of_first": n_both / n_first if n_first else None,
                "share_of_second": n_both / n_second if n_second else None,
                "jaccard": n_both / n_any if n_any else None,
                "distance_mean_voxel": float(consensus.distance_voxel[is_here].mean())
                if n_both
                else None,
            }
        )
    return rows


def pair_rows(consensus: Consensus, settings: Settings) -> list[dict]:
    """Return one row per pair, by the names `PAIR_COLUMNS`; NaN where a pose is not known.

    Parameters
    ----------
    consensus : Consensus
    settings : Settings, tells the symmetry of the first list's classes; 0: round, no turn
    """
    a = consensus.first.select(consensus.pairs[:, 0])
    b = consensus.second.select(consensus.pairs[:, 1])
    normal = angle_between(a.normals, b.normals)
    fold = settings.fold_of(a.classes)
    turn = turns_about(a.normals[:, ::-1], a.axes[:, ::-1], b.axes[:, ::-1], fold)
    return [
        {
            "tomogram": a.tomogram[i],
            "membrane": a.membrane[i],
            **dict(zip(("x_voxel", "y_voxel", "z_voxel"), a.voxel[i, ::-1], strict=True)),
            "first_particle": float(a.particle[i]),
            "second_particle": float(b.particle[i]),
            "first_score": a.score[i],
            "second_score": b.score[i],
            "distance_voxel": consensus.distance_voxel[i],
            "turn_degree": turn[i],
            "normal_degree": normal[i],
        }
        for i in range(len(a))
    ]


def turns_about(
    normals: np.ndarray, axes: np.ndarray, others: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Return the signed angle from axes to others about the normals, folded, degree.

    Parameters
    ----------
    normals, axes, others : (n, 3) float, xyz, unit
    fold : (n,) float, n of Cn; 0: NaN
    """
    across = (np.cross(normals, axes) * others).sum(axis=1)
    along = (axes * others).sum(axis=1)
    turn = signed_turn(np.degrees(np.arctan2(across, along)), fold)
    return np.where(fold > 0, turn, np.nan)
