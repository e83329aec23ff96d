import numpy as np
import pytest

from membrain.errors import InputError
from membrain.rims import rim_nodes
from membrain.surfaces import orient_surface
from membrain.winding import enclosure_of, winding_numbers


def voxels_of(distance, shape, thickness=4.0):
    """Return the voxels where a signed distance is small, and that distance's function."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1).reshape(-1, 3)
    return grid[np.abs(distance(grid)) <= thickness / 2]


def sphere(p, centre=(40, 42, 44), radius=28):
    return np.linalg.norm(p - np.array(centre), axis=-1) - radius


def torus(p, centre=(25, 60, 62), major=35, minor=15):
    d = p - np.array(centre)
    return np.hypot(np.hypot(d[..., 1], d[..., 2]) - major, d[..., 0]) - minor


def u_fold(p, bend=24.0, gap=12.0, centre=30.0):
    """A sheet along y, folded at x = bend; both legs run towards larger x."""
    z, x = p[..., 0] - centre, p[..., 2] - bend
    return np.where(x < 0, np.hypot(z, x), np.abs(z)) - gap


def gradient(distance, p, h=1e-3):
    steps = np.eye(3) * h
    p = np.asarray(p, float)
    g = np.stack([distance(p + s) - distance(p - s) for s in steps], axis=-1)
    return g / np.linalg.norm(g, axis=-1, keepdims=True)


def slab(axis, at=(20, 23), shape=(50, 64, 78)):
    box = [np.arange(5, n - 5) for n in shape]
    box[axis] = np.arange(*at)
    return np.stack(np.meshgrid(*box, indexing="ij"), -1).reshape(-1, 3)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("thickness", [1, 4])
def test_plane_points_along_the_positive_axis(axis, thickness):
    surface = orient_surface(slab(axis, (20, 20 + thickness)))
    expected = np.eye(3)[[axis]].repeat(len(surface.nodes), 0)
    np.testing.assert_allclose(surface.normals, expected, atol=1e-9)
    assert not surface.is_closed
    assert abs(surface.enclosure) < 0.1
    assert surface.conflict == 0
    assert surface.n_specks == 0
    assert surface.weights.sum() == len(slab(axis, (20, 20 + thickness)))


@pytest.mark.parametrize(
    ("normal", "sign"),
    [((-2, 1, 1), -1), ((1, -3, 1), -1), ((1, 1, -3), -1), ((-1, 1, 1), -1), ((1, -1, 1), 1)],
)
def test_tilted_sheet_is_named_by_its_largest_component(normal, sign):
    normal = np.array(normal) / np.linalg.norm(normal)
    voxels = voxels_of(lambda p: (p - 35) @ normal, (70, 70, 70))
    voxels = voxels[np.linalg.norm(voxels - 35, axis=1) < 33]
    surface = orient_surface(voxels)
    assert ((surface.normals @ normal) * sign > 0.98).mean() > 0.98


CLOSED = {"sphere": (sphere, (82, 85, 88)), "torus": (torus, (50, 120, 124))}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_surface_points_outward(name):
    distance, shape = CLOSED[name]
    surface = orient_surface(voxels_of(distance, shape))
    agree = (surface.normals * gradient(distance, surface.nodes)).sum(axis=1)
    assert (agree > 0.9).mean() > 0.98
    assert (agree > 0).all()
    assert surface.is_closed
    assert surface.enclosure == pytest.approx(1.0, abs=0.3)


def test_sphere_with_holes_at_the_poles_still_has_an_outside():
    voxels = voxels_of(sphere, (82, 85, 88))
    surface = orient_surface(voxels[np.abs(voxels[:, 0] - 40) < 23])
    assert ((surface.normals * gradient(sphere, surface.nodes)).sum(axis=1) > 0).all()
    assert surface.is_closed


@pytest.mark.parametrize("legs", [15, 160])
def test_fold_keeps_one_side_all_along(legs):
    voxels = voxels_of(u_fold, (60, 70, 30 + legs))
    voxels = voxels[voxels[:, 1] > 4]
    surface = orient_surface(voxels)
    outward = gradient(u_fold, surface.nodes)
    agree = (surface.normals * outward).sum(axis=1)
    assert np.all(agree > 0) or np.all(agree < 0)
    assert surface.conflict < 0.01
    # two legs and a bend enclose more than half: side a is the outside
    assert surface.is_closed
    assert (agree > 0).all()


def test_wide_bend_is_named_by_its_mean_normal():
    def bend(p):
        return np.hypot(p[..., 0] - 5, p[..., 2] - 60) - 50

    voxels = voxels_of(bend, (60, 70, 100))
    voxels = voxels[(voxels[:, 0] > 38) & (voxels[:, 1] > 4)]
    for turn, sign in ((voxels, 1), ((60, 70, 100) - voxels, -1)):
        surface = orient_surface(turn)
        assert not surface.is_closed
        assert (surface.normals[:, 0] > 0).all()
        outward = surface.nodes[:, 2] - (60 if sign == 1 else 40)
        agree = (surface.normals[:, 2] * outward)[np.abs(outward) > 10]
        assert (sign * agree > 0).all()


def test_two_sheets_close_to_each_other_point_the_same_way():
    both = np.concatenate([slab(0, (20, 24)), slab(0, (32, 36))])
    surface = orient_surface(both)
    assert len(np.unique(surface.piece)) == 2
    assert (surface.normals[:, 0] > 0.99).all()


def test_pieces_of_one_tilted_sheet_point_the_same_way():
    normal = np.array([1, 1, -1.1]) / np.linalg.norm([1, 1, -1.1])
    voxels = voxels_of(lambda p: (p - 40) @ normal, (80, 80, 80))
    voxels = voxels[(voxels[:, 2] % 26) > 5]  # gaps of 6 voxels
    surface = orient_surface(voxels)
    assert len(np.unique(surface.piece)) >= 3
    agree = surface.normals @ normal
    assert np.all(agree > 0) or np.all(agree < 0)


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_vesicle_beside_a_sheet_keeps_its_outside(flip):
    """The sheet is larger and near, but what encloses a volume has an outside of its own."""
    vesicle = voxels_of(lambda p: sphere(p, (40, 60, 60), 20), (82, 120, 120))
    floor = np.argwhere(np.ones((4, 120, 120))) + [8, 0, 0]
    surface = orient_surface(np.concatenate([vesicle, floor]) * flip)
    is_vesicle = surface.nodes[:, 0] * flip[0] > 14
    outward = surface.nodes - np.array([40, 60, 60]) * flip
    assert ((outward * surface.normals).sum(axis=1)[is_vesicle] > 0).all()
    assert (surface.normals[~is_vesicle, 0] > 0.9).all()


def test_order_of_the_voxels_does_not_matter():
    voxels = voxels_of(u_fold, (60, 40, 80))
    a = orient_surface(voxels)
    b = orient_surface(np.random.default_rng(0).permutation(voxels))
    np.testing.assert_array_equal(a.nodes, b.nodes)
    np.testing.assert_allclose(a.normals, b.normals, atol=1e-12)


def test_specks_are_left_out_and_counted():
    speck = np.array([[45, 5, 5], [45, 5, 6]])
    surface = orient_surface(np.concatenate([slab(0), speck]))
    assert surface.n_specks == 2
    assert surface.nodes[:, 0].max() < 24


def test_small_mask_is_told():
    with pytest.raises(InputError, match="M1: mask too small; found 49 voxels .* at least 50"):
        orient_surface(np.argwhere(np.ones((1, 7, 7))), "M1")


def test_winding_number_of_a_sphere():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    nodes, area = 20 * normals, np.full(4000, 4 * np.pi * 400 / 4000)
    probes = np.array([[0, 0, 0], [5, -6, 3], [40, 0, 0]])
    np.testing.assert_allclose(winding_numbers(probes, nodes, normals, area), [1, 1, 0], atol=0.05)
    assert enclosure_of(nodes, normals, area) == pytest.approx(1, abs=0.1)
    assert enclosure_of(nodes, -normals, area) == pytest.approx(-1, abs=0.1)


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("margin", [4.0, 8.0])
def test_rim_of_a_rectangle_is_about_the_margin_wide(axis, margin):
    shape = np.array((90, 100, 110))
    voxels = slab(axis, (20, 24), shape)
    surface = orient_surface(voxels)
    others = [a for a in range(3) if a != axis]
    low, high = voxels.min(axis=0) - 0.5, voxels.max(axis=0) + 0.5
    rim = np.minimum(surface.nodes - low, high - surface.nodes)[:, others].min(axis=1)
    marked = rim_nodes(surface, margin)
    assert marked[rim < margin - 2.5].all()
    assert not marked[rim > margin + 2.5].any()
    assert not rim_nodes(surface, 0).any()


def test_closed_surface_has_no_rim():
    assert not rim_nodes(orient_surface(voxels_of(sphere, (82, 85, 88))), 4.0).any()
