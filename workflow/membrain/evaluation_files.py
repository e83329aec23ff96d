"""Curves and poses of an evaluation as tables and figures in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from . import evaluation_figures as figures
from .evaluation import Case, ClassGroup, Outcome, Settings, evaluate_membrane
from .files import write_table
from .pose_errors import signed_turn
from .precision_recall import average_precision, precision_recall
from .radii import COLUMNS as RADII_COLUMNS
from .radii import OVERALL, figures_over_radii

POSE_COLUMNS = (
    *("tomogram", "membrane", "split", "side", "particle", "class", "annotated_class", "score"),
    *("x_voxel", "y_voxel", "z_voxel", "position_error_voxel"),
    *("in_plane_error_degree", "turn_degree", "symmetry", "normal_error_degree"),
)
SCORE_COLUMNS = ("class", "score", "precision", "recall")


def cell(value: float | str | None, digits: int = 6) -> str:
    """Return a number as text, without trailing zeros; empty for None and not a number."""
    if value is None or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return ""
    return value if isinstance(value, str) else f"{round(float(value), digits) + 0.0:.10g}"


def write_rows(path: str | Path, columns: Iterable[str], rows: Iterable[Mapping]) -> None:
    """Write mappings as a comma-separated table."""
    columns = list(columns)
    write_table(path, columns, ([cell(row[c]) for c in columns] for row in rows), delimiter=",")


def pose_rows(case: Case, outcome: Outcome) -> list[list]:
    """Return the rows of ``orientations.csv`` of one membrane: each strict hit.

    Notes
    -----
    `turn_degree` is the signed angle from the annotated to the predicted axis, folded by symmetry.
    """
    found, known = outcome.hits.T if len(outcome.hits) else np.zeros((2, 0), dtype=np.int64)
    particles, turn = case.particles.select(found), signed_turn(outcome.turn_degree, outcome.fold)
    rows = []
    for i, annotation in enumerate(known):
        names = (case.tomogram, case.membrane, case.split or "none", particles.side[i])
        rows.append(
            [
                *names,
                str(particles.particle[i]),
                particles.classes[i],
                case.annotations.classes[annotation],
                cell(particles.score[i], 5),
                *(cell(v, 3) for v in particles.voxel[i, ::-1]),
                cell(outcome.position_voxel[i], 4),
                cell(outcome.in_plane_degree[i], 3),
                cell(turn[i], 3),
                cell(outcome.fold[i]),
                cell(outcome.normal_degree[i], 3),
            ]
        )
    return rows


def write_poses(
    folder: Path, cases: Sequence[Case], groups: Sequence[ClassGroup], how: Settings, shown: set
) -> None:
    """Write orientations.csv, every hit, and orientations.png, those of the membranes `shown`."""
    rows, outcomes = [], []
    for i, case in enumerate(cases):
        for group in groups:
            outcome = evaluate_membrane(case, group, how)
            rows += pose_rows(case, outcome)
            if i in shown:
                outcomes.append(outcome)
    write_table(folder / "orientations.csv", POSE_COLUMNS, rows, delimiter=",")
    names = ("in_plane_degree", "turn_degree", "fold", "normal_degree")
    values = [np.concatenate([[], *(getattr(o, name) for o in outcomes)]) for name in names]
    figures.draw_orientations(folder / "orientations.png", *values)


def score_curves(
    cases: Sequence[Case], groups: Sequence[ClassGroup], how: Settings
) -> dict[str, tuple]:
    """Return score, precision, recall, average precision of all classes together and of each."""
    found = [[evaluate_membrane(case, group, how) for case in cases] for group in groups]
    parts = {OVERALL: [o for outcomes in found for o in outcomes]} if len(groups) != 1 else {}
    parts |= {group.name: outcomes for group, outcomes in zip(groups, found, strict=True)}
    curves = {}
    for name, outcomes in parts.items():
        scores = np.concatenate([[], *(o.scores for o in outcomes)])
        kinds = np.concatenate([[], *(o.kinds for o in outcomes)])
        known = (scores, kinds, sum(o.n_annotated for o in outcomes))
        curves[name] = (*precision_recall(*known), average_precision(*known))
    return curves


def write_details(
    folder: str | Path,
    cases: Sequence[Case],
    groups: Sequence[ClassGroup],
    how: Settings,
    shown: Sequence[int],
    radii_voxel: Sequence[float],
    *,
    pixel_size: float = 0.0,
    n_draws: int = 1000,
    seed: int = 0,
) -> None:
    """Write radii, precision_recall and orientations, each as .csv and .png.

    Parameters
    ----------
    folder : path
    cases, groups, how : what was compared and how, see `evaluation`
    shown : sequence of int, rows of `cases` that the overall figures are of
    radii_voxel : sequence of float, working voxels
    pixel_size : float, angstrom per working voxel; 0: not the same in every tomogram
    n_draws, seed : int, of the bootstrap
    """
    folder = Path(folder)
    chosen = [cases[i] for i in shown]
    rows = figures_over_radii(chosen, groups, how, radii_voxel, n_draws, seed)
    write_rows(folder / "radii.csv", RADII_COLUMNS, rows)
    overall = [row for row in rows if row["class"] == OVERALL]
    figures.draw_radii(folder / "radii.png", overall, how.radius_voxel, pixel_size)
    curves = score_curves(chosen, groups, how)
    lines = [
        [name, *(cell(v) for v in point)]
        for name, curve in curves.items()
        for point in zip(*curve[:3], strict=True)
    ]
    write_table(folder / "precision_recall.csv", SCORE_COLUMNS, lines, delimiter=",")
    figures.draw_precision_recall(
        folder / "precision_recall.png", {name: curve[1:] for name, curve in curves.items()}
    )
    write_poses(folder, cases, groups, how, set(shown))
