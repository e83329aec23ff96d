"""Read a tomogram's header and measure its grey values.

Reads an MRC file (.mrc, .rec, .map, also .gz) in small pieces and writes a JSON file with its
shape, pixel size, origin, grey-value statistics and the normalisation that later steps apply.
With --record-failure a tomogram that cannot be used gives a file with its name and the entry
'failure', from which sample_points lets each of its membranes fail; other tomograms go on.

  python workflow/step.py inspect_tomogram --tomogram T1 --path T1.mrc --output T1.json
"""

from __future__ import annotations

import argparse
import contextlib
import logging

from ..tries import add_try_arguments, given_up

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--tomogram", required=True, help="name of the tomogram")
    parser.add_argument("--path", required=True, help="MRC file of the tomogram")
    parser.add_argument(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        help="pixel size of the file, angstrom; 0: take the header's",
    )
    parser.add_argument(
        "--statistics",
        choices=("mean_std", "robust"),
        default="mean_std",
        help="centre and scale of the grey values; robust: median and quartiles",
    )
    parser.add_argument(
        "--clip",
        type=float,
        default=3.0,
        help="normalised grey values are cut at this many deviations from the centre",
    )
    parser.add_argument(
        "--record-failure",
        action="store_true",
        help="write why a tomogram cannot be used in place of ending with it",
    )
    parser.add_argument("--output", required=True, help="JSON file to write")
    add_try_arguments(parser)


def _measure(args: argparse.Namespace) -> dict:
    """Return what header and grey values tell."""
    from ..grey_values import summarise
    from ..volumes import has_pixel_size, read_header, resolve_pixel_size

    volume = read_header(args.path)
    pixel_size = resolve_pixel_size(volume, args.pixel_size_angstrom)
    summary = summarise(volume, args.statistics, args.clip)
    log.info(
        "%s: %s voxels (x, y, z) of %s, %g angstrom, mean %.4g, standard deviation %.4g",
        args.tomogram,
        " x ".join(map(str, volume.shape[::-1])),
        volume.dtype.name,
        pixel_size,
        summary["mean"],
        summary["std"],
    )
    return {
        "shape": list(volume.shape),
        "pixel_size_angstrom": pixel_size,
        "header_pixel_size_angstrom": (
            volume.header_pixel_size[0] if has_pixel_size(volume) else 0.0
        ),
        "origin_angstrom": list(volume.origin),
        **summary,
    }


def run(args: argparse.Namespace) -> None:
    """Measure and write."""
    from ..errors import InputError
    from ..file_names import clean_name
    from ..files import provenance, write_json
    from ..flags import check_ranges
    from ..tables import Status

    check_ranges(args, least={"pixel_size_angstrom": 0}, above={"clip": 0})
    if clean_name(args.tomogram) != args.tomogram:
        raise InputError(
            "--tomogram",
            found=repr(args.tomogram),
            expected="letters, digits and . _ + - only, beginning with a letter or digit",
        )
    status, found, no_result = Status(args.tomogram, "inspect_tomogram"), {}, given_up(args)
    if no_result:
        status.fail("whole", no_result)
    else:
        with status.isolate("whole") if args.record_failure else contextlib.nullcontext():
            found = _measure(args)
    if status.rows:
        found["failure"] = status.rows[0][-1]
    names = ("tomogram", "pixel_size_angstrom", "statistics", "clip")
    made = provenance("inspect_tomogram", {name: getattr(args, name) for name in names})
    write_json(args.output, {"tomogram": args.tomogram, **found, "provenance": made})
