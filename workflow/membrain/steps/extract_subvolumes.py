"""Cut a small box around each sampled point, turned so that the normal is its first axis.

Reads the points of a batch, the tomogram and its info file. Writes the boxes (.npy, float32, one
row per point) and the points they belong to (.npz, the same rows). Boxes are sampled on the
model's grid by cubic splines, with grey values from 0 to 1; where the model's voxel is larger than
the tomogram's, the tomogram is smoothed first. If the tomogram's contrast is not the model's, grey
values are turned round. With --record-failure a tomogram that cannot be read lets the batch's
membranes fail in the status table, in place of ending the step.

  step.py extract_subvolumes --points points.npz --path T1.mrc --info T1.json \\
      --pixel-size-angstrom 13.68 --output-subvolumes boxes.npy --output-points boxes.npz \\
      --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

from ..tries import add_try_arguments, given_up

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--points", required=True, metavar="NPZ", help="points of a batch, from sample_points")
    add("--path", required=True, metavar="MRC", help="the tomogram")
    add("--info", required=True, metavar="JSON", help="from inspect_tomogram")
    add(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        metavar="W",
        help="pixel size of the boxes (the model's); 0: the tomogram's own",
    )
    add("--box-shape", type=int, nargs=3, default=[12, 12, 12], metavar="N", help="voxels of a box")
    add(
        "--box-centre",
        type=float,
        nargs=3,
        default=[6, 6, 6],
        metavar="C",
        help="index of the sampled point in a box; lower first indices lie above the membrane",
    )
    add(
        "--lowpass-angstrom",
        type=float,
        default=0.0,
        metavar="L",
        help="smooth by a Gaussian that halves the amplitude at period L; 0: not",
    )
    add(
        "--contrast",
        choices=("auto", "dark", "bright"),
        default="auto",
        help="protein in the tomogram; auto: measured at the membranes",
    )
    add(
        "--model-contrast",
        choices=("dark", "bright"),
        default="dark",
        help="protein in the data that the model was trained on",
    )
    add(
        "--border",
        choices=("drop", "pad"),
        default="drop",
        help="points whose box leaves the tomogram: drop them, or mirror the tomogram",
    )
    add(
        "--unaligned",
        action="store_true",
        help="boxes along the tomogram's axes, not the normals, as for the paper's ablation",
    )
    add(
        "--record-failure",
        action="store_true",
        help="let the membranes fail where the tomogram cannot be read, and end well",
    )
    add("--output-subvolumes", required=True, metavar="NPY", help="the boxes")
    add("--output-points", required=True, metavar="NPZ", help="the points of the boxes")
    add("--status", required=True, metavar="TSV", help="status of each membrane")
    add_try_arguments(parser)


def _check_numbers(args: argparse.Namespace) -> None:
    from ..flags import check_ranges

    check_ranges(
        args,
        least={"box_shape": 1, "pixel_size_angstrom": 0, "lowpass_angstrom": 0},
        most={"box_shape": 256, "lowpass_angstrom": 1000},
    )


def check_info(args: argparse.Namespace, table, info: dict) -> None:
    """Check that an info is of the tomogram of a table of points."""
    from ..errors import InputError

    if info["tomogram"] != table.tomogram:
        raise InputError(
            f"{args.info}: info of another tomogram",
            found=info["tomogram"],
            expected=table.tomogram,
        )
    check_shape(args.info, info["shape"], args, table)


def check_shape(name: str, shape: tuple, args: argparse.Namespace, table) -> None:
    """Check that a file is of the shape of the tomogram of a table of points."""
    from ..errors import InputError

    if tuple(shape) != tuple(table.shape):
        raise InputError(
            f"{name}: not the shape of the tomogram of {args.points}",
            found=f"{list(shape)} (z, y, x)",
            expected=list(table.shape),
        )


def upright(is_unaligned: bool, normals):
    """Return what boxes stand along, (n, 3) zyx: the normals, or the tomogram's z axis."""
    import numpy as np

    return np.tile(np.float32([1, 0, 0]), (len(normals), 1)) if is_unaligned else normals


def _rows_to_cut(args: argparse.Namespace, table, grid, status) -> dict:
    """Return the rows of each membrane whose boxes are cut, with a message for the status."""
    import numpy as np

    from ..errors import InputError
    from ..sampling import box_axes, boxes_inside

    chosen = {}
    for index, name in enumerate(table.membranes):
        with status.isolate(name):
            rows = np.flatnonzero(table.membrane == index)
            points, normals = table.points[rows], table.normals[rows]
            lengths = np.linalg.norm(normals, axis=1)
            if not (np.isfinite(points).all() and np.isfinite(lengths).all() and lengths.all()):
                raise InputError(
                    f"membrane '{name}': points that are not numbers, or normals of length 0",
                    remedy="run sample_points again",
                )
            axes = upright(args.unaligned, normals)
            is_inside = boxes_inside(*box_axes(points, axes, grid), grid, table.shape)
            n_out, message = int((~is_inside).sum()), ""
            if n_out:
                what = "dropped" if args.border == "drop" else "kept, mirrored"
                message = f"{n_out} of {len(rows)} points {what}: box leaves the tomogram"
                log.info("%s/%s: %s", table.tomogram, name, message)
            chosen[name] = rows[is_inside] if args.border == "drop" else rows, message
    return chosen


