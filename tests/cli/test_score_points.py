"""score_points from the command line."""

import json

import numpy as np
import pytest
import torch

from membrain.command import main
from membrain.network import MembrainNetwork
from membrain.tables import PointTable, read_status
from membrain.weights import Card, write_weights
from membrain.wide_network import WideNetwork

SHAPE = (6, 6, 6)
N = 50


@pytest.fixture
def data(tmp_path):
    """Boxes of two membranes (a third has no point), and weights that fit."""
    rng = np.random.default_rng(0)
    described = {
        "box_shape": list(SHAPE),
        "box_centre": [3, 3, 3],
        "pixel_size_angstrom": 10.0,
        "contrast": {"model": "dark"},
    }
    PointTable(
        points=rng.random((2 * N, 3)).astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (2 * N, 1)),
        membrane=np.repeat([0, 2], N).astype(np.int32),
        side=np.zeros(2 * N, np.int8),
        membranes=("M1", "M2", "M3"),
        tomogram="T1",
        shape=(9, 9, 9),
        pixel_size=10.0,
        meta={"subvolumes": described},
    ).write(tmp_path / "boxes.npz")
    np.save(tmp_path / "boxes.npy", rng.random((2 * N, *SHAPE), dtype=np.float32))
    torch.manual_seed(0)
    card = Card(
        pixel_size_angstrom=10.0,
        classes=(("A", "UK"), ("B",)),
        box_shape=SHAPE,
        box_centre=(3, 3, 3),
        threshold=2.5,
        normalisation="minmax",
    )
    write_weights(tmp_path / "w.safetensors", MembrainNetwork(2, SHAPE).state_dict(), card)
    return tmp_path


def call(folder, *flags):
    return main(
        [
            *("score_points", "--points", str(folder / "boxes.npz")),
            *("--subvolumes", str(folder / "boxes.npy"), "--device", "cpu"),
            *("--weights", str(folder / "w.safetensors"), "--output", str(folder / "s.npz")),
            *("--status", str(folder / "status.tsv"), *flags),
        ]
    )


def test_points_get_the_scores_of_the_network(data):
    assert call(data) == 0
    table = PointTable.read(data / "s.npz", needs=("scores",))
    boxes = torch.from_numpy(np.load(data / "boxes.npy"))[:, None]
    low, high = boxes.amin((1, 2, 3, 4), keepdim=True), boxes.amax((1, 2, 3, 4), keepdim=True)
    torch.manual_seed(0)
    with torch.inference_mode():
        expected = MembrainNetwork(2, SHAPE).eval()((boxes - low) / (high - low)).numpy()
    assert np.abs(table.extra["scores"] - expected).max() < 1e-5
    assert table.extra["scores"].dtype == np.float32
    assert table.meta["classes"] == [["A", "UK"], ["B"]]
    assert table.meta["threshold"] == 2.5
    rows = read_status(data / "status.tsv")
    assert [(r["membrane"], r["status"]) for r in rows] == [
        ("M1", "ok"),
        ("M2", "empty"),
        ("M3", "ok"),
    ]


def test_angles_of_a_model_with_that_head_are_written(data):
    torch.manual_seed(0)
    network = WideNetwork(6, SHAPE, 4)
    card = Card(
        pixel_size_angstrom=10.0,
        classes=(("A", "UK"), ("B",)),
        box_shape=SHAPE,
        box_centre=(3, 3, 3),
        network="wide",
        width=4,
        heads=("angle",),
        folds=(2, 0),
    )
    write_weights(data / "w.safetensors", network.state_dict(), card)
    assert call(data) == 0
    table = PointTable.read(data / "s.npz", needs=("scores", "angles"))
    boxes = torch.from_numpy(np.load(data / "boxes.npy"))[:, None]
    with torch.inference_mode():
        expected = network.eval()(boxes).numpy()
    assert np.abs(table.extra["scores"] - expected[:, :2]).max() < 1e-5
    assert np.abs(table.extra["angles"] - expected[:, 2:].reshape(-1, 2, 2)).max() < 1e-5
    assert (table.meta["heads"], table.meta["folds"]) == (["angle"], [2, 0])


def test_membership_is_scored_as_a_distance(data):
    assert call(data) == 0
    first = PointTable.read(data / "s.npz").extra["scores"]
    content = json.loads((data / "w.json").read_text())
    (data / "w.json").write_text(json.dumps({**content, "target": "membership", "cap": 6.0}))
    assert call(data) == 0
    expected = 6 * (1 - 1 / (1 + np.exp(-first)))
    found = PointTable.read(data / "s.npz")
    assert np.abs(found.extra["scores"] - expected).max() < 1e-5
    assert "angles" not in found.extra


@pytest.mark.parametrize("flags", [("--batch-size", "7"), ("--threads", "2")])
def test_scores_depend_on_neither_batch_size_nor_threads(data, flags):
    assert call(data) == 0
    first = PointTable.read(data / "s.npz").extra["scores"]
    assert call(data, *flags) == 0
    assert np.abs(PointTable.read(data / "s.npz").extra["scores"] - first).max() <= 1e-5


def test_same_bytes_each_time(data):
    assert call(data) == 0
    first = (data / "s.npz").read_bytes()
    assert call(data) == 0
    assert (data / "s.npz").read_bytes() == first
    assert str(data).encode() not in first


