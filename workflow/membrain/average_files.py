"""The files of averages: volumes, pictures, and the tables that tell how they came about."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .average_figures import draw_average, draw_correlations
from .average_groups import Groups
from .averages import Sums, averages_of
from .class_options import ANY_CLASS
from .errors import InputError
from .files import read_table, write_json, write_table
from .shell_correlation import resolution, shell_correlation
from .turns import average_turns
from .volumes import write_volume

log = logging.getLogger(__name__)

COLUMNS = (
    *("kind", "name", "n_particles", "n_averaged", "n_partial", "n_outside", "n_without_pose"),
    *("symmetry", "resolution_angstrom", "file"),
)
CURVE_COLUMNS = ("kind", "name", "shell", "frequency_per_angstrom", "correlation")


@dataclass(frozen=True)
class Settings:
    """What the files say of the averages.

    Attributes
    ----------
    pixel_size : float, angstrom per voxel of the averages
    symmetry : mapping of class (lower case) to n of Cn
    contrasts : mapping of tomogram to ``dark`` or ``bright``
    provenance : dict
    """

    pixel_size: float
    symmetry: Mapping[str, int]
    contrasts: Mapping[str, str]
    provenance: dict

    def symmetry_of(self, kind: str, name: str) -> int:
        """Return the n of a group: its class's own, else that for every class."""
        every = self.symmetry.get(ANY_CLASS, 1)
        return self.symmetry.get(name.lower(), every) if kind == "class" else every


def write_averages(folder: str | Path, groups: Groups, sums: Sums, settings: Settings) -> None:
    """Write volumes, pictures and tables; a group without particles has a row and nothing else.

    Parameters
    ----------
    folder : path
    groups : Groups
    sums : Sums, in the order of the groups
    settings : Settings
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows, curves = [], {}
    for g, (kind, name) in enumerate(zip(groups.kinds, groups.names, strict=True)):
        member = groups.is_member[:, g]
        n_averaged = int(groups.is_averaged[:, g].sum())
        n_partial = int(sums.n_partial[g].sum())
        n = settings.symmetry_of(kind, name)
        period = None
        if n_averaged:
            average, halves = averages_of(sums, g)
            _write_forms(folder, groups, g, average, n, settings)
            if n_averaged > 1:
                curve = shell_correlation(*halves)
                curves[kind, name] = curve
                period = resolution(curve, len(average), settings.pixel_size)
        _tell(groups, g, n_averaged, n_partial, period)
        rows.append(
            (
                *(kind, name, int(member.sum()), n_averaged, n_partial),
                int((member & groups.is_outside).sum()),
                int((member & groups.lacks_pose).sum()),
                f"C{n}",
                "" if period is None else f"{period:.2f}",
                f"{groups.files[g]}.mrc" if n_averaged else "",
            )
        )
    write_table(folder / "averages.csv", COLUMNS, rows, delimiter=",")
    _write_curves(folder, curves, sums.totals.shape[-1], settings.pixel_size)
    content = {
        "pixel_size_angstrom": settings.pixel_size,
        "box_voxel": sums.totals.shape[-1],
        "axes": "z along the normal, away from the membrane; x the in-plane axis; particle at n/2",
        "grey_values": "standard deviations of the tomogram from its mean, protein bright",
        "contrast_of_tomograms": dict(settings.contrasts),
        "provenance": settings.provenance,
    }
    write_json(folder / "averages.json", content)


def _write_forms(
    folder: Path, groups: Groups, g: int, average: np.ndarray, n: int, settings: Settings
) -> None:
    """Write a group's average as it is, over Cn and over every turn, and the picture of these."""
    forms = {"as cut": ("", average)}
    if n > 1:
        forms[f"C{n}"] = (f"_c{n}", average_turns(average, n))
    forms["every turn"] = ("_round", average_turns(average))
    origin = (-(len(average) // 2) * settings.pixel_size,) * 3  # the particle is at 0, 0, 0
    stem = groups.files[g]
    for ending, volume in forms.values():
        write_volume(folder / f"{stem}{ending}.mrc", volume, settings.pixel_size, origin)
    kind, name = groups.kinds[g], groups.names[g]
    title = name if kind == "all" else f"{kind} {name}"
    n_averaged = int(groups.is_averaged[:, g].sum())
    volumes = {form: volume for form, (_, volume) in forms.items()}
    words = "particle" if n_averaged == 1 else "particles"
    title = f"{title}: {n_averaged} {words}, protein bright"
    draw_average(folder / f"{stem}.png", volumes, settings.pixel_size, title)


def _tell(groups: Groups, g: int, n_averaged: int, n_partial: int, period: float | None) -> None:
    member = groups.is_member[:, g]
    text = "%s %s: %d of %d particles averaged, %d of them cut by the tomogram's border"
    values = [groups.kinds[g], groups.names[g], n_averaged, int(member.sum()), n_partial]
    left_out = {
        "outside the tomogram": int((member & groups.is_outside).sum()),
        "without orientation": int((member & groups.lacks_pose).sum()),
    }
    text += "".join(f"; {n} {words}" for words, n in left_out.items() if n)
    if period is not None:
        text += f"; half averages agree to {period:.1f} angstrom"
    (log.info if n_averaged else log.warning)(text, *values)


def _write_curves(folder: Path, curves: Mapping, box: int, pixel_size: float) -> None:
    rows = [
        (kind, name, shell, f"{shell / (box * pixel_size):.6f}", f"{value:.5f}")
        for (kind, name), curve in curves.items()
        for shell, value in enumerate(curve, 1)
    ]
    write_table(folder / "fsc.csv", CURVE_COLUMNS, rows, delimiter=",")
    if curves:
        named = {
            name if kind != "class" else f"class {name}": c for (kind, name), c in curves.items()
        }
        draw_correlations(folder / "fsc.png", named, box, pixel_size)


def class_averages(folder: str | Path, minimum: int = 1) -> dict[str, Path]:
    """Return the file of each class's average (lower case) in a folder of `write_averages`.

    Classes with fewer than `minimum` averaged particles are left out, which the log tells.

    Raises
    ------
    InputError
        When the folder holds no table of averages, or a number in it is none.
    """
    table = Path(folder) / "averages.csv"
    columns, rows = read_table(table, delimiter=",")
    missing = [name for name in ("kind", "name", "n_averaged", "file") if name not in columns]
    if missing:
        raise InputError(
            f"{table}: not the table of averages",
            found=f"columns {', '.join(columns)}",
            expected=f"also {', '.join(missing)}",
            remedy="run average_subvolumes",
        )
    out = {}
    for row in (row for row in rows if row["kind"] == "class"):
        if not row["n_averaged"].isdecimal():
            raise InputError(
                f"{table}: n_averaged of {row['name']}",
                found=repr(row["n_averaged"]),
                expected="a whole number",
            )
        n = int(row["n_averaged"])
        if row["file"] and n >= minimum:
            out[row["name"].lower()] = table.parent / row["file"]
        else:
            log.info("class %s: average of %d particles left out", row["name"], n)
    return out
