"""Scenes -> tomograms, masks, annotations and sheets of a data set with known answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import provenance, write_json, write_table
from ..rotations import relion_angles
from ..volumes import write_volume
from .imaging import apply_wedge, coloured_noise, scale_noise, wiener_filter
from .placement import Particle, generator
from .recipe import Recipe
from .render import Grid, add_bilayer, add_crowding, add_particle, mask_voxels, voxels_near
from .scene import Scene, build_scene

log = logging.getLogger(__name__)

NEAR_ANGSTROM = 110.0  # from a mid-surface: the region whose variances define the SNR
POINT_ANGSTROM = 100.0  # from the mid-surface, where side_x, side_y, side_z is put
LIPID_LEFT = 0.3  # of the bilayer's density where protein takes its place
MOST_LABELS = 127  # of an int8 label map

ANNOTATION_COLUMNS = ("class", "x", "y", "z", "rot", "tilt", "psi")
TRUTH_COLUMNS = (
    *("tomogram", "membrane", "class", "x", "y", "z", "cx", "cy", "cz"),
    *("nx", "ny", "nz", "ax", "ay", "az", "rot", "tilt", "psi"),
)
MEMBRANE_COLUMNS = (
    *("tomogram", "membrane", "mask", "label", "side", "side_x", "side_y", "side_z"),
    *("split", "annotations"),
)


@dataclass(frozen=True)
class SimulatedTomogram:
    """An imaged scene: `volume` and `signal` (without noise) float32, `near` bool, each zyx."""

    volume: np.ndarray
    signal: np.ndarray
    near: np.ndarray


def draw_labels(recipe: Recipe, scene: Scene) -> np.ndarray:
    """Return the label map of a scene: (nz, ny, nx) int8, 1, 2, ... in the recipe's order, else 0.

    Raises
    ------
    InputError
        When there are more than 127 membranes, or two of them overlap.
    """
    if len(scene.surfaces) > MOST_LABELS:
        raise InputError(
            f"tomogram '{scene.name}': too many membranes",
            found=len(scene.surfaces),
            expected=f"at most {MOST_LABELS}",
        )
    labels = np.zeros(scene.grid.shape, dtype=np.int8)
    values = labels.reshape(-1)
    for label, surface in enumerate(scene.surfaces, 1):
        rng = generator(recipe.seed, scene.name, surface.name, "mask")
        flat = mask_voxels(surface, scene.grid, recipe.options(scene.entry, "mask"), rng)
        taken = values[flat][values[flat] > 0]
        if len(taken):
            other = scene.surfaces[taken[0] - 1].name
            raise InputError(
                f"tomogram '{scene.name}': membranes '{other}' and '{surface.name}' overlap",
                found=f"{len(taken)} voxels in both masks",
                remedy="move one of them, or lower thickness_angstrom",
            )
        values[flat] = label
    return labels


def draw_density(recipe: Recipe, scene: Scene) -> np.ndarray:
    """Return what a perfect microscope would see: (nz, ny, nx) float32, protein above 0."""
    grid, entry = scene.grid, scene.entry
    density = np.zeros(grid.shape, dtype=np.float32)
    protein = np.zeros(grid.shape, dtype=np.float32)
    for surface in scene.surfaces:
        add_bilayer(density, surface, grid, recipe.options(entry, "bilayer"))
    for particle in scene.particles:
        add_particle(protein, particle, grid)
    strength = np.float32(recipe.options(entry, "placement")["protein_density"])
    density *= 1 - np.float32(1 - LIPID_LEFT) * np.clip(protein, 0, 1)
    density += strength * protein
    rng = generator(recipe.seed, scene.name, "crowding")
    n_balls = add_crowding(density, scene.surfaces, grid, recipe.options(entry, "crowding"), rng)
    log.info("%s: %d soluble proteins", scene.name, n_balls)
    return density


def simulate_tomogram(recipe: Recipe, scene: Scene, threads: int = 1) -> SimulatedTomogram:
    """Draw a scene and image it: missing wedge, noise, Wiener filter."""
    options, grid = recipe.options(scene.entry, "imaging"), scene.grid
    near = np.zeros(grid.shape, dtype=bool)
    for surface in scene.surfaces:
        near.reshape(-1)[voxels_near(surface, grid, NEAR_ANGSTROM)] = True
    sign = np.float32(1 if recipe.content["contrast"] == "bright" else -1)
    density = sign * draw_density(recipe, scene)
    signal = apply_wedge(density, options["max_tilt_degree"], threads)
    if options["snr"] == 0:
        return SimulatedTomogram(signal, signal, near)
    rng = generator(recipe.seed, scene.name, "noise")
    noise = coloured_noise(
        grid.shape, options["noise_exponent"], options["max_tilt_degree"], rng, threads
    )
    noise = scale_noise(signal, noise, options["snr"], near)
    if options["denoise"] == "wiener":
        volume = wiener_filter(signal, noise, near, threads)
    else:
        volume = signal + noise
    return SimulatedTomogram(volume, signal, near)


def _xyz(vector_zyx: np.ndarray, digits: int) -> list[str]:
    return [f"{v + 0.0:.{digits}f}" for v in np.round(vector_zyx[::-1], digits)]


def _angles(particle: Particle) -> list[str]:
    return [f"{angle + 0.0:.3f}" for angle in np.round(relion_angles(particle.pose)[0], 3)]


def annotation_row(particle: Particle, grid: Grid) -> list[str]:
    """Return a particle's cells of `ANNOTATION_COLUMNS`."""
    return [particle.kind.label, *_xyz(particle.position / grid.pixel_size, 3), *_angles(particle)]