def test_bf16_is_near(data):
    assert call(data) == 0
    first = PointTable.read(data / "s.npz").extra["scores"]
    assert call(data, "--precision", "bf16") == 0
    assert np.abs(PointTable.read(data / "s.npz").extra["scores"] - first).max() < 0.02


def test_membrane_with_a_damaged_box_fails_alone(data):
    boxes = np.load(data / "boxes.npy")
    boxes[N + 4, 1, 2, 3] = np.nan
    np.save(data / "boxes.npy", boxes)
    assert call(data) == 0
    table = PointTable.read(data / "s.npz")
    assert set(table.membrane.tolist()) == {0}
    assert len(table) == N
    message = read_status(data / "status.tsv")[2]["message"]
    assert "T1/M3: box 4 holds a value that is not a number" in message


def test_no_point_travels_through(data):
    table = PointTable.read(data / "boxes.npz")
    table.select(np.zeros(len(table), bool)).write(data / "boxes.npz")
    np.save(data / "boxes.npy", np.zeros((0, *SHAPE), np.float32))
    assert call(data) == 0
    assert PointTable.read(data / "s.npz").extra["scores"].shape == (0, 2)
    assert [r["status"] for r in read_status(data / "status.tsv")] == ["empty"] * 3


def refused(data, capsys, *flags):
    assert call(data, *flags) == 2
    error = capsys.readouterr().err
    assert error.startswith("score_points: error: ")
    assert error.count("\n") == 1
    assert not (data / "s.npz").exists()
    return error


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("box_centre", [2, 3, 3], "centre of the boxes"),
        ("pixel_size_angstrom", 10.2, "found 10.2 angstrom; expected 10 angstrom within 1 %"),
        ("contrast", {"model": "bright"}, "contrast of the boxes; found bright; expected dark"),
    ],
)
def test_boxes_of_another_kind_are_refused(data, capsys, key, value, message):
    table = PointTable.read(data / "boxes.npz")
    table.meta["subvolumes"][key] = value
    table.write(data / "boxes.npz")
    assert message in refused(data, capsys)


def test_boxes_of_another_shape_are_refused(data, capsys):
    np.save(data / "boxes.npy", np.zeros((2 * N, 7, 6, 6), np.float32))
    assert "shape of the boxes; found [7, 6, 6]" in refused(data, capsys)


def test_boxes_of_other_points_are_refused(data, capsys):
    np.save(data / "boxes.npy", np.zeros((3, *SHAPE), np.float32))
    assert "found 3 boxes; expected 100" in refused(data, capsys)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(classes=[["A"]]), "tensors do not fit the network"),
        (lambda card: card.update(format="membrain-flow weights 9"), "format of the card"),
        (lambda card: card.update(sha256="0" * 64), "not the file that its card describes"),
    ],
)
def test_weights_that_do_not_fit_their_card_are_refused(data, capsys, change, message):
    card = json.loads((data / "w.json").read_text())
    change(card)
    (data / "w.json").write_text(json.dumps(card))
    assert message in refused(data, capsys)


def test_missing_card_is_refused(data, capsys):
    (data / "w.json").unlink()
    assert "no card beside it" in refused(data, capsys)


def test_gpu_asked_for_and_absent_is_refused(data, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "torch finds no GPU" in refused(data, capsys, "--device", "cuda")


def test_negative_batch_size_is_refused(data, capsys):
    assert "--batch-size; found -1; expected 0 or more" in refused(
        data, capsys, "--batch-size", "-1"
    )


def test_boxes_larger_in_the_plane_are_scored_at_their_middle(data):
    assert call(data) == 0
    expected = PointTable.read(data / "s.npz").extra["scores"]
    boxes = np.load(data / "boxes.npy")
    np.save(data / "boxes.npy", np.pad(boxes, ((0, 0), (0, 0), (2, 2), (2, 2))))
    table = PointTable.read(data / "boxes.npz")
    table.meta["subvolumes"]["box_centre"] = [3, 5, 5]
    table.write(data / "boxes.npz")
    assert call(data) == 0
    assert np.abs(PointTable.read(data / "s.npz").extra["scores"] - expected).max() < 1e-5


def test_named_membranes_alone_are_scored(data):
    assert call(data) == 0
    everything = PointTable.read(data / "s.npz")
    assert call(data, "--membranes", "M3") == 0
    table = PointTable.read(data / "s.npz")
    assert set(table.membrane.tolist()) == {2}
    assert np.array_equal(table.extra["scores"], everything.extra["scores"][N:])


def test_boxes_along_other_axes_than_the_model_s_are_refused(data, capsys):
    table = PointTable.read(data / "boxes.npz")
    table.meta["subvolumes"]["aligned"] = False
    table.write(data / "boxes.npz")
    message = "whether boxes stand along normals; found False; expected True; cut the boxes again"
    assert message in refused(data, capsys)
    content = json.loads((data / "w.json").read_text())
    (data / "w.json").write_text(json.dumps({**content, "aligned": False}))
    assert call(data) == 0
    boxes = np.load(data / "boxes.npy")
    expected = PointTable.read(data / "s.npz").extra["scores"]
    np.save(data / "boxes.npy", np.pad(boxes, ((0, 0), (1, 2), (1, 2), (1, 2))))
    table.meta["subvolumes"]["box_centre"] = [4, 4, 4]
    table.write(data / "boxes.npz")
    assert call(data) == 0
    assert np.abs(PointTable.read(data / "s.npz").extra["scores"] - expected).max() < 1e-5
