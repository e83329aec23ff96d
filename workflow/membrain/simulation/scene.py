"""The surfaces and particles of one tomogram of a recipe, checked before anything is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .placement import Particle, Request, Room, generator, place_particles
from .proteins import Kind, make_kind
from .recipe import Recipe
from .render import Grid
from .surfaces import Surface, make_surface

LEAST_INSIDE = 0.5  # part of a surface that has to lie in the tomogram
MOST_VOXELS = 1 << 31  # 8 GiB of float32
N_PROBES = 2000  # points that tell it
SQUARE_MICROMETRE = 1e8  # in square angstrom


@dataclass(frozen=True)
class Scene:
    """What a tomogram holds, in angstrom, and the grid to draw it on.

    Attributes
    ----------
    entry : mapping, the tomogram's entry in the recipe
    grid : Grid
    surfaces : list of Surface, one per membrane of the recipe, in its order
    particles : list of Particle, membrane after membrane
    """

    entry: Mapping
    grid: Grid
    surfaces: list[Surface]
    particles: list[Particle]

    @property
    def name(self) -> str:
        """The tomogram's name."""
        return self.entry["tomogram"]

    def particles_of(self, membrane: str) -> list[Particle]:
        """Return the particles of one membrane."""
        return [particle for particle in self.particles if particle.membrane == membrane]


def _check_inside(surface: Surface, grid: Grid, where: str) -> None:
    points = surface.scatter(np.random.default_rng(0), N_PROBES)
    inside = ((points >= 0) & (points <= grid.size)).all(axis=1).mean()
    if inside < LEAST_INSIDE:
        raise InputError(
            f"{where}, membrane '{surface.name}': surface outside the volume",
            found=f"{100 * inside:.0f} % of it inside",
            expected=f"at least {100 * LEAST_INSIDE:.0f} % within 0 0 0 to "
            + " ".join(f"{s:.0f}" for s in grid.size[::-1])
            + " angstrom (x y z)",
        )


def _requests(
    surface: Surface, proteins: list[Mapping], kinds: Mapping[str, Kind]
) -> list[Request]:
    out = []
    for protein in proteins:
        number = protein.get("number")
        if number is None:
            density = protein["number_per_square_micrometre"] / SQUARE_MICROMETRE
            number = round(density * surface.patch.area)
        out.append(Request(kinds[protein["kind"]], surface.side_sign(protein["side"]), number))
    return out


def build_scene(recipe: Recipe, entry: Mapping) -> Scene:
    """Return the scene of one tomogram.

    Parameters
    ----------
    recipe : Recipe
    entry : mapping
        One of the recipe's ``tomograms``.

    Raises
    ------
    InputError
        When a surface lies outside the volume, a map is unusable, or particles do not fit.
    """
    pixel_size = recipe.content["pixel_size_angstrom"]
    where = f"tomogram '{entry['tomogram']}'"
    shape = tuple(max(1, round(s / pixel_size)) for s in entry["size_angstrom"][::-1])
    if math.prod(shape) > MOST_VOXELS:
        raise InputError(
            f"{where}: too many voxels",
            found=" x ".join(f"{n:.6g}" for n in shape[::-1]),
            expected=f"at most {MOST_VOXELS:.2g} in all",
            remedy="lower size_angstrom or raise pixel_size_angstrom",
        )
    grid = Grid(shape, pixel_size)
    surfaces = [make_surface(m["membrane"], m["surface"]) for m in entry["membranes"]]
    for surface in surfaces:
        _check_inside(surface, grid, where)
    kinds = {
        name: make_kind(name, content, recipe.folder)
        for name, content in recipe.content["kinds"].items()
    }
    options = recipe.options(entry, "placement")
    room = Room(
        size=np.array(entry["size_angstrom"][::-1], dtype=np.float64),
        surfaces=surfaces,
        half_thickness=recipe.options(entry, "mask")["thickness_angstrom"] / 2,
        gap=options["gap_angstrom"],
        rim_margin=options["rim_margin_angstrom"],
        tilt_degree=options["tilt_degree"],
    )
    particles: list[Particle] = []
    for surface, membrane in zip(surfaces, entry["membranes"], strict=True):
        rng = generator(recipe.seed, entry["tomogram"], surface.name, "particles")
        requests = _requests(surface, membrane["proteins"], kinds)
        particles += place_particles(surface, requests, room, rng)
    return Scene(entry, grid, surfaces, particles)
