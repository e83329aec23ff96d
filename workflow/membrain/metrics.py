"""Precision, recall, F1 and pose errors of outcomes, with bootstrap intervals over membranes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .bootstrap import bootstrap_interval, paper_f1
from .evaluation import Case, ClassGroup, Outcome, Settings, evaluate_membrane
from .precision_recall import average_precision

Key = tuple[str, str]  # tomogram, membrane
MEMBRANE_COLUMNS = (
    *(
        "tomogram",
        "membrane",
        "split",
        "class",
        "n_annotated",
        "n_predicted",
        "n_hits",
        "n_ignored",
    ),
    *(
        "paper_precision",
        "paper_recall",
        "paper_f1",
        "strict_precision",
        "strict_recall",
        "strict_f1",
    ),
    *("in_plane_error_mean_degree", "in_plane_error_median_degree"),
    *("normal_error_mean_degree", "normal_error_median_degree"),
    *("position_error_mean_voxel", "position_error_median_voxel"),
    *("average_precision", "heatmap_pearson", "heatmap_spearman"),
)


COUNTS = ("n_annotated", "n_predicted", "n_recalled", "n_right", "n_ignored", "n_hits")


def harmonic_mean(precision: float | None, recall: float | None) -> float | None:
    """Return F1; None where nothing is annotated, 0 where nothing was predicted."""
    if recall is None:
        return None
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def _scores(n_right: int, n_judged: int, n_found: int, n_annotated: int) -> dict:
    precision = n_right / n_judged if n_judged else None
    recall = n_found / n_annotated if n_annotated else None
    figures = {"precision": precision, "recall": recall, "f1": harmonic_mean(precision, recall)}
    return {name: None if value is None else round(value, 6) for name, value in figures.items()}


def _mean_median(values: np.ndarray) -> dict:
    values = values[np.isfinite(values)]
    if not len(values):
        return {"mean": None, "median": None}
    return {"mean": round(float(values.mean()), 4), "median": round(float(np.median(values)), 4)}


def _mean_correlation(outcomes: Sequence[Outcome]) -> dict:
    """Return the mean correlation of the membranes that have one."""
    found = [outcome.heatmap for outcome in outcomes if outcome.heatmap is not None]
    means = np.round(np.mean(found, axis=0), 6).tolist() if found else (None, None)
    return {"pearson": means[0], "spearman": means[1], "n": len(found)}


def _offset(turn: np.ndarray, fold: np.ndarray) -> float | None:
    """Return the circular mean of signed turns, degree; None where particles fold differently."""
    is_known = np.isfinite(turn)
    folds = np.unique(fold[is_known])
    if len(folds) != 1:
        return None
    mean = np.exp(1j * np.radians(turn[is_known] * folds[0])).mean()
    return round(float(np.degrees(np.angle(mean)) / folds[0]), 4) + 0.0


def summarise(outcomes: Sequence[tuple[Key, Outcome]], n_draws: int = 1000, seed: int = 0) -> dict:
    """Return the metrics of outcomes pooled over membranes and class groups.

    Parameters
    ----------
    outcomes : sequence of ((tomogram, membrane), Outcome)
        A membrane may stand several times, once for each group of classes.
    n_draws, seed : int, of the bootstrap

    Returns
    -------
    dict
        As ``metrics.json`` documents it; None where a figure is not defined.
    """
    found = [outcome for _, outcome in outcomes]

    def total(name: str) -> int:
        return sum(getattr(outcome, name) for outcome in found)

    def values(name: str) -> np.ndarray:
        return np.concatenate([np.zeros(0), *(getattr(outcome, name) for outcome in found)])

    counts: dict[Key, np.ndarray] = {}
    for key, o in outcomes:
        counts[key] = counts.get(key, 0) + np.array([getattr(o, name) for name in COUNTS])
    n_annotated, n_predicted = total("n_annotated"), total("n_predicted")
    n_hits, n_ignored = total("n_hits"), total("n_ignored")
    table = np.array(list(counts.values())).reshape(-1, len(COUNTS))
    judged = np.stack([table[:, 0], table[:, 1] - table[:, 4], table[:, 5]], axis=1)
    strict = bootstrap_interval(judged, n_draws, seed)
    paper = bootstrap_interval(table[:, :4], n_draws, seed, paper_f1)
    return {
        "n_membranes": len(counts),
        "n_annotated": n_annotated,
        "n_predicted": n_predicted,
        "n_hits": n_hits,
        "n_ignored": n_ignored,
        "paper": _scores(total("n_right"), n_predicted, total("n_recalled"), n_annotated),
        "strict": _scores(n_hits, n_predicted - n_ignored, n_hits, n_annotated),
        "interval_strict_f1": list(strict) if strict else None,
        "interval_paper_f1": list(paper) if paper else None,
        "average_precision": average_precision(values("scores"), values("kinds"), n_annotated),
        "in_plane_error_degree": _mean_median(values("in_plane_degree")),
        "in_plane_offset_degree": _offset(values("turn_degree"), values("fold")),
        "normal_error_degree": _mean_median(values("normal_degree")),
        "position_error_voxel": _mean_median(values("position_voxel")),
        "heatmap_correlation": _mean_correlation(found),
    }


def overall_rows(splits: Sequence[str], n_annotated: Sequence[int]) -> tuple[str, list[int]]:
    """Return which membranes the overall figures are of, in words and as rows.

    The test membranes if there are any; else the annotated ones that are neither for training nor
    for validation; else all.
    """
    is_test = [i for i, split in enumerate(splits) if split == "test"]
    if is_test:
        return "split test", is_test
    is_free = [
        i
        for i, (split, n) in enumerate(zip(splits, n_annotated, strict=True))
        if split not in ("train", "validation") and n
    ]
    if is_free:
        return "neither split train nor validation", is_free
    return "all annotated membranes", list(range(len(splits)))


def judged_rows(cases: Sequence[Case]) -> tuple[str, list[int]]:
    """Return which cases the overall figures are of, in words and as rows, see `overall_rows`."""
    return overall_rows(
        [case.split or "none" for case in cases], [len(case.annotations) for case in cases]
    )


def evaluate(
    cases: Sequence[Case],
    groups: Sequence[ClassGroup],
    settings: Settings,
    n_draws: int = 1000,
    seed: int = 0,
    heatmaps: Mapping[tuple[str, str, str], tuple[float, float]] | None = None,
) -> tuple[dict, list[list]]:
    """Return the content of ``metrics.json`` and the rows of ``membranes.csv``.

    Parameters
    ----------
    cases : sequence of Case, one per annotated membrane
    groups : sequence of ClassGroup
    settings : Settings
    n_draws, seed : int, of the bootstrap
    heatmaps : mapping of (tomogram, membrane, class group) to (Pearson, Spearman), optional
    """
    heatmaps = heatmaps or {}

    def outcome_of(case: Case, group: ClassGroup) -> Outcome:
        heatmap = heatmaps.get((case.tomogram, case.membrane, group.name))
        return replace(evaluate_membrane(case, group, settings), heatmap=heatmap)

    outcomes = [[outcome_of(case, group) for group in groups] for case in cases]

    def pooled(rows: Sequence[int], columns: Sequence[int]) -> dict:
        entries = [
            ((cases[i].tomogram, cases[i].membrane), outcomes[i][j]) for i in rows for j in columns
        ]
        return summarise(entries, n_draws, seed)

    splits = [case.split or "none" for case in cases]
    words, rows = judged_rows(cases)
    every = range(len(groups))
    by_tomogram: Mapping[str, list[int]] = {
        name: [i for i in rows if cases[i].tomogram == name]
        for name in dict.fromkeys(cases[i].tomogram for i in rows)
    }
    metrics = {
        "rows": words if cases else "none: no membrane has annotations",
        "radius_voxel": settings.radius_voxel,
        "overall": pooled(rows, every),
        "classes": {group.name: pooled(rows, [j]) for j, group in enumerate(groups)},
        "splits": {
            name: pooled([i for i, split in enumerate(splits) if split == name], every)
            for name in dict.fromkeys(splits)
        },
        "tomograms": {name: pooled(members, every) for name, members in by_tomogram.items()},
    }
    table = []
    for case, split, row in zip(cases, splits, outcomes, strict=True):
        for group, outcome in zip(groups, row, strict=True):
            figures = summarise([((case.tomogram, case.membrane), outcome)], 0)
            table.append([case.tomogram, case.membrane, split, group.name, *_cells(figures)])
    return metrics, table


def _cells(figures: Mapping) -> list:
    """Return the figures of a membrane in the order of `MEMBRANE_COLUMNS`, empty where None."""
    cells = [figures[name] for name in ("n_annotated", "n_predicted", "n_hits", "n_ignored")]
    cells += [
        figures[way][name] for way in ("paper", "strict") for name in ("precision", "recall", "f1")
    ]
    errors = ("in_plane_error_degree", "normal_error_degree", "position_error_voxel")
    cells += [figures[name][kind] for name in errors for kind in ("mean", "median")]
    cells.append(figures["average_precision"])
    cells += [figures["heatmap_correlation"][name] for name in ("pearson", "spearman")]
    return ["" if cell is None else cell for cell in cells]


def table_lines(metrics: Mapping) -> list[str]:
    """Return the main figures as lines of a plain-text table."""
    header = f"{'':<24}{'membranes':>10}{'annotated':>10}{'picked':>8}"
    header += f"{'P':>7}{'R':>7}{'F1':>7}{'paper F1':>10}{'in-plane':>10}"
    lines = [header]
    parts = [("overall", metrics["overall"])]
    for kind, word in (("classes", "class"), ("splits", "split"), ("tomograms", "tomogram")):
        parts += [(f"{word} {name}", figures) for name, figures in metrics[kind].items()]
    for name, m in parts:
        strict = [m["strict"][key] for key in ("precision", "recall", "f1")]
        cells = "".join(f"{'-' if v is None else format(v, '.2f'):>7}" for v in strict)
        paper, angle = m["paper"]["f1"], m["in_plane_error_degree"]["mean"]
        lines.append(
            f"{name[:23]:<24}{m['n_membranes']:>10}{m['n_annotated']:>10}{m['n_predicted']:>8}{cells}"
            f"{'-' if paper is None else format(paper, '.2f'):>10}"
            f"{'-' if angle is None else format(angle, '.1f'):>10}"
        )
    return lines
