"""Annotations and the membrane that they should lie on: sides, strays, corners, remedies."""

import numpy as np
import pytest

from membrain.agreement import (
    Place,
    check_near,
    check_side,
    check_spread,
    remedy,
    sides_of,
)
from membrain.errors import InputError
from membrain.formats.base import Annotations
from membrain.rotations import poses_from_axes, relion_angles
from membrain.training_annotations import check_shared


def sheet(size=31, z=70.0, sides=(1,), **more):
    """Points of a sheet in the xy plane, one voxel apart; side b looks to +z, a to -z."""
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    points, normals, side = [], [], []
    for value in sides:
        sign = 1.0 if value else -1.0
        flat = np.stack([np.full(x.size, z + 1.5 * sign), y.ravel(), x.ravel()], axis=1)
        points.append(flat)
        normals.append(np.tile([sign, 0.0, 0.0], (x.size, 1)))
        side.append(np.full(x.size, value))
    parts = (np.concatenate(part) for part in (points, normals, side))
    return Place(*parts, **{"where": "T1/M1", "pixel_size": 13.68, **more})


def annotated(positions_zyx, normals_xyz=None):
    positions = np.array(positions_zyx, dtype=float).reshape(-1, 3)
    angles = None
    if normals_xyz is not None:
        axes = np.tile([1.0, 0, 0], (len(positions), 1))
        angles = relion_angles(poses_from_axes(np.array(normals_xyz), axes))
    return Annotations(positions, ("PSII",) * len(positions), angles, "test")


SPREAD = np.array([[71.5, y, x] for y in (4, 11, 19, 26) for x in (3, 14, 27)])


def test_sides_are_told_apart_whatever_their_numbers():
    place = sheet(sides=(0, 1))
    is_on, nearest = sides_of(annotated([[69, 3, 3], [71, 3, 9]]), place)
    assert is_on.tolist() == [[True, False], [False, True]]
    assert (place.side[nearest[0]] == 0).all()
    assert (place.side[nearest[1]] == 1).all()


@pytest.mark.parametrize(("pixel_size", "depth"), [(13.68, 40 / 13.68), (8.0, 5.0), (0.0, 3.0)])
def test_without_angles_depth_below_the_only_side_tells_the_other_one(pixel_size, depth):
    place = sheet(pixel_size=pixel_size)
    positions = [[71.5 - d, 9, 9] for d in (-3, 0, depth - 0.01, depth + 0.01)]
    assert sides_of(annotated(positions), place)[0].tolist() == [[True, True, True, False]]


def test_annotations_all_on_the_other_side_are_refused():
    place, known = sheet(), annotated(SPREAD - [4, 0, 0])
    with pytest.raises(
        InputError, match="T1/M1: .* lie on the other side of the membrane; found 0"
    ):
        check_side(sides_of(known, place)[0], known, place.where)


def test_z_axes_that_all_point_away_are_refused():
    place, known = sheet(), annotated(SPREAD, [[0.0, 0, -1]] * 12)
    with pytest.raises(InputError, match="z axes point away from the sampled side; found 0 of 12"):
        check_side(sides_of(known, place)[0], known, place.where)


@pytest.mark.parametrize(("n_off", "remark"), [(0, ""), (5, "5 of 12 annotations on a side")])
def test_some_on_the_other_side_are_a_remark(n_off, remark):
    place = sheet()
    known = annotated(SPREAD, [[0.0, 0, -1]] * n_off + [[0.0, 0, 1]] * (12 - n_off))
    assert check_side(sides_of(known, place)[0], known, place.where).startswith(remark)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p * 4, "divided by 4 they would fit"),
        (lambda p: p / 3, "multiplied by 3 they would fit"),
        (lambda p: p * 13.68, r"divided by 13.68 they would fit \(angstrom, not voxels"),
        (lambda p: p / 13.68, r"multiplied by 13.68 they would fit"),
        (
            lambda p: p + [40, -60, 70],
            r"moved by \(-(69|70|71), (59|60|61), -40\) voxels",
        ),
        (lambda p: p - [100, 40, 60], r"moved by \(60, 40, 100\) voxels .*counted from its centre"),
        (lambda p: p[:, ::-1], "with x and z exchanged they would fit"),
        (lambda p: [199, 0, 0] + p * [-1, 1, 1], "mirrored along z they would fit"),
        (lambda p: p * 60 % 97 * 50 + 9000, "is this the file of this membrane"),
    ],
)
def test_annotations_elsewhere_are_refused_with_what_would_fit(change, message):
    place = sheet(shape=(200, 80, 120))
    with pytest.raises(InputError, match=message) as caught:
        check_near(annotated(change(SPREAD)), place)
    text = str(caught.value)
    assert text.startswith("T1/M1: the annotated particles do not lie on the membrane; found 12 of")
    assert "the membrane x 0 to 30, y 0 to 30, z 72 to 72 voxels" in text


def test_message_says_how_far_off_and_where():
    with pytest.raises(InputError) as caught:
        check_near(annotated(SPREAD + [14.6, 0, 200]), sheet(step=2.0))
    text = str(caught.value)
    assert "found 12 of 12 far from it, half of these at least 92 working voxels" in text
    assert "they span x 203 to 227, y 4 to 26, z 86 to 86," in text
    assert "expected at most 30 % farther than 10 working voxels" in text


def test_far_counts_in_working_voxels():
    known = annotated(SPREAD + [15.0, 0, 0])
    assert check_near(known, sheet(step=2.0)).all()
    with pytest.raises(InputError, match="at least 15 working voxels"):
        check_near(known, sheet())


