"""Turn the checkpoint that was published with the paper into weights of this program.

Reads a checkpoint (.ckpt) without running any code of it. Writes the weights (.safetensors) and
their card (.json beside it). The pixel size of its training data is not in the checkpoint: give it.

  step.py import_weights --checkpoint Spinach_28mb_PSII.ckpt --pixel-size-angstrom 13.68 \\
      --output spinach_psii.safetensors
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--checkpoint", required=True, metavar="CKPT", help="the published checkpoint")
    add("--output", required=True, metavar="SAFETENSORS", help="weights; the card goes beside it")
    add(
        "--pixel-size-angstrom",
        type=float,
        required=True,
        metavar="W",
        help="pixel size of its training data, angstrom (13.68 for the spinach tomograms)",
    )
    add(
        "--contrast",
        choices=("dark", "bright"),
        default="dark",
        help="grey of protein in its training data",
    )
    add(
        "--normalisation",
        choices=("tomogram", "minmax", "zscore"),
        default="minmax",
        help="of each box; the published training stretches each box to 0..1",
    )
    add(
        "--classes",
        metavar="JSON",
        help='class names of each output, as [["PSII","UK"]] (default: the checkpoint\'s own)',
    )
    add(
        "--threshold-voxel",
        type=float,
        default=3.0,
        metavar="T",
        help="predicted distance, working voxels, below which a point is near a particle",
    )


def _classes(args: argparse.Namespace, found: list | None, n_outputs: int) -> list[list[str]]:
    """Return the groups of classes: the given ones, or the checkpoint's own."""
    import json

    from ..class_groups import parse_classes
    from ..errors import InputError

    classes = parse_classes(args.classes) if args.classes else found
    if classes is None or len(classes) != n_outputs:
        raise InputError(
            f"{args.checkpoint}: class names of the outputs",
            found=json.dumps(classes),
            expected=f"{n_outputs} lists of names",
            remedy="give --classes",
        )
    return classes


def run(args: argparse.Namespace) -> None:
    """Read the checkpoint, write weights and card."""
    import hashlib
    from pathlib import Path

    from ..flags import check_ranges
    from ..network import count_parameters
    from ..published import import_network, read_checkpoint, settings_of
    from ..weights import Card, write_weights

    check_ranges(args, above={"pixel_size_angstrom": 0, "threshold_voxel": 0})
    content, source = read_checkpoint(args.checkpoint), Path(args.checkpoint)
    network, found = import_network(content, args.checkpoint), settings_of(content)
    classes = _classes(args, found["classes"], network.head.out_features)
    card = Card(
        pixel_size_angstrom=args.pixel_size_angstrom,
        classes=tuple(tuple(group) for group in classes),
        contrast=args.contrast,
        normalisation=args.normalisation,
        box_shape=network.box_shape,
        box_centre=tuple(n // 2 for n in network.box_shape),
        cap=float(found["cap"] or 7.0),
        threshold=args.threshold_voxel,
        training={
            "imported_from": source.name,
            "checkpoint_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
            **found["training"],
        },
    )
    write_weights(args.output, network.state_dict(), card)
    log.info(
        "%s: %d parameters, %d outputs, epoch %s",
        *(args.output, count_parameters(network), len(classes)),
        found["training"].get("epoch", "not known"),
    )
