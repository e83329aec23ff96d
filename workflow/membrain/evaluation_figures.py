"""Figures of an evaluation: over radii, over scores, and the poses of hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .drawing import COLOURS, GREY, MARKERS, figure_at, say_nothing_to_show
from .pose_errors import signed_turn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAYS = (("paper", "many to one (as in the paper)"), ("strict", "one to one (strict)"))
BIN_DEGREE = 5.0  # of in-plane errors
NORMAL_BIN_DEGREE = 2.0


def _numbers(rows: Sequence[Mapping], key: str) -> np.ndarray:
    return np.array([np.nan if row[key] is None else row[key] for row in rows], dtype=np.float64)


def _radius_axes(axes: Axes, rows: Sequence[Mapping], marked: float, pixel_size: float) -> None:
    """Label axes whose x is the hit radius; a second x axis counts nm where that is known."""
    radii = _numbers(rows, "radius_voxel")
    axes.axvline(marked, color=GREY, linewidth=1, linestyle="--", zorder=0)
    axes.annotate(
        f"{marked:g}", (marked, 1.0), (2, 1), textcoords="offset points", color=GREY, fontsize=8
    )
    high = max(float(np.max(radii, initial=0.0)), marked) * 1.03 or 1.0
    axes.set(xlim=(0, high), ylim=(0, 1.06))
    axes.set_xlabel("hit radius (working voxels)")
    if pixel_size:
        nm = pixel_size / 10
        top = axes.secondary_xaxis("top", functions=(lambda v: v * nm, lambda v: v / nm))
        top.set_xlabel("hit radius (nm)")


def _f1_line(axes: Axes, rows: Sequence[Mapping], way: str, index: int, label: str) -> None:
    """Draw F1 over radii with its interval as a band."""
    radii = _numbers(rows, "radius_voxel")
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    low, high = _numbers(rows, f"{way}_f1_low"), _numbers(rows, f"{way}_f1_high")
    axes.fill_between(radii, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(radii, _numbers(rows, f"{way}_f1"), color=colour, marker=marker, label=label)


def draw_radii(
    path: str | Path,
    rows: Sequence[Mapping],
    marked_radius: float,
    pixel_size: float = 0.0,
) -> None:
    """Write a PNG of precision, recall and F1 (with its interval) over the hit radius.

    Parameters
    ----------
    path : path
    rows : sequence of mapping, from `radii.figures_over_radii`, of one class or of all together
    marked_radius : float, working voxels; the radius that the other figures hold for
    pixel_size : float, angstrom per working voxel; 0: not the same in every tomogram
    """
    with figure_at(path, 8.4, 3.9) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (way, title) in zip(panels, WAYS, strict=True):
            radii = _numbers(rows, "radius_voxel")
            _f1_line(axes, rows, way, 0, "F1 (band: 95 % interval)")
            for key, index, dashes in (("precision", 1, (4, 1.5)), ("recall", 2, (1.2, 1.2))):
                look = {"color": COLOURS[index], "marker": MARKERS[index], "dashes": dashes}
                axes.plot(radii, _numbers(rows, f"{way}_{key}"), label=key, **look)
            _radius_axes(axes, rows, marked_radius, pixel_size)
            axes.set_title(title)
        panels[0].set_ylabel("precision, recall, F1")
        panels[1].legend(loc="lower right")


def draw_f1_lines(
    path: str | Path,
    rows_by_name: Mapping[str, Sequence[Mapping]],
    marked_radius: float,
    pixel_size: float = 0.0,
) -> None:
    """Write a PNG of F1 over the hit radius, one line for each of some lists or classes.

    Parameters
    ----------
    path, marked_radius, pixel_size : see `draw_radii`
    rows_by_name : mapping of name to rows of `radii.figures_over_radii`
    """
    with figure_at(path, 8.4, 3.9) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (way, title) in zip(panels, WAYS, strict=True):
            for index, (name, rows) in enumerate(rows_by_name.items()):
                _f1_line(axes, rows, way, index, name)
            every = [row for rows in rows_by_name.values() for row in rows]
            _radius_axes(axes, every, marked_radius, pixel_size)
            axes.set_title(title)
        panels[0].set_ylabel("F1 (band: 95 % interval)")
        if rows_by_name:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")


def draw_precision_recall(
    path: str | Path, curves: Mapping[str, tuple[np.ndarray, np.ndarray, float | None]]
) -> None:
    """Write a PNG of precision over recall, one line for each name.

    Parameters
    ----------
    path : path
    curves : mapping of name to (precision, recall, average precision), see `precision_recall`
    """
    with figure_at(path, 4.6, 4.2) as figure:
        axes = figure.subplots()
        for f1 in (0.2, 0.4, 0.6, 0.8, 0.9):
            recall = np.linspace(f1 / (2 - f1), 1, 100)
            axes.plot(recall, f1 * recall / (2 * recall - f1), color="0.8", linewidth=0.8, zorder=0)
            axes.annotate(f"F1 {f1:g}", (1.0, f1 / (2 - f1)), (-2, 2), fontsize=7, color=GREY,
                          textcoords="offset points", ha="right")  # fmt: skip
        shown = {name: curve for name, curve in curves.items() if len(curve[0])}
        for index, (name, (precision, recall, average)) in enumerate(shown.items()):
            colour = COLOURS[index % len(COLOURS)]
            axes.plot(recall, precision, color=colour, label=f"{name}: {average:.2f}")
            axes.plot(recall[-1], precision[-1], MARKERS[index % len(MARKERS)], color=colour)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02))
        axes.set(xlabel="recall (strict)", ylabel="precision (strict)")
        if shown:
            axes.legend(title="average precision", loc="lower left", title_fontsize=8.5,
                        frameon=True, framealpha=0.9, edgecolor="none")  # fmt: skip
        else:
            say_nothing_to_show(axes, "no particle with a score")


def _histogram(
    axes: Axes, values: np.ndarray, high: float, width: float, index: int, chance: bool
) -> None:
    """Draw the share of hits in bins of some width from 0 to `high`, with mean and median."""
    n_bins = max(1, round(high / width))
    edges = np.linspace(0, high, n_bins + 1)
    counts = np.histogram(np.clip(values, 0, high), edges)[0]
    axes.bar(edges[:-1], 100 * counts / len(values), np.diff(edges), align="edge",
             color=COLOURS[index], edgecolor="white", linewidth=0.7)  # fmt: skip
    if chance:
        axes.axhline(100 / n_bins, color=GREY, linewidth=1.2, linestyle=":", label="by chance")
    mean, median = values.mean(), np.median(values)
    axes.axvline(median, color="black", linewidth=1.4, label=f"median {median:.1f}°")
    axes.axvline(mean, color="black", linewidth=1.4, linestyle="--", label=f"mean {mean:.1f}°")
    axes.set(xlim=(0, high), ylabel=f"hits (% of {len(values)})")
    axes.grid(False, axis="x")
    axes.legend(loc="upper right")


def _polar(axes: Axes, turn: np.ndarray, fold: np.ndarray) -> None:
    """Draw the turn of each hit around the circle, repeated by its symmetry."""
    from matplotlib.ticker import MaxNLocator

    folds = fold.astype(int)
    angles = [turn[folds > k] + 360.0 * k / folds[folds > k] for k in range(folds.max())]
    weights = [1.0 / folds[folds > k] for k in range(folds.max())]
    edges = np.arange(-BIN_DEGREE, 360 - BIN_DEGREE / 2, 2 * BIN_DEGREE)  # a bin's middle at 0
    wrapped = np.mod(np.concatenate(angles) + BIN_DEGREE, 360) - BIN_DEGREE
    edges = np.append(edges, 360 - BIN_DEGREE)
    share = np.histogram(wrapped, edges, weights=np.concatenate(weights))[0] / len(turn)
    axes.bar(np.radians(edges[:-1]), 100 * share, np.radians(2 * BIN_DEGREE), align="edge",
             color=COLOURS[0], edgecolor="white", linewidth=0.7)  # fmt: skip
    axes.set_xticks(np.radians(np.arange(0, 360, 30)))
    axes.tick_params(labelsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.yaxis.set_major_formatter("{x:g} %")
    axes.set_rlabel_position(105)


def draw_orientations(
    path: str | Path,
    in_plane: np.ndarray,
    turn: np.ndarray,
    fold: np.ndarray,
    normal: np.ndarray,
) -> None:
    """Write a PNG of the pose errors of hits: in-plane, in-plane around the circle, normal.

    Parameters
    ----------
    path : path
    in_plane, turn, fold, normal : (n_hits,) float, degree, see `evaluation.Outcome`
        NaN where a pose is not known.
    """
    is_known, has_normal = np.isfinite(turn), np.isfinite(normal)
    with figure_at(path, 11.0, 3.6) as figure:
        first, circle, last = (
            figure.add_subplot(1, 3, i, projection="polar" if i == 2 else None) for i in (1, 2, 3)
        )
        first.set(title="in-plane error", xlabel="angle to the annotated axis (degrees)")
        circle.set_title("in-plane turn (0°: as annotated), repeated by symmetry", loc="center")
        last.set(title="normal error", xlabel="angle to the annotated normal (degrees)")
        if is_known.any():
            high = 180.0 / fold[is_known].min()
            is_one_fold = len(set(fold[is_known])) == 1
            _histogram(first, in_plane[is_known], high, BIN_DEGREE, 0, chance=is_one_fold)
            _polar(circle, signed_turn(turn, fold)[is_known], fold[is_known])
        if has_normal.any():
            high = np.ceil(max(30.0, normal[has_normal].max()) / 10) * 10
            _histogram(last, normal[has_normal], high, NORMAL_BIN_DEGREE, 1, chance=False)
        for axes, is_shown in ((first, is_known), (circle, is_known), (last, has_normal)):
            if not is_shown.any():
                say_nothing_to_show(axes, "no hit with both poses known")
                axes.set_yticks([])