@pytest.mark.parametrize(("n_far", "share", "passes"), [(3, 0.3, True), (4, 0.3, False),
                         (4, 0.4, True), (12, 1.0, False)])  # fmt: skip
def test_share_of_far_annotations_decides(n_far, share, passes):
    positions = SPREAD.copy()
    positions[:n_far, 0] += 30
    if passes:
        is_near = check_near(annotated(positions), sheet(), share)
        assert is_near.tolist() == [False] * n_far + [True] * (12 - n_far)
    else:
        with pytest.raises(InputError, match=f"found {n_far} of 12 far from it"):
            check_near(annotated(positions), sheet(), share)


def corner_sheet(**more):
    """A slanted sheet through the tomogram's first voxel: any factor keeps its positions on it."""
    y, x = (a.ravel().astype(float) for a in np.mgrid[0:150:1.5, 0:200:1.5])
    points = np.stack([0.4 * x + 0.2 * y, y, x], axis=1)
    normal = np.array([1.0, -0.2, -0.4]) / np.linalg.norm([1.0, -0.2, -0.4])
    normals = np.tile(normal, (len(points), 1))
    return Place(points, normals, np.ones(len(points), int), where="T1/M1", **more)


def spread_on(place, n=25):
    """Positions on a sheet, at least 12 voxels apart."""
    rng, chosen = np.random.default_rng(1), []
    for row in rng.permutation(len(place.points)):
        point = place.points[row]
        if all(np.linalg.norm(point - other) > 12 for other in chosen):
            chosen.append(point)
    return np.array(chosen[:n])


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1 / 13.68, "multiplied by 13.68 they would fit"),
        (1 / 10, "multiplied by 10 they would fit"),
    ],
)
def test_annotations_in_one_corner_are_refused_though_they_lie_on_the_membrane(factor, words):
    place = corner_sheet(pixel_size=13.68)
    known = annotated(spread_on(place, 80) * factor)
    assert check_near(known, place).all()
    with pytest.raises(
        InputError, match="T1/M1: .* lie all in one corner; found 80 in x"
    ) as caught:
        check_spread(known, place)
    assert words in str(caught.value)
    assert "working voxels of another; expected particles spread over the membrane" in str(
        caught.value
    )


def test_annotations_of_one_part_of_the_membrane_are_no_mistake():
    place = corner_sheet(pixel_size=13.68)
    positions = spread_on(place, 400)
    part = positions[(positions[:, 1:] < 50).all(axis=1)]
    assert len(part) >= 8
    assert check_spread(annotated(part), place) == ""


def test_annotations_that_stand_twice_are_a_remark():
    place = corner_sheet()
    twice = np.repeat(spread_on(place), 2, axis=0)
    assert "half of the annotations are within 0.0 working voxels of another" in check_spread(
        annotated(twice), place
    )


@pytest.mark.parametrize("n", [0, 2])
def test_few_annotations_are_not_crowded(n):
    assert check_spread(annotated(np.zeros((n, 3))), corner_sheet()) == ""


def test_shrunken_positions_are_no_fit():
    """Divided by 16, annotations of something else all lie on a membrane by the first voxel."""
    place = corner_sheet()
    wild = np.random.default_rng(5).uniform(0, 60, (20, 3)) * [1, 1, -1]
    assert remedy(wild, place) == ""


def test_file_of_several_membranes_in_angstrom_is_refused():
    known = annotated(np.concatenate([SPREAD, SPREAD + [0, 300, 300]]) * 13.68)
    with pytest.raises(InputError, match="none of the membranes that name it.*divided by 13.68"):
        check_shared(known, 0, sheet())
    with pytest.raises(InputError, match="found 1 of 24 on one of them.*divided by 13.68"):
        check_shared(known, 1, sheet())


def test_file_of_several_membranes_of_another_tomogram_is_refused():
    wild = annotated(np.random.default_rng(0).uniform(500, 900, (40, 3)) * [1, 3, 9])
    with pytest.raises(InputError, match="is this the file of this tomogram"):
        check_shared(wild, 0, sheet())
    check_shared(wild, 1, sheet())  # most of the tomogram's membranes may be left out


@pytest.mark.parametrize("n", [0, 12])
def test_file_of_several_membranes_in_place_passes(n):
    check_shared(annotated(SPREAD[:n]), n, sheet())


def test_forgotten_unit_and_origin_are_found_together():
    place = sheet(200, shape=(100, 220, 240), pixel_size=13.68)
    known = np.array([[71.5, y, x] for y in (14, 60, 120, 190) for x in (13, 99, 187)])
    words = remedy(known * 13.68 + [3173.75, 0, 0], place)
    assert words.startswith("divided by 13.68 (angstrom, not voxels?) and moved by (")
    assert words.endswith(", -232) voxels (x, y, z) they would fit (an origin?)")
    centred = remedy((known - np.array(place.shape) / 2) * 13.68, place)
    assert (
        "and moved by (120, 110, 50) voxels (x, y, z) they would fit (half the tomogram" in centred
    )


def test_no_change_is_no_remedy_where_most_fit_already():
    place = sheet(200, shape=(140, 220, 240))
    known = np.array([[71.5, y, x] for y in (14, 60, 120, 190) for x in (13, 99, 187)])
    known[:5, 0] += 40
    assert remedy(known, place) == ""
    with pytest.raises(InputError, match="5 of 12 far .* does it hold several membranes"):
        check_near(annotated(known), place)


@pytest.mark.parametrize("far", [1e9, 1e160, 1e300])
def test_positions_beyond_any_number_have_no_remedy(far):
    assert remedy(SPREAD * far, sheet(shape=(100, 40, 40))) == ""
    assert remedy(np.full((6, 3), far), sheet(shape=(100, 40, 40))) == ""
