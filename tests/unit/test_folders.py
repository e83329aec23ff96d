import gzip

import numpy as np
import pytest

from membrain.errors import InputError, Problems
from membrain.folders import arrange_by_name, arrange_published, looks_like_mask, published_folders
from membrain.volumes import read_header, write_volume

SHAPE = (10, 12, 14)


def grey(path, dtype="f4"):
    array = np.random.default_rng(0).normal(0, 30, SHAPE).astype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, array, 10.0)
    return path


def mask(path):
    array = np.zeros(SHAPE, np.int8)
    array[4:6, 3:9, 2:12] = 1
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, array, 10.0)
    return path


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def published(folder, given=(), prefer=""):
    problems = Problems()
    arrangement = arrange_published(published_folders(folder), dict(given), prefer, problems)
    problems.raise_if_any()
    return arrangement


def by_name(folder, given=(), prefer="", skip=()):
    problems = Problems()
    arrangement = arrange_by_name(folder, dict(given), prefer, skip, problems)
    problems.raise_if_any()
    return arrangement


def left_out(arrangement):
    return {path.name: reason for path, reason in arrangement.left_out}


class TestPublished:
    def test_files_are_matched_by_stem(self, tmp_path):
        for name in ("Tomo1", "Tomo23"):
            touch(tmp_path / name / f"{name}_bin4.rec")
            touch(tmp_path / name / "membranes" / f"{name}M1.mrc")
        masks = [touch(tmp_path / "Tomo1/membranes/Tomo1M2.mrc.gz")]
        xml = touch(tmp_path / "Tomo1/positions/Tomo1M2.xml")
        obj = touch(tmp_path / "Tomo1/meshes/Tomo1M2.obj")
        touch(tmp_path / "Tomo1/positions/Tomo1M9.xml")
        first, second = published(tmp_path).tomograms
        assert (first.name, second.name) == ("Tomo1", "Tomo23")
        assert first.path.name == "Tomo1_bin4.rec"
        assert first.masks == [tmp_path / "Tomo1/membranes/Tomo1M1.mrc", *masks]
        assert first.annotations == {"Tomo1M2": xml}
        assert first.meshes == {"Tomo1M2": obj}
        assert left_out(published(tmp_path)) == {"Tomo1M9.xml": "no mask of this name"}

    def test_one_tomogram_folder_may_be_given_itself(self, tmp_path):
        touch(tmp_path / "T1/membranes/M1.mrc")
        touch(tmp_path / "T1/a.mrc")
        assert [t.name for t in published(tmp_path / "T1").tomograms] == ["T1"]

    def test_other_folder_is_not_taken_for_it(self, tmp_path):
        touch(tmp_path / "T1/masks/M1.mrc")
        assert published_folders(tmp_path) == []

    def test_two_versions_need_a_preference(self, tmp_path):
        touch(tmp_path / "T1/membranes/M1.mrc")
        touch(tmp_path / "T1/T1_denoised.rec")
        touch(tmp_path / "T1/T1_dose-filt.rec")
        with pytest.raises(
            InputError, match="more than one tomogram; found T1_denoised.rec, T1_dose"
        ):
            published(tmp_path)
        assert published(tmp_path, prefer="denoised").tomograms[0].path.name == "T1_denoised.rec"
        with pytest.raises(
            InputError, match="no tomogram; .* with 'x' in its name; .* --prefer TEXT"
        ):
            published(tmp_path, prefer="x")

    def test_absent_tomogram_may_be_given(self, tmp_path):
        touch(tmp_path / "T1/membranes/M1.mrc")
        other = touch(tmp_path / "emd.map")
        with pytest.raises(InputError, match="T1: no tomogram; .* give --tomogram T1=FILE"):
            published(tmp_path)
        assert published(tmp_path, {"T1": other}).tomograms[0].path == other

    def test_given_name_without_folder_is_told(self, tmp_path):
        touch(tmp_path / "T1/membranes/M1.mrc")
        touch(tmp_path / "T1/T1.mrc")
        with pytest.raises(
            InputError, match="--tomogram T7: no folder of this name; expected one of T1"
        ):
            published(tmp_path, {"T7": tmp_path / "x"})

    def test_packed_masks_are_told(self, tmp_path):
        touch(tmp_path / "T1/membranes.zip")
        touch(tmp_path / "T1/T1.mrc")
        with pytest.raises(InputError, match=r"membranes\.zip: masks are packed; unzip it first"):
            published(tmp_path)

    def test_every_mistake_is_told_at_once(self, tmp_path):
        for name in ("T1", "T2"):
            touch(tmp_path / name / "membranes/M1.mrc")
        with pytest.raises(InputError, match="(?s)2 mistakes.*T1: no tomogram.*T2: no tomogram"):
            published(tmp_path)

    def test_two_annotations_of_one_stem_are_left_out(self, tmp_path):
        touch(tmp_path / "T1/membranes/M1.mrc")
        touch(tmp_path / "T1/T1.mrc")
        touch(tmp_path / "T1/positions/M1.xml")
        touch(tmp_path / "T1/positions/M1.csv")
        arrangement = published(tmp_path)
        assert arrangement.tomograms[0].annotations == {}
        assert "not clear which to use" in left_out(arrangement)["M1.csv"]


