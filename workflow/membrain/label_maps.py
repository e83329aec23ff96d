"""Membranes of a label map: its labels, or the connected pieces of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from math import prod
from pathlib import Path

from .masks import connected_components, count_labels, read_label_voxels, write_labels
from .volumes import Volume, has_pixel_size, resolve_pixel_size

log = logging.getLogger(__name__)

BACKGROUND_SHARE = 0.1  # of the volume: hardly a membrane any more


def list_labels(mask: Volume, min_voxels: int) -> tuple[list[int], list[str], int]:
    """Return the labels of a label map that are large enough.

    Parameters
    ----------
    mask : Volume
    min_voxels : int

    Returns
    -------
    kept : list of int, ascending
    reasons : list of str
        One line for each label left out.
    n_labels : int
        Of any size.
    """
    counts = count_labels(mask.path)
    n_voxels = prod(mask.shape)
    for label, count in counts.items():
        if count > BACKGROUND_SHARE * n_voxels:
            log.warning(
                "%s: label %d fills %.0f %% of the volume; if it is no membrane, delete its row",
                mask.path,
                label,
                100 * count / n_voxels,
            )
    reasons = [
        f"label {label} has {count} voxels, fewer than --min-voxels {min_voxels}"
        for label, count in counts.items()
        if count < min_voxels
    ]
    if not counts:
        reasons.append("no voxel above 0")
    kept = [label for label, count in counts.items() if count >= min_voxels]
    return kept, reasons, len(counts)


def split_labels(
    mask: Volume, labels: Iterable[int], min_voxels: int, path: Path
) -> tuple[int, list[str]]:
    """Write the connected pieces of the labels of a label map as a label map of its own.

    Parameters
    ----------
    mask : Volume
    labels : iterable of int
    min_voxels : int
        Smaller pieces are left out.
    path : Path
        MRC file (int16) to write; its labels run from 1 through the pieces of the first label,
        largest first, then those of the second, and so on. No piece: no file.

    Returns
    -------
    n_pieces : int
    reasons : list of str
        One line for each label that lost pieces.

    Raises
    ------
    InputError
        When there are more pieces than int16 can name.
    """
    pieces, reasons = [], []
    for label, voxels in read_label_voxels(mask.path, labels).items():
        found = connected_components(voxels)
        large = [piece for piece in found if len(piece) >= min_voxels]
        log.info("%s: label %d in %d pieces, %d kept", mask.path, label, len(found), len(large))
        if len(large) < len(found):
            n_lost = len(voxels) - sum(map(len, large))
            reasons.append(
                f"{len(found) - len(large)} pieces of label {label}, {n_lost} voxels in all, are "
                f"smaller than --min-voxels {min_voxels}"
            )
        pieces += large
    if pieces:
        pixel_size = resolve_pixel_size(mask) if has_pixel_size(mask) else 0.0
        write_labels(path, pieces, mask.shape, pixel_size, mask.origin)
    return len(pieces), reasons
