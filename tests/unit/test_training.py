"""Training: it learns, repeats exactly, goes on after a stop, and keeps the best epoch."""

import logging
import math
from dataclasses import replace

import pytest
import torch

from membrain import training
from membrain.augmentation import Augmentation
from membrain.errors import InputError
from membrain.heads import n_columns
from membrain.network import MembrainNetwork, build_network
from membrain.training import (
    Recipe,
    Samples,
    evaluate,
    predict,
    train_network,
    uses_bf16,
)

SHAPE = (6, 6, 6)
RECIPE = Recipe(
    box_shape=SHAPE, box_centre=(3, 3, 3), epochs=4, batch_size=16, precision="fp32", seed=5
)


def samples(n=96, seed=0, size=6):
    """Boxes with a bright ball of random strength; the label is 3 minus twice the strength."""
    generator = torch.Generator().manual_seed(seed)
    strength = torch.rand(n, generator=generator)
    axis = torch.arange(size) - 3.0 - (size - 6) // 2
    depth = torch.arange(6) - 3.0
    square = depth[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    ball = torch.exp(-square / 4)
    noise = 0.05 * torch.rand((n, 6, size, size), generator=generator)
    boxes = strength[:, None, None, None] * ball + noise
    return Samples(boxes, torch.stack([3 - 2 * strength, 2 * strength], dim=1))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small steps are slower with several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(recipe=RECIPE, data=None, validation=None, **more):
    torch.manual_seed(recipe.seed)
    network = MembrainNetwork(2, recipe.box_shape)
    return network, train_network(
        network, samples() if data is None else data, validation, recipe, **more
    )


def is_same(first, second):
    return all(torch.equal(first.best[name], second.best[name]) for name in first.best)


def test_network_learns_what_boxes_show():
    changed = {"epochs": 14, "normalisation": "tomogram"}  # what tells them apart is the strength
    recipe = Recipe(**{**vars(RECIPE), **changed})
    validation = samples(64, seed=9)
    network, progress = run(recipe, samples(192), validation)
    network.load_state_dict(progress.best)
    found = predict(network, validation.boxes, 2, recipe).distances
    errors = (found - validation.labels).abs().mean(0)
    assert errors.max() < 0.3  # the labels' mean deviation from their mean is 0.5
    assert progress.history[-1]["validation_loss"] < 0.2 * progress.history[0]["validation_loss"]


def test_same_seed_gives_the_same_weights():
    assert is_same(run()[1], run()[1])


def test_another_seed_gives_other_weights():
    other = Recipe(**{**vars(RECIPE), "seed": 6})
    assert not is_same(run()[1], run(other)[1])


def test_half_precision_data_and_bf16_train_too():
    boxes = torch.rand(40, 8, 8, 8, generator=torch.Generator().manual_seed(0)).half()
    data = Samples(boxes, torch.ones(40, 2))
    changed = {"precision": "bf16", "box_shape": (8, 8, 8), "box_centre": (4, 4, 4)}
    recipe = Recipe(**{**vars(RECIPE), **changed})
    _, first = run(recipe, data, data)
    assert uses_bf16(torch.device("cpu"), recipe)
    assert all(math.isfinite(row["validation_loss"]) for row in first.history)
    assert is_same(first, run(recipe, data, data)[1])


def test_small_boxes_train_in_single_precision_on_a_processor():
    """Their bfloat16 gradients are wrong; see MIN_BOX_BF16."""
    recipe = Recipe(**{**vars(RECIPE), "precision": "bf16"})
    assert not uses_bf16(torch.device("cpu"), recipe)
    assert is_same(run(recipe)[1], run(RECIPE)[1])


@pytest.mark.parametrize("loss", ["smooth_l1", "huber", "mse"])
@pytest.mark.parametrize("normalisation", ["minmax", "zscore"])
def test_every_loss_and_normalisation_falls(loss, normalisation):
    changed = {"loss": loss, "normalisation": normalisation, "epochs": 6}
    _, progress = run(Recipe(**{**vars(RECIPE), **changed}))
    assert progress.history[-1]["training_loss"] < progress.history[0]["training_loss"]


def test_larger_boxes_in_the_file_than_in_the_model():
    _, progress = run(data=samples(size=10), validation=samples(16, 1, size=10))
    assert math.isfinite(progress.best_loss)


def test_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    validation = samples(32, seed=1)
    _, unbroken = run(validation=validation)
    calls = []

    def stop_in_epoch_3(*args):
        calls.append(1)
        if len(calls) > 2 * 6 + 3:  # 6 batches an epoch
            raise KeyboardInterrupt
        return augment(*args)

    augment = training.augment
    monkeypatch.setattr(training, "augment", stop_in_epoch_3)
    with pytest.raises(KeyboardInterrupt):
        run(validation=validation, checkpoint=tmp_path / "c.pt")
    monkeypatch.setattr(training, "augment", augment)
    _, resumed = run(validation=validation, checkpoint=tmp_path / "c.pt")
    assert is_same(unbroken, resumed)
    assert unbroken.history == resumed.history
    assert unbroken.best_epoch == resumed.best_epoch


def test_each_epoch_goes_through_the_boxes_in_another_order(monkeypatch):
    data, seen = samples(64), []
    augment = training.augment
    data.boxes[:, 0, 0, 0] = torch.arange(64.0)

    def record(boxes, *args):
        seen.append(boxes[:, 0, 0, 0].tolist())
        return augment(boxes, *args)

    monkeypatch.setattr(training, "augment", record)
    run(data=data)
    orders = [sum(seen[i : i + 4], []) for i in range(0, 16, 4)]
    assert all(sorted(order) == list(range(64)) for order in orders)
    assert len(set(map(tuple, orders))) == 4


def test_checkpoint_changes_nothing(tmp_path):
    assert is_same(run()[1], run(checkpoint=tmp_path / "c.pt")[1])


def test_best_epoch_is_the_one_with_the_lowest_validation_loss():
    validation = samples(32, seed=1)
    recipe = Recipe(**{**vars(RECIPE), "learning_rate": 0.05, "epochs": 8, "keep": "best"})
    network, progress = run(recipe, samples(), validation)
    losses = [row["validation_loss"] for row in progress.history]
    assert progress.best_epoch == 1 + losses.index(min(losses))
    network.load_state_dict(progress.best)
    found = evaluate(network, validation, recipe)["validation_loss"]
    assert found == pytest.approx(min(losses), rel=1e-5)


def test_last_epoch_is_kept_though_another_validates_better():
    validation = samples(32, seed=1)
    validation.labels = validation.labels.flip(1)  # the better it learns, the worse it validates
    recipe = Recipe(**{**vars(RECIPE), "learning_rate": 0.01, "epochs": 8})
    network, progress = run(recipe, samples(), validation)
    losses = [row["validation_loss"] for row in progress.history]
    assert min(losses) < losses[-1]
    assert progress.best_epoch == 8
    assert all(torch.equal(network.state_dict()[name], t) for name, t in progress.best.items())


def test_without_validation_the_last_epoch_is_kept():
    network, progress = run()
    assert progress.best_epoch == RECIPE.epochs
    last = network.state_dict()
    assert all(torch.equal(last[name], tensor) for name, tensor in progress.best.items())


def test_patience_ends_a_run_that_does_not_improve(caplog):
    validation = samples(32, seed=1)
    validation.labels += 50 * torch.randn(32, 2, generator=torch.Generator().manual_seed(0))
    recipe = Recipe(**{**vars(RECIPE), "epochs": 40, "patience": 3})
    with caplog.at_level(logging.INFO):
        _, progress = run(recipe, samples(), validation)
    assert progress.epoch == progress.best_epoch + 3 < 40
    assert "no better validation loss in 3 epochs: stopped" in caplog.text


def test_a_run_may_stop_in_the_middle_of_its_course():
    _, whole = run()
    _, part = run(last_epoch=2)
    assert part.epoch == part.best_epoch == 2
    assert [row["learning_rate"] for row in part.history] == [
        row["learning_rate"] for row in whole.history[:2]
    ]


def test_one_line_is_logged_for_each_epoch(caplog):
    with caplog.at_level(logging.INFO):
        run(validation=samples(8, seed=1))
    assert [r.message.split(":")[0] for r in caplog.records] == [
        f"epoch {i} of 4" for i in range(1, 5)
    ]


def test_fewer_boxes_than_a_batch_make_one_step():
    _, progress = run(data=samples(5))
    assert len(progress.history) == RECIPE.epochs


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_boxes_are_told(n):
    data = samples(4)
    with pytest.raises(InputError, match=f"training; found {n} boxes; expected at least 2"):
        run(data=Samples(data.boxes[:n], data.labels[:n]))


def test_loss_that_is_no_number_ends_the_run():
    data = samples()
    data.labels[3] = math.nan
    with pytest.raises(InputError, match="the loss of epoch 1 is not a number.*learning_rate"):
        run(data=data)


def test_validation_is_not_augmented_and_leaves_norms_alone():
    network, _ = run()
    data = samples(16, seed=2)
    noisy = Recipe(**{**vars(RECIPE), "augmentation": Augmentation(noise=10.0)})
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert evaluate(network, data, noisy) == evaluate(network, data, RECIPE)
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def bars(n, seed=0):
    """Return boxes with a bar through the middle at any angle, and twice its angle as label."""
    generator = torch.Generator().manual_seed(seed)
    angle = math.pi * torch.rand(n, generator=generator)
    i, j = torch.meshgrid(*[torch.arange(12) - 5.5] * 2, indexing="ij")
    across = angle.cos()[:, None, None] * j - angle.sin()[:, None, None] * i
    flat = torch.exp(-(across**2) / 2 - (i * i + j * j) / 16)
    boxes = flat[:, None].repeat(1, 5, 1, 1) + 0.1 * torch.rand(n, 5, 12, 12, generator=generator)
    vectors = torch.stack([(2 * angle).cos(), (2 * angle).sin()], dim=1)[:, None]
    vectors[::7] = 0  # of some the angle is not known
    return Samples(boxes, torch.full((n, 1), 2.0), vectors)


HEAD = Recipe(
    *("wide", 6, (5, 8, 8), (2, 3.5, 3.5)),
    epochs=12,
    batch_size=16,
    learning_rate=5e-3,
    precision="fp32",
    heads=("angle",),
    folds=(2,),
)


def test_angle_head_learns_the_angle_under_turns_and_flips():
    torch.manual_seed(0)
    validation = bars(64, 1)
    network = build_network("wide", n_columns(1, HEAD.heads), HEAD.box_shape, HEAD.width)
    progress = train_network(network, bars(192), validation, HEAD)
    errors = [row["validation_angle_degree"] for row in progress.history]
    assert errors[-1] < 10  # 45 for a guess
    network.load_state_dict(progress.best)
    found = predict(network, validation.boxes, 1, HEAD)
    is_known = validation.angles.any(dim=2)
    assert float((found.angles * validation.angles).sum(2)[is_known].mean()) > 0.8
    assert float((found.distances - 2).abs().mean()) < 0.3


def test_angles_are_part_of_what_a_checkpoint_belongs_to(tmp_path, caplog):
    def train(data):
        torch.manual_seed(0)
        network = build_network("wide", 3, HEAD.box_shape, HEAD.width)
        recipe = replace(HEAD, epochs=1)
        return train_network(network, data, None, recipe, tmp_path / "c.pt")

    data = bars(20)
    train(data)
    train(data)
    assert "begun anew" not in caplog.text
    data.angles[1] = -data.angles[1]
    train(data)
    assert "begun anew" in caplog.text


def test_membership_is_learnt_as_a_probability():
    data = samples(192)
    data.labels = torch.where(data.labels < 1.5, 0.0, 7.0)[:, :1]
    changed = {"epochs": 14, "normalisation": "tomogram", "target": "membership"}
    recipe = replace(RECIPE, **changed)
    torch.manual_seed(0)
    network = MembrainNetwork(1, SHAPE)
    network.load_state_dict(train_network(network, data, None, recipe).best)
    found = predict(network, data.boxes, 1, recipe).distances
    assert 0 <= float(found.min()) <= float(found.max()) <= 7
    assert float(((found < 3.5) == (data.labels < 3.5)).float().mean()) > 0.9
