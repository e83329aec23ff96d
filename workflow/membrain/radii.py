"""Precision, recall and F1 over the radius within which a pick counts as a hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .evaluation import Case, ClassGroup, Settings, evaluate_membrane
from .metrics import summarise

OVERALL = "overall"
COLUMNS = (
    *("class", "radius_voxel", "n_annotated", "n_predicted", "n_hits", "n_ignored"),
    *("paper_precision", "paper_recall", "paper_f1", "paper_f1_low", "paper_f1_high"),
    *("strict_precision", "strict_recall", "strict_f1", "strict_f1_low", "strict_f1_high"),
    *("average_precision", "position_error_mean_voxel"),
)


def figures_over_radii(
    cases: Sequence[Case],
    groups: Sequence[ClassGroup],
    settings: Settings,
    radii_voxel: Sequence[float],
    n_draws: int = 1000,
    seed: int = 0,
) -> list[dict]:
    """Return the figures of all classes together and of each, for each radius.

    Parameters
    ----------
    cases : sequence of Case, those that count together
    groups : sequence of ClassGroup
    settings : Settings, its own radius does not matter
    radii_voxel : sequence of float, working voxels
    n_draws, seed : int, of the bootstrap; every radius draws the same membranes

    Returns
    -------
    list of dict
        Keys `COLUMNS`; None where a figure is not defined. First all classes (class 'overall'),
        by ascending radius, then each class.
    """
    found: dict[float, list] = {}
    radii = sorted(set(map(float, radii_voxel)))
    for radius in radii:
        at_radius = replace(settings, radius_voxel=radius)
        found[radius] = [
            [((c.tomogram, c.membrane), evaluate_membrane(c, g, at_radius)) for c in cases]
            for g in groups
        ]
    rows = []
    parts = [(OVERALL, range(len(groups))), *((g.name, [j]) for j, g in enumerate(groups))]
    for name, members in parts:
        for radius in radii:
            outcomes = [outcome for j in members for outcome in found[radius][j]]
            rows.append(_row(name, radius, summarise(outcomes, n_draws, seed)))
    return rows


def _row(name: str, radius: float, figures: Mapping) -> dict:
    row = {"class": name, "radius_voxel": radius}
    row |= {key: figures[key] for key in ("n_annotated", "n_predicted", "n_hits", "n_ignored")}
    for way in ("paper", "strict"):
        row |= {f"{way}_{key}": value for key, value in figures[way].items()}
        low, high = figures[f"interval_{way}_f1"] or (None, None)
        row |= {f"{way}_f1_low": low, f"{way}_f1_high": high}
    row["average_precision"] = figures["average_precision"]
    row["position_error_mean_voxel"] = figures["position_error_voxel"]["mean"]
    return {column: row[column] for column in COLUMNS}
