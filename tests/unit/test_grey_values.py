import numpy as np
import pytest

from membrain import grey_values
from membrain.errors import InputError
from membrain.grey_values import find_quartiles, measure, normalise, summarise
from membrain.volumes import read_header, write_volume

SHAPE = (11, 13, 17)


def volume_of(tmp_path, array):
    write_volume(tmp_path / "a.mrc", array, 10.0)
    return read_header(tmp_path / "a.mrc")


def normal(shape=SHAPE, offset=0.0, scale=1.0):
    values = np.random.default_rng(3).normal(offset, scale, shape)
    return values.astype(np.float32)


@pytest.mark.parametrize("block", [1, 7, 100, 1 << 18])
@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f2", "f4"])
def test_statistics_equal_those_of_the_whole_array(tmp_path, monkeypatch, dtype, block):
    monkeypatch.setattr(grey_values, "BLOCK_VOXELS", block)
    array = normal(offset=60, scale=15).astype(dtype)
    found = measure(volume_of(tmp_path, array))
    exact = array.astype(np.float64)
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12)
    assert found.std == pytest.approx(exact.std(), rel=1e-12)
    assert (found.minimum, found.maximum) == (array.min(), array.max())
    assert found.median == np.median(exact)  # every voxel is in the sample of a small volume


def test_large_offset_cancels_nothing(tmp_path):
    array = normal(offset=1e6, scale=1.0)
    array[:3] = 0  # an empty part first, so that the first guess of the mean is far off
    exact = array.astype(np.float64)
    assert measure(volume_of(tmp_path, array)).std == pytest.approx(exact.std(), rel=1e-12)
    shifted = array[3:] + np.float32(0)
    found = measure(volume_of(tmp_path, shifted))
    assert found.std == pytest.approx(shifted.astype(np.float64).std(), rel=1e-9)


@pytest.mark.parametrize("block", [3, 100])
def test_sample_is_regular_whatever_the_blocks(tmp_path, monkeypatch, block):
    monkeypatch.setattr(grey_values, "BLOCK_VOXELS", block)
    monkeypatch.setattr(grey_values, "SAMPLE_VOXELS", 300)
    array = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    sample = measure(volume_of(tmp_path, array)).sample
    assert np.array_equal(sample, np.arange(0, array.size, 9))


def test_sample_does_not_keep_to_a_few_columns(tmp_path, monkeypatch):
    monkeypatch.setattr(grey_values, "SAMPLE_VOXELS", 100)
    array = np.tile(
        np.arange(12, dtype=np.float32), (10, 10, 1)
    )  # a step of 12, were it not for the rows
    assert len(np.unique(measure(volume_of(tmp_path, array)).sample)) == 12


def test_quartiles_lie_within_a_bin_of_the_exact_ones(tmp_path, monkeypatch):
    array = normal((20, 40, 50), offset=-7, scale=3)
    array[0, 0, :5] = 1e5  # gold
    volume = volume_of(tmp_path, array)
    exact = np.quantile(array, [0.25, 0.5, 0.75], method="lower")
    assert find_quartiles(volume, measure(volume)) == pytest.approx(exact, abs=3 * 2e-5)
    monkeypatch.setattr(grey_values, "SAMPLE_VOXELS", 500)
    assert find_quartiles(volume, measure(volume)) == pytest.approx(exact, abs=3 * 2e-5)


def test_quartiles_of_five_voxels(tmp_path):
    volume = volume_of(tmp_path, np.array([40, 10, 0, 30, 20], np.int16).reshape(1, 1, 5))
    assert find_quartiles(volume, measure(volume)) == pytest.approx((10, 20, 30), abs=1e-3)


def test_quartiles_outside_the_bracket_of_the_sample_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(grey_values, "SAMPLE_VOXELS", 16)
    array = normal((16, 8, 8))
    flat = array.reshape(-1)
    statistics = measure(volume_of(tmp_path, array))
    misleading = np.sort(flat)[-16:]
    wrong = grey_values.GreyStatistics(**{**vars(statistics), "sample": misleading})
    found = find_quartiles(read_header(tmp_path / "a.mrc"), wrong)
    bin_width = float(flat.max() - flat.min()) / grey_values.HISTOGRAM_BINS
    exact = np.quantile(flat, [0.25, 0.5, 0.75], method="lower")
    assert found == pytest.approx(exact, abs=0.02 + bin_width)


