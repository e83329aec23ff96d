"""refine_angles on a small tomogram with particles of known angles."""

import json
from dataclasses import replace

import numpy as np
import pytest

from membrain.command import main
from membrain.files import write_table
from membrain.particles import ParticleTable, empty_particles, read_particles
from membrain.rotations import frames_from_normals, poses_from_relion
from membrain.tables import PointTable, read_status
from membrain.volumes import write_volume

SHAPE = (48, 100, 112)  # zyx
GREY = {"centre": 0.0, "scale": 1.0, "low": -10.0, "high": 10.0, "limit": 10.0}
# Gaussians (xyz, voxel) of a particle without symmetry
BLOBS = np.array([[3.6, 0.4, 0.5], [-2, 2.6, 1], [-1, -2.6, 1.4], [-0.6, -0.4, -2]])


def density(xyz, width=1.3):
    return np.exp(-((xyz[..., None, :] - BLOBS) ** 2).sum(-1) / (2 * width**2)).sum(-1)


def names(n, value):
    return np.full(n, value, dtype=object)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Tomogram, info, points and particles of a flat membrane, and the true angles, radian."""
    folder = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(3)
    y, x = np.meshgrid(np.arange(20, 90, 20.0), np.arange(20, 100, 18.0), indexing="ij")
    points = np.stack([np.full(y.size, 24.0), y.ravel(), x.ravel()], axis=1)
    n, truth = len(points), rng.uniform(0, 2 * np.pi, y.size)
    volume = rng.normal(0, 0.15, SHAPE)
    zyx = np.stack(np.indices(SHAPE), axis=-1).astype(float)
    for p, angle in zip(points, truth, strict=True):
        box = tuple(slice(int(c) - 9, int(c) + 10) for c in p)
        own = (zyx[box] - p)[..., ::-1]
        turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0],
                         [0, 0, 1]])  # fmt: skip
        volume[box] += density(own @ turn.T)
    write_volume(folder / "T1.mrc", -volume.astype(np.float32), 10.0)
    grid = np.stack(np.indices((41, 41, 41)), axis=-1)[..., ::-1] / 2 - 10.0  # xyz of [z, y, x]
    write_volume(folder / "map.mrc", density(grid).astype(np.float32), 5.0)
    info = {"tomogram": "T1", "shape": SHAPE, "pixel_size_angstrom": 10.0, "grey": GREY}
    (folder / "info.json").write_text(json.dumps(info))
    b, a = np.meshgrid(np.arange(10, 100, 2.0), np.arange(10, 105, 2.0), indexing="ij")
    sheet = np.stack([np.full(b.size, 24.0), b.ravel(), a.ravel()], axis=1)
    table = PointTable(
        points=sheet.astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (len(sheet), 1)),
        membrane=np.zeros(len(sheet), np.int32),
        side=np.zeros(len(sheet), np.int8),
        membranes=("M1", "M2"),
        tomogram="T1",
        shape=SHAPE,
        pixel_size=10.0,
        meta={"classes": [["PSII"], ["b6f"]], "folds": [1, 0]},
    )
    table.write(folder / "scores.npz")
    particles = ParticleTable(
        *(names(n, "T1"), names(n, "M1"), names(n, "a"), np.arange(1, n + 1)),
        *(points + rng.normal(0, 0.4, points.shape), points * 10.0, np.ones(n), np.ones(n, int)),
        *(np.tile([1.0, 0, 0], (n, 1)), np.tile([0.0, 0, 1], (n, 1)), np.zeros((n, 3))),
        names(n, "PSII"),
    )
    particles.write(folder / "particles.tsv")
    return folder, table, particles, truth


def run(scene, tmp_path, *flags, particles=None, scores=None):
    folder = scene[0]
    files = {name: tmp_path / f"{name}.tsv" for name in ("output", "matches", "status")}
    code = main(
        [
            *(
                "refine_angles",
                "--quiet",
                "--particles",
                str(particles or folder / "particles.tsv"),
            ),
            *("--scores", str(scores or folder / "scores.npz"), "--path", str(folder / "T1.mrc")),
            *("--info", str(folder / "info.json"), "--radius-voxel", "5.5"),
            *(word for name, path in files.items() for word in (f"--{name}", str(path))),
            *(flags or ("--map", str(folder / "map.mrc"))),
        ]
    )
    return code, files


def angles_of(table):
    """In-plane angles of a flat membrane's axes, radian."""
    return np.arctan2(table.axes[:, 1], table.axes[:, 2])


def off(found, truth):
    return np.abs(np.degrees(np.angle(np.exp(1j * (found - truth)))))


