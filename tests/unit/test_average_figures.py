"""Pictures of averages: which slice is shown, and how it is drawn."""

import numpy as np
import pytest
from matplotlib.image import imread

from membrain.average_figures import bar_length, central_slice, draw_average, draw_correlations


def test_slices_go_through_the_particle():
    volume = np.arange(6 * 6 * 6).reshape(6, 6, 6)
    assert np.array_equal(central_slice(volume, "z"), volume[3])
    assert np.array_equal(central_slice(volume, "y"), volume[:, 3])
    assert np.array_equal(central_slice(volume, "x"), volume[:, :, 3])


@pytest.mark.parametrize(("width", "length"), [(438, 100), (80, 20), (799, 100), (800, 200)])
def test_scale_bar_has_a_round_length(width, length):
    assert bar_length(width) == length


def picture(path, volume, **more):
    draw_average(path, {"as cut": volume, **more}, 10.0, "all")
    return imread(path)[..., :3]


def test_side_view_has_the_normal_upwards(tmp_path):
    """A bright upper half (high z) is in the upper half of the side views."""
    volume = np.zeros((16, 16, 16), np.float32)
    volume[9:] = 1
    image = picture(tmp_path / "a.png", volume).mean(axis=2)
    height, width = image.shape
    side = image[:, int(0.42 * width) : int(0.5 * width)]
    upper, lower = (
        side[int(0.35 * height) : int(0.4 * height)],
        side[int(0.62 * height) : int(0.67 * height)],
    )
    assert upper.mean() > 0.9
    assert lower.mean() < 0.1


def test_each_form_has_a_row_and_the_same_bytes_each_time(tmp_path):
    volume = np.random.default_rng(0).normal(size=(12, 12, 12)).astype(np.float32)
    one = picture(tmp_path / "one.png", volume)
    two = picture(tmp_path / "two.png", volume, C2=volume)
    assert two.shape[0] > 1.7 * one.shape[0]
    again = tmp_path / "again.png"
    draw_average(again, {"as cut": volume}, 10.0, "all")
    assert again.read_bytes() == (tmp_path / "one.png").read_bytes()


def test_constant_average_is_drawn(tmp_path):
    assert picture(tmp_path / "a.png", np.ones((8, 8, 8), np.float32)).size


def test_curves_are_drawn(tmp_path):
    draw_correlations(tmp_path / "fsc.png", {"all": [1.0, 0.5, -0.2]}, 6, 10.0)
    assert imread(tmp_path / "fsc.png").size