class TestByName:
    def test_tomograms_and_masks_are_told_apart_and_matched(self, tmp_path):
        for name in ("T1", "T2"):
            grey(tmp_path / f"tomograms/{name}_bin4.mrc")
            mask(tmp_path / f"masks/{name}_M1.mrc")
        csv = touch(tmp_path / "annotations/T2_M1.csv")
        stray = mask(tmp_path / "masks/X_M1.mrc")
        arrangement = by_name(tmp_path)
        assert {t.name: [m.name for m in t.masks] for t in arrangement.tomograms} == {
            "T1_bin4": ["T1_M1.mrc"],
            "T2_bin4": ["T2_M1.mrc"],
        }
        assert arrangement.tomograms[1].annotations["T2_M1"] == csv
        assert left_out(arrangement) == {stray.name: "its name begins with no tomogram's name"}

    def test_given_tomogram_excludes_other_grey_volumes(self, tmp_path):
        low, high = grey(tmp_path / "low.mrc"), grey(tmp_path / "high.mrc", "i1")
        mask(tmp_path / "M1.mrc")
        arrangement = by_name(tmp_path, {"T1": low})
        assert [(t.name, t.path, len(t.masks)) for t in arrangement.tomograms] == [("T1", low, 1)]
        assert left_out(arrangement) == {high.name: "looks like a tomogram, but not one asked for"}
        assert [t.path for t in by_name(tmp_path, prefer="igh").tomograms] == [high]

    def test_ambiguous_mask_is_left_out(self, tmp_path):
        grey(tmp_path / "T1_bin4.mrc")
        grey(tmp_path / "T1_bin8.mrc")
        mask(tmp_path / "T1_M1.mrc")
        reason = left_out(by_name(tmp_path))["T1_M1.mrc"]
        assert reason == "fits more than one tomogram: T1_bin4, T1_bin8"

    def test_tomograms_of_one_stem_are_named_by_their_folders(self, tmp_path):
        for name in ("A", "B"):
            grey(tmp_path / name / "tomogram.mrc")
            mask(tmp_path / name / "M1.mrc")
        found = {t.name: [m.parent.name for m in t.masks] for t in by_name(tmp_path).tomograms}
        assert found == {"A": ["A"], "B": ["B"]}

    def test_second_tomogram_of_a_name_is_told(self, tmp_path):
        grey(tmp_path / "A" / "x.mrc")
        grey(tmp_path / "A" / "x.rec")
        with pytest.raises(InputError, match="a second tomogram that would be named 'A'"):
            by_name(tmp_path)

    def test_no_tomogram_is_told(self, tmp_path):
        mask(tmp_path / "M1.mrc")
        with pytest.raises(InputError, match="no tomogram found; give --tomogram NAME=FILE"):
            by_name(tmp_path)

    def test_unreadable_volume_and_skipped_file_are_left_out(self, tmp_path):
        grey(tmp_path / "T1.mrc")
        own = mask(tmp_path / "T1_components.mrc")
        (tmp_path / "bad.mrc").write_text("no volume")
        arrangement = by_name(tmp_path, skip=[own])
        assert arrangement.tomograms[0].masks == []
        assert "not an MRC file" in left_out(arrangement)["bad.mrc"]


@pytest.mark.parametrize("dtype", ["i1", "i2", "f4"])
@pytest.mark.parametrize("compressed", [False, True])
def test_grey_values_are_no_mask(tmp_path, dtype, compressed):
    path = grey(tmp_path / "a.mrc", dtype)
    if compressed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert not looks_like_mask(read_header(path))


def _probability():
    rng = np.random.default_rng(0)
    return np.where(rng.random(SHAPE) < 0.1, rng.random(SHAPE), 0.01 * rng.random(SHAPE))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(SHAPE, np.int8),
        np.random.default_rng(0).choice([0, 0, 0, 1], SHAPE).astype(np.int8),
        np.random.default_rng(0)
        .choice(np.arange(-128, 128) * (np.arange(256) > 200), SHAPE)
        .astype("i1"),
        np.random.default_rng(0).integers(1, 5, SHAPE).astype(np.int8),
        _probability().astype(np.float32),
    ],
    ids=["empty", "binary", "many labels", "no background", "probability"],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_masks_are_recognised(tmp_path, array, compressed):
    path = tmp_path / "a.mrc"
    write_volume(path, array, 10.0)
    if compressed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert looks_like_mask(read_header(path))


def test_volume_of_one_slice_can_be_judged(tmp_path):
    write_volume(tmp_path / "a.mrc", np.zeros((1, 3, 4), np.int8), 10.0)
    assert looks_like_mask(read_header(tmp_path / "a.mrc"))
