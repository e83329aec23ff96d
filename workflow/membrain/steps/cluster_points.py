"""Find the particles among scored points by mean shift.

Reads the scored points of a batch (a low score is near a particle). On each side of each membrane
the points below the threshold climb to the place where they lie densest; points that end together
are a particle. Clusters that are too wide are clustered again. Writes the clusters and which
cluster each point belongs to (.npz).

  step.py cluster_points --scores scores.npz --output clusters.npz --status status.tsv

Lengths are working voxels, those of the model; --pixel-size-angstrom tells their size.
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
    add(
        "--threshold",
        type=float,
        metavar="T",
        help="points with a lower predicted distance are kept (default: the model's)",
    )
    add(
        "--bandwidth-voxel",
        type=float,
        default=4.5,
        metavar="B",
        help="reach of the mean shift, voxel",
    )
    add(
        "--fuse-voxel",
        type=float,
        metavar="D",
        help="centres up to this distance are one particle, voxel (default: 1.5 bandwidths)",
    )
    add(
        "--split-diameter-voxel",
        type=float,
        default=19.5,
        metavar="D",
        help="clusters wider than this are clustered again, voxel; 0: none",
    )
    add(
        "--split-bandwidth-voxel",
        type=float,
        default=4.0,
        metavar="B",
        help="reach of the mean shift in clusters that are too wide, voxel",
    )
    add(
        "--opposite-voxel",
        type=float,
        default=4.5,
        metavar="D",
        help="of two clusters back to back on the sides of a membrane, nearer than this along it, "
        "the more certain one stays, voxel; 0: both",
    )
    add("--min-points", type=int, default=4, metavar="N", help="smaller clusters are dropped")
    add(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        metavar="W",
        help="working pixel size, which lengths are told in; 0: the tomogram's own",
    )
    add("--output", required=True, metavar="NPZ", help="the clusters")
    add("--status", required=True, metavar="TSV", help="status of each membrane")


def _check_numbers(args: argparse.Namespace) -> None:
    from ..flags import check_ranges

    from_zero = ("fuse_voxel", "split_diameter_voxel", "opposite_voxel", "pixel_size_angstrom")
    least = {"min_points": 1, "bandwidth_voxel": 0.1, "split_bandwidth_voxel": 0.1}
    check_ranges(args, least={**dict.fromkeys(from_zero, 0), **least}, above={"threshold": 0})


def _thresholds(args: argparse.Namespace, meta: dict, n_outputs: int) -> tuple[float, ...]:
    """Return the threshold of each output."""
    from ..errors import InputError

    if args.threshold is not None:
        return (args.threshold,) * n_outputs
    if meta.get("threshold") is None:
        raise InputError(
            f"{args.scores}: the model gives no threshold",
            remedy="set --threshold (config: cluster_points.threshold)",
        )
    given = meta["threshold"]
    thresholds = tuple(
        map(float, given if isinstance(given, list | tuple) else [given] * n_outputs)
    )
    if len(thresholds) != n_outputs:
        raise InputError(
            f"{args.scores}: thresholds and scores do not fit",
            found=f"{len(thresholds)} thresholds",
            expected=f"{n_outputs}, one for each output of the model",
        )
    return thresholds


def _classes(args: argparse.Namespace, table) -> tuple:
    from ..errors import InputError

    n_outputs = table.extra["scores"].shape[1]
    classes = table.meta.get("classes") or [["particle"]] * n_outputs
    if len(classes) != n_outputs:
        raise InputError(
            f"{args.scores}: classes and scores do not fit",
            found=f"{len(classes)} lists of classes",
            expected=f"{n_outputs}, one for each output of the model",
        )
    return tuple(map(tuple, classes))


def _cluster_membrane(table, index: int, settings: dict, thresholds: tuple) -> list[tuple]:
    """Return (side, output, rows, clusters) of one membrane."""
    import numpy as np

    from ..clusters import find_clusters
    from ..errors import InputError

    found = []
    for side in range(len(table.sides)):
        rows = np.flatnonzero((table.membrane == index) & (table.side == side))
        scores = table.extra["scores"][rows]
        if not np.isfinite(scores).all():
            raise InputError(
                f"membrane '{table.membranes[index]}': scores that are not numbers",
                found=f"{np.count_nonzero(~np.isfinite(scores))} of {scores.size}",
                remedy="look at the model and its training",
            )
        for output in range(scores.shape[1]):
            column = scores[:, output]
            clusters = find_clusters(table.points[rows], column, thresholds[output], **settings)
            found.append((side, output, rows, clusters))
    return found


def _drop_opposites(table, found: list[tuple], across: float, depth: float) -> list[tuple]:
    """Return what `_cluster_membrane` found without the weaker of two clusters back to back."""
    from ..opposites import drop_opposites

    by_output: dict[int, list[tuple]] = {}
    for part in found:
        by_output.setdefault(part[1], []).append(part)
    out = []
    for parts in by_output.values():
        if len(parts) == 2 and across:
            kept = drop_opposites(
                tuple(part[-1] for part in parts),
                tuple(table.normals[part[2]].astype(float) for part in parts),
                across,
                depth,
            )
            parts = [(*part[:-1], one) for part, one in zip(parts, kept, strict=True)]
        out += parts
    return out


def _join(table, found: list[tuple]) -> dict:
    """Return the columns of the cluster table from (membrane, side, output, rows, clusters)."""
    import numpy as np

    shape = table.extra["scores"].shape
    point_cluster, point_weight = np.full(shape, -1), np.zeros(shape)
    parts = {name: [] for name in ("positions", "membrane", "side", "output", "score", "n_points")}
    n_done = 0
    for membrane, side, output, rows, clusters in found:
        n = len(clusters.scores)
        labels = clusters.labels
        point_cluster[rows, output] = np.where(labels >= 0, labels + n_done, -1)
        point_weight[rows, output] = clusters.weights
        parts["positions"].append(clusters.positions)
        for name, value in (("membrane", membrane), ("side", side), ("output", output)):
            parts[name].append(np.full(n, value))
        parts["score"].append(clusters.scores)
        parts["n_points"].append(np.bincount(labels[labels >= 0], minlength=n))
        n_done += n
    nothing = {name: np.empty((0, 3) if name == "positions" else 0) for name in parts}
    columns = {name: np.concatenate([nothing[name], *values]) for name, values in parts.items()}
    return {**columns, "point_cluster": point_cluster, "point_weight": point_weight}


def run(args: argparse.Namespace) -> None:
    """Read scores, find clusters, write them."""
    from ..clusters import ClusterTable
    from ..files import provenance
    from ..opposites import MAX_DEPTH_VOXEL
    from ..spread import spreads_of
    from ..tables import PointTable, Status

    _check_numbers(args)
    no_result = given_up(args)
    table = PointTable.read(args.scores, needs=("scores",))
    classes = _classes(args, table)
    thresholds = _thresholds(args, table.meta, len(classes))
    scale = args.pixel_size_angstrom / table.pixel_size if args.pixel_size_angstrom else 1.0
    settings = {
        "bandwidth": args.bandwidth_voxel * scale,
        "fuse_distance": None if args.fuse_voxel is None else args.fuse_voxel * scale,
        "split_diameter": args.split_diameter_voxel * scale,
        "split_bandwidth": args.split_bandwidth_voxel * scale,
        "min_points": args.min_points,
    }
    status, found = Status(table.tomogram, "cluster_points"), []
    for index, name in enumerate(table.membranes):
        with status.isolate(name):
            if no_result:
                raise no_result
            every = _cluster_membrane(table, index, settings, thresholds)
            opposite = args.opposite_voxel * scale, MAX_DEPTH_VOXEL * scale
            clusters = _drop_opposites(table, every, *opposite)
            found += [(index, *part) for part in clusters]
            n = sum(len(part[-1].scores) for part in clusters)
            n_twice = sum(len(part[-1].scores) for part in every) - n
            n_kept = sum(int((part[-1].labels >= 0).sum()) for part in clusters)
            status.record(name, n, f"{n_twice} found from both sides" if n_twice else "")
            log.info("%s/%s: %d clusters of %d points", table.tomogram, name, n, n_kept)
    names = "bandwidth_voxel fuse_voxel split_diameter_voxel split_bandwidth_voxel opposite_voxel"
    names = (*names.split(), "min_points", "pixel_size_angstrom")
    parameters = {name: getattr(args, name) for name in names}
    threshold = thresholds[0] if len(set(thresholds)) == 1 else list(thresholds)
    made = provenance("cluster_points", {**parameters, "threshold": threshold})
    ClusterTable(
        **_join(table, found),
        tomogram=table.tomogram,
        membranes=table.membranes,
        sides=table.sides,
        shape=table.shape,
        pixel_size=table.pixel_size,
        classes=classes,
        meta={"threshold": threshold, "provenance": made},
        score_spread=spreads_of(table, found, thresholds, settings["bandwidth"]),
    ).write(args.output)
    status.write(args.status)
