"""A comparison of lists as tables and figures in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .comparison import COLUMNS, Compared, comparison_row
from .comparison_text import markdown
from .evaluation import Settings
from .evaluation_figures import draw_f1_lines, draw_precision_recall
from .evaluation_files import score_curves, write_rows
from .files import atomic_path, write_json
from .radii import COLUMNS as RADII_COLUMNS
from .radii import OVERALL, figures_over_radii


def write_comparison(
    folder: str | Path,
    compared: Sequence[Compared],
    words: str,
    settings: Settings,
    radii_voxel: Sequence[float],
    *,
    near_voxel: float,
    provenance: dict,
    pixel_size: float = 0.0,
    n_draws: int = 1000,
    seed: int = 0,
) -> list[dict]:
    """Write table (.csv, .md), comparison.json, radii (.csv, .png) and precision_recall.png.

    Parameters
    ----------
    folder : path
    compared : sequence of Compared
    words : str, which membranes count
    settings : Settings
    radii_voxel : sequence of float, working voxels
    near_voxel : float, working voxels; how far from a mask picks counted
    provenance : dict
    pixel_size : float, angstrom per working voxel; 0: not the same in every tomogram
    n_draws, seed : int, of the bootstrap

    Returns
    -------
    list of dict, the rows of the table, see `comparison.comparison_row`
    """
    folder = Path(folder)
    rows = [comparison_row(c) for c in compared]
    write_rows(folder / "table.csv", COLUMNS, rows)
    with atomic_path(folder / "table.md") as temporary:
        text = markdown(rows, words, settings.radius_voxel, near_voxel)
        temporary.write_text(text, encoding="utf-8")
    lists: dict[str, dict] = {}
    for c in compared:
        lists.setdefault(c.name, {})[c.target] = {"n_picks": c.n_picks, **c.figures}
    known = {"radius_voxel": settings.radius_voxel, "near_voxel": near_voxel}
    content = {"rows": words, **known, "lists": lists, "provenance": provenance}
    is_one_class = len({c.target for c in compared}) == 1
    lines, curves = {}, {}
    for c in compared:
        name = c.name if is_one_class else f"{c.name}, {c.target}"
        found = figures_over_radii(c.cases, [c.group], settings, radii_voxel, n_draws, seed)
        lines[name] = [row for row in found if row["class"] == OVERALL]
        curves[name] = score_curves(c.cases, [c.group], settings)[c.target][1:]
    over_radii = [
        {"list": c.name, **row, "class": c.target}
        for c, found in zip(compared, lines.values(), strict=True)
        for row in found
    ]
    write_rows(folder / "radii.csv", ("list", *RADII_COLUMNS), over_radii)
    draw_f1_lines(folder / "radii.png", lines, settings.radius_voxel, pixel_size)
    draw_precision_recall(folder / "precision_recall.png", curves)
    write_json(folder / "comparison.json", content)
    return rows
