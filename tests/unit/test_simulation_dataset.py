import copy
import csv
import hashlib
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from membrain.errors import InputError
from membrain.rotations import poses_from_relion
from membrain.sheets import read_membranes, read_tomograms
from membrain.simulation.dataset import draw_labels, simulate_tomogram, write_dataset
from membrain.simulation.recipe import complete_recipe
from membrain.simulation.scene import build_scene

# 64 x 56 x 48 voxels of 14 angstrom
RECIPE = {
    "seed": 5,
    "imaging": {"snr": 4.0},
    "mask": {"roughness_angstrom": 3, "raggedness_angstrom": 15},
    "placement": {"rim_margin_angstrom": 20},
    "tomograms": [
        {
            "tomogram": "t1",
            "size_angstrom": [896, 784, 672],
            "membranes": [
                {
                    "membrane": "flat",
                    "side": "point",
                    "split": "train",
                    "surface": {
                        "shape": "sheet",
                        "centre_angstrom": [448, 230, 330],
                        "axis": [0.1, 1, 0.2],
                        "size_angstrom": [640, 460],
                    },
                    "proteins": [{"kind": "dimer", "side": 1, "number": 2}],
                },
                {
                    "membrane": "ball",
                    "side": "outside",
                    "surface": {
                        "shape": "sphere",
                        "centre_angstrom": [448, 590, 330],
                        "radius_angstrom": 150,
                    },
                },
            ],
        },
        {
            "tomogram": "t2",
            "size_angstrom": [700, 784, 672],
            "imaging": {"snr": 1.0, "denoise": "wiener"},
            "membranes": [
                {
                    "membrane": "tilted",
                    "side": "annotations",
                    "surface": {
                        "shape": "sheet",
                        "centre_angstrom": [350, 380, 330],
                        "axis": [1, 0.2, -0.3],
                        "size_angstrom": [600, 500],
                    },
                    "proteins": [
                        {"kind": "dimer", "side": -1, "number": 2},
                        {"kind": "round", "side": -1, "number": 4},
                    ],
                }
            ],
        },
    ],
}


def recipe(**changes):
    return complete_recipe(copy.deepcopy(RECIPE) | changes, "r.yaml", Path())


def simulate(content, number=0):
    scene = build_scene(content, content.content["tomograms"][number])
    return scene, simulate_tomogram(content, scene)


def digests(folder):
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files
    }


