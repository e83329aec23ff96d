"""Find the in-plane angle of each particle by correlation with a density map or an average.

Reads the particles of a batch, its scored points and the tomogram. For each class that has a map
(--map) or an average (--averages) the density is turned about the particles' normals and compared
with the tomogram; the angle that fits best becomes the particle's. Particles of other classes keep
theirs. Where the scores hold the angles of a model with an angle head, they count too.

The angle is that of the map's own x axis; the map is turned over about its long axis where it
stands upside down. Positions and normals stay as they are.

  step.py refine_angles --particles particles.tsv --scores scores.npz --path T1.mrc \\
      --info T1.json --map PSII=PSII.mrc --symmetry 2 --output refined.tsv \\
      --matches matches.tsv --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

from ..tries import add_try_arguments, given_up

log = logging.getLogger(__name__)

LENGTHS = ("radius_voxel", "depth_voxel", "shift_voxel", "position_voxel")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_try_arguments(parser)
    add = parser.add_argument
    add("--particles", required=True, metavar="TSV", help="from orient_particles")
    add("--scores", required=True, metavar="NPZ", help="scored points, from score_points")
    add("--path", required=True, metavar="MRC", help="the tomogram")
    add("--info", required=True, metavar="JSON", help="from inspect_tomogram")
    add("--map", nargs="+", default=[], metavar="[CLASS=]MRC", help="density maps")
    add("--averages", metavar="DIR", help="averages by class, from average_subvolumes")
    what = "particles of which an average is made, at least, to count"
    add("--min-particles", type=int, default=10, metavar="N", help=what)
    what = "without an average that counts, write the particles as they are; else it is an error"
    add("--optional", action="store_true", help=what)
    what = "density from which a map counts; default: maximum / 4"
    add("--map-threshold", nargs="+", metavar="[CLASS=]D", help=what)
    add("--map-axis", choices=("x", "y", "z"), default="z", help="the maps' axis along the normal")
    add(
        "--map-top",
        choices=("auto", "high", "low"),
        default="auto",
        help="end of that axis that points away from the membrane; auto: the one that fits better",
    )
    what = "n of the particle's Cn about the normal; 1: none, 0: round, its angles stay"
    add("--symmetry", nargs="+", default=["1"], metavar="[CLASS=]N", help=what)
    helps = (
        ("radius-voxel", 6.0, "the map counts up to here from its axis"),
        ("depth-voxel", 6.0, "and to here above and below its centre"),
        ("shift-voxel", 3.0, "how far from its position a particle is looked for in the plane"),
        ("position-voxel", 1.1, "standard deviation of positions in each direction"),
    )
    for name, value, text in helps:
        add(f"--{name}", type=float, default=value, metavar="R", help=f"{text}, working voxels")
    what = "log-likelihood that certain angles of the model's head add; 0: they do not count"
    add("--head-weight", type=float, default=1.0, metavar="W", help=what)
    what = "length of a working voxel (the model's); 0: the tomogram's own"
    add("--pixel-size-angstrom", type=float, default=0.0, metavar="W", help=what)
    add("--seed", type=int, default=0, help="of the places where the spectrum is measured")
    add("--output", required=True, metavar="TSV", help="the particles with their new angles")
    add("--matches", required=True, metavar="TSV", help="turn and strength of each match")
    add("--status", required=True, metavar="TSV", help="status of each membrane")


def _options(args: argparse.Namespace):
    """Return the options, checked."""
    from ..angle_refinement import Options
    from ..class_options import numbers_by_class
    from ..errors import InputError
    from ..template_matching import Search

    for name in LENGTHS:
        if not 0 < getattr(args, name) <= 100:
            raise InputError(
                f"--{name.replace('_', '-')}", found=getattr(args, name), expected="above 0 to 100"
            )
    for name in ("head_weight", "pixel_size_angstrom", "min_particles"):
        if not 0 <= getattr(args, name) < float("inf"):
            raise InputError(
                f"--{name.replace('_', '-')}", found=getattr(args, name), expected="0 or more"
            )
    symmetry = {}
    for name, (n,) in numbers_by_class("--symmetry", args.symmetry, (1,)).items():
        if n != int(n) or not 0 <= n <= 60:
            raise InputError("--symmetry", found=f"{n:g}", expected="a whole number from 0 to 60")
        symmetry[name] = int(n)
    search = Search(radius=args.radius_voxel, depth=args.depth_voxel, shift=args.shift_voxel)
    return Options(search, symmetry, args.position_voxel, args.map_top, args.head_weight)


def _templates(args: argparse.Namespace, options, working_size: float) -> dict:
    """Return the templates by class (lower case)."""
    from ..average_files import class_averages
    from ..class_options import ANY_CLASS, by_class, numbers_by_class
    from ..density_templates import read_template
    from ..errors import InputError

    if bool(args.map) == bool(args.averages):
        raise InputError("give one of --map and --averages")
    reach = options.search.reach + 1
    if args.averages:
        files = class_averages(args.averages, args.min_particles)
        if not files and not args.optional:
            raise InputError(
                f"{args.averages}: no class with an average of {args.min_particles} particles",
                expected="annotations with in-plane angles",
                remedy="give a density map, or fewer particles (config: refine_angles)",
            )
        return {
            name: read_template(path, working_size, reach, is_centred=True)
            for name, path in files.items()
        }
    limits = numbers_by_class("--map-threshold", args.map_threshold or (), (1,))
    out = {}
    for name, path in by_class("--map", args.map).items():
        limit = limits.get(name, limits.get(ANY_CLASS, [None]))[0]
        out[name] = read_template(path, working_size, reach, args.map_axis, limit)
    return out


def _source(args: argparse.Namespace, volume, table, info: dict):
    """Return the tomogram with its filter and the sign of protein."""
    from functools import partial

    import numpy as np

    from ..template_angles import Source
    from ..volumes import read_box
    from ..whitening import measure_power, whitening_response

    step = (args.pixel_size_angstrom or table.pixel_size) / table.pixel_size
    read = partial(read_box, volume)
    power = measure_power(read, info, step, np.random.default_rng(args.seed))
    contrast = table.meta.get("subvolumes", {}).get("contrast", {}).get("tomogram", "dark")
    sign = 1.0 if contrast == "bright" else -1.0
    return Source(read, info, step, whitening_response(power), sign)


def _check(args: argparse.Namespace, table, particles, info: dict, volume) -> None:
    from ..errors import InputError

    names = [(args.particles, name) for name in sorted(set(particles.tomogram))]
    for what, found in [(args.info, info["tomogram"]), *names]:
        if found != table.tomogram:
            raise InputError(
                f"{what}: of another tomogram than {args.scores}",
                found=found,
                expected=table.tomogram,
            )
    for name in sorted(set(particles.membrane) - set(table.membranes)):
        raise InputError(
            f"{args.particles}: membrane '{name}' is not in {args.scores}",
            expected=f"one of {', '.join(table.membranes)}",
        )
    for name, shape in ((args.info, info["shape"]), (args.path, volume.shape)):
        if tuple(shape) != tuple(table.shape):
            raise InputError(
                f"{name}: not the shape of the tomogram of {args.scores}",
                found=f"{list(shape)} (z, y, x)",
                expected=list(table.shape),
            )


def _refine(args: argparse.Namespace, table, particles, volume, info: dict) -> tuple:
    """Return the particles with new angles in their old order, and the rows of their matches."""
    import numpy as np

    from ..angle_refinement import match_rows, refine_class
    from ..class_options import ANY_CLASS
    from ..particles import concatenate_particles

    options = _options(args)
    templates = _templates(args, options, args.pixel_size_angstrom or table.pixel_size)
    found_by = {
        name: templates.get(name.lower(), templates.get(ANY_CLASS))
        for name in sorted(set(particles.classes))
    }
    source = _source(args, volume, table, info) if any(found_by.values()) else None
    parts, order, rows = [], [np.empty(0, dtype=int)], []
    for name, template in found_by.items():
        mine = np.flatnonzero(particles.classes == name)
        part = particles.select(mine)
        if template is None or options.symmetry_of(name) == 0:
            why = "no template" if template is None else "round"
            log.info("class %s: %s, %d particles stay as they are", name, why, len(mine))
        else:
            part, found = refine_class(source, table, part, template, options)
            rows += match_rows(part, found)
            middle = np.median(found.strength)
            log.info("class %s: %d particles, median strength %.2f", name, len(mine), middle)
        parts.append(part)
        order.append(mine)
    back = np.argsort(np.concatenate(order), kind="stable")
    return concatenate_particles(parts).select(back), rows


def run(args: argparse.Namespace) -> None:
    """Read particles, points and templates, find the angles, write."""
    from ..angle_refinement import MATCH_COLUMNS
    from ..files import write_table
    from ..infos import read_info
    from ..particles import read_particles
    from ..tables import PointTable, Status
    from ..unpacking import readable

    table, particles = PointTable.read(args.scores), read_particles(args.particles)
    status, rows, no_result = Status(table.tomogram, "refine_angles"), [], given_up(args)
    if no_result:
        particles = particles.select(particles.particle < 0)  # none
    # a tomogram that failed, or that could not be read, has none
    if "failure" not in table.meta and len(particles):
        info = read_info(args.info, needs=("grey", "shape"))
        with readable(args.path, args.output) as volume:
            _check(args, table, particles, info, volume)
            particles, rows = _refine(args, table, particles, volume, info)
    for name in table.membranes:
        if no_result:
            status.fail(name, no_result)
        else:
            status.record(name, int((particles.membrane == name).sum()))
    particles.write(args.output)
    write_table(args.matches, MATCH_COLUMNS, rows)
    status.write(args.status)
    log.info("%s: %d of %d particles have new angles", table.tomogram, len(rows), len(particles))
