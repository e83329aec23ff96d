"""A comparison of lists as text: for the screen, and as Markdown for a paper or a wiki."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HEADER = (
    *("list", "picks", "near", "P", "R", "F1", "95 %", "strict P", "strict R", "strict F1", "95 %"),
    *("in-plane", "normal"),
)


def _figure(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _interval(row: Mapping, way: str) -> str:
    low, high = row[f"{way}_f1_low"], row[f"{way}_f1_high"]
    return "-" if low is None else f"{low:.2f}-{high:.2f}"


def _error(row: Mapping, quantity: str) -> str:
    mean, median = (row[f"{quantity}_error_{kind}_degree"] for kind in ("mean", "median"))
    return "-" if mean is None else f"{mean:.1f} / {median:.1f}"


def comparison_cells(row: Mapping) -> list[str]:
    """Return the cells of one list, in the order of `HEADER`."""
    cells = [row["list"], str(row["n_picks"]), str(row["n_predicted"])]
    for way in ("paper", "strict"):
        cells += [_figure(row[f"{way}_{key}"]) for key in ("precision", "recall", "f1")]
        cells.append(_interval(row, way))
    return [*cells, _error(row, "in_plane"), _error(row, "normal")]


def _by_class(rows: Sequence[Mapping]) -> dict[str, list[Mapping]]:
    out: dict[str, list[Mapping]] = {}
    for row in rows:
        out.setdefault(row["class"], []).append(row)
    return out


def screen_lines(rows: Sequence[Mapping]) -> list[str]:
    """Return a comparison as aligned lines, one table per class."""
    lines = []
    for name, members in _by_class(rows).items():
        lines.append(f"{name}, {members[0]['n_annotated']} annotated")
        table = [list(HEADER), *(comparison_cells(row) for row in members)]
        widths = [max(len(cells[i]) for cells in table) for i in range(len(HEADER))]
        for cells in table:
            text = [cells[0].ljust(widths[0])]
            text += [c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)]
            lines.append("  ".join(text))
    return lines


def markdown(rows: Sequence[Mapping], words: str, radius: float, near: float) -> str:
    """Return a comparison as a Markdown document.

    Parameters
    ----------
    rows : sequence of mapping, from `comparison.comparison_row`
    words : str, which membranes count
    radius, near : float, working voxels
    """
    lines = [
        f"Picks within {near:g} working voxels of an annotated membrane ({words}); a hit lies "
        f"within {radius:g} working voxels of an annotation.",
        "P, R, F1: many to one, as in the paper; strict: one to one. 95 %: interval of F1 over "
        "membranes. In-plane and normal error: mean / median, degrees.",
    ]
    for name, members in _by_class(rows).items():
        lines += ["", f"**{name}** ({members[0]['n_annotated']} annotated)", ""]
        lines.append(f"| {' | '.join(HEADER)} |")
        lines.append("| --- |" + " ---: |" * (len(HEADER) - 1))
        lines += [f"| {' | '.join(_escape(c) for c in comparison_cells(row))} |" for row in members]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
