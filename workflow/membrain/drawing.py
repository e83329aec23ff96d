"""How every figure of the program looks: colours, lines, size, and the same bytes each time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# told apart with any colour vision and by lightness (Okabe and Ito 2008, their yellow left out)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "0.55"
DOTS_PER_INCH = 150

STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


@contextmanager
def figure_at(path: str | Path, width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure in the program's style; write it as PNG when the block ends well.

    Parameters
    ----------
    path : path
    width, height : float, inch
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_path(path) as temporary:
            # no date or program version: same run, same bytes
            figure.savefig(temporary, dpi=DOTS_PER_INCH, metadata={"Software": None})


def say_nothing_to_show(axes: Axes, words: str) -> None:
    """Write words in the middle of axes that have nothing to show."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)
