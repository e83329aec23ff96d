"""Curves of a training run as a table and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .files import atomic_path, write_table

COLUMNS = ("run", "epoch", "learning_rate", "training_loss", "validation_loss")
COLUMNS += ("validation_angle_degree",)


def write_curves(path: str | Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one row per epoch and run, comma separated; no validation leaves its cells empty."""
    write_table(path, COLUMNS, [[_cell(row[name]) for name in COLUMNS] for row in history], ",")


def _cell(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.6g}"


def draw_curves(path: str | Path, history: Sequence[Mapping[str, float]], kept: int) -> None:
    """Write a PNG of the losses over the epochs; a line marks the epoch that was kept.

    The runs before the final one, in which a part was held out, are drawn paler.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for run in dict.fromkeys(row["run"] for row in history):
        alpha, note = (1.0, "") if run == "final" else (0.4, f", {run}")
        rows = [row for row in history if row["run"] == run]
        for name, colour in (("training", "C0"), ("validation", "C1")):
            values = [row[f"{name}_loss"] for row in rows]
            if rows and None not in values:
                epochs = [row["epoch"] for row in rows]
                look = {"color": colour, "alpha": alpha, "marker": "."}
                axes.plot(epochs, values, label=name + note, **look)
    axes.axvline(kept, color="0.6", linewidth=1, linestyle="--", label=f"kept: epoch {kept}")
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.legend()
    with atomic_path(path) as temporary:
        # no date or program version: same run, same bytes
        figure.savefig(temporary, dpi=120, metadata={"Software": None})