def truth_row(tomogram: str, particle: Particle, grid: Grid) -> list[str]:
    """Return a particle's cells of `TRUTH_COLUMNS`."""
    return [
        tomogram,
        particle.membrane,
        particle.kind.label,
        *_xyz(particle.position / grid.pixel_size, 3),
        *_xyz(particle.centre / grid.pixel_size, 3),
        *_xyz(particle.normal, 6),
        *_xyz(particle.axis, 6),
        *_angles(particle),
    ]


def _membrane_rows(recipe: Recipe, scene: Scene) -> Iterable[list[object]]:
    is_map = recipe.content["masks"] == "label_map"
    for label, (surface, entry) in enumerate(
        zip(scene.surfaces, scene.entry["membranes"], strict=True), 1
    ):
        name = f"{scene.name}_{surface.name}"
        mask, cell = (f"{scene.name}_labels", label) if is_map else (name, "")
        point = ["", "", ""]
        if entry["side"] == "point":
            side = surface.side_sign(entry["proteins"][0]["side"])
            middle = surface.middle
            outwards = side * surface.locate(middle[None])[1][0]
            point = _xyz((middle + POINT_ANGSTROM * outwards) / scene.grid.pixel_size, 2)
        yield [
            *(scene.name, surface.name, f"masks/{mask}.mrc", cell, entry["side"], *point),
            *(entry.get("split", ""), f"annotations/{name}.csv"),
        ]


def _write_tomogram(
    recipe: Recipe, scene: Scene, volume: np.ndarray, labels: np.ndarray, folder: Path
) -> None:
    pixel_size = scene.grid.pixel_size
    write_volume(folder / "tomograms" / f"{scene.name}.mrc", volume, pixel_size)
    if recipe.content["masks"] == "label_map":
        write_volume(folder / "masks" / f"{scene.name}_labels.mrc", labels, pixel_size)
    for label, surface in enumerate(scene.surfaces, 1):
        name = f"{scene.name}_{surface.name}"
        particles = scene.particles_of(surface.name)
        if recipe.content["masks"] == "files":
            mask = (labels == label).astype(np.int8)
            write_volume(folder / "masks" / f"{name}.mrc", mask, pixel_size)
        rows = [annotation_row(particle, scene.grid) for particle in particles]
        write_table(folder / "annotations" / f"{name}.csv", ANNOTATION_COLUMNS, rows, ",")
        n_voxels = int((labels == label).sum())
        log.info(
            "%s/%s: %d mask voxels, %d particles",
            *(scene.name, surface.name, n_voxels, len(particles)),
        )


def write_dataset(recipe: Recipe, folder: str | Path, threads: int = 1) -> int:
    """Simulate every tomogram of a recipe and write the data set; return the number of particles.

    Writes ``tomograms/``, ``masks/``, ``annotations/``, ``tomograms.tsv``, ``membranes.tsv``,
    ``truth.csv`` and ``simulation.json`` (provenance with the whole recipe). Positions are 0-based
    voxels. The bytes depend on the recipe alone.

    Raises
    ------
    InputError
        When a scene is impossible. Particles are placed and masks drawn for all tomograms before
        the first file is written.
    """
    folder = Path(folder)
    scenes = [build_scene(recipe, entry) for entry in recipe.content["tomograms"]]
    masks = [draw_labels(recipe, scene) for scene in scenes]
    for scene, labels in zip(scenes, masks, strict=True):
        volume = simulate_tomogram(recipe, scene, threads).volume
        _write_tomogram(recipe, scene, volume, labels, folder)
    truth = [truth_row(s.name, particle, s.grid) for s in scenes for particle in s.particles]
    write_table(folder / "truth.csv", TRUTH_COLUMNS, truth, ",")
    rows = [[s.name, f"tomograms/{s.name}.mrc", f"{s.grid.pixel_size:g}"] for s in scenes]
    write_table(folder / "tomograms.tsv", ("tomogram", "path", "pixel_size_angstrom"), rows)
    rows = [row for scene in scenes for row in _membrane_rows(recipe, scene)]
    write_table(folder / "membranes.tsv", MEMBRANE_COLUMNS, rows)
    write_json(folder / "simulation.json", provenance("simulate", {"recipe": recipe.content}))
    log.info(
        "%d tomograms, %d membranes, %d particles in %s", len(scenes), len(rows), len(truth), folder
    )
    return len(truth)
