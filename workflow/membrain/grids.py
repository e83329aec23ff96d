"""Pixel size of a volume, and whether a mask lies on its tomogram's grid."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .errors import InputError
from .flags import PIXEL_SIZES
from .headers import Volume

log = logging.getLogger(__name__)

MOST_SHARE = 0.5  # of a tomogram that a membrane can fill, however closely it is cut out
PIXEL_SIZE_TOLERANCE = 0.01  # relative: within it two pixel sizes are the same


def resolve_pixel_size(volume: Volume, given: float | None = None) -> float:
    """Return the pixel size to work with: the given one, else the header's.

    Parameters
    ----------
    volume : Volume
    given : float, optional
        Angstrom per voxel, from the sheet; it wins over the header. None or 0: not given.

    Raises
    ------
    InputError
        When none is given and the header has none (0 or 1), differs between the axes, or is far
        from any that a tomogram has.
    """
    header = volume.header_pixel_size
    text = " x ".join(f"{p:.4g}" for p in header)
    is_usable = has_pixel_size(volume)
    is_isotropic = max(header) - min(header) <= PIXEL_SIZE_TOLERANCE * max(header)
    if given:
        if is_usable and abs(header[0] - given) > PIXEL_SIZE_TOLERANCE * given:
            log.warning("%s: pixel size %g given, %s in the header", volume.path, given, text)
        return float(given)
    if not is_usable:
        raise InputError(
            f"{volume.path}: no pixel size in the header",
            found=f"{text} angstrom",
            remedy="give pixel_size_angstrom in the sheet of tomograms",
        )
    if not is_isotropic:
        raise InputError(
            f"{volume.path}: pixel size differs between x, y and z",
            found=f"{text} angstrom",
            expected="voxels as long as wide",
            remedy="resample it, or give pixel_size_angstrom in the sheet if the header errs",
        )
    if not PIXEL_SIZES[0] <= header[0] <= PIXEL_SIZES[1]:
        raise InputError(
            f"{volume.path}: pixel size that cannot be",
            found=f"{text} angstrom",
            expected=f"{PIXEL_SIZES[0]:g} to {PIXEL_SIZES[1]:g}",
            remedy="give pixel_size_angstrom in the sheet of tomograms",
        )
    return float(f"{sum(header) / 3:.6g}")  # float32 in the file: further digits are noise


def has_pixel_size(volume: Volume) -> bool:
    """Return whether the header gives a pixel size: neither 0 nor the placeholder 1."""
    return all(np.isfinite(p) and p > 0 and abs(p - 1) > 1e-4 for p in volume.header_pixel_size)


def check_same_grid(
    mask: Volume,
    shape: Sequence[int],
    pixel_size: float,
    origin: Sequence[float] | None = None,
    header_pixel_size: float | None = None,
) -> None:
    """Check that a mask lies on the grid of its tomogram.

    Parameters
    ----------
    mask : Volume
    shape : (3,) int, zyx, voxel: of the tomogram
    pixel_size : float
        Angstrom per voxel used for the tomogram. A mask without pixel size (0 or 1) passes.
    origin : (3,) float, xyz, angstrom, optional
        Header origin of the tomogram; another one in the mask is logged.
    header_pixel_size : float, optional
        What the tomogram's header says where the sheet overrides it: a mask that repeats it passes.

    Raises
    ------
    InputError
        When the shapes differ, or the pixel sizes by more than 1 %.
    """
    if tuple(mask.shape) != tuple(int(n) for n in shape):
        raise InputError(
            f"{mask.path}: not of the tomogram's size",
            found=f"{mask.shape[::-1]} voxels (x, y, z)",
            expected=tuple(int(n) for n in shape)[::-1],
            remedy="use the mask made for this tomogram, at its binning",
        )
    if has_pixel_size(mask):
        known = [p for p in (pixel_size, header_pixel_size) if p]
        own = mask.header_pixel_size
        if not any(all(abs(p - k) <= PIXEL_SIZE_TOLERANCE * k for p in own) for k in known):
            raise InputError(
                f"{mask.path}: another pixel size than the tomogram's",
                found=f"{' x '.join(f'{p:.4g}' for p in own)} angstrom",
                expected=f"{pixel_size:g} within 1 %",
                remedy="correct the mask's header or pixel_size_angstrom in the sheet of tomograms",
            )
    if origin is not None and not np.allclose(mask.origin, origin, atol=0.5 * pixel_size):
        log.info(
            "%s: header origin %s differs from the tomogram's, %s angstrom; positions in voxels do "
            "not depend on it",
            mask.path,
            tuple(round(o, 2) for o in mask.origin),
            tuple(round(float(o), 2) for o in origin),
        )


def check_share(path: str | Path, n_voxels: int, shape: Sequence[int]) -> None:
    """Check that a membrane does not fill its tomogram, as a mask turned round or a tomogram would.

    Raises
    ------
    InputError
        When it fills more than half.
    """
    share = n_voxels / math.prod(shape)
    if share > MOST_SHARE:
        raise InputError(
            f"{path}: not a membrane",
            found=f"{share:.0%} of the voxels belong to it",
            expected=f"at most {MOST_SHARE:.0%}",
            remedy="is it turned round, or not a mask?",
        )
