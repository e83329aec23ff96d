import numpy as np
import pytest
from scipy.spatial import cKDTree

from membrain.errors import InputError
from membrain.simulation.patches import Cylinder, Fold, Sheet
from membrain.simulation.surfaces import Surface, make_surface, pose_from_axis
from membrain.simulation.vesicles import Ellipsoid, Sphere, Torus

PATCHES = {
    "sheet": Sheet((900.0, 600.0)),
    "wavy": Sheet((900.0, 600.0), amplitude=60.0, wave_length=1100.0),
    "fold": Fold(arm_length=500.0, width=600.0, bend_radius=180.0),
    "cylinder": Cylinder(tube_radius=250.0, length=700.0),
    "sphere": Sphere(300.0),
    "holed": Sphere(300.0, hole_degree=30.0),
    "ellipsoid": Ellipsoid((400.0, 250.0, 300.0)),
    "torus": Torus(ring_radius=400.0, tube_radius=150.0),
}


@pytest.fixture(params=PATCHES)
def surface(request):
    centre = np.array([700.0, 900.0, 1100.0])  # zyx
    return Surface("m", PATCHES[request.param], centre, pose_from_axis([0.3, -0.5, 0.8], 25.0))


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def shifted(surface, rng, n=300):
    """Return points of the surface well inside it, their normals, and points at known distances."""
    feet = surface.scatter(rng, n)
    distance, normal, rim = surface.locate(feet)
    assert np.abs(distance).max() < 1e-6
    assert rim.min() > -1e-6
    away = rng.uniform(-100, 100, n)
    return normal, away, feet + away[:, None] * normal, rim


def test_distance_along_the_normal_is_the_step_taken(surface, rng):
    normal, away, points, rim = shifted(surface, rng)
    distance, again, rim_again = surface.locate(points)
    np.testing.assert_allclose(distance, away, atol=2e-3)
    np.testing.assert_allclose(again, normal, atol=1e-4)
    np.testing.assert_allclose(rim_again[np.isfinite(rim)], rim[np.isfinite(rim)], atol=0.1)


def test_normal_is_the_gradient_of_the_distance(surface, rng):
    _, _, points, _ = shifted(surface, rng)
    normal = surface.locate(points)[1]
    step = 0.05
    gradient = np.stack(
        [
            (surface.locate(points + e)[0] - surface.locate(points - e)[0]) / (2 * step)
            for e in step * np.eye(3)
        ],
        axis=1,
    )
    # at the seam of a fold's bend the curvature jumps: a step across it is off by 1 %
    np.testing.assert_allclose(gradient, normal, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-9)


def test_distance_is_that_of_the_nearest_of_many_surface_points(surface, rng):
    cloud = surface.scatter(rng, 60_000)
    normal, away, points, rim = shifted(surface, rng, 100)
    nearest = cKDTree(cloud).query(points)[0]
    # spacing of the cloud is about 5 angstrom
    inner = rim > 20
    assert np.all(nearest[inner] >= np.abs(away[inner]) - 1e-3)
    np.testing.assert_allclose(nearest[inner], np.abs(away[inner]), atol=15)


def test_scattered_points_are_even_by_area(surface, rng):
    points = surface.scatter(rng, 20_000)
    _, _, rim = surface.locate(points)
    counts = [len(c) - 1 for c in cKDTree(points).query_ball_point(points[:400], 40.0)]
    expected = len(points) * np.pi * 40.0**2 / surface.patch.area
    inner = rim[:400] > 45
    assert np.mean(np.array(counts)[inner]) == pytest.approx(expected, rel=0.06)


def test_middle_lies_on_the_surface_away_from_the_rim(surface):
    distance, _, rim = surface.locate(surface.middle[None])
    assert abs(distance[0]) < 1e-3
    assert rim[0] > 150


def test_everything_lies_within_the_radius(surface, rng):
    far = np.linalg.norm(surface.scatter(rng, 5000) - surface.centre, axis=1).max()
    assert 0.75 * surface.patch.radius < far <= surface.patch.radius + 1e-6


def test_rim_of_a_sheet_is_the_distance_to_its_edge():
    sheet = Sheet((400.0, 200.0))
    own = np.array([[0.0, 0, 5], [150, 0, 0], [0, 90, -7], [230, 0, 0], [200, 100, 0]])
    distance, _, rim = sheet.locate(own)
    np.testing.assert_allclose(distance, [5, 0, -7, 0, 0])
    corner = 50 - 50 * np.sqrt(2)  # corners are rounded with a quarter of the shorter edge
    np.testing.assert_allclose(rim, [100, 50, 10, -30, corner])


def test_rim_of_a_fold_is_counted_along_the_u():
    fold = Fold(arm_length=300.0, width=2000.0, bend_radius=100.0)
    own = np.array([[-200.0, 0, 100], [200.0, 0, 0], [-150.0, 0, -90]])  # arm's end, apex, arm
    distance, normal, rim = fold.locate(own)
    np.testing.assert_allclose(distance, [0, 0, -10])
    np.testing.assert_allclose(normal, [[0, 0, 1], [1, 0, 0], [0, 0, -1]], atol=1e-12)
    np.testing.assert_allclose(rim, [0, 300 + 50 * np.pi, 50])