def test_robust_statistics_ignore_gold_beads(tmp_path):
    array = normal((20, 40, 50), scale=2)
    array[3, 5:15, 5:15] = -5000
    robust = summarise(volume_of(tmp_path, array), "robust")
    assert robust["grey"]["centre"] == pytest.approx(0, abs=0.05)
    assert robust["grey"]["scale"] == pytest.approx(2, rel=0.03)
    assert robust["median"] == robust["grey"]["centre"]
    assert summarise(volume_of(tmp_path, array))["grey"]["scale"] > 100


def test_summary_names_limits_by_formula(tmp_path):
    array = np.zeros(SHAPE, np.float32)
    array[0, 0, :2] = 100.0, 50.0
    summary = summarise(volume_of(tmp_path, array), limit=2.5)
    grey = summary["grey"]
    mean, std = array.astype(float).mean(), array.astype(float).std()
    assert grey == pytest.approx(
        {"centre": mean, "scale": std, "low": -mean / std, "high": 2.5, "limit": 2.5}
    )
    assert summary["statistics"] == "mean_std"


@pytest.mark.parametrize("dtype", ["i1", "f2", ">f4", "f8"])
def test_normalise_follows_the_published_formula(dtype):
    values = (normal((3, 4, 5), scale=20)).astype(dtype)
    before = values.copy()
    mean, std = 1.5, 9.0
    z = np.clip((values.astype(np.float64) - mean) / std, -3, 2.5)
    grey = {"centre": mean, "scale": std, "low": -3.0, "high": 2.5, "limit": 3.0}
    found = normalise(values, grey)
    assert found.dtype == np.float32
    assert found == pytest.approx((z + 3) / 5.5, abs=1e-6)
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.array_equal(values, before)


def test_whole_tomogram_normalises_to_zero_and_one(tmp_path):
    array = normal(offset=1e5)
    grey = summarise(volume_of(tmp_path, array), limit=50.0)["grey"]
    found = normalise(array, grey)
    assert (found.min(), found.max()) == pytest.approx((0, 1), abs=1e-6)
    assert len(np.unique(found)) == len(np.unique(array))  # no grey value lost to the offset


def test_normalise_takes_an_empty_array():
    grey = {"centre": 0.0, "scale": 1.0, "low": -3.0, "high": 3.0}
    assert normalise(np.empty((0, 12), np.int8), grey).shape == (0, 12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_numbers_are_counted(tmp_path, bad):
    array = normal()
    array[3, 2, 1] = array[10, 12, 16] = bad
    with pytest.raises(InputError, match="found 2 NaN or infinite of 2431; expected finite"):
        measure(volume_of(tmp_path, array))


def test_infinite_of_both_signs_are_counted(tmp_path):
    array = normal()
    array[0, 0, :2] = np.inf, -np.inf
    with pytest.raises(InputError, match="found 2 NaN or infinite"):
        measure(volume_of(tmp_path, array))


def test_constant_volume_is_told(tmp_path):
    with pytest.raises(InputError, match=r"every voxel has the same value; found 7; expected"):
        measure(volume_of(tmp_path, np.full(SHAPE, 7, np.int16)))


def test_mask_in_place_of_a_tomogram_is_told(tmp_path):
    message = r"a\.mrc: only two grey values; found 0 and 1; expected a tomogram; is it a mask?"
    with pytest.raises(InputError, match=message):
        measure(volume_of(tmp_path, (normal() > 2).astype(np.int8)))


@pytest.mark.parametrize(("extreme", "is_told"), [(3e38, True), (20.0, False)])
def test_voxels_that_hide_all_others_are_told(tmp_path, caplog, extreme, is_told):
    array = normal()
    array[0, 0, 0] = extreme
    summarise(volume_of(tmp_path, array))
    assert ("hide all others: use statistics 'robust'" in caplog.text) == is_told
    caplog.clear()
    summarise(volume_of(tmp_path, array), "robust")
    assert "hide all others" not in caplog.text


def test_half_empty_volume_has_no_robust_scale(tmp_path):
    array = normal()
    array[:9] = 0
    with pytest.raises(InputError, match="half of the voxels share one grey value; found"):
        summarise(volume_of(tmp_path, array), "robust")
