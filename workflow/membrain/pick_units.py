"""Whether picks of another program were read with the right unit: they meet known positions.

A list in another unit still lies inside the tomogram, and would only look like a bad list. Where
next to no annotated position has a pick near it, but most have one after a change of factor, order
of axes or offset, the list is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
from scipy.spatial import cKDTree

from .errors import InputError
from .misfits import Fit, what_would_fit
from .particles import ParticleTable

log = logging.getLogger(__name__)

MIN_KNOWN = 5  # fewer known positions prove nothing
ENOUGH = 0.2  # share of known positions with a pick from which a list counts as well placed
FACTOR_BETTER = 3.0  # by which a change has to raise that share
MOST_PICKS_PER_HIT = 4.0  # more crowd together: a list shrunk to a corner hits by chance
MAX_PICKS, MAX_PAIRS = 20_000, 2_000_000  # of a tomogram; a sample of more
BIN_VOXEL = 6.0
DECOY_RADII = 4.0  # hit radii by which known positions are moved to count hits by chance
SURE = 5.0  # standard deviations above chance; about a thousand changes are tried


def share_with_pick(known: Mapping[str, np.ndarray], radius: Mapping[str, float]):
    """Return a function that tells the share of known positions with a pick of their own.

    Parameters
    ----------
    known : mapping of tomogram to (n, 3) float zyx voxel
    radius : mapping of tomogram to float, voxel

    Returns
    -------
    function of mapping of tomogram to (n_picks, 3), zyx, voxel
    """
    trees = {name: cKDTree(positions) for name, positions in known.items() if len(positions)}
    n_known = sum(tree.n for tree in trees.values())

    def share(picks: Mapping[str, np.ndarray]) -> float:
        n_near = n_hit = 0
        for name, tree in trees.items():
            positions = picks.get(name)
            if positions is None or not len(positions):
                continue
            nearest = tree.query(positions, distance_upper_bound=radius[name])[1]
            nearest = nearest[nearest < tree.n]
            n_near += len(nearest)
            n_hit += len(np.unique(nearest))
        return n_hit / n_known if n_hit and n_near <= MOST_PICKS_PER_HIT * n_hit else 0.0

    return share


def common_shift(
    picks: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray], rng: np.random.Generator
) -> np.ndarray | None:
    """Return the offset (3,) zyx voxel from picks to known positions that most pairs share."""
    offsets = []
    for name, positions in known.items():
        if name in picks and len(picks[name]) and len(positions):
            pairs = positions[None] - picks[name][:, None]  # (n_picks, n_known, 3)
            offsets.append(pairs.reshape(-1, 3))
    if not offsets:
        return None
    pairs = np.concatenate(offsets)
    if len(pairs) > MAX_PAIRS:
        pairs = pairs[rng.choice(len(pairs), MAX_PAIRS, replace=False)]
    bins, counts = np.unique(np.floor(pairs / BIN_VOXEL), axis=0, return_counts=True)
    centre = (bins[counts.argmax()] + 0.5) * BIN_VOXEL
    for _ in range(3):
        centre = pairs[np.linalg.norm(pairs - centre, axis=1) <= BIN_VOXEL].mean(axis=0)
    return centre


def _by_tomogram(picks: ParticleTable, names, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the positions of some tomograms, a sample of them where there are very many."""
    out = {}
    for name in names:
        positions = picks.voxel[picks.tomogram == name]
        if len(positions) > MAX_PICKS:
            positions = positions[rng.choice(len(positions), MAX_PICKS, replace=False)]
        if len(positions):
            out[name] = positions
    return out


def _n_outside(picks: Mapping[str, np.ndarray], infos: Mapping[str, Mapping]) -> int:
    n = 0
    for name, positions in picks.items():
        shape = np.array(infos[name]["shape"])
        n += int(((positions < -0.5) | (positions > shape - 0.5)).any(axis=1).sum())
    return n


