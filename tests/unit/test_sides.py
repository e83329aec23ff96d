import numpy as np
import pytest

from membrain.errors import InputError
from membrain.sides import check_side_point, choose_sides
from membrain.surfaces import orient_surface


@pytest.fixture(scope="module")
def sheet():
    """A sheet at z = 20..23 over y 5..64 and x 5..84; side a is towards larger z."""
    return orient_surface(np.argwhere(np.ones((4, 60, 80))) + [20, 5, 5])


@pytest.fixture(scope="module")
def vesicle():
    grid = np.argwhere(np.ones((60, 62, 64)))
    r = np.linalg.norm(grid - [30, 31, 32], axis=1)
    return orient_surface(grid[np.abs(r - 22) <= 2])


@pytest.mark.parametrize(("side", "sides"), [("both", ("a", "b")), ("a", ("a",)), ("b", ("b",))])
def test_sides_that_need_nothing(sheet, vesicle, side, sides):
    assert choose_sides(sheet, side) == sides
    assert choose_sides(vesicle, side) == sides


@pytest.mark.parametrize("height", [8, 15, 60, 200])
@pytest.mark.parametrize("shift", [0, 20])
def test_point_before_a_sheet(sheet, height, shift):
    point = (45.0 + shift, 35.0 - shift, 21.5)  # xyz
    assert choose_sides(sheet, "point", point_xyz=(*point[:2], 21.5 + height)) == ("a",)
    assert choose_sides(sheet, "point", point_xyz=(*point[:2], 21.5 - height)) == ("b",)


@pytest.mark.parametrize("x", [-140, 230])
def test_far_point_seen_at_a_low_angle(sheet, x):
    assert choose_sides(sheet, "point", point_xyz=(x, 35, 101.5)) == ("a",)
    assert choose_sides(sheet, "point", point_xyz=(x, 35, -58.5)) == ("b",)


@pytest.mark.parametrize("axis", [1, 2])
def test_point_before_a_sheet_along_another_axis(axis):
    voxels = np.roll(np.argwhere(np.ones((4, 60, 80))) + [20, 5, 5], axis, axis=1)
    surface = orient_surface(voxels)
    for height, side in ((15, "a"), (200, "a"), (-15, "b"), (-200, "b")):
        place = voxels.mean(axis=0)
        place[axis] += height
        assert choose_sides(surface, "point", point_xyz=tuple(place[::-1])) == (side,)


@pytest.mark.parametrize(
    ("point", "side"), [((32, 31, 30), "b"), ((40, 31, 30), "b"), ((74, 31, 30), "a")]
)
def test_point_of_a_vesicle(vesicle, point, side):
    assert choose_sides(vesicle, "point", point_xyz=point) == (side,)


@pytest.mark.parametrize("point", [(120, 35, 21.5), (45, -60, 21.5), (300, 35, 21.5)])
def test_point_in_the_sheets_own_plane_is_refused(sheet, point):
    with pytest.raises(InputError, match="M1: side_x, side_y, side_z .* lies on neither side"):
        choose_sides(sheet, "point", point_xyz=point, name="M1")


@pytest.mark.parametrize("point", [(560.0, 20, 5), (5.0, 5, -400), (1e308, 0, 0)])
def test_point_far_outside_the_tomogram_is_refused(point):
    message = "M1: side_x, side_y, side_z lie far outside the tomogram; found .*; expected a place "
    with pytest.raises(InputError, match=message + "within 80 x 40 x 30 voxels"):
        check_side_point(point, (30, 40, 80), "M1")
    check_side_point((-20.0, 50.0, 37.5), (30, 40, 80), "M1")


@pytest.mark.parametrize(("z", "side"), [(27.0, "a"), (16.0, "b")])
def test_annotations_off_the_surface(sheet, z, side):
    places = np.array([[z, 20, 20], [z, 30, 50], [z, 50, 70]])
    assert choose_sides(sheet, "annotations", positions=places) == (side,)


@pytest.mark.parametrize("sign", [1, -1])
def test_annotations_with_normals_may_lie_on_the_surface(sheet, sign):
    places = np.array([[21.5, 20, 20], [21.5, 30, 50]])
    normals = sign * np.array([[1.0, 0.1, 0], [0.8, 0, 0.3]])
    found = choose_sides(sheet, "annotations", positions=places, normals=normals)
    assert found == ("a" if sign > 0 else "b",)


@pytest.mark.parametrize(
    ("heights", "found"),
    [
        ((5, -5), "1 on side a, 1 on side b, 0 on"),
        ((5, 5, -5), "2 on side a, 1 on side b, 0 on"),
        ((0, 0), "0 on side a, 0 on side b, 2 on"),
    ],
)
def test_annotations_that_do_not_tell_the_side(sheet, heights, found):
    node = sheet.nodes[len(sheet.nodes) // 2]
    places = node + np.array(heights)[:, None] * [1.0, 0, 0]
    with pytest.raises(InputError, match=found):
        choose_sides(sheet, "annotations", positions=places)


def test_no_annotation_is_told(sheet):
    with pytest.raises(InputError, match="M1: side 'annotations' without any annotated particle"):
        choose_sides(sheet, "annotations", positions=np.zeros((0, 3)), name="M1")


def test_outside_and_inside_of_a_vesicle(vesicle):
    assert choose_sides(vesicle, "outside") == ("a",)
    assert choose_sides(vesicle, "inside") == ("b",)
    outward = vesicle.nodes - [30, 31, 32]
    assert ((outward * vesicle.normals).sum(axis=1) > 0).all()


@pytest.mark.parametrize("side", ["outside", "inside"])
def test_open_sheet_has_no_outside(sheet, side):
    with pytest.raises(InputError, match=f"side '{side}' of a membrane that is not closed"):
        choose_sides(sheet, side)