def test_axes_and_angles_become_those_of_the_map(scene, tmp_path):
    code, files = run(scene, tmp_path)
    assert code == 0
    found, given = read_particles(files["output"]), read_particles(scene[0] / "particles.tsv")
    assert off(angles_of(found), scene[3]).max() < 3
    x_axes = poses_from_relion(found.angles).as_matrix()[:, ::-1, 0]
    np.testing.assert_allclose(x_axes, found.axes, atol=1e-4)
    np.testing.assert_array_equal(found.voxel, given.voxel)
    np.testing.assert_array_equal(found.normals, given.normals)
    assert [row["n"] for row in read_status(files["status"])] == [str(len(found)), "0"]
    assert len(files["matches"].read_text().splitlines()) == len(found) + 1


def test_same_seed_gives_the_same_bytes(scene, tmp_path):
    first, second = tmp_path / "1", tmp_path / "2"
    contents = [run(scene, place)[1]["output"].read_bytes() for place in (first, second)]
    assert contents[0] == contents[1]


def test_classes_without_template_or_round_stay_as_they_are(scene, tmp_path):
    folder, _, particles, truth = scene
    classes = particles.classes.copy()
    classes[1::2] = "b6f"
    mixed = replace(particles, classes=classes)
    mixed.write(tmp_path / "mixed.tsv")
    flags = ("--map", f"PSII={folder / 'map.mrc'}")
    _, files = run(scene, tmp_path, *flags, particles=tmp_path / "mixed.tsv")
    found = read_particles(files["output"])
    assert off(angles_of(found)[::2], truth[::2]).max() < 3
    np.testing.assert_array_equal(found.axes[1::2], particles.axes[1::2])
    assert list(found.classes) == list(classes)  # in their old order
    flags = ("--map", str(folder / "map.mrc"), "--symmetry", "b6f=0", "PSII=1")
    _, files = run(scene, tmp_path, *flags, particles=tmp_path / "mixed.tsv")
    np.testing.assert_array_equal(read_particles(files["output"]).axes[1::2], particles.axes[1::2])


def average(scene, tmp_path, known):
    """Average the annotated particles of a file's lines; return the folder of averages."""
    folder = scene[0]
    (tmp_path / "known.csv").write_text("\n".join(known) + "\n")
    mask = np.zeros(SHAPE, np.int8)
    mask[23:25, 8:100, 8:106] = 1
    write_volume(tmp_path / "mask.mrc", mask, 10.0)
    rows = [("T1", "M1", "mask.mrc", "train", "known.csv")]
    columns = ("tomogram", "membrane", "mask", "split", "annotations")
    write_table(tmp_path / "membranes.tsv", columns, rows)
    write_table(tmp_path / "tomograms.tsv", ("tomogram", "path"), [("T1", folder / "T1.mrc")])
    info = json.loads((folder / "info.json").read_text()) | {"mean": 0.0, "std": 1.0}
    (tmp_path / "info.json").write_text(json.dumps(info))
    common = ("--quiet", "--infos", str(tmp_path / "info.json"))
    gathered = ("--sheet", str(tmp_path / "membranes.tsv"), "--output", str(tmp_path / "a.csv"))
    assert main(["gather_annotations", *common, *gathered]) == 0
    averaged = ("--particles", str(tmp_path / "a.csv"), "--contrast", "dark")
    averaged += ("--tomograms", str(tmp_path / "tomograms.tsv"))
    assert (
        main(["average_subvolumes", *common, *averaged, "--output-dir", str(tmp_path / "b")]) == 0
    )
    return str(tmp_path / "b")


def annotated(particles, truth):
    lines = ["class,x,y,z,rot,tilt,psi"]
    for p, angle in zip(particles.angstrom / 10, truth, strict=True):
        lines.append(f"PSII,{p[2]},{p[1]},{p[0]},{-np.degrees(angle)},0,0")
    return lines


def test_average_of_annotated_particles_serves_as_template(scene, tmp_path):
    folder = average(scene, tmp_path, annotated(*scene[2:]))
    code, files = run(scene, tmp_path, "--averages", folder, "--optional")
    assert code == 0
    assert off(angles_of(read_particles(files["output"])), scene[3]).max() < 3


