"""Give each cluster its pose: the membrane's normal, an axis in its plane, and Euler angles.

Reads the scored points of a batch and their clusters. Writes the particles (.tsv): position, score,
normal (the particle's z axis, away from the membrane), in-plane axis (its x axis) and RELION's rot,
tilt, psi. The axis is what the model's angle head tells, or the cluster's long one. That has no
direction: turned by 180 degrees about the normal it is the same.

  step.py orient_particles --scores scores.npz --clusters clusters.npz --output particles.tsv \\
      --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

from ..tries import add_try_arguments, given_up

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_try_arguments(parser)
    add = parser.add_argument
    add("--scores", required=True, metavar="NPZ", help="scored points, from score_points")
    add("--clusters", required=True, metavar="NPZ", help="their clusters, from cluster_points")
    add(
        "--axis",
        choices=("auto", "weighted", "unweighted", "head"),
        default="auto",
        help="in-plane axis: the cluster's long one, where points count as in the mean shift or "
        "all alike (as published), or what the model's angle head tells; auto: head where the "
        "model has one, else weighted",
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


def _kind_of_axis(args: argparse.Namespace, table) -> str:
    """Return where in-plane axes come from: head, weighted or unweighted."""
    from ..errors import InputError

    has_head = "angles" in table.extra
    if args.axis == "head" and not has_head:
        raise InputError(
            f"{args.scores}: no angles for --axis head",
            expected="scores of a model with an angle head (config: train_model.network wide)",
            remedy="use auto, weighted or unweighted (config: orient_particles.axis)",
        )
    return ("head" if has_head else "weighted") if args.axis == "auto" else args.axis


def _poses(table, clusters, rows, own, radius: float, kind: str) -> tuple:
    """Return normals and axes of clusters, and how many of the axes lack the head's agreement.

    Parameters
    ----------
    rows : (n,) int, clusters of one side of one membrane
    own : (m,) int, points of that side
    """
    import numpy as np

    from ..orientation import MIN_AGREEMENT, axis_from_angles, in_plane_axis, normal_at

    points, normals = table.points[own], table.normals[own]
    folds = table.meta.get("folds", ())
    out, axes, n_without = np.empty((len(rows), 3)), np.empty((len(rows), 3)), 0
    for i, row in enumerate(rows):
        output = clusters.output[row]
        members = clusters.point_cluster[own, output] == row
        weights = clusters.point_weight[own, output][members]
        out[i] = normal_at(clusters.positions[row], points, normals, radius)
        fold = folds[output] if kind == "head" else 0
        if fold:
            vectors = table.extra["angles"][own, output][members]
            axes[i], agreement = axis_from_angles(vectors, normals[members], weights, out[i], fold)
            if agreement >= MIN_AGREEMENT:
                continue
            n_without += 1
        counts = None if kind == "unweighted" else weights
        axes[i], _ = in_plane_axis(points[members], out[i], counts)
    return out, axes, n_without


def _orient(table, clusters, index: int, radius: float, kind: str) -> list:
    """Return the particles of one membrane, a table for each side."""
    import numpy as np

    from ..orientation import number_particles
    from ..particles import ParticleTable
    from ..rotations import poses_from_axes, relion_angles

    tables, spreads = [], clusters.score_spread
    for side, side_name in enumerate(table.sides):
        rows = np.flatnonzero((clusters.membrane == index) & (clusters.side == side))
        if len(rows) == 0:
            continue
        rows = rows[number_particles(clusters.score[rows], clusters.positions[rows])]
        own = np.flatnonzero((table.membrane == index) & (table.side == side))
        normals, axes, n_without = _poses(table, clusters, rows, own, radius, kind)
        if n_without:
            log.warning(
                "%s/%s, side %s: %d of %d particles have the cluster's long axis, as the angles of "
                "their points do not agree",
                *(table.tomogram, table.membranes[index], side_name, n_without, len(rows)),
            )
        poses = poses_from_axes(normals[:, ::-1], axes[:, ::-1])

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
                normals=normals,
                axes=axes,
                angles=relion_angles(poses),
                classes=np.array(
                    [clusters.classes[o][0] for o in clusters.output[rows]], dtype=object
                ),
                score_spread=None if spreads is None else spreads[rows],
            )
        )
    return tables


def run(args: argparse.Namespace) -> None:
    """Read points and clusters, find poses, write particles."""
    from ..clusters import read_clusters
    from ..particles import concatenate_particles
    from ..tables import PointTable, Status

    no_result = given_up(args)
    table, clusters = PointTable.read(args.scores), read_clusters(args.clusters)
    _check(args, table, clusters)
    scale = args.pixel_size_angstrom / table.pixel_size if args.pixel_size_angstrom else 1.0
    radius = args.normal_radius_voxel * scale
    kind = _kind_of_axis(args, table)
    status, found = Status(table.tomogram, "orient_particles"), []
    for index, name in enumerate(table.membranes):
        with status.isolate(name):
            if no_result:
                raise no_result
            tables = _orient(table, clusters, index, radius, kind)
            found += tables
            status.record(name, sum(map(len, tables)))
    particles = concatenate_particles(found)
    particles.write(args.output)
    status.write(args.status)
    log.info("%s: %d particles", table.tomogram, len(particles))
