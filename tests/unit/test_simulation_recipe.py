import copy
from pathlib import Path

import pytest

from membrain.errors import InputError
from membrain.simulation.recipe import complete_recipe, read_recipe
from membrain.simulation.scene import build_scene

ROOT = Path(__file__).parents[2]
SHEET = {"shape": "sheet", "centre_angstrom": [500, 450, 400], "size_angstrom": [700, 600]}
GOOD = {
    "tomograms": [
        {
            "tomogram": "t1",
            "size_angstrom": [1000, 900, 800],
            "imaging": {"snr": 5},
            "membranes": [
                {
                    "membrane": "m1",
                    "surface": SHEET,
                    "proteins": [{"kind": "round", "number": 3}],
                }
            ],
        }
    ]
}


def changed(*path, **values):
    """Return GOOD with keys set at a place."""
    content = copy.deepcopy(GOOD)
    part = content
    for key in path:
        part = part[key]
    part.update(values)
    return content


TOMOGRAM = ("tomograms", 0)
MEMBRANE = (*TOMOGRAM, "membranes", 0)
SURFACE = (*MEMBRANE, "surface")
PROTEIN = (*MEMBRANE, "proteins", 0)


def complete(content):
    return complete_recipe(content, "r.yaml", Path())


def test_defaults_are_filled_in_and_a_tomogram_may_change_a_section():
    recipe = complete(GOOD)
    entry = recipe.content["tomograms"][0]
    assert recipe.seed == 0
    assert recipe.with_seed(7).seed == 7
    assert recipe.content["imaging"]["snr"] == 2.0
    assert recipe.options(entry, "imaging")["snr"] == 5
    assert recipe.options(entry, "imaging")["max_tilt_degree"] == 60.0
    assert entry["membranes"][0]["surface"]["axis"] == [0, 0, 1]
    assert entry["membranes"][0]["proteins"][0]["side"] == 1
    assert set(recipe.content["kinds"]) == {"dimer", "round"}
    assert recipe.content["kinds"]["dimer"]["length_angstrom"] == 200


def test_the_given_content_is_left_alone():
    before = copy.deepcopy(GOOD)
    complete(GOOD)
    assert before == GOOD


