"""Grey-value statistics of a tomogram, streamed, and the normalisation made from them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from .errors import InputError
from .volumes import Volume, iter_blocks

log = logging.getLogger(__name__)

METHODS = ("mean_std", "robust")
BLOCK_VOXELS = 1 << 18  # in double precision they fit a core's cache
SAMPLE_VOXELS = 1 << 20  # standard error of the sample's median: 0.0012 standard deviations
HISTOGRAM_BINS = 1 << 16
QUARTILES_TO_SIGMA = 1.3489795  # distance of the quartiles of a normal distribution, in sigma


@dataclass(frozen=True)
class GreyStatistics:
    """Grey values of a whole volume.

    Attributes
    ----------
    mean, std, minimum, maximum : float
        Over every voxel; `std` divides by the number of voxels.
    median : float
        Of a regular sample of about a million voxels, or of every voxel (`find_quartiles`).
    sample : (n,) float32, sorted, the sample
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    median: float
    sample: np.ndarray


def _iter_blocks(volume: Volume) -> Iterator[np.ndarray]:
    """Yield every voxel once as short 1-D arrays of the file's type."""
    for _, n_here, content in iter_blocks(volume, BLOCK_VOXELS):
        yield content[: n_here * volume.dtype.itemsize].view(volume.dtype)


def _raise_not_finite(volume: Volume) -> None:
    n_bad = sum(int(np.count_nonzero(~np.isfinite(block))) for block in _iter_blocks(volume))
    raise InputError(
        f"{volume.path}: voxels that are not numbers",
        found=f"{n_bad} NaN or infinite of {prod(volume.shape)}",
        expected="finite grey values",
        remedy="reconstruct the tomogram again, or replace them by its mean",
    )


def measure(volume: Volume) -> GreyStatistics:
    """Return the statistics of a volume from one pass over the file.

    Parameters
    ----------
    volume : Volume

    Raises
    ------
    InputError
        When a voxel is NaN or infinite, there are no more than two values, or the file is damaged.

    Notes
    -----
    Each block is summed in double precision about a rough mean of its own and joined to the earlier
    ones by the update of Chan et al. (1983), so that a large common offset cancels nothing. No sum
    depends on the number of threads.
    """
    n_voxels = prod(volume.shape)
    every = ceil(n_voxels / SAMPLE_VOXELS)
    while every > 1 and volume.shape[2] % every == 0:  # else the sample keeps to a few columns
        every += 1
    work = np.empty(min(BLOCK_VOXELS, n_voxels), np.float64)
    n_done, mean, spread, low, high = 0, 0.0, 0.0, np.inf, -np.inf
    sample = []
    for block in _iter_blocks(volume):
        n = len(block)
        shifted = work[:n]
        with np.errstate(invalid="ignore"):  # infinite minus infinite; told below
            rough = float(block[::64].mean(dtype=np.float64))
            np.subtract(block, rough, out=shifted, dtype=np.float64)
            total = float(np.add.reduce(shifted))
        if not np.isfinite(total):
            _raise_not_finite(volume)
        squares = float(np.einsum("i,i->", shifted, shifted))  # dot varies with the threads
        sample.append(block[-n_done % every :: every].astype(np.float32))
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        delta = rough + total / n - mean  # from the mean so far to the mean of this block
        spread += squares - total * total / n + delta * delta * (n_done * n / (n_done + n))
        n_done += n
        mean += delta * n / n_done
    values = np.sort(np.concatenate(sample))
    distinct = np.unique(values)
    if len(distinct) < 3:
        kind = "every voxel has the same value" if low == high else "only two grey values"
        found = " and ".join(f"{value:g}" for value in distinct.tolist())
        error = {"found": found, "expected": "a tomogram", "remedy": "is it a mask?"}
        raise InputError(f"{volume.path}: {kind}", **error)
    std = (spread / n_voxels) ** 0.5
    return GreyStatistics(mean, std, low, high, float(np.median(values)), values)


