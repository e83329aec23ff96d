"""Give each cluster its pose: the membrane's normal, the cluster's long axis, and Euler angles.

Reads the scored points of a batch and their clusters. Writes the particles (.tsv): position, score,
normal (the particle's z axis, away from the membrane), in-plane axis (its x axis) and RELION's rot,
tilt, psi. An axis has no direction: turned by 180 degrees about the normal it is the same.

  step.py orient_particles --scores scores.npz --clusters clusters.npz --output particles.tsv \\
      --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--scores", required=True, metavar="NPZ", help="scored points, from score_points")
    add("--clusters", required=True, metavar="NPZ", help="their clusters, from cluster_points")
    add(
        "--axis",
        choices=("weighted", "unweighted"),
        default="weighted",
        help="in-plane axis: points count as in the mean shift, or all alike (as published)",
    )
    add(
        "--normal-radius-voxel",
        type=float,
        default=6.0,
        metavar="R",
        help="normals up to this distance make the particle's, in voxels of the model",
    )
    add(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        metavar="W",
        help="working pixel size, which the radius is told in; 0: the tomogram's own",
    )
    add("--output", required=True, metavar="TSV", help="the particles")
    add("--status", required=True, metavar="TSV", help="status of each membrane")


def _check(args: argparse.Namespace, table, clusters) -> None:
    from ..errors import InputError
    from ..flags import check_ranges

    check_ranges(args, least={"pixel_size_angstrom": 0}, above={"normal_radius_voxel": 0})
    for what, found, expected in (
        ("tomogram", clusters.tomogram, table.tomogram),
        ("membranes", clusters.membranes, table.membranes),
        ("number of points", len(clusters.point_cluster), len(table)),
    ):
        if found != expected:
            raise InputError(
                f"{args.clusters}: {what} differ from {args.scores}",
                found=found,
                expected=expected,
                remedy="run cluster_points on these scores",
            )


def _orient(table, clusters, index: int, radius: float, is_weighted: bool) -> list:
    """Return the particles of one membrane, a table for each side."""
    import numpy as np

    from ..orientation import in_plane_axis, normal_at, number_particles
    from ..particles import ParticleTable
    from ..rotations import poses_from_axes, relion_angles

    tables = []
    for side, side_name in enumerate(table.sides):
        rows = np.flatnonzero((clusters.membrane == index) & (clusters.side == side))
        if len(rows) == 0:
            continue
        rows = rows[number_particles(clusters.score[rows], clusters.positions[rows])]
        own = np.flatnonzero((table.membrane == index) & (table.side == side))
        points, normals = table.points[own], table.normals[own]
        particle_normals, axes = np.empty((len(rows), 3)), np.empty((len(rows), 3))
        for i, row in enumerate(rows):
            output = clusters.output[row]
            members = clusters.point_cluster[own, output] == row
            weights = clusters.point_weight[own, output][members] if is_weighted else None
            particle_normals[i] = normal_at(clusters.positions[row], points, normals, radius)
            axes[i], _ = in_plane_axis(points[members], particle_normals[i], weights)
        poses = poses_from_axes(particle_normals[:, ::-1], axes[:, ::-1])

        def repeat(value: str, n: int = len(rows)) -> np.ndarray:
            return np.array([value] * n, dtype=object)

        tables.append(
            ParticleTable(
                tomogram=repeat(table.tomogram),
                membrane=repeat(table.membranes[index]),
                side=repeat(side_name),
                particle=np.arange(1, len(rows) + 1),
                voxel=clusters.positions[rows],
                angstrom=clusters.positions[rows] * table.pixel_size,
                score=clusters.score[rows],
                n_points=clusters.n_points[rows],
                normals=particle_normals,
                axes=axes,
                angles=relion_angles(poses),
                classes=np.array(
                    [clusters.classes[o][0] for o in clusters.output[rows]], dtype=object
                ),
            )
        )
    return tables


def run(args: argparse.Namespace) -> None:
    """Read points and clusters, find poses, write particles."""
    from ..clusters import read_clusters
    from ..particles import concatenate_particles
    from ..tables import PointTable, Status

    table, clusters = PointTable.read(args.scores), read_clusters(args.clusters)
    _check(args, table, clusters)
    scale = args.pixel_size_angstrom / table.pixel_size if args.pixel_size_angstrom else 1.0
    radius = args.normal_radius_voxel * scale
    status, found = Status(table.tomogram, "orient_particles"), []
    for index, name in enumerate(table.membranes):
        with status.isolate(name):
            tables = _orient(table, clusters, index, radius, args.axis == "weighted")
            found += tables
            status.record(name, sum(map(len, tables)))
    particles = concatenate_particles(found)
    particles.write(args.output)
    status.write(args.status)
    log.info("%s: %d particles", table.tomogram, len(particles))