@pytest.mark.parametrize("kind", ["few", "without angles", "all with one angle"])
def test_without_an_average_of_enough_particles_angles_stay(scene, tmp_path, capsys, kind):
    known = annotated(*scene[2:])
    if kind == "few":
        known = known[:5]
    elif kind == "without angles":
        known = [",".join(line.split(",")[:4]) for line in known]
    else:
        known = annotated(scene[2], 0 * scene[3])
    folder = average(scene, tmp_path, known)
    code, files = run(scene, tmp_path, "--averages", folder, "--min-particles", "5", "--optional")
    assert code == 0
    assert files["output"].read_bytes() == (scene[0] / "particles.tsv").read_bytes()
    assert len(files["matches"].read_text().splitlines()) == 1
    assert [row["n"] for row in read_status(files["status"])] == [str(len(scene[2])), "0"]
    files["output"].unlink()
    assert run(scene, tmp_path, "--averages", folder, "--min-particles", "5")[0] == 2
    assert "no class with an average of 5 particles" in capsys.readouterr().err
    assert not files["output"].exists()


def test_angle_head_decides_when_its_weight_is_large(scene, tmp_path):
    _, table, _, truth = scene
    # the head says 40 degrees more than the truth
    told = np.zeros((len(table), 2, 2), np.float32)
    centres = scene[2].angstrom / 10
    nearest = np.linalg.norm(table.points[:, None] - centres, axis=2).argmin(axis=1)
    frame = frames_from_normals(table.normals[:1])[0]
    wanted = truth[nearest] + np.radians(40)
    axes = np.stack([0 * wanted, np.sin(wanted), np.cos(wanted)], axis=1)
    told[:, 0] = np.stack([axes @ frame[:, 0], axes @ frame[:, 1]], axis=1)
    table.with_extra(angles=told).write(tmp_path / "scores.npz")
    flags = ("--map", str(scene[0] / "map.mrc"), "--head-weight")
    _, files = run(scene, tmp_path, *flags, "100000", scores=tmp_path / "scores.npz")
    found = angles_of(read_particles(files["output"]))
    assert np.median(off(found, truth + np.radians(40))) < 3
    _, files = run(scene, tmp_path, *flags, "0", scores=tmp_path / "scores.npz")
    assert off(angles_of(read_particles(files["output"])), truth).max() < 3


def test_no_particle_gives_an_empty_table(scene, tmp_path):
    empty_particles().write(tmp_path / "none.tsv")
    # nor is a tomogram needed, that may have failed before
    flags = ("--map", str(scene[0] / "map.mrc"), "--path", str(tmp_path / "gone.mrc"))
    code, files = run(scene, tmp_path, *flags, particles=tmp_path / "none.tsv")
    assert code == 0
    assert len(read_particles(files["output"])) == 0
    assert {row["status"] for row in read_status(files["status"])} == {"empty"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--symmetry", "2"), "give one of --map and --averages"),
        (("--map", "M", "--radius-voxel", "0"), "--radius-voxel; found 0.0; expected above 0"),
        (("--map", "M", "--head-weight", "-1"), "--head-weight; found -1.0; expected 0 or more"),
        (("--map", "M", "--min-particles", "-1"), "--min-particles; found -1; expected 0 or more"),
        (("--map", "M", "--symmetry", "1.5"), "--symmetry; found 1.5; expected a whole number"),
        (("--map", "no.mrc"), "no.mrc"),
    ],
)
def test_wrong_options_are_told(scene, tmp_path, capsys, flags, message):
    flags = [str(scene[0] / "map.mrc") if word == "M" else word for word in flags]
    code, files = run(scene, tmp_path, *flags)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not files["output"].exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tomogram": "T2"}, "of another tomogram than"),
        ({"membranes": ("M3", "M2")}, "membrane 'M1' is not in"),
        ({"shape": (48, 100, 111)}, "not the shape of the tomogram of"),
    ],
)
def test_files_that_do_not_belong_together_are_told(scene, tmp_path, capsys, changes, message):
    replace(scene[1], **changes).write(tmp_path / "scores.npz")
    assert run(scene, tmp_path, scores=tmp_path / "scores.npz")[0] == 2
    assert message in capsys.readouterr().err


def test_folder_without_averages_is_told(scene, tmp_path, capsys):
    write_table(tmp_path / "averages.csv", ("a", "b"), [], delimiter=",")
    assert run(scene, tmp_path, "--averages", str(tmp_path))[0] == 2
    assert "not the table of averages" in capsys.readouterr().err
    rows = [("class", "PSII", "many", "class_PSII.mrc")]
    columns = ("kind", "name", "n_averaged", "file")
    write_table(tmp_path / "averages.csv", columns, rows, delimiter=",")
    assert run(scene, tmp_path, "--averages", str(tmp_path))[0] == 2
    message = "n_averaged of PSII; found 'many'; expected a whole number"
    assert message in capsys.readouterr().err