def _find_contrast(args: argparse.Namespace, read, table, info: dict, step: float):
    """Return the tomogram's contrast, given or measured at the points."""
    from ..contrast import Contrast, measure_contrast

    if args.contrast != "auto":
        return Contrast(args.contrast)
    place = (table.shape, table.points, table.normals)
    contrast = measure_contrast(read, *place, info, step, assumed=args.model_contrast)
    contrast.tell(table.tomogram)
    return contrast


def _cut(args: argparse.Namespace, table, info: dict, volume, status) -> tuple:
    """Write the boxes; return their rows in the table and what readers need to know."""
    from functools import partial

    import numpy as np

    from ..files import atomic_path
    from ..sampling import BoxGrid, smoothing_sigma
    from ..subvolumes import SubvolumeWriter, iter_boxes
    from ..volumes import read_box

    pixel_size = args.pixel_size_angstrom or table.pixel_size
    step = pixel_size / table.pixel_size
    grid = BoxGrid(tuple(args.box_shape), tuple(args.box_centre), step)
    sigma = smoothing_sigma(step, args.lowpass_angstrom / table.pixel_size)
    read = partial(read_box, volume)
    chosen = _rows_to_cut(args, table, grid, status) if volume else {}
    done = [np.empty(0, dtype=int)]
    kept = table.select(np.concatenate([*done, *(rows for rows, _ in chosen.values())]))
    contrast = _find_contrast(args, read, kept, info, step).describe(args.model_contrast)
    with atomic_path(args.output_subvolumes) as temporary:
        writer = SubvolumeWriter(temporary, grid.shape)
        for name, (rows, message) in chosen.items():
            with status.isolate(name):
                place = (
                    table.shape,
                    table.points[rows],
                    upright(args.unaligned, table.normals[rows]),
                )
                blocks = iter_boxes(read, *place, grid, info["grey"], sigma, contrast["inverted"])
                writer.append(len(rows), blocks)
                done.append(rows)
                status.record(name, len(rows), message)
        writer.close()
    described = {
        "box_shape": args.box_shape,
        "box_centre": args.box_centre,
        "pixel_size_angstrom": pixel_size,
        "smoothing_sigma_voxel": round(sigma, 6),
        "contrast": contrast,
        **({"aligned": False} if args.unaligned else {}),
    }
    return np.concatenate(done), described


def _cut_all(args: argparse.Namespace, table, info: dict) -> tuple:
    """Return the status, and what `_cut` returns."""
    from ..errors import InputError
    from ..tables import Status
    from ..unpacking import readable

    status = Status(table.tomogram, "extract_subvolumes")
    try:
        with readable(args.path, args.output_subvolumes) as volume:
            check_shape(args.path, volume.shape, args, table)
            return status, *_cut(args, table, info, volume, status)
    except InputError as error:
        if not args.record_failure:
            raise
        log.error("%s: %s", table.tomogram, error)
        return _cut_nothing(args, table, InputError(f"its tomogram failed: {error}"))


def _cut_nothing(args: argparse.Namespace, table, error: Exception | None = None) -> tuple:
    """Write no boxes; the membranes fail, or stay empty where they failed before."""
    import numpy as np

    from ..tables import Status

    status = Status(table.tomogram, "extract_subvolumes")
    for name in table.membranes:
        status.fail(name, error) if error else status.record(name, 0)
    nothing = table.select(np.empty(0, dtype=int))
    return status, *_cut(args, nothing, {}, None, Status(table.tomogram, status.step))


def run(args: argparse.Namespace) -> None:
    """Read points, cut boxes, write both."""
    from dataclasses import replace

    from ..files import provenance
    from ..infos import read_info
    from ..tables import PointTable

    _check_numbers(args)
    table, no_result = PointTable.read(args.points), given_up(args)
    if "failure" in table.meta or no_result:
        status, rows, described = _cut_nothing(args, table, no_result)
    else:
        info = read_info(args.info, needs=("mean", "std", "grey"))
        check_info(args, table, info)
        status, rows, described = _cut_all(args, table, info)
    names = (
        "pixel_size_angstrom box_shape box_centre lowpass_angstrom contrast model_contrast border"
        " unaligned"
    )
    made = provenance("extract_subvolumes", {name: getattr(args, name) for name in names.split()})
    meta = {**table.meta, "provenance": made, "subvolumes": described}
    replace(table.select(rows), meta=meta).write(args.output_points)
    status.write(args.status)
    log.info("%s: %d boxes of %d points", table.tomogram, len(rows), len(table))
