import itertools

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.rotations import relion_angles
from membrain.simulation.patches import Fold, Sheet
from membrain.simulation.placement import (
    Request,
    Room,
    generator,
    place_particles,
    random_poses,
)
from membrain.simulation.proteins import make_kind
from membrain.simulation.surfaces import Surface, pose_from_axis
from membrain.simulation.vesicles import Sphere

SIZE = np.array([1500.0, 1700.0, 1900.0])  # zyx


@pytest.fixture
def kinds(tmp_path):
    return {
        "dimer": make_kind(
            "dimer",
            {
                "shape": "dimer",
                "length_angstrom": 200,
                "width_angstrom": 110,
                "height_angstrom": 50,
            },
            tmp_path,
        ),
        "round": make_kind(
            "round", {"shape": "round", "diameter_angstrom": 70, "height_angstrom": 40}, tmp_path
        ),
    }


def sheet(normal=(0.4, 0.7, 0.5), name="m", size=1200.0):
    return Surface(name, Sheet((size, size)), SIZE / 2, pose_from_axis(normal))


def room(*surfaces, tilt_degree=5.0, gap=10.0):
    return Room(SIZE, surfaces, 35.0, gap, 60.0, tilt_degree)


def place(surface, requests, **options):
    return place_particles(surface, requests, room(surface, **options), generator(1, "t"))


def test_footprints_keep_clear_of_each_other_and_of_the_rim(kinds):
    surface = sheet()
    requests = [Request(kinds["dimer"], 1, 14), Request(kinds["round"], -1, 12)]
    particles = place(surface, requests, gap=15.0)
    assert [p.kind.name for p in particles] == ["dimer"] * 14 + ["round"] * 12
    for a, b in itertools.combinations(particles, 2):
        (discs, radii), (others, other_radii) = a.discs, b.discs
        apart = np.linalg.norm(discs[:, None] - others, axis=2) - radii[:, None] - other_radii
        assert apart.min() > 15.0
    kind_gap = {("dimer", "dimer"): 125, ("dimer", "round"): 105, ("round", "round"): 85}
    for a, b in itertools.combinations(particles, 2):
        assert np.linalg.norm(a.centre - b.centre) >= kind_gap[a.kind.name, b.kind.name]
    for particle in particles:
        assert surface.locate(particle.centre[None])[2][0] > particle.kind.extent + 60.0


@pytest.mark.parametrize("side", [1, -1])
def test_positions_lie_on_the_picked_face_of_the_mask(kinds, side):
    vesicle = Surface("m", Sphere(500.0), SIZE / 2, pose_from_axis([0, 0, 1]))
    particles = place(vesicle, [Request(kinds["dimer"], side, 10)], tilt_degree=20.0)
    for particle in particles:
        distance = vesicle.locate(particle.position[None])[0][0]
        assert distance == pytest.approx(side * 35.0, abs=1e-3)
        assert abs(vesicle.locate(particle.centre[None])[0][0]) < 1e-6
        outwards = (particle.centre - SIZE / 2) / 500.0
        np.testing.assert_allclose(particle.normal, side * outwards, atol=1e-9)
        up = particle.pose.apply([0, 0, 1])[::-1]
        along = (particle.position - particle.centre) / np.linalg.norm(
            particle.position - particle.centre
        )
        np.testing.assert_allclose(along, up, atol=1e-6)


def test_angles_are_relions_by_the_formulas_of_the_conventions(kinds):
    """z axis = (-cos psi sin tilt, sin psi sin tilt, cos tilt); rot turns about the own z."""
    particles = place(sheet(), [Request(kinds["dimer"], 1, 12)])
    for particle in particles:
        rot, tilt, psi = np.radians(relion_angles(particle.pose)[0])
        up = np.array([-np.cos(psi) * np.sin(tilt), np.sin(psi) * np.sin(tilt), np.cos(tilt)])
        np.testing.assert_allclose(particle.pose.apply([0, 0, 1]), up, atol=1e-9)

        def about(axis, angle):
            c, s = np.cos(angle), np.sin(angle)
            return {
                "z": np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]),
                "y": np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]]),
            }[axis]

        # particle -> tomogram: turns by -rot about z, by -tilt about y, by -psi about z
        matrix = about("z", psi) @ about("y", tilt) @ about("z", rot)
        np.testing.assert_allclose(particle.axis[::-1], matrix @ [1, 0, 0], atol=1e-9)


def test_tilt_stays_below_its_limit_and_fills_the_cap():
    normals = np.tile([0.6, 0.0, 0.8], (4000, 1))
    poses = random_poses(normals, 10.0, np.random.default_rng(0))
    up = poses.apply([0, 0, 1])[:, ::-1]
    tilt = np.degrees(np.arccos(np.clip(up @ normals[0], -1, 1)))
    assert tilt.max() <= 10.0
    assert np.mean(tilt < 5.0) == pytest.approx(0.25, abs=0.03)
    straight = random_poses(normals[:5], 0.0, np.random.default_rng(0))
    np.testing.assert_allclose(straight.apply([0, 0, 1])[:, ::-1], normals[:5], atol=1e-12)


def test_every_spin_is_as_likely():
    poses = random_poses(np.tile([1.0, 0, 0], (8000, 1)), 0.0, np.random.default_rng(0))
    axis = poses.apply([1, 0, 0])
    angle = np.degrees(np.arctan2(axis[:, 1], axis[:, 0]))
    assert np.histogram(angle, bins=8, range=(-180, 180))[0] == pytest.approx(1000, rel=0.12)


def test_particles_stay_off_other_membranes_and_the_border(kinds):
    upper = sheet((0, 0, 1), "upper")
    lower = Surface("lower", upper.patch, upper.centre - [112.0, 0, 0], upper.pose)
    both = room(upper, lower)
    assert len(place_particles(lower, [Request(kinds["round"], -1, 8)], both, generator(1))) == 8
    with pytest.raises(
        InputError, match="no room for 8 particles of kind 'round'; found room for 0"
    ):
        place_particles(lower, [Request(kinds["round"], 1, 8)], both, generator(1))
    cut = Surface("cut", upper.patch, np.array([750.0, 850.0, 0.0]), upper.pose)
    for particle in place(cut, [Request(kinds["round"], 1, 10)]):
        assert (particle.centre > particle.kind.reach).all()


def test_a_narrow_fold_has_no_room_inside(kinds):
    fold = Surface("u", Fold(600.0, 900.0, 55.0), SIZE / 2, pose_from_axis([0, 0, 1]))
    assert len(place(fold, [Request(kinds["round"], 1, 10)])) == 10
    with pytest.raises(InputError, match="found room for 0"):
        place(fold, [Request(kinds["round"], -1, 10)])


def test_a_full_membrane_says_how_many_fit(kinds):
    with pytest.raises(InputError, match="membrane 'm': no room for 500 .*'dimer'; found room for"):
        place(sheet(), [Request(kinds["dimer"], 1, 500)])


def test_same_seed_same_places_and_names_separate_streams(kinds):
    requests = [Request(kinds["dimer"], 1, 5)]
    surface = sheet()
    first, again = place(surface, requests), place(surface, requests)
    np.testing.assert_array_equal([p.centre for p in first], [p.centre for p in again])
    draws = {generator(seed, *names).random() for seed in (0, 1) for names in (("a",), ("b",))}
    assert len(draws) == 4


def test_no_request_gives_no_particle(kinds):
    assert place(sheet(), []) == []
    assert place(sheet(), [Request(kinds["dimer"], 1, 0)]) == []
