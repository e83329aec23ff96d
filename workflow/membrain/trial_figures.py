"""Pictures of trials: F1 with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .drawing import COLOURS, GREY, MARKERS, figure_at

SHOWN = 40  # trials in one picture, the first ones


def _error(value: float, low: float | None, high: float | None) -> list[list[float]]:
    """Return how far an interval reaches below and above a value, as matplotlib takes it."""
    return [
        [0.0 if low is None else max(value - low, 0.0)],
        [0.0 if high is None else max(high - value, 0.0)],
    ]


def draw_bars(path: str | Path, names: Sequence[str], rows: Sequence[tuple], title: str) -> None:
    """Write a picture with a line for each trial.

    Parameters
    ----------
    path : path, PNG
    names : sequence of str, one a trial
    rows : sequence of (f1, low, high), None where not known
    title : str
    """
    shown = list(zip(names, rows, strict=True))[:SHOWN]
    with figure_at(path, 6.5, 1.2 + 0.24 * len(shown)) as figure:
        axes = figure.add_subplot()
        for i, (_, (f1, low, high)) in enumerate(shown):
            if f1 is not None:
                error = _error(f1, low, high)
                axes.errorbar(f1, i, xerr=error, fmt="o", color=COLOURS[0], capsize=2.5)
        axes.set_yticks(range(len(shown)), [name for name, _ in shown], fontsize=7.5)
        axes.set(xlabel="F1, with its 95 % interval over membranes", title=title)
        axes.invert_yaxis()


def draw_lines(path: str | Path, rows: Sequence[Mapping], line: str, x: str, figure_name: str):
    """Write a picture of F1 over a number, a line for each kind.

    Parameters
    ----------
    path : path, PNG
    rows : sequence of mapping, of `trial_tables.tabulate`
    line, x : str, columns that tell the lines and the number
    figure_name : str, ``strict_f1`` or ``paper_f1``
    """
    kinds = list(dict.fromkeys(row[line] for row in rows))
    numbers = sorted({int(row[x]) for row in rows})
    with figure_at(path, 6.0, 4.0) as figure:
        axes = figure.add_subplot()
        for i, kind in enumerate(kinds):
            own = [row for row in rows if row[line] == kind and row[figure_name] is not None]
            # lines side by side, so that their intervals can be told apart
            places = [numbers.index(int(row[x])) + 0.06 * (i - len(kinds) / 2) for row in own]
            look = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
            values = [row[figure_name] for row in own]
            axes.plot(places, values, label=kind, **look)
            for place, row in zip(places, own, strict=True):
                ends = [row[f"{figure_name}_{end}"] for end in ("low", "high")]
                if None not in ends:
                    axes.plot([place, place], ends, color=look["color"], linewidth=1, alpha=0.7)
        axes.set_xticks(range(len(numbers)), [str(n) for n in numbers])
        axes.set(
            xlabel="training membranes", ylabel="F1 on the membranes judged", ylim=(None, 1.02)
        )
        axes.legend(labelcolor=None)
        axes.axhline(1.0, color=GREY, linewidth=0.8)
