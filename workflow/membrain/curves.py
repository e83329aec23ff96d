"""Curves of a training run as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .files import atomic_path, write_table

COLUMNS = ("epoch", "learning_rate", "training_loss", "validation_loss")


def write_curves(path: str | Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one row per epoch, comma separated; no validation leaves its cells empty."""
    rows = [
        ["" if row[name] is None else f"{row[name]:.6g}" for name in COLUMNS] for row in history
    ]
    write_table(path, COLUMNS, rows, delimiter=",")


def draw_curves(path: str | Path, history: Sequence[Mapping[str, float]], kept: int) -> None:
    """Write a PNG of the losses over the epochs; a line marks the epoch that was kept."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = [row["epoch"] for row in history]
    for name, label in (("training_loss", "training"), ("validation_loss", "validation")):
        values = [row[name] for row in history]
        if None not in values:
            axes.plot(epochs, values, marker=".", label=label)
    axes.axvline(kept, color="0.6", linewidth=1, linestyle="--", label=f"kept: epoch {kept}")
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.legend()
    with atomic_path(path) as temporary:
        # no date or program version: same run, same bytes
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