def find_quartiles(volume: Volume, statistics: GreyStatistics) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile of every voxel.

    Parameters
    ----------
    volume : Volume
    statistics : GreyStatistics of this volume

    Notes
    -----
    The 20 % and 80 % quantiles of the sample bracket the three values. A histogram
    of 65536 bins over it, filled in a second pass, places them. Their error is half a bin: for
    normally distributed values 1.3e-5 standard deviations.
    """
    values = statistics.sample
    low, high = (float(values[int(f * (len(values) - 1))]) for f in (0.2, 0.8))
    while True:
        if low == high:  # more than half of the voxels share one value
            margin = 1e-6 * (statistics.maximum - statistics.minimum)
            low, high = low - margin, high + margin
        below, counts = _histogram(volume, low, high)
        rank = np.array([0.25, 0.5, 0.75]) * (prod(volume.shape) - 1)
        upto = below + np.cumsum(counts)
        if below <= rank[0] and rank[2] < upto[-1]:
            break
        low, high = statistics.minimum, statistics.maximum  # a sample that misleads: begin anew
    bins = np.searchsorted(upto, rank, side="right")
    lower, median, upper = low + (bins + 0.5) * ((high - low) / HISTOGRAM_BINS)
    return float(lower), float(median), float(upper)


def _histogram(volume: Volume, low: float, high: float) -> tuple[int, np.ndarray]:
    """Return the number of voxels below `low` and the counts of equal bins from `low` to `high`."""
    counts = np.zeros(HISTOGRAM_BINS, np.int64)
    below = 0
    factor = HISTOGRAM_BINS / (high - low)
    for block in _iter_blocks(volume):
        place = np.subtract(block, low, dtype=np.float64)
        below += int(np.count_nonzero(place < 0))
        place = place[(place >= 0) & (place <= high - low)]
        place *= factor
        bins = np.minimum(place.astype(np.int64), HISTOGRAM_BINS - 1)
        counts += np.bincount(bins, minlength=HISTOGRAM_BINS)
    return below, counts


def _tell_outliers(volume: Volume, statistics: GreyStatistics) -> None:
    """Warn where some extreme voxels make the standard deviation, so that the rest look alike."""
    lower, upper = np.quantile(statistics.sample, [0.25, 0.75])
    if 0 < upper - lower < 0.01 * QUARTILES_TO_SIGMA * statistics.std:
        log.warning(
            "%s: a few extreme voxels, %g to %g, hide all others: use statistics 'robust'",
            *(volume.path, statistics.minimum, statistics.maximum),
        )


def summarise(volume: Volume, method: str = "mean_std", limit: float = 3.0) -> dict:
    """Return the statistics of a tomogram and its normalisation, ready for JSON.

    Parameters
    ----------
    volume : Volume
    method : str
        ``mean_std``, or ``robust``: median and scaled distance of the quartiles, which a few very
        bright or dark voxels (gold, ice) leave alone.
    limit : float
        Normalised values are cut at this many deviations on both sides.

    Returns
    -------
    dict
        ``mean``, ``std``, ``minimum``, ``maximum``, ``median``, ``statistics`` (the method) and
        ``grey``: what `normalise` takes.

    Raises
    ------
    InputError
        See `measure`; also when half of the voxels share one value and the method is ``robust``.
    """
    statistics = measure(volume)
    centre, scale, median = statistics.mean, statistics.std, statistics.median
    if method == "robust":
        lower, median, upper = find_quartiles(volume, statistics)
        centre, scale = median, (upper - lower) / QUARTILES_TO_SIGMA
        if not np.diff(np.quantile(statistics.sample, [0.25, 0.75]))[0]:
            raise InputError(
                f"{volume.path}: half of the voxels share one grey value",
                found=f"{median:g}",
                remedy="use statistics 'mean_std', or cut off the empty part of the tomogram",
            )
    else:
        _tell_outliers(volume, statistics)
    grey = {
        "centre": centre,
        "scale": scale,
        "low": max(-limit, (statistics.minimum - centre) / scale),
        "high": min(limit, (statistics.maximum - centre) / scale),
        "limit": limit,
    }
    deviation = np.abs(statistics.sample - centre) / scale
    log.info("%s: %.3f %% of the voxels are cut off", volume.path, 100 * np.mean(deviation > limit))
    return {
        "mean": statistics.mean,
        "std": statistics.std,
        "minimum": statistics.minimum,
        "maximum": statistics.maximum,
        "median": median,
        "statistics": method,
        "grey": grey,
    }


def normalise(values: np.ndarray, grey: Mapping[str, float]) -> np.ndarray:
    """Return grey values as deviations from the tomogram's centre, cut off and stretched to 0..1.

    Parameters
    ----------
    values : array of any shape and real type
        Grey values of the tomogram file.
    grey : mapping
        ``centre``, ``scale``, ``low`` and ``high``: entry ``grey`` of a tomogram's info file.

    Returns
    -------
    float32 array of the same shape, in [0, 1]

    Notes
    -----
    ``(clip((values - centre) / scale, low, high) - low) / (high - low)``: z-score, clip, min-max of
    the whole tomogram, as Lamm et al. (2022) prepare theirs.
    """
    low, high = grey["low"], grey["high"]
    out = np.empty(np.shape(values), np.float32)
    # the difference in double precision, block by block inside numpy: offsets cancel, memory stays
    np.subtract(values, grey["centre"], out=out, dtype=np.float64, casting="same_kind")
    out *= 1 / (grey["scale"] * (high - low))
    out -= low / (high - low)
    return np.clip(out, 0, 1, out=out)
