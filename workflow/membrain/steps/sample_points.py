"""Sample points and normals on the picked sides of the membranes of a batch.

Reads the masks that the sheet names and the tomogram's info file; writes one table of points (zyx,
voxels of the tomogram file) with unit normals that point away from the membrane to the picked side,
and what became of each membrane. Lengths are in voxels of the model's grid (--pixel-size-angstrom).

  step.py sample_points --sheet membranes.tsv --tomogram T1 --membranes M1 M2 \\
      --info results/inspect_tomogram/T1.json --output points.npz --status points.status.tsv
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from ..tries import add_try_arguments, given_up

log = logging.getLogger(__name__)

NOT_NEGATIVE = (
    *("pixel_size_angstrom", "thinning_voxel", "edge_margin_voxel", "rim_cosine"),
    *("voting_radius_voxel", "voting_cosine", "seed"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_try_arguments(parser)
    data = parser.add_argument_group("data")
    data.add_argument("--sheet", type=Path, required=True, help="membranes.tsv")
    data.add_argument("--tomogram", required=True, help="name of the tomogram in the sheet")
    data.add_argument("--membranes", nargs="*", default=[], help="names; all of it when left out")
    data.add_argument("--info", type=Path, required=True, help="JSON of inspect_tomogram")
    data.add_argument("--output", type=Path, required=True, help="table of points, .npz")
    data.add_argument("--status", type=Path, required=True, help="what became of each, .tsv")
    options = parser.add_argument_group("sampling, lengths in voxels of the model's grid")
    options.add_argument(
        "--pixel-size-angstrom", type=float, default=0.0, help="model's; 0: the tomogram's own"
    )
    options.add_argument("--band-voxel", type=float, default=15.0, help="reach of candidates")
    options.add_argument(
        "--thinning-voxel", type=float, default=1.5, help="least distance of points"
    )
    options.add_argument("--edge-margin-voxel", type=float, default=3.0, help="left out at the rim")
    options.add_argument(
        "--rim-cosine", type=float, default=0.3, help="smaller cosine to the normal: no side"
    )
    options.add_argument("--voting-radius-voxel", type=float, default=40.0, help="0: no voting")
    options.add_argument("--voting-decay-voxel", type=float, default=100.0, help="decay of votes")
    options.add_argument(
        "--voting-cosine", type=float, default=0.95, help="least of a vote to the surface's normal"
    )
    options.add_argument("--seed", type=int, default=0, help="of the thinning")


def _read_masks(rows: list, info: dict, status) -> dict:
    """Return the voxels of each membrane by name; a file with many labels is read once."""
    from collections import defaultdict

    from ..grids import check_share
    from ..masks import missing_label, read_label_voxels, read_voxels
    from ..volumes import check_same_grid, read_header

    files = defaultdict(list)
    for row in rows:
        files[row.mask].append(row)
    out = {}
    for path, members in files.items():
        labelled = [row for row in members if row.label is not None]
        found = None
        for row in members:
            with status.isolate(row.membrane):
                if found is None:
                    check_same_grid(
                        read_header(path),
                        info["shape"],
                        info["pixel_size_angstrom"],
                        info["origin_angstrom"],
                        info["header_pixel_size_angstrom"],
                    )
                    labels = [r.label for r in labelled]
                    found = read_label_voxels(path, labels, allow_missing=True) if labels else {}
                if row.label is None:
                    voxels = read_voxels(path)
                elif len(found[row.label]) == 0:
                    raise missing_label(path, row.label)
                else:
                    voxels = found[row.label]
                check_share(path, len(voxels), info["shape"])
                out[row.membrane] = voxels
    return out


def _sides(row, surface, voxels, info: dict, particles_of) -> tuple[str, ...]:
    """Return the names of the sides that are picked."""
    from ..sides import check_side_point, choose_sides

    if row.side_point is not None:
        check_side_point(row.side_point, info["shape"], row.membrane)
    is_told = row.side == "annotations"
    positions, normals = particles_of(row, voxels) if is_told else (None, None)
    return choose_sides(
        surface,
        row.side,
        point_xyz=row.side_point,
        positions=positions,
        normals=normals,
        name=row.membrane,
    )


def _sample(surface, sides, name: str, scale: float, args: argparse.Namespace) -> tuple[dict, str]:
    """Return points and normals by side, and a short note for the status table."""
    from ..points import sample_sides
    from ..voting import vote_normals

    sampled = sample_sides(
        surface,
        sides,
        band=scale * args.band_voxel,
        thinning=scale * args.thinning_voxel,
        edge_margin=scale * args.edge_margin_voxel,
        rim_cosine=args.rim_cosine,
        seed=args.seed,
    )
    out, notes = {}, ["closed" if surface.is_closed else "open"]
    if surface.n_specks:
        notes.append(f"{surface.n_specks} voxels in specks left out")
    if surface.conflict > 0.02:
        notes.append(f"sides uncertain: {surface.conflict:.0%} of neighbouring normals disagree")
        log.warning("%s: %s", name, notes[-1])
    for side, one in sampled.items():
        voted = vote_normals(
            one.points,
            one.raw_normals,
            one.reference,
            radius=scale * args.voting_radius_voxel,
            decay=scale * args.voting_decay_voxel,
            min_length=scale * 4.0,
            cosine=args.voting_cosine,
        )
        out[side] = one.points, voted
        counts = one.counts
        log.info("%s side %s: %d points kept, %s", name, side, len(voted), counts)
        notes.append(f"side {side}: {len(voted)} points, {counts['edge']} dropped near the rim")
    notes.append(f"{counts['rim']} rim points without a clear side dropped")
    return out, "; ".join(notes)


def _read_info(args: argparse.Namespace) -> dict:
    """Return the info of the tomogram; of one that failed, with a size to write no points with."""
    from ..files import read_json
    from ..infos import failure_of, read_info

    content = read_json(args.info)
    if failure_of(content):
        nothing = {"shape": [1, 1, 1], "pixel_size_angstrom": args.pixel_size_angstrom or 1.0}
        return {**nothing, **content}
    return read_info(
        args.info, ("pixel_size_angstrom", "header_pixel_size_angstrom", "origin_angstrom")
    )


def _sample_all(args: argparse.Namespace, rows: list, info: dict, status) -> list[tuple]:
    """Return points, normals, number of the membrane and of the side, by membrane and side."""
    import numpy as np
    from tqdm import tqdm

    from ..cases import working_voxel
    from ..sheets import read_membranes
    from ..side_annotations import read_sides
    from ..surfaces import orient_surface

    working = args.pixel_size_angstrom
    everything = read_membranes(args.sheet, must_exist=False)
    particles_of = read_sides(everything, info, working)
    masks, parts = _read_masks(rows, info, status), []
    for number, row in enumerate(tqdm(rows, desc="membranes", disable=None)):
        if row.membrane not in masks:
            continue
        with status.isolate(row.membrane):
            voxels, name = masks[row.membrane], row.membrane
            surface = orient_surface(voxels, name)
            sides = _sides(row, surface, voxels, info, particles_of)
            by_side, note = _sample(surface, sides, name, working_voxel(info, working), args)
            for side, (points, normals) in by_side.items():
                code = 0 if side == "a" else 1
                n = len(points)
                parts.append((points, normals, np.full(n, number), np.full(n, code)))
            status.record(name, sum(len(points) for points, _ in by_side.values()), note)
    return parts


def _write(args: argparse.Namespace, rows: list, info: dict, parts: list[tuple]) -> int:
    """Write the table of points; return how many there are."""
    import numpy as np

    from ..files import provenance
    from ..tables import PointTable

    names = "pixel_size_angstrom band_voxel thinning_voxel edge_margin_voxel rim_cosine".split()
    names += ("voting_radius_voxel", "voting_decay_voxel", "voting_cosine", "seed")
    columns = [np.concatenate(c) for c in zip(*parts, strict=True)] if parts else None
    empty = (np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0, dtype=int), np.zeros(0, dtype=int))
    points, normals, membrane, side = columns or empty
    PointTable(
        points=points,
        normals=normals,
        membrane=membrane,
        side=side,
        membranes=tuple(row.membrane for row in rows),
        tomogram=args.tomogram,
        shape=tuple(info["shape"]),
        pixel_size=info["pixel_size_angstrom"],
        meta={
            "provenance": provenance("sample_points", {n: getattr(args, n) for n in names}),
            **({"failure": info["failure"]} if "failure" in info else {}),
        },
    ).write(args.output)
    return len(points)


def run(args: argparse.Namespace) -> None:
    """Sample the membranes of a batch and write their points."""
    from ..errors import InputError
    from ..flags import check_ranges
    from ..sheets import select_membranes
    from ..tables import Status

    check_ranges(
        args,
        least=dict.fromkeys(NOT_NEGATIVE, 0),
        above={"band_voxel": 1, "voting_decay_voxel": 0},
        most={"rim_cosine": 1, "voting_cosine": 1, "band_voxel": 1000},
    )
    info = _read_info(args)
    if info["tomogram"] != args.tomogram:
        raise InputError(
            f"{args.info}: info of another tomogram",
            found=info["tomogram"],
            expected=args.tomogram,
        )
    rows = select_membranes(args.sheet, args.tomogram, args.membranes)
    status, error = Status(args.tomogram, "sample_points"), given_up(args)
    if "failure" in info:
        error = InputError(f"its tomogram failed: {info['failure']}")
    for row in rows if error else ():
        status.fail(row.membrane, error)
    parts = [] if error else _sample_all(args, rows, info, status)
    n_points = _write(args, rows, info, parts)
    status.write(args.status)
    log.info("%d points of %d membranes", n_points, len(rows))