MISTAKES = {
    "unknown key": (changed(sed=3), r"r\.yaml: unknown key 'sed'; did you mean 'seed'\?"),
    "unknown section key": (
        changed(imaging={"snrr": 3}),
        r"unknown key 'imaging\.snrr'; did you mean 'snr'\?",
    ),
    "unknown tomogram key": (
        changed(*TOMOGRAM, sise_angstrom=[1, 2, 3]),
        r"unknown key 'tomograms\.0\.sise_angstrom'; did you mean 'size_angstrom'\?",
    ),
    "unknown surface key": (
        changed(*SURFACE, sise_angstrom=[1, 2]),
        r"tomogram 't1', membrane 'm1', surface: unknown key 'sise_angstrom'; did you mean 'size_a",
    ),
    "a key of another shape": (
        changed(*SURFACE, radius_angstrom=100),
        r"membrane 'm1', surface: unknown key 'radius_angstrom'",
    ),
    "missing surface key": (
        changed(*MEMBRANE, surface={"shape": "sphere", "centre_angstrom": [1, 2, 3]}),
        r"surface: key 'radius_angstrom' is missing",
    ),
    "unknown shape": (
        changed(*SURFACE, shape="spere"),
        r"surface\.shape'; found 'spere'; expected one of sheet, fold, cylinder, sphere, el",
    ),
    "unknown kind": (
        changed(*PROTEIN, kind="dimmer"),
        r"tomogram 't1', membrane 'm1': unknown kind 'dimmer'; did you mean 'dimer'\?",
    ),
    "unknown key of a kind": (
        changed(kinds={"big": {"shape": "round", "diametre_angstrom": 90}}),
        r"kind 'big': unknown key 'diametre_angstrom'; did you mean 'diameter_angstrom'\?",
    ),
    "map without file": (
        changed(kinds={"mine": {"shape": "map"}}),
        r"kind 'mine': key 'map' is mis",
    ),
    "two numbers": (
        changed(*PROTEIN, number_per_square_micrometre=10),
        r"how many particles of kind 'round'; found number and number_per_square_micrometre",
    ),
    "no number": (
        changed(*MEMBRANE, proteins=[{"kind": "round"}]),
        r"how many particles of kind 'round'; found nothing; expected either number or",
    ),
    "outside of a sheet": (
        changed(*MEMBRANE, side="outside"),
        r"membrane 'm1': side 'outside' of an open surface; found sheet; expected a closed one",
    ),
    "point without one side": (
        changed(*MEMBRANE, side="point", proteins=[]),
        r"side 'point' needs proteins on exactly one side; found 0 sides",
    ),
    "wrong number of values": (
        changed(*SURFACE, centre_angstrom=[1, 2]),
        r"key 'centre_angstrom'; found \[1, 2\]; expected at least 3 entries",
    ),
    "bad value": (
        changed(pixel_size_angstrom=0),
        r"key 'pixel_size_angstrom'; found 0; expected more",
    ),
    "no tomogram": ({"tomograms": []}, r"key 'tomograms'; found \[\]; expected at least 1"),
    "nothing": ({}, r"key 'tomograms' is missing"),
    "a list": ([1], r"r\.yaml: not a recipe; expected keys such as 'tomograms'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_told_with_their_place(name):
    content, message = MISTAKES[name]
    with pytest.raises(InputError, match=message) as caught:
        complete(content)
    assert "\n" not in str(caught.value)


def test_names_must_be_unique():
    content = copy.deepcopy(GOOD)
    content["tomograms"][0]["membranes"] *= 2
    with pytest.raises(InputError, match=r"tomogram 't1': membrane 'm1' stands 2 times"):
        complete(content)
    content = copy.deepcopy(GOOD)
    content["tomograms"] *= 2
    with pytest.raises(InputError, match=r"r\.yaml: tomogram 't1' stands 2 times"):
        complete(content)


def test_several_mistakes_are_told_together():
    content = changed(*PROTEIN, kind="dimmer")
    content["tomograms"][0]["membranes"][0]["surface"]["sise"] = 1
    with pytest.raises(InputError, match=r"mistakes in the recipe:\n1\. .*\n2\. "):
        complete(content)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"no\.yaml: unreadable; found No such file"):
        read_recipe(tmp_path / "no.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(InputError, match=r"bad\.yaml: not YAML; found") as caught:
        read_recipe(tmp_path / "bad.yaml")
    assert "\n" not in str(caught.value)


def test_more_voxels_than_any_tomogram_has_are_refused():
    recipe = complete(changed(*TOMOGRAM, size_angstrom=[1e9, 1e6, 500]))
    message = "tomogram 't1': too many voxels; found .* x .* x .*; expected at most 2.1e.09 in all"
    with pytest.raises(InputError, match=message):
        build_scene(recipe, recipe.content["tomograms"][0])


def test_surface_outside_the_volume_is_refused():
    recipe = complete(changed(*SURFACE, centre_angstrom=[950, 450, 400]))
    message = (
        r"tomogram 't1', membrane 'm1': surface outside the volume; found \d+ % of it inside; "
        r"expected at least 50 % within 0 0 0 to 980 882 784 angstrom"
    )
    recipe = complete(changed(*SURFACE, centre_angstrom=[1100, 450, 400]))
    with pytest.raises(InputError, match=message):
        build_scene(recipe, recipe.content["tomograms"][0])


def test_density_per_area_gives_the_number():
    content = changed(*PROTEIN, number_per_square_micrometre=2000)
    del content["tomograms"][0]["membranes"][0]["proteins"][0]["number"]
    recipe = complete(content)
    scene = build_scene(recipe, recipe.content["tomograms"][0])
    area = 700 * 600 - (4 - 3.14159) * 150**2  # corners rounded with a quarter of 600
    assert len(scene.particles) == round(2000 * area / 1e8)
    assert scene.particles_of("m1") == scene.particles
    assert scene.particles_of("other") == []


@pytest.mark.parametrize(
    ("name", "n_tomograms", "n_membranes", "n_particles"),
    [("demo", 2, 7, (190, 210)), ("weights", 9, 24, (600, 1000))],
)
def test_shipped_recipes_can_be_built(name, n_tomograms, n_membranes, n_particles):
    recipe = read_recipe(ROOT / "resources" / name / "simulation.yaml")
    scenes = [build_scene(recipe, entry) for entry in recipe.content["tomograms"]]
    assert len(scenes) == n_tomograms
    assert sum(len(s.surfaces) for s in scenes) == n_membranes
    total = sum(len(s.particles) for s in scenes)
    assert n_particles[0] <= total <= n_particles[1]
    assert {p.kind.label for s in scenes for p in s.particles} == {"dimer", "round"}