def test_holes_of_a_sphere_lie_along_its_axis():
    content = {"shape": "sphere", "radius_angstrom": 100.0, "hole_degree": 30.0}
    place = {"centre_angstrom": [0.0, 0, 0], "axis": [0.0, 1, 0], "spin_degree": 0.0}
    surface = make_surface("m", content | place)
    points = 100 * np.array([[0.0, 1, 0], [0, -1, 0], [1, 0, 0], [0, 0, 1]])  # zyx: +y, -y, z, x
    rim = surface.locate(points)[2]
    assert np.all(rim[:2] < -50)
    np.testing.assert_allclose(rim[2:], 100 * np.pi / 3)


def test_surface_is_placed_by_xyz_and_answers_in_zyx():
    content = {
        "shape": "sheet",
        "centre_angstrom": [100.0, 200.0, 300.0],
        "axis": [1.0, 0, 0],
        "spin_degree": 0.0,
        "size_angstrom": [400.0, 400.0],
        "wave_amplitude_angstrom": 0.0,
        "wave_length_angstrom": 1000.0,
    }
    surface = make_surface("m", content)
    distance, normal, rim = surface.locate(np.array([[300.0, 200.0, 130.0]]))
    np.testing.assert_allclose(distance, 30)
    np.testing.assert_allclose(normal, [[0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(rim, 200)


def test_ellipsoid_with_equal_axes_is_a_sphere():
    own = np.array([[10.0, 0, 0], [0, 0, 0.5], [300, 200, 100], [0, 250, 0]])
    mine, normal, _ = Ellipsoid((200.0, 200.0, 200.0)).locate(own)
    reference, reference_normal, _ = Sphere(200.0).locate(own)
    np.testing.assert_allclose(mine, reference, atol=1e-3)
    np.testing.assert_allclose(normal, reference_normal, atol=1e-3)


def test_pose_without_spin_keeps_upright_surfaces_upright():
    np.testing.assert_allclose(pose_from_axis([0, 0, 2]).as_matrix(), np.eye(3), atol=1e-12)
    tipped = pose_from_axis([1, 1, 0]).apply([0, 0, 1])
    np.testing.assert_allclose(tipped, [0.5**0.5, 0.5**0.5, 0], atol=1e-12)
    spun = pose_from_axis([0, 0, 1], 90).apply([1, 0, 0])
    np.testing.assert_allclose(spun, [0, 1, 0], atol=1e-12)


def test_an_ellipsoid_has_as_many_points_at_its_ends_as_their_area():
    """Area of a spheroid's belt between two x, from the turned profile r(x)."""
    long, short = 500.0, 200.0
    x = np.linspace(-long, long, 200_001)[1:-1]
    r = short * np.sqrt(1 - (x / long) ** 2)
    band = 2 * np.pi * r * np.hypot(1, np.gradient(r, x)) * (x[1] - x[0])
    ellipsoid = Ellipsoid((long, short, short))
    assert ellipsoid.area == pytest.approx(band.sum(), rel=2e-3)
    points = ellipsoid.scatter(np.random.default_rng(0), 20_000)
    share = band[np.abs(x) > 350].sum() / band.sum()
    assert np.mean(np.abs(points[:, 0]) > 350) == pytest.approx(share, abs=0.012)


def test_areas_of_known_shapes():
    assert Ellipsoid((200.0, 200.0, 200.0)).area == pytest.approx(4 * np.pi * 200**2, rel=1e-3)
    assert Sphere(10.0, 60.0).area == pytest.approx(2 * np.pi * 10**2)


def test_side_signs():
    sphere = Surface("m", Sphere(10.0), np.zeros(3), pose_from_axis([0, 0, 1]))
    assert [sphere.side_sign(s) for s in (1, -1, "outside", "inside")] == [1, -1, 1, -1]
    sheet = Surface("m", PATCHES["sheet"], np.zeros(3), pose_from_axis([0, 0, 1]))
    with pytest.raises(InputError, match="membrane 'm': a sheet has no outside; expected side 1"):
        sheet.side_sign("outside")


def test_a_zero_axis_and_strong_waves_are_refused():
    content = {
        "shape": "sheet",
        "centre_angstrom": [0, 0, 0],
        "axis": [0, 0, 0],
        "spin_degree": 0,
        "size_angstrom": [100, 100],
        "wave_amplitude_angstrom": 100,
        "wave_length_angstrom": 300,
    }
    with pytest.raises(InputError, match="membrane 'm': axis of the surface; found 0 0 0"):
        make_surface("m", content)
    with pytest.raises(InputError, match="waves too strong; found a radius of curvature of 46 ang"):
        make_surface("m", content | {"axis": [0, 0, 1]})
