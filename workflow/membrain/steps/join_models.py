"""Make one model of several networks: an ensemble, whose predictions are averaged.

Reads weights (.safetensors, their cards beside) of networks of one kind for the same boxes and
classes. Writes one file that holds them all, with its card. Averages are drawn to the mean, so that
the thresholds of the networks do not fit them: with --held-out, what each network's training
predicted for the same held-out points, they are chosen again for the averaged predictions; without
it the mean of the networks' thresholds is kept, and the log says so.

  step.py join_models --weights a.safetensors b.safetensors --held-out a.held_out.npz \\
      b.held_out.npz --output model.safetensors
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--weights", nargs="+", required=True, metavar="SAFETENSORS", help="of each network")
    add(
        "--held-out",
        nargs="*",
        default=[],
        metavar="NPZ",
        help="from train_model, of each network in the same order",
    )
    add(
        "--threshold-voxel",
        type=float,
        default=0.0,
        metavar="T",
        help="predicted distance below which clustering keeps a point; 0: as told above",
    )
    add("--output", required=True, metavar="SAFETENSORS", help="all networks; the card beside")


def _thresholds(args: argparse.Namespace, cards: list) -> tuple[float, ...]:
    """Return the threshold of each output of the averaged networks."""
    import numpy as np

    from ..errors import InputError
    from ..held_out import average, is_same, read_held_out
    from ..thresholds import find_thresholds

    if args.threshold_voxel:
        return (args.threshold_voxel,) * len(cards[0].classes)
    if args.held_out:
        if len(args.held_out) != len(cards):
            raise InputError(
                "--held-out and --weights",
                found=f"{len(args.held_out)} and {len(cards)} files",
                expected="one file of held-out points for each network",
            )
        parts = [read_held_out(path) for path in args.held_out]
        if all(is_same(part, parts[0]) for part in parts):
            mean = average(parts, args.held_out)
            return find_thresholds(mean, mean.predicted, mean.meta["near_voxel"])
    if len({card.thresholds for card in cards}) > 1:
        log.warning(
            "the networks were not tried on the same held-out points: the mean of their thresholds "
            "is kept, though averaged predictions may want another (config: "
            "cluster_points.threshold)"
        )
    return tuple(round(float(t), 3) for t in np.mean([c.thresholds for c in cards], axis=0))


def run(args: argparse.Namespace) -> None:
    """Read networks, choose thresholds, write them as one."""
    from ..ensembles import check_cards, join_cards
    from ..flags import check_ranges
    from ..weights import read_networks, stack_tensors, write_weights

    check_ranges(args, least={"threshold_voxel": 0})
    networks, cards = [], []
    for path in args.weights:
        found, card = read_networks(path)
        networks += found
        cards.append(card)
    check_cards(cards, args.weights)
    thresholds = _thresholds(args, cards)
    card = join_cards(cards, thresholds, len(networks))
    tensors = [network.state_dict() for network in networks]
    write_weights(args.output, stack_tensors(tensors) if len(tensors) > 1 else tensors[0], card)
    log.info(
        "%s: %d networks, threshold %s",
        *(args.output, len(networks), ", ".join(f"{t:.2f}" for t in thresholds)),
    )