def rows(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    assert write_dataset(recipe(), folder) == 8
    return folder


def test_sheets_are_read_by_the_workflow(folder):
    tomograms = read_tomograms(folder / "tomograms.tsv")
    assert list(tomograms) == ["t1", "t2"]
    assert tomograms["t1"].pixel_size == 14.0
    membranes = read_membranes(folder / "membranes.tsv", tomograms)
    assert [m.side for m in membranes] == ["point", "outside", "annotations"]
    assert [m.split for m in membranes] == ["train", "", ""]
    assert all(m.label is None and m.annotations.is_file() for m in membranes)
    for_sheet = np.array(membranes[0].side_point) * 14.0
    normal = np.array([0.1, 1, 0.2]) / np.linalg.norm([0.1, 1, 0.2])
    assert (for_sheet - [448, 230, 330]) @ normal == pytest.approx(100, abs=0.2)


def test_volumes_have_the_recipes_shape_type_and_pixel_size(folder):
    for path, dtype in (("tomograms/t1.mrc", np.float32), ("masks/t1_flat.mrc", np.int8)):
        with mrcfile.open(folder / path) as file:
            assert file.data.shape == (48, 56, 64)
            assert file.data.dtype == dtype
            assert file.voxel_size.x == pytest.approx(14.0)
    assert mrcfile.read(folder / "masks" / "t1_ball.mrc").max() == 1


def test_annotated_points_lie_on_the_face_of_the_mask(folder):
    for name in ("t1_flat", "t2_tilted"):
        mask = mrcfile.read(folder / "masks" / f"{name}.mrc")
        voxels = np.argwhere(mask)[:, ::-1]
        for row in rows(folder / "annotations" / f"{name}.csv"):
            position = np.array([float(row[c]) for c in "xyz"])
            assert np.linalg.norm(voxels - position, axis=1).min() < 1.3
            up = poses_from_relion([float(row[c]) for c in ("rot", "tilt", "psi")]).apply([0, 0, 1])
            beyond = np.round(position + 2.5 * up[0]).astype(int)
            within = np.round(position - 2.5 * up[0]).astype(int)
            assert mask[tuple(beyond[::-1])] == 0
            assert mask[tuple(within[::-1])] == 1


def test_truth_agrees_with_the_annotations_and_with_itself(folder):
    truth = rows(folder / "truth.csv")
    assert [(r["tomogram"], r["membrane"], r["class"]) for r in truth[:3]] == [
        ("t1", "flat", "dimer"),
        ("t1", "flat", "dimer"),
        ("t2", "tilted", "dimer"),
    ]
    columns = ("class", "x", "y", "z", "rot", "tilt", "psi")
    annotated = [r for n in ("t1_flat", "t2_tilted") for r in rows(folder / f"annotations/{n}.csv")]
    assert [[r[c] for c in columns] for r in truth] == [[r[c] for c in columns] for r in annotated]
    for row in truth:
        position, centre, normal, axis = (
            np.array([float(row[f"{name}{c}"]) for c in "xyz"]) for name in ("", "c", "n", "a")
        )
        pose = poses_from_relion([float(row[c]) for c in ("rot", "tilt", "psi")])
        up = pose.apply([0, 0, 1])[0]
        np.testing.assert_allclose(np.cross(up, position - centre), 0, atol=3e-3)
        assert (position - centre) @ normal == pytest.approx(2.5, abs=2e-3)
        assert up @ normal > np.cos(np.radians(5.01))
        np.testing.assert_allclose(pose.apply([1, 0, 0])[0], axis, atol=2e-4)


def test_bare_membrane_has_an_empty_table(folder):
    assert (folder / "annotations" / "t1_ball.csv").read_text() == "class,x,y,z,rot,tilt,psi\n"


def test_same_seed_same_bytes_whatever_the_threads(folder, tmp_path):
    write_dataset(recipe(), tmp_path, threads=2)
    assert digests(tmp_path) == digests(folder)


def test_other_seed_other_bytes(folder, tmp_path):
    write_dataset(recipe().with_seed(6), tmp_path)
    before, after = digests(folder), digests(tmp_path)
    same = {name for name in before if before[name] == after[name]}
    assert same == {"annotations/t1_ball.csv", "membranes.tsv", "tomograms.tsv"}


def test_label_map_holds_the_masks(folder, tmp_path):
    write_dataset(recipe(masks="label_map"), tmp_path)
    membranes = read_membranes(tmp_path / "membranes.tsv")
    assert [(m.mask.name, m.label) for m in membranes] == [
        ("t1_labels.mrc", 1),
        ("t1_labels.mrc", 2),
        ("t2_labels.mrc", 1),
    ]
    labels = mrcfile.read(tmp_path / "masks" / "t1_labels.mrc")
    for label, name in ((1, "flat"), (2, "ball")):
        alone = mrcfile.read(folder / "masks" / f"t1_{name}.mrc")
        np.testing.assert_array_equal(labels == label, alone == 1)


@pytest.mark.parametrize("snr", [0.5, 5.0])
def test_noise_has_the_variance_asked_for_near_the_membranes(snr):
    content = recipe(imaging={"snr": 1.0})
    entry = content.content["tomograms"][0]
    entry["imaging"] = {"snr": snr}
    _, drawn = simulate(content)
    noise = drawn.volume - drawn.signal
    measured = drawn.signal[drawn.near].var() / noise[drawn.near].var()
    assert measured == pytest.approx(snr, rel=0.02)
    assert 0.05 < drawn.near.mean() < 0.6


def test_protein_and_lipid_are_dark_unless_bright_is_asked_for():
    quiet = {"snr": 0, "max_tilt_degree": 90}
    dark = recipe(imaging=quiet)
    dark.content["tomograms"][0]["imaging"] = {}
    bright = recipe(imaging=quiet, contrast="bright")
    bright.content["tomograms"][0]["imaging"] = {}
    scene, drawn = simulate(dark)
    assert drawn.volume[draw_labels(dark, scene) == 1].mean() < -0.4
    np.testing.assert_array_equal(simulate(bright)[1].volume, -drawn.volume)
    particle = scene.particles[0]
    lobe = particle.centre + particle.pose.apply([50.0, 14.0, 60.0])[::-1]
    behind = particle.centre + particle.pose.apply([50.0, 14.0, -60.0])[::-1]
    at, off = (tuple(np.round(p / 14).astype(int)) for p in (lobe, behind))
    assert drawn.volume[at] < -0.5
    assert abs(drawn.volume[off]) < 0.1


def test_the_scene_does_not_depend_on_the_pixel_size():
    fine = recipe(pixel_size_angstrom=7.0)
    scenes = [build_scene(r, r.content["tomograms"][1]) for r in (recipe(), fine)]
    for one, other in zip(scenes[0].particles, scenes[1].particles, strict=True):
        np.testing.assert_array_equal(one.position, other.position)
    assert scenes[1].grid.shape == tuple(2 * n for n in scenes[0].grid.shape)
    counts = [(draw_labels(r, s) > 0).sum() for r, s in zip((recipe(), fine), scenes, strict=True)]
    assert counts[1] == pytest.approx(8 * counts[0], rel=0.03)


def test_another_tomogram_changes_nothing_in_the_first():
    alone = recipe()
    del alone.content["tomograms"][1]
    np.testing.assert_array_equal(simulate(alone)[1].volume, simulate(recipe())[1].volume)


def test_user_map_as_a_kind(tmp_path):
    values = np.zeros((20, 24, 28), dtype=np.float32)
    values[4:14, 8:16, 4:24] = 1
    with mrcfile.new(tmp_path / "mine.mrc") as file:
        file.set_data(values)
        file.voxel_size = 7.0
    content = copy.deepcopy(RECIPE)
    content["kinds"] = {"mine": {"shape": "map", "map": "mine.mrc", "class": "channel"}}
    content["tomograms"] = content["tomograms"][1:]
    content["tomograms"][0]["membranes"][0]["proteins"] = [{"kind": "mine", "number": 2}]
    checked = complete_recipe(content, "r.yaml", tmp_path)
    assert write_dataset(checked, tmp_path / "out") == 2
    assert [r["class"] for r in rows(tmp_path / "out" / "truth.csv")] == ["channel"] * 2


def test_overlapping_membranes_are_refused(tmp_path):
    content = recipe()
    membranes = content.content["tomograms"][0]["membranes"]
    membranes[0] |= {"proteins": [], "side": "both"}
    membranes[1]["surface"]["centre_angstrom"] = [448, 300, 330]
    message = "'t1': membranes 'flat' and 'ball' overlap; found .* voxels in both"
    with pytest.raises(InputError, match=message):
        write_dataset(content, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_membranes_than_labels_are_refused():
    content = recipe()
    scene = build_scene(content, content.content["tomograms"][1])
    scene.surfaces.extend(scene.surfaces * 127)
    with pytest.raises(
        InputError, match="'t2': too many membranes; found 128; expected at most 127"
    ):
        draw_labels(content, scene)


def test_nothing_is_written_when_a_later_tomogram_is_impossible(tmp_path):
    content = recipe()
    content.content["tomograms"][1]["membranes"][0]["proteins"][0]["number"] = 400
    with pytest.raises(InputError, match="membrane 'tilted': no room for 400 particles"):
        write_dataset(content, tmp_path / "out")
    assert not (tmp_path / "out").exists()
