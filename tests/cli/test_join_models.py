"""join_models from the command line, and scores of what it makes."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from membrain.command import main
from membrain.held_out import HeldOut
from membrain.network import MembrainNetwork
from membrain.tables import PointTable
from membrain.weights import Card, read_card, read_networks, read_weights, write_weights

SHAPE = (6, 6, 6)
N = 30
CARD = Card(
    pixel_size_angstrom=10.0,
    classes=(("A",),),
    normalisation="minmax",
    box_shape=SHAPE,
    box_centre=(3, 3, 3),
)


def held_out(offset):
    """A plane with two particles, of which predictions tell half as much as they should."""
    y, x = np.mgrid[0:60:1.5, 0:60:1.5]
    points = np.stack([np.zeros(y.size), y.ravel(), x.ravel()], axis=1)
    centres = np.array([[0, 15, 15], [0, 45, 45]])
    labels = np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1).clip(max=7)
    labels = labels[:, None].astype(np.float32)
    n = np.zeros(len(points), int)
    meta = {"classes": [["A"]], "near_voxel": 3.5, "validated": "parts"}
    return HeldOut(points, n, n, labels, labels, labels / 2 + 2 + offset, ("T1/M1",), meta)


@pytest.fixture
def data(tmp_path):
    for i, name in enumerate("ab"):
        torch.manual_seed(i)
        card = replace(CARD, threshold=2.0 + i, training={"membranes": [f"T1/M{i}"]})
        tensors = MembrainNetwork(1, SHAPE).state_dict()
        write_weights(tmp_path / f"{name}.safetensors", tensors, card)
        held_out([-0.5, 1.0][i]).write(tmp_path / f"{name}.held_out.npz")
    return tmp_path


def join(folder, *flags, names="ab", held=True):
    files = [str(folder / f"{name}.held_out.npz") for name in names]
    return main(
        [
            *("join_models", "--weights", *(str(folder / f"{n}.safetensors") for n in names)),
            *(("--held-out", *files) if held else ()),
            *("--output", str(folder / "m.safetensors"), *flags),
        ]
    )


def score(folder, name):
    described = {"box_shape": list(SHAPE), "box_centre": [3, 3, 3], "pixel_size_angstrom": 10.0}
    PointTable(
        points=np.random.default_rng(1).random((N, 3)).astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (N, 1)),
        membrane=np.zeros(N, np.int32),
        side=np.zeros(N, np.int8),
        membranes=("M1",),
        tomogram="T1",
        shape=(9, 9, 9),
        pixel_size=10.0,
        meta={"subvolumes": described},
    ).write(folder / "p.npz")
    np.save(folder / "p.npy", np.random.default_rng(0).random((N, *SHAPE), dtype=np.float32))
    flags = ("--points", "p.npz", "--subvolumes", "p.npy", "--weights", f"{name}.safetensors")
    flags += ("--output", "s.npz", "--status", "s.tsv")
    words = [str(folder / word) if "." in word else word for word in flags]
    assert main(["score_points", *words, "--device", "cpu"]) == 0
    return PointTable.read(folder / "s.npz")


def test_networks_are_scored_as_one_with_mean_and_spread(data):
    single = np.stack([score(data, name).extra["scores"] for name in "ab"])
    assert "score_spread" not in score(data, "a").extra
    assert join(data) == 0
    table = score(data, "m")
    assert np.abs(table.extra["scores"] - single.mean(axis=0)).max() < 1e-5
    assert np.abs(table.extra["score_spread"] - single.std(axis=0, ddof=1)).max() < 1e-5
    assert table.extra["score_spread"].min() > 0


def test_threshold_is_chosen_again_for_the_averaged_predictions(data):
    assert join(data) == 0
    card = read_card(data / "m.safetensors")
    # predicted is 2.25 at a particle's middle and 5.75 far off: neither 2.0 nor 3.0 nor their mean
    assert 3.0 < card.threshold < 5.5
    assert (card.members, card.training["membranes"]) == (2, ["T1/M0", "T1/M1"])


def test_without_the_same_held_out_points_the_mean_threshold_is_kept(data, caplog):
    with caplog.at_level(logging.WARNING):
        assert join(data, held=False) == 0
    assert read_card(data / "m.safetensors").threshold == 2.5
    assert "not tried on the same held-out points: the mean of their thresholds" in caplog.text
    other = held_out(0)
    replace(other, names=("T1/M2",)).write(data / "b.held_out.npz")
    assert join(data) == 0
    assert read_card(data / "m.safetensors").threshold == 2.5


def test_given_threshold_is_kept(data):
    assert join(data, "--threshold-voxel", "3.25") == 0
    assert read_card(data / "m.safetensors").threshold == 3.25


def test_one_network_stays_as_it_is_and_ensembles_can_be_joined(data):
    assert join(data, names="a", held=False) == 0
    assert (data / "m.safetensors").read_bytes() == (data / "a.safetensors").read_bytes()
    assert join(data, held=False) == 0
    for suffix in ("safetensors", "json"):
        (data / f"m.{suffix}").rename(data / f"c.{suffix}")
    assert join(data, names="ca", held=False) == 0
    networks, card = read_networks(data / "m.safetensors")
    assert (len(networks), card.members) == (3, 3)


def refused(capsys):
    error = capsys.readouterr().err
    assert error.startswith("join_models: error: ")
    return error


def test_networks_of_other_kinds_are_refused(data, capsys):
    content = json.loads((data / "b.json").read_text())
    (data / "b.json").write_text(json.dumps({**content, "normalisation": "zscore"}))
    assert join(data) == 2
    assert "b.safetensors: normalisation; found zscore; expected minmax" in refused(capsys)


def test_held_out_points_of_some_networks_are_refused(data, capsys):
    flags = ("--held-out", str(data / "a.held_out.npz"))
    assert join(data, *flags, held=False) == 2
    message = "--held-out and --weights; found 1 and 2 files; expected one file of held-out points"
    assert message in refused(capsys)


def test_negative_threshold_is_refused(data, capsys):
    assert join(data, "--threshold-voxel", "-1") == 2
    assert "--threshold-voxel; found -1.0; expected 0 or more" in refused(capsys)


def test_training_does_not_begin_with_an_ensemble(data):
    from membrain.errors import InputError

    assert join(data) == 0
    with pytest.raises(InputError, match="m.safetensors: an ensemble; found 2 networks; expected"):
        read_weights(data / "m.safetensors")
