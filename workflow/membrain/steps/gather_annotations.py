"""Gather the annotated particles of the training membranes in one table of particles.

Reads the sheet of membranes and the info files of its tomograms. Writes the particles that the
rows with split 'train' annotate, as `average_subvolumes` takes them: position, class, pose. Where
several membranes of a tomogram name one file, each particle goes to the nearest of them. Particles
without in-plane angles and files that cannot be used are left out, which the log tells.

  step.py gather_annotations --sheet membranes.tsv --infos results/inspect_tomogram/*.json \\
      --output annotations.csv
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)

NEAR_WORKING_VOXEL = 20.0  # of a mask; annotations farther from all masks belong to none


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--sheet", required=True, metavar="TSV", help="membranes.tsv; names the annotations")
    add("--infos", required=True, nargs="+", metavar="JSON", help="info file of each tomogram")
    what = "length of a working voxel (the model's); 0: the tomogram's own"
    add("--pixel-size-angstrom", type=float, default=0.0, metavar="W", help=what)
    add("--output", required=True, metavar="CSV", help="the annotated particles")


def run(args: argparse.Namespace) -> None:
    """Read annotations, keep those of training membranes, write."""
    from dataclasses import replace

    import numpy as np

    from ..annotated_particles import have_angles, read_each_file
    from ..errors import InputError
    from ..infos import read_infos
    from ..particles import concatenate_particles
    from ..picks import as_particles
    from ..sheets import read_membranes

    if not 0 <= args.pixel_size_angstrom < float("inf"):
        raise InputError(
            "--pixel-size-angstrom", found=args.pixel_size_angstrom, expected="0 or more"
        )
    infos = read_infos(args.infos)
    rows = [r for r in read_membranes(args.sheet, must_exist=False) if r.annotations]
    wanted = [(row.tomogram, row.membrane) for row in rows if row.split == "train"]
    if not wanted:
        raise InputError(
            f"{args.sheet}: no row with split 'train' and annotations",
            remedy="annotate a membrane, or give a density map in place of averages",
        )
    rows = [row for row in rows if row.tomogram in infos]  # others failed
    found = read_each_file(rows, infos, NEAR_WORKING_VOXEL, args.pixel_size_angstrom)
    tables = []
    for tomogram, membrane in (key for key in wanted if key in found):
        annotations = found[tomogram, membrane]
        table = as_particles(annotations, tomogram, infos[tomogram]["pixel_size_angstrom"])
        table = replace(table, membrane=np.full(len(table), membrane, dtype=object))
        tables.append(table.select(np.flatnonzero(have_angles(table))))
        words = "%s/%s: %d annotated particles, %d with in-plane angles"
        log.info(words, tomogram, membrane, len(table), len(tables[-1]))
    concatenate_particles(tables).write(args.output, delimiter=",")