def check_units(
    where: str,
    picks: ParticleTable,
    known: Mapping[str, np.ndarray],
    radius: Mapping[str, float],
    infos: Mapping[str, Mapping],
    known_as: str = "annotated positions",
) -> None:
    """Check that picks lie where known positions are, unless nothing makes them do so.

    Parameters
    ----------
    where : str, names the list in messages
    picks : ParticleTable
    known : mapping of tomogram to (n, 3) float zyx voxel
    radius : mapping of tomogram to float, voxel; up to where a known position has a pick
    infos : mapping of tomogram to its info
    known_as : str, what `known` is called

    Raises
    ------
    InputError
        When a change of unit, axes or offset would make far more known positions have a pick, or
        most picks lie outside their tomogram; says how far off they are and what would fit.
    """
    rng = np.random.default_rng(0)
    known = {name: np.asarray(p, dtype=np.float64) for name, p in known.items() if name in infos}
    placed = _by_tomogram(picks, known, rng)
    n_known, n_picks = sum(map(len, known.values())), sum(map(len, placed.values()))
    if not n_picks or not n_known:
        return
    now, n_outside = share_with_pick(known, radius)(placed), _n_outside(placed, infos)
    if now >= ENOUGH:
        return
    fit = _sure_fit(placed, known, radius, infos, now) if n_known >= MIN_KNOWN else None
    if fit is not None or 2 * n_outside > n_picks:
        raise InputError(
            f"{where}: the picks do not lie where the {known_as} are",
            found=_how_far(placed, known, now, n_known, n_outside, radius),
            remedy="is this the right file?" if fit is None else _remedy(fit, n_known),
        )
    if not now:
        log.warning("%s: no pick lies near any of the %d %s", where, n_known, known_as)


def _sure_fit(
    placed: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
    radius: Mapping[str, float],
    infos: Mapping[str, Mapping],
    now: float,
) -> Fit | None:
    """Return what makes most known positions have a pick, if that is not by chance."""
    share = share_with_pick(known, radius)
    stops = np.cumsum([len(positions) for positions in placed.values()])[:-1]

    def apart(moved: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(placed, np.split(moved, stops), strict=True))

    sizes = {infos[name]["pixel_size_angstrom"] for name in placed}
    shapes = {tuple(infos[name]["shape"]) for name in placed}
    shift = common_shift(placed, known, np.random.default_rng(0))
    fit = what_would_fit(
        np.concatenate(list(placed.values())),
        lambda moved: share(apart(moved)),
        ENOUGH,
        sizes.pop() if len(sizes) == 1 else 0.0,
        [] if shift is None else [("an origin, or another corner?", shift)],
        shapes.pop() if len(shapes) == 1 else None,
    )
    if fit is None or fit.share < FACTOR_BETTER * now:
        return None
    n_known = sum(map(len, known.values()))
    chance = _chance(apart(fit.moved), known, radius)
    spread = np.sqrt(n_known * max(chance, 1 / n_known) * (1 - chance))
    return fit if n_known * (fit.share - chance) >= SURE * spread else None


def _chance(
    picks: Mapping[str, np.ndarray], known: Mapping[str, np.ndarray], radius: Mapping[str, float]
) -> float:
    """Return the largest share of known positions that have a pick after a move to nowhere."""
    shares = []
    for corner in np.ndindex(2, 2, 2):
        direction = (2 * np.array(corner) - 1) / np.sqrt(3)
        moved = {n: p + DECOY_RADII * radius.get(n, 0.0) * direction for n, p in known.items()}
        shares.append(share_with_pick(moved, radius)(picks))
    return max(shares)


def _how_far(placed, known, now: float, n_known: int, n_outside: int, radius) -> str:
    """Say how few known positions have a pick, and how far the picks are from them."""
    distances = [
        cKDTree(known[name]).query(positions)[0]
        for name, positions in placed.items()
        if len(known[name])
    ]
    far = float(np.median(np.concatenate(distances)))
    n_picks = sum(map(len, placed.values()))
    text = f"{round(now * n_known)} of {n_known} have a pick within {max(radius.values()):g} "
    text += f"voxels, half of the {n_picks} picks are at least {far:.0f} voxels from the nearest"
    return text + (f", {n_outside} lie outside the tomogram" if n_outside else "")


def _remedy(fit: Fit, n_known: int) -> str:
    """Say what would fit, and what to do where it is the unit."""
    text = f"{fit.words}, {round(fit.share * n_known)} of {n_known} then have a pick"
    if not fit.words.startswith(("divided", "multiplied")):
        return text
    return (
        f"{text}; give the pixel size of the list's coordinates, 1 for angstrom "
        "(config: compare_picks.lists)"
    )
