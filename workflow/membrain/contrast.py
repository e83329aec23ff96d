"""Whether protein is dark or bright in a tomogram, seen from its membranes."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .grey_values import normalise
from .subvolumes import ReadBox

log = logging.getLogger(__name__)

# Points looked at for the contrast, and how deep below the surface, in working voxels.
CONTRAST_POINTS = 1000
CONTRAST_DEPTHS = (0.0, 1.0, 2.0)
# Membranes differ from their surroundings by 0.3 to 2 standard deviations.
MIN_CONTRAST = 0.05


@dataclass(frozen=True)
class Contrast:
    """How protein looks in a tomogram.

    Attributes
    ----------
    data : str, ``dark`` or ``bright``
    difference : float, membrane minus tomogram in standard deviations of the tomogram; nan: unknown
    n_points : int, points measured
    is_clear : bool, False where the difference is too small to tell and `data` is an assumption
    """

    data: str
    difference: float = math.nan
    n_points: int = 0
    is_clear: bool = True

    def describe(self, model: str) -> dict:
        """Return the decision for a model's contrast (``dark`` or ``bright``), ready for JSON."""
        return {
            "tomogram": self.data,
            "model": model,
            "inverted": self.data != model,
            "difference": None if math.isnan(self.difference) else round(self.difference, 5),
            "clear": self.is_clear,
        }

    def tell(self, tomogram: str) -> None:
        """Write a measured contrast to the log, an unclear one as a warning."""
        if self.n_points == 0:
            return
        if self.is_clear:
            text = (
                "%s: protein is %s: membranes differ from the tomogram by %+.3f standard deviations"
            )
            log.info(text, tomogram, self.data, self.difference)
            return
        log.warning(
            "%s: contrast not clear, taken to be %s like the model's: membranes differ from the "
            "tomogram by %+.3f standard deviations; set --contrast (config: "
            "extract_subvolumes.contrast) where that is wrong",
            *(tomogram, self.data, self.difference),
        )


def measure_contrast(
    read_box: ReadBox,
    shape: Sequence[int],
    points: np.ndarray,
    normals: np.ndarray,
    info: dict,
    step: float,
    assumed: str,
) -> Contrast:
    """Return whether the membrane is darker (lower) or brighter than the tomogram.

    Parameters
    ----------
    read_box, shape, points, normals : as in `subvolumes.iter_boxes`
    info : dict
        Of the tomogram, with `mean`, `std` and `grey`.
    step : float
        Working voxel in voxels of the tomogram.
    assumed : str
        ``dark`` or ``bright``: the answer where the difference is below `MIN_CONTRAST`.

    Notes
    -----
    Lipid and protein scatter alike, so the membrane under the points tells the sign for both. Up to
    `CONTRAST_POINTS` points, evenly spread over the rows, are read at their nearest voxel and at
    the depths `CONTRAST_DEPTHS` below it, and compared with the tomogram's mean, both as normalised
    grey values.
    """
    if len(points) == 0:
        return Contrast(assumed, is_clear=False)
    chosen = np.unique(np.linspace(0, len(points) - 1, CONTRAST_POINTS).astype(int))
    depths = step * np.array(CONTRAST_DEPTHS)[None, :, None]
    voxels = np.rint(points[chosen, None] - depths * normals[chosen, None]).astype(int)
    voxels = np.clip(voxels, 0, np.array(shape) - 1)  # (n, depths, 3) zyx
    values = []
    for line in voxels:
        start = line.min(axis=0)
        values.append(read_box(start, line.max(axis=0) + 1)[tuple((line - start).T)])
    membrane = float(normalise(np.array(values), info["grey"]).mean(dtype=np.float64))
    low, middle, high = (info["mean"] + k * info["std"] for k in (-1, 0, 1))
    low, middle, high = normalise(np.array([low, middle, high]), info["grey"]).astype(np.float64)
    difference = 2 * (membrane - middle) / (high - low) if high > low else 0.0
    is_clear = bool(abs(difference) >= MIN_CONTRAST)
    data = ("dark" if difference < 0 else "bright") if is_clear else assumed
    return Contrast(data, float(difference), len(chosen), is_clear)
