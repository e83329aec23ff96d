"""What is told before anything runs."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.files import write_json
from membrain.planning import (
    check_files,
    check_headers,
    check_output_folder,
    check_start,
    read_card_entries,
)
from membrain.sheets import TomogramRow
from membrain.volumes import write_volume


def test_folder_that_can_be_made_or_is_there_passes(tmp_path, monkeypatch):
    check_output_folder(tmp_path, "results")
    check_output_folder(tmp_path / "new" / "deep", "results")
    monkeypatch.chdir(tmp_path)
    check_output_folder("relative", "results")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", [".", "deep/er"])
def test_file_in_the_way_is_named(tmp_path, below):
    (tmp_path / "file").touch()
    message = r"config key 'results': .*file.* cannot be made; found a file, .*/file; expected a fo"
    with pytest.raises(InputError, match=message):
        check_output_folder(tmp_path / "file" / below, "config key 'results'")


def test_folder_without_the_right_to_write_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    message = rf"results: .*/new cannot be written; found no right to write to {tmp_path}, or"
    with pytest.raises(InputError, match=message):
        check_output_folder(tmp_path / "new", "results")


def test_absent_files_are_told_with_the_folder_that_paths_are_relative_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.tsv").touch()
    check_files({"tomograms": "there.tsv"})
    files = {"a": "there.tsv", "b": "gone.tsv", "c": ".", "d": "{x}.mrc"}
    message = (
        rf"(?s)3 files not found:\n1. config key 'b': gone.tsv not found; expected a file; paths "
        rf"in the configuration are relative to {tmp_path}, the folder that Snakemake is started "
        r"in\n2. config key 'c': . not found; found a folder; .*"
        r"3. config key 'd'; found {x}.mrc; expected a name without { and }"
    )
    with pytest.raises(InputError, match=message):
        check_files(files)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"tensors")
    card = dict.fromkeys(("pixel_size_angstrom", "box_shape", "box_centre", "contrast"), 1)
    write_json(tmp_path / "model.json", {**card, "sha256": hashlib.sha256(b"tensors").hexdigest()})
    return path


def test_card_that_fits_is_returned(weights):
    assert read_card_entries(weights, ("train",))["contrast"] == 1


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_absent_weights_or_card_are_told(weights, name):
    (weights.parent / name).unlink()
    message = rf"config key 'model': .*/{name} not found; expected 'pretrained', 'train', or a .saf"
    with pytest.raises(InputError, match=message) as caught:
        read_card_entries(weights, ("pretrained", "train"))
    assert "did you mean" not in str(caught.value)
    with pytest.raises(InputError, match="did you mean 'train'?"):
        read_card_entries("trian", ("pretrained", "train"))


@pytest.mark.parametrize(
    ("content", "found"),
    [({"contrast": 1}, "no pixel_size_angstrom, box_shape, box_centre, sha256"), ([1], "no pixel")],
)
def test_card_of_something_else_is_told(weights, content, found):
    write_json(weights.with_suffix(".json"), content)
    with pytest.raises(InputError, match=rf"model.json is not the card of weights; found {found}"):
        read_card_entries(weights, ())


def test_card_of_other_weights_is_told(weights):
    weights.write_bytes(b"other tensors")
    message = "model.safetensors is not the file that its card describes; copy the weights and the"
    with pytest.raises(InputError, match=message):
        read_card_entries(weights, ())


def test_every_unusable_tomogram_is_told_before_anything_runs(tmp_path):
    volume = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_volume(tmp_path / "fine.mrc", volume, 10.0)
    write_volume(tmp_path / "unknown.mrc", volume, 0.0)
    (tmp_path / "short.mrc").write_bytes((tmp_path / "fine.mrc").read_bytes()[:1030])
    rows = [TomogramRow(name, tmp_path / f"{name}.mrc") for name in ("fine", "unknown", "short")]
    check_headers(rows[:1])
    check_headers([TomogramRow("given", tmp_path / "unknown.mrc", 10.0)])
    message = (
        r"(?s)^2 tomograms cannot be used:\n1. tomogram 'unknown': .*no pixel size in the header"
        r".*\n2. tomogram 'short': .*cut short"
    )
    with pytest.raises(InputError, match=message):
        check_headers(rows)


def test_options_that_differ_from_the_weights_to_begin_with_are_told():
    options = {"network": "membrain", "width": 32, "normalisation": "minmax", "epochs": 4}
    check_start(options, {"network": "membrain", "pixel_size_angstrom": 10.0}, Path("w.st"))
    card = {"network": "wide", "width": 32, "normalisation": "zscore"}
    message = (
        "(?s)2 options differ from those of a/w.st.*train_model.network'; found membrain; "
        "expected wide, as w.st has.*train_model.normalisation'; found minmax"
    )
    with pytest.raises(InputError, match=message):
        check_start(options, card, Path("a/w.st"))
