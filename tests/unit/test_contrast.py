import numpy as np
import pytest

from membrain.contrast import CONTRAST_POINTS, measure_contrast

SHAPE = (30, 50, 40)


def make_case(difference, scale=100.0, offset=-700.0, noise=1.0):
    """A membrane of three voxels at z = 12..14 whose grey value differs by `difference` sigma."""
    rng = np.random.default_rng(0)
    volume = rng.normal(0, noise, SHAPE)
    volume[12:15] += difference
    volume = (volume * scale + offset).astype(np.float32)
    grey = {"centre": float(volume.mean()), "scale": float(volume.std()), "low": -3.0, "high": 3.0}
    info = {"mean": float(volume.mean()), "std": float(volume.std()), "grey": grey}
    y, x = np.mgrid[2:48:0.9, 2:38:0.9]
    points = np.stack([np.full(y.size, 14.0), y.ravel(), x.ravel()], axis=1)
    normals = np.tile([1.0, 0.0, 0.0], (len(points), 1))

    def read(start, stop):
        return volume[tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))]

    return read, points, normals, info


@pytest.mark.parametrize("assumed", ["dark", "bright"])
@pytest.mark.parametrize(
    ("difference", "expected"), [(-1.5, "dark"), (1.5, "bright"), (0.3, "bright")]
)
def test_sign_of_the_membrane_decides(difference, expected, assumed):
    read, points, normals, info = make_case(difference)
    contrast = measure_contrast(read, SHAPE, points, normals, info, 1.0, assumed)
    assert contrast.data == expected
    assert contrast.is_clear
    assert contrast.n_points == CONTRAST_POINTS
    assert contrast.difference == pytest.approx(
        0.9 * difference, rel=0.2
    )  # the mean holds the membrane


def test_the_inside_is_looked_at_not_the_outside():
    """Bright right above the membrane, dark inside: what is inside counts."""
    read, points, normals, info = make_case(-1.0)
    above = measure_contrast(read, SHAPE, points, -normals, info, 1.0, "dark")
    inside = measure_contrast(read, SHAPE, points, normals, info, 1.0, "dark")
    assert inside.difference < 2 * above.difference < 0  # one of three depths against three


def test_depth_follows_the_working_voxel():
    read, points, normals, info = make_case(-1.0)
    fine = measure_contrast(read, SHAPE, points, normals, info, 1.0, "dark").difference
    coarse = measure_contrast(read, SHAPE, points, normals, info, 4.0, "dark").difference
    assert fine < 2 * coarse < 0


@pytest.mark.parametrize("assumed", ["dark", "bright"])
def test_no_difference_is_taken_for_the_models_contrast(assumed):
    read, points, normals, info = make_case(0.0)
    contrast = measure_contrast(read, SHAPE, points[:900], normals[:900], info, 1.0, assumed)
    assert not contrast.is_clear
    assert contrast.data == assumed
    assert contrast.n_points == 900


def test_no_point_is_taken_for_the_models_contrast():
    read, points, normals, info = make_case(1.0)
    contrast = measure_contrast(read, SHAPE, points[:0], normals[:0], info, 1.0, "dark")
    assert (contrast.data, contrast.n_points, contrast.is_clear) == ("dark", 0, False)


def test_points_at_the_faces_stay_inside_the_volume():
    read, _, _, info = make_case(1.0)
    points, normals = (
        np.array([[0.0, 0.0, 0.0], [29.0, 49.0, 39.0]]),
        np.array([[1.0, 0, 0], [-1, 0, 0]]),
    )
    contrast = measure_contrast(read, SHAPE, points, normals, info, 3.0, "dark")
    assert np.isfinite(contrast.difference)


def test_constant_grey_value_is_not_clear():
    volume = np.zeros(SHAPE, np.float32)
    info = {
        "mean": 0.0,
        "std": 0.0,
        "grey": {"centre": 0.0, "scale": 1.0, "low": -1.0, "high": 1.0},
    }
    contrast = measure_contrast(
        lambda a, b: volume[tuple(map(slice, a, b))],
        SHAPE,
        np.array([[5.0, 5.0, 5.0]]),
        np.array([[1.0, 0.0, 0.0]]),
        info,
        1.0,
        "bright",
    )
    assert (contrast.data, contrast.is_clear) == ("bright", False)
