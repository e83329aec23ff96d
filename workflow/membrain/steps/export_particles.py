"""Write particles.csv, RELION 5 STAR files and VTP files for ParaView.

Reads the particle tables of batches (of one tomogram or of all) and the info files of their
tomograms. Every output is written only where its flag is given; no particle gives valid files
without rows. With --scores the scored points of each membrane and side are written as heatmaps.

  step.py export_particles --particles results/T1/*.particles.tsv --infos results/T1/info.json \\
      --csv all.csv --star all.star --vtp-dir vtp --scores results/T1/*.scores.npz

RELION's import job takes the list that --import-list writes; it names the files of --star-dir.
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--particles", nargs="*", default=[], metavar="TSV", help="particle tables")
    parser.add_argument(
        "--infos", nargs="+", required=True, metavar="JSON", help="info file of each tomogram"
    )
    parser.add_argument("--csv", metavar="FILE", help="all particles as one comma-separated table")
    parser.add_argument("--star", metavar="FILE", help="all particles as one RELION 5 STAR file")
    parser.add_argument("--star-dir", metavar="DIR", help="folder for one STAR file per tomogram")
    parser.add_argument(
        "--import-list",
        metavar="FILE",
        help="two-column list of the files in --star-dir for RELION",
    )
    parser.add_argument(
        "--coordinates",
        choices=("centered", "pixel"),
        default="centered",
        help="angstrom from the tomogram's centre (RELION 5) or pixels (RELION 3 and 4)",
    )
    parser.add_argument(
        "--centre",
        choices=("size/2", "size/2-1"),
        default="size/2",
        help="what 'centered' counts from, voxels: RELION itself, copick, ArtiaX take the first, "
        "RELION's napari picker and pytom the second",
    )
    parser.add_argument(
        "--prior",
        action="store_true",
        help="put the pose into rlnTomoSubtomogram* and set tilt 90, psi 0 as priors",
    )
    parser.add_argument(
        "--tilt-series-pixel-size-angstrom",
        type=float,
        default=0.0,
        metavar="X",
        help="pixel of the unbinned tilt series, for the optics block and --coordinates pixel; "
        "0: the tomogram's own",
    )
    parser.add_argument("--scores", nargs="*", default=[], metavar="NPZ", help="scored points")
    parser.add_argument("--vtp-dir", metavar="DIR", help="folder for the VTP files")
    parser.add_argument(
        "--vtp-origin",
        action="store_true",
        help="add the origin of the tomogram's MRC header to positions in VTP files",
    )


def _write_stars(args: argparse.Namespace, particles, infos: dict) -> None:
    from os.path import relpath
    from pathlib import Path

    from ..formats.relion import write_import_list, write_particles
    from ..infos import read_failures

    options = {
        "coordinates": args.coordinates,
        "centre": args.centre,
        "prior": args.prior,
        "tilt_series_pixel_size": args.tilt_series_pixel_size_angstrom,
        "classes": sorted(set(particles.classes)),
    }
    if args.star:
        write_particles(args.star, particles, infos, **options)
    if args.coordinates == "pixel" and not args.tilt_series_pixel_size_angstrom:
        log.warning(
            "rlnCoordinate counts voxels of the tomograms as they are, RELION those of the "
            "unbinned tilt series (config: export_particles.tilt_series_pixel_size_angstrom)"
        )
    files = {}
    names = {*infos, *read_failures(args.infos)} if args.star_dir else ()
    for name in sorted(names):
        path = Path(args.star_dir) / f"{name}.star"
        own = particles.select(particles.tomogram == name)
        write_particles(path, own, {n: infos[n] for n in (name,) if n in infos}, **options)
        files[name] = path
    if args.import_list:
        folder = Path(args.import_list).absolute().parent
        seen = {name: Path(relpath(path, folder)).as_posix() for name, path in files.items()}
        write_import_list(args.import_list, seen)


def _write_vtps(args: argparse.Namespace, particles, infos: dict) -> None:
    from ..formats.relion import require_infos
    from ..tables import PointTable
    from ..viewing import write_heatmaps, write_particle_points

    origins = {}
    if args.vtp_origin:
        origins = {
            name: info.get("origin_angstrom", (0.0, 0.0, 0.0)) for name, info in infos.items()
        }
    groups, n_files = [], 0
    for path in args.scores:
        table = PointTable.read(path, needs=("scores",))
        require_infos([table.tomogram], infos)
        files = write_heatmaps(args.vtp_dir, table, origins.get(table.tomogram, (0.0, 0.0, 0.0)))
        n_files += len(files)
        groups += [(table.tomogram, membrane, side) for membrane, side, _ in table.groups()]
    n_files += len(write_particle_points(args.vtp_dir, particles, infos, groups, origins))
    log.info("%d VTP files", n_files)


def run(args: argparse.Namespace) -> None:
    """Read particle tables, write the formats asked for."""
    from ..errors import InputError
    from ..flags import check_ranges
    from ..formats.relion import require_infos
    from ..infos import read_infos
    from ..particles import concatenate_particles, read_particles

    check_ranges(args, least={"tilt_series_pixel_size_angstrom": 0})
    if args.import_list and not args.star_dir:
        raise InputError(
            "--import-list lists the files of --star-dir", remedy="give --star-dir too"
        )
    infos = read_infos(args.infos)
    particles = concatenate_particles(map(read_particles, args.particles))
    require_infos(particles.tomogram, infos)
    if args.csv:
        particles.write(args.csv, delimiter=",")
    _write_stars(args, particles, infos)
    if args.vtp_dir:
        _write_vtps(args, particles, infos)
    log.info("%d particles of %d tomograms", len(particles), len(infos))
