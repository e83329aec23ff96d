"""Pictures of averages: the three central slices, and the curves of half averages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .files import atomic_path
from .shell_correlation import THRESHOLD, soft_sphere

# name, axes of the slice as (across, up), axis that is cut
SLICES = (
    ("from above", "x", "y", "z"),
    ("from the side", "x", "z", "y"),
    ("end on", "y", "z", "x"),
)
SHOWN = (0.2, 99.95)  # percentiles of the voxels in the ball that become black and white


def central_slice(volume: np.ndarray, cut: str) -> np.ndarray:
    """Return the slice through index n // 2 across an axis; the last axis is drawn across."""
    axis = "zyx".index(cut)
    return np.take(volume, volume.shape[axis] // 2, axis=axis)


def bar_length(width_angstrom: float) -> float:
    """Return a round length of about a quarter of a picture's width: 1, 2 or 5 times 10^k."""
    target = width_angstrom / 4
    power = 10.0 ** np.floor(np.log10(target))
    return float(power * max(m for m in (1, 2, 5) if m * power <= target * (1 + 1e-9)))


def _new_figure(width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure, path: str | Path) -> None:
    with atomic_path(path) as temporary:
        # no date or program version: same run, same bytes
        figure.savefig(temporary, dpi=150, metadata={"Software": None})


def draw_average(
    path: str | Path, volumes: Mapping[str, np.ndarray], pixel_size: float, title: str
) -> None:
    """Write a PNG of the central slices of an average, one row for each of its forms.

    Parameters
    ----------
    path : path
    volumes : mapping of name to (n, n, n) float
        As ``{"as cut": ..., "C2": ..., "every turn": ...}``; bright is protein.
    pixel_size : float, angstrom
    title : str
    """
    figure = _new_figure(8.6, 0.7 + 2.6 * len(volumes))
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(len(volumes), 3, squeeze=False)
    for row, (name, volume) in zip(grid, volumes.items(), strict=True):
        n = len(volume)
        low, high = np.percentile(volume[soft_sphere(n) > 0.5], SHOWN)
        first, last = ((i - n // 2) * pixel_size for i in (-0.5, n - 0.5))
        for axes, (view, across, up, cut) in zip(row, SLICES, strict=True):
            picture = axes.imshow(
                central_slice(volume, cut),
                cmap="gray",
                vmin=low,
                vmax=max(high, low + 1e-6),
                origin="lower",
                extent=(first, last, first, last),
                interpolation="nearest",
            )
            axes.set(xlabel=f"{across} (Å)", title=f"{name}, {view}")
            axes.set_ylabel(f"{up} (Å), along the normal" if up == "z" else f"{up} (Å)")
            axes.title.set_fontsize(9)
            _draw_bar(axes, first, last, n * pixel_size)
        # numbers as wide in each row: the layout leaves room for those of the first
        bar = figure.colorbar(picture, ax=list(row), shrink=0.85, format="%+.1f")
        bar.ax.tick_params(labelsize=8)
        bar.set_label("grey value (standard deviations)", fontsize=8)
    _save(figure, path)


def _draw_bar(axes, first: float, last: float, width: float) -> None:
    """Draw the scale bar with its length into the lower right corner."""
    from matplotlib.patheffects import withStroke

    length, margin = bar_length(width), 0.06 * width
    end, height = last - margin, first + margin
    axes.plot(
        [end - length, end],
        [height, height],
        color="white",
        linewidth=2.5,
        solid_capstyle="butt",
        path_effects=[withStroke(linewidth=4, foreground="black")],
    )
    words = axes.text(end - length / 2, height + 0.02 * width, f"{length:g} Å", color="white")
    words.set(fontsize=8, ha="center", va="bottom")
    words.set_path_effects([withStroke(linewidth=2, foreground="black")])


def draw_correlations(
    path: str | Path, curves: Mapping[str, Sequence[float]], box: int, pixel_size: float
) -> None:
    """Write a PNG of the shell correlations of half averages over spatial frequency."""
    figure = _new_figure(5.6, 3.8)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        frequency = np.arange(1, len(curve) + 1) / (box * pixel_size)
        axes.plot(frequency, curve, marker=".", label=name)
    axes.axhline(THRESHOLD, color="0.6", linewidth=1, linestyle="--", label=f"{THRESHOLD}")
    axes.set(
        xlabel="spatial frequency (1/Å)",
        ylabel="shell correlation of the half averages",
        ylim=(min([0.0, *(min(c) for c in curves.values() if len(c))]) - 0.05, 1.05),
        xlim=(0, None),
    )
    axes.legend(fontsize=8)
    _save(figure, path)
