"""Named lists of picks, read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import InputError
from .ground_truth import GroundTruth
from .particles import ParticleTable
from .pick_units import check_units
from .picks import NO_MEMBRANE, read_picks

NEAR_RADII = 2.0  # hit radii up to which a pick says that a list is in the right unit


@dataclass(frozen=True)
class PickSource:
    """A list of picks.

    Attributes
    ----------
    name : str, for tables and figures
    path : str
        File in any format of `picks.read_picks`; ``{tomogram}`` stands for one file each.
    pixel_size : float or None
        Angstrom per unit of coordinates that do not tell their own.
    """

    name: str
    path: str
    pixel_size: float | None = None


def parse_sources(
    flag: str, texts: Sequence[str], pixel_sizes: Sequence[str] = ()
) -> list[PickSource]:
    """Return the lists that flags name.

    Parameters
    ----------
    flag : str, for messages
    texts : sequence of ``NAME=PATH``
    pixel_sizes : sequence of ``NAME=ANGSTROM``

    Raises
    ------
    InputError
        When a text has no name, a name stands twice, or a pixel size is no length or of no list.
    """
    paths: dict[str, str] = {}
    for text in texts:
        name, sign, path = text.partition("=")
        if not (name and sign and path):
            raise InputError(f"{flag}", found=repr(text), expected="NAME=PATH")
        if name in paths:
            raise InputError(f"{flag}: two lists are called '{name}'", found=" ".join(texts))
        paths[name] = path
    sizes: dict[str, float] = {}
    for text in pixel_sizes:
        name, _, value = text.partition("=")
        if name not in paths:
            raise InputError(
                f"--pixel-sizes: no list '{name}'", found=repr(text), expected=", ".join(paths)
            )
        try:
            sizes[name] = float(value)
        except ValueError:
            sizes[name] = 0.0
        if not 0 < sizes[name] < float("inf"):
            raise InputError(
                f"--pixel-sizes: list '{name}'", found=repr(value), expected="angstrom, above 0"
            )
    return [PickSource(name, path, sizes.get(name)) for name, path in paths.items()]


def read_list(
    source: PickSource, truth: GroundTruth, infos: Mapping[str, Mapping], radius_voxel: float
) -> ParticleTable:
    """Return the picks of a list in the tomograms with annotations, in the right unit.

    Parameters
    ----------
    source : PickSource
    truth : GroundTruth
    infos : mapping of tomogram to its info
    radius_voxel : float, working voxels; the hit radius

    Raises
    ------
    InputError
        As `picks.read_picks` and `pick_units.check_units` do.
    """
    steps = truth.masks.steps
    used = {name: infos[name] for name in infos if name in steps}
    picks = read_picks(source.path, used, source.pixel_size)
    is_foreign = picks.membrane == NO_MEMBRANE
    if is_foreign.any():
        radius = {name: NEAR_RADII * radius_voxel * step for name, step in steps.items()}
        where = source.path if source.path == source.name else f"{source.name} ({source.path})"
        check_units(where, picks.select(is_foreign), truth.positions(), radius, used)
    return picks
