"""Augmentation: exact turns and flips, interpolation at any angle, noise, seeds."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from membrain import augmentation
from membrain.augmentation import Augmentation, crop_boxes, random_turns, turn_angles

PLAIN = Augmentation(rotation="none", flip=False, noise=0.0)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def augment(boxes, how, generator, *geometry):
    turns = random_turns(len(boxes), how, generator, boxes.device)
    return augmentation.augment(boxes, turns, how, generator, *geometry)


def smooth_boxes(n=3, shape=(5, 19, 19), seed=0):
    """Return boxes whose values change slowly."""
    noise = np.random.default_rng(seed).random((n, *shape))
    return torch.from_numpy(ndimage.gaussian_filter(noise, (0, 0, 2, 2)).astype(np.float32))


def test_nothing_asked_for_gives_the_middle_of_the_boxes():
    boxes = smooth_boxes()
    found = augment(boxes, PLAIN, generator(), (5, 11, 13), (2, 5, 6))
    assert torch.equal(found, boxes[:, :, 4:15, 3:16])


def test_crop_of_an_odd_difference_leaves_the_extra_voxel_at_the_end():
    boxes = torch.arange(18.0).expand(1, 1, 18, 18)
    assert crop_boxes(boxes, (1, 12, 13))[0, 0, 0].tolist() == list(range(2, 15))


def test_quarter_turns_about_the_middle_are_exact():
    boxes = smooth_boxes(40, (4, 11, 11))
    how = Augmentation("quarter", flip=False, noise=0.0)
    found = augment(boxes, how, generator(), (4, 11, 11), (2, 5, 5))
    turns = [
        [torch.allclose(f, torch.rot90(b, k, (1, 2)), atol=1e-5) for k in range(4)]
        for b, f in zip(boxes, found, strict=True)
    ]
    assert (np.sum(turns, axis=1) == 1).all()
    assert np.any(turns, axis=0).all()  # each of the four turns comes up


def test_flips_mirror_half_of_the_boxes_in_the_plane():
    boxes = smooth_boxes(40, (4, 11, 11))
    how = Augmentation("none", flip=True, noise=0.0)
    found = augment(boxes, how, generator(), (4, 11, 11), (2, 5, 5))
    is_same = np.array([torch.allclose(b, f, atol=1e-5) for b, f in zip(boxes, found, strict=True)])
    is_mirrored = np.array(
        [torch.allclose(b.flip(2), f, atol=1e-5) for b, f in zip(boxes, found, strict=True)]
    )
    assert (is_same ^ is_mirrored).all()
    assert 10 < is_same.sum() < 30


def test_any_turn_is_that_of_an_independent_interpolation():
    boxes = smooth_boxes(6, (3, 23, 23))
    how = Augmentation("any", flip=False, noise=0.0)
    found = augment(boxes, how, generator(5), (3, 11, 11), (1, 5, 5))
    angles = 360 * torch.rand(6, generator=generator(5))
    for box, turned, angle in zip(boxes.numpy(), found.numpy(), angles.tolist(), strict=True):
        expected = ndimage.rotate(box, angle, axes=(1, 2), reshape=False, order=3, mode="nearest")
        opposite = ndimage.rotate(box, -angle, axes=(1, 2), reshape=False, order=3, mode="nearest")
        errors = [np.abs(turned - e[:, 6:17, 6:17]).max() for e in (expected, opposite)]
        assert min(errors) < 0.01
        assert box.std() > 0.02


def test_sampled_point_stays_in_place():
    boxes = torch.zeros(20, 2, 12, 12)
    boxes[:, :, 6, 6] = 1.0
    found = augment(boxes, Augmentation("any", True, 0.0), generator(), (2, 12, 12), (1, 6, 6))
    assert torch.allclose(found[:, :, 6, 6], torch.ones(20, 2), atol=1e-5)


def test_layers_along_the_normal_keep_their_order():
    boxes = torch.arange(5.0).reshape(1, 5, 1, 1).expand(8, 5, 12, 12).contiguous()
    found = augment(boxes, Augmentation("any", True, 0.0), generator(), (5, 12, 12), (2, 6, 6))
    assert torch.allclose(found, boxes, atol=1e-4)


def comets(angles, size=27):
    """Return boxes (n, 2, size, size) with a tapered bar through the middle, head at the angle."""
    i, j = torch.meshgrid(*[torch.arange(size) - (size - 1) / 2] * 2, indexing="ij")
    cos, sin = (f(angles)[:, None, None] for f in (torch.cos, torch.sin))
    along, across = cos * i + sin * j, cos * j - sin * i
    bar = torch.exp(-(along**2) / 18 - across**2 / 5) * (1.3 + torch.tanh(along / 3))
    return bar[:, None].expand(-1, 2, -1, -1).contiguous()


def directions_in(boxes):
    """Return (n, 2) unit vectors of once and of twice the angle of what boxes show."""
    flat = boxes.sum(dim=1)
    i, j = torch.meshgrid(*[torch.arange(n) - (n - 1) / 2 for n in flat.shape[1:]], indexing="ij")
    once = torch.stack([(flat * i).sum((1, 2)), (flat * j).sum((1, 2))], dim=1)
    twice = torch.stack([(flat * (i * i - j * j)).sum((1, 2)), (flat * 2 * i * j).sum((1, 2))], 1)
    return [v / v.norm(dim=1, keepdim=True) for v in (once, twice)]


def vectors(angles, folds):
    """Return angle labels (n, n_outputs, 2), one output for each fold."""
    return torch.stack([torch.stack([(m * angles).cos(), (m * angles).sin()], 1) for m in folds], 1)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("rotation", ["any", "quarter", "none"])
def test_angles_turn_and_flip_with_their_boxes(rotation, flip):
    given = 2 * np.pi * torch.rand(32, generator=generator(3))
    how = Augmentation(rotation, flip, 0.0)
    turns = random_turns(32, how, generator(), torch.device("cpu"))
    boxes = augmentation.augment(comets(given), turns, how, generator(), (2, 19, 19), (1, 9.0, 9.0))
    labels = torch.stack(
        [torch.stack([(m * given).cos(), (m * given).sin()], 1) for m in (1, 2)], 1
    )
    found = turn_angles(labels, turns, torch.tensor([1, 2]))
    for output, seen in enumerate(directions_in(boxes)):
        assert ((found[:, output] * seen).sum(dim=1) > 0.99).all()
    if rotation != "none" or flip:
        assert ((found - labels).abs().amax(dim=(1, 2)) > 0.1).float().mean() > 0.3


def test_angles_of_any_fold_turn_by_their_multiple():
    angle = torch.tensor([0.4])
    labels = torch.stack(
        [torch.stack([(m * angle).cos(), (m * angle).sin()], 1) for m in (1, 3)], 1
    )
    turns = random_turns(1, Augmentation("any", True, 0.0), generator(8), torch.device("cpu"))
    once, thrice = turn_angles(labels, turns, torch.tensor([1, 3]))[0]
    turned = torch.atan2(once[1], once[0])
    assert torch.allclose(thrice, torch.stack([(3 * turned).cos(), (3 * turned).sin()]), atol=1e-5)


def test_angles_that_are_not_known_stay_so():
    turns = random_turns(5, Augmentation(), generator(), torch.device("cpu"))
    assert not turn_angles(torch.zeros(5, 2, 2), turns, torch.tensor([2, 0])).any()


def test_noise_has_a_deviation_between_nothing_and_the_given():
    boxes = torch.zeros(400, 4, 12, 12)
    how = Augmentation("none", False, 0.2)
    deviation = augment(boxes, how, generator(), (4, 12, 12), (2, 6, 6), 1.0).std(dim=(1, 2, 3))
    assert 0 <= deviation.min() < 0.01
    assert 0.19 < deviation.max() < 0.22
    assert deviation.mean() == pytest.approx(0.1, abs=0.01)


def test_half_precision_boxes_come_out_in_single():
    found = augment(smooth_boxes().half(), Augmentation(), generator(), (5, 12, 12), (2, 6, 6))
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()


def test_same_generator_gives_the_same_boxes():
    parts = ((5, 12, 12), (2, 6, 6))
    first = augment(smooth_boxes(), Augmentation(), generator(1), *parts)
    assert torch.equal(first, augment(smooth_boxes(), Augmentation(), generator(1), *parts))
    assert not torch.equal(first, augment(smooth_boxes(), Augmentation(), generator(2), *parts))


def test_boxes_given_are_not_changed():
    boxes = smooth_boxes()
    before = boxes.clone()
    augment(boxes, Augmentation(), generator(), (5, 12, 12), (2, 6, 6))
    assert torch.equal(boxes, before)
