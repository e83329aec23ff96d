"""Average the boxes around particles in the particles' own frame, as a check on picks.

Reads particles.csv (or the picks of another program, with orientations), the sheet of tomograms and
their info files. Writes for all particles, for each class and for each list of --lists: the average
(MRC), the same averaged over every turn about the normal (_round.mrc) and over Cn (_c2.mrc), and a
picture of the central slices (PNG); and averages.csv, fsc.csv and averages.json. Protein is bright
whatever the tomogram's contrast; z points along the normal, away from the membrane.

  step.py average_subvolumes --particles results/particles.csv --tomograms tomograms.tsv \\
      --infos results/inspect_tomogram/*.json --box-voxel 32 --output-dir averages
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--particles", required=True, metavar="FILE", help="particles.csv, or STAR, CSV, ...")
    add(
        "--lists",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="further lists that are averaged by themselves, such as both=both.csv",
    )
    add("--tomograms", required=True, metavar="TSV", help="tomograms.tsv")
    add("--infos", nargs="+", required=True, metavar="JSON", help="info file of each tomogram")
    add("--box-voxel", type=int, default=32, metavar="N", help="edge of the boxes, voxels")
    add(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        metavar="W",
        help="voxel of the boxes; 0: the smallest of the tomograms'",
    )
    add(
        "--symmetry",
        nargs="+",
        default=["1"],
        metavar="[CLASS=]N",
        help="n of a Cn symmetry that is averaged too; 1: none",
    )
    add(
        "--contrast",
        choices=("auto", "dark", "bright"),
        default="auto",
        help="protein in the tomograms; auto: measured at the particles of each",
    )
    add("--seed", type=int, default=0, help="of the division into halves")
    add("--output-dir", required=True, metavar="DIR", help="folder for the averages")


def _check(args: argparse.Namespace) -> dict[str, int]:
    """Check the numbers; return the symmetry by class."""
    from ..class_options import numbers_by_class
    from ..errors import InputError

    if args.box_voxel < 4:
        raise InputError("--box-voxel", found=args.box_voxel, expected="at least 4")
    if not 0 <= args.pixel_size_angstrom < float("inf"):
        raise InputError(
            "--pixel-size-angstrom", found=args.pixel_size_angstrom, expected="0 or more"
        )
    out = {}
    for name, (n,) in numbers_by_class("--symmetry", args.symmetry, (1,)).items():
        if n != int(n) or n < 1:
            raise InputError("--symmetry", found=f"{n:g}", expected="a whole number from 1 on")
        out[name] = int(n)
    return out


def _read_lists(args: argparse.Namespace, infos: dict) -> dict:
    """Return the tables of particles by name; the main one has the name "all"."""
    from ..errors import InputError
    from ..picks import read_picks

    files = {"all": args.particles}
    for text in args.lists:
        name, sign, path = text.partition("=")
        if not (name and sign and path):
            raise InputError("--lists", found=text, expected="NAME=FILE")
        if name in files:
            raise InputError(f"--lists: name '{name}' stands twice or means all particles")
        files[name] = path
    return {name: read_picks(path, infos) for name, path in files.items()}


def _headers(args: argparse.Namespace, names, infos: dict) -> dict:
    """Return the headers of the tomograms that have particles, checked against their infos."""
    from ..errors import InputError
    from ..sheets import read_tomograms
    from ..volumes import read_header

    sheet, out = read_tomograms(args.tomograms, must_exist=False), {}
    for name in sorted(set(names)):
        if name not in sheet:
            raise InputError(
                f"{args.tomograms}: tomogram '{name}' has particles but is not in the sheet"
            )
        out[name] = read_header(sheet[name].path)
        if list(out[name].shape) != list(infos[name]["shape"]):
            raise InputError(
                f"{sheet[name].path}: not the shape of the tomogram that its info tells of",
                found=f"{list(out[name].shape)} (z, y, x)",
                expected=infos[name]["shape"],
                remedy="run inspect_tomogram again",
            )
    return out


def run(args: argparse.Namespace) -> None:
    """Read particles, cut and sum their boxes tomogram by tomogram, write the averages."""
    from functools import partial

    import numpy as np

    from ..average_files import Settings, write_averages
    from ..average_groups import group_particles, pick_contrast
    from ..averages import add_particles, empty_sums, split_halves
    from ..errors import InputError
    from ..files import provenance
    from ..infos import read_infos
    from ..volumes import read_box

    symmetry = _check(args)
    infos = read_infos(args.infos, ("pixel_size_angstrom", "mean", "std", "grey"))
    if not infos:
        raise InputError("--infos: every tomogram failed", remedy="see the status table")
    groups = group_particles(_read_lists(args, infos), infos)
    volumes = _headers(args, groups.particles.tomogram, infos)
    pixel_size = args.pixel_size_angstrom or min(i["pixel_size_angstrom"] for i in infos.values())
    half = split_halves(groups.is_averaged, np.random.default_rng(args.seed))
    sums = empty_sums(len(groups.names), args.box_voxel)
    contrasts = {}
    for name in sorted(set(groups.particles.tomogram[groups.is_averaged.any(axis=1)])):
        rows = np.flatnonzero((groups.particles.tomogram == name) & groups.is_averaged.any(axis=1))
        table, info = groups.particles.select(rows), infos[name]
        poses = (table.voxel, table.normals, table.axes)
        read = partial(read_box, volumes[name])
        contrast = pick_contrast(args.contrast, read, info, poses, pixel_size)
        contrast.tell(name)
        contrasts[name] = contrast.data
        add_particles(sums, read, info, poses, half[rows], pixel_size, contrast.data == "dark")
        log.info("%s: %d particles", name, len(rows))
    names = "box_voxel pixel_size_angstrom symmetry contrast seed"
    made = provenance("average_subvolumes", {name: getattr(args, name) for name in names.split()})
    settings = Settings(pixel_size, symmetry, contrasts, made)
    write_averages(args.output_dir, groups, sums, settings)
