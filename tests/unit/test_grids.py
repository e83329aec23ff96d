import logging
from pathlib import Path

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.grids import check_same_grid, check_share, has_pixel_size, resolve_pixel_size
from membrain.headers import Volume


def volume(pixel_size=10.0, shape=(3, 4, 5), origin=(0.0, 0.0, 0.0)):
    size = pixel_size if isinstance(pixel_size, tuple) else (pixel_size,) * 3
    return Volume(Path("x.mrc"), shape, np.dtype("i1"), size, origin, 1024)


def test_header_pixel_size_is_used_when_none_is_given():
    assert resolve_pixel_size(volume(13.680001)) == 13.68
    assert resolve_pixel_size(volume(10.0), 0.0) == 10.0


def test_given_pixel_size_wins_and_a_difference_is_told(caplog):
    assert resolve_pixel_size(volume(10.0), 13.68) == 13.68
    assert "pixel size 13.68 given, 10 x 10 x 10 in the header" in caplog.text


@pytest.mark.parametrize("header", [0.0, 1.0, (0.0, 0.0, 10.0), float("nan")])
def test_pixel_size_zero_or_one_is_refused_unless_given(header):
    assert not has_pixel_size(volume(header))
    with pytest.raises(
        InputError, match="no pixel size in the header; .* give pixel_size_angstrom"
    ):
        resolve_pixel_size(volume(header))
    assert resolve_pixel_size(volume(header), 1.0) == 1.0


def test_anisotropic_pixel_size_is_refused_unless_given():
    with pytest.raises(
        InputError, match="pixel size differs between x, y and z; found 10 x 10 x 12"
    ):
        resolve_pixel_size(volume((10.0, 10.0, 12.0)))
    assert resolve_pixel_size(volume((10.0, 10.0, 10.05))) == pytest.approx(10.0167, abs=1e-3)
    assert resolve_pixel_size(volume((10.0, 10.0, 12.0)), 10.0) == 10.0


@pytest.mark.parametrize("header", [1e-9, 0.05, 2000.0, 1e9])
def test_pixel_size_of_no_tomogram_is_refused_unless_given(header):
    message = "x.mrc: pixel size that cannot be; found .* angstrom; expected 0.1 to 1000; give"
    with pytest.raises(InputError, match=message):
        resolve_pixel_size(volume(header))
    assert resolve_pixel_size(volume(header), 13.68) == 13.68


def test_membrane_that_fills_its_tomogram_is_refused():
    check_share("m.mrc", 500, (10, 10, 10))
    message = "m.mrc: not a membrane; found 51% of the voxels belong to it; expected at most 50%"
    with pytest.raises(InputError, match=message):
        check_share("m.mrc", 510, (10, 10, 10))


def test_same_grid_passes():
    check_same_grid(volume(10.05), (3, 4, 5), 10.0)


@pytest.mark.parametrize("header", [0.0, 1.0])
def test_mask_without_pixel_size_passes_silently(header, caplog):
    caplog.set_level(logging.INFO)
    check_same_grid(volume(header), (3, 4, 5), 13.68)
    assert not caplog.text


def test_other_shape_is_refused_with_both_shapes():
    with pytest.raises(InputError, match=r"found \(5, 4, 3\) voxels .*; expected \(3, 4, 5\)"):
        check_same_grid(volume(), (5, 4, 3), 10.0)


def test_other_pixel_size_is_refused():
    with pytest.raises(InputError, match="another pixel size than the tomogram's; found 10.2 x"):
        check_same_grid(volume(10.2), (3, 4, 5), 10.0)


def test_mask_may_repeat_a_tomogram_header_that_the_sheet_corrects():
    check_same_grid(volume(14.08), (3, 4, 5), 13.68, header_pixel_size=14.08)
    with pytest.raises(InputError, match="another pixel size"):
        check_same_grid(volume(14.08), (3, 4, 5), 13.68)


def test_other_origin_is_told(caplog):
    caplog.set_level(logging.INFO)
    check_same_grid(volume(origin=(0.0, 0.0, 3173.75)), (3, 4, 5), 10.0, (0.0, 0.0, 0.0))
    assert "header origin (0.0, 0.0, 3173.75) differs" in caplog.text
