"""RELION 5 files written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import starfile
from scipy.spatial.transform import Rotation

from membrain.annotations import read_annotations
from membrain.errors import InputError
from membrain.formats.relion import particle_blocks, write_import_list, write_particles
from membrain.particles import ParticleTable, empty_particles
from membrain.rotations import poses_from_relion, relion_angles

INFOS = {
    "001": {"tomogram": "001", "shape": [40, 60, 80], "pixel_size_angstrom": 10.0},
    "T2": {"tomogram": "T2", "shape": [30, 50, 70], "pixel_size_angstrom": 12.5},
}


@pytest.fixture
def particles():
    rng = np.random.default_rng(5)
    n = 7
    poses = Rotation.random(n, random_state=rng)
    matrices = poses.as_matrix()
    voxel = rng.uniform(5, 25, (n, 3))
    tomogram = np.array(["001"] * 4 + ["T2"] * 3, dtype=object)
    return ParticleTable(
        tomogram,
        np.array(["M2", "M1", "M1", "M1", "A", "A", "B"], dtype=object),
        np.array(list("abababa"), dtype=object),
        np.arange(1, n + 1),
        voxel,
        voxel * np.where(tomogram == "001", 10.0, 12.5)[:, None],
        rng.random(n),
        np.arange(n),
        matrices[:, ::-1, 2],
        matrices[:, ::-1, 0],
        relion_angles(poses),
        np.array(["PSII", "b6f"] * 3 + ["PSII"], dtype=object),
    )


def poses_of(particles):
    normals, axes = particles.normals[:, ::-1], particles.axes[:, ::-1]
    return Rotation.from_matrix(np.stack([axes, np.cross(normals, axes), normals], axis=2))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"prior": True},
        {"coordinates": "pixel"},
        {"coordinates": "pixel", "tilt_series_pixel_size": 2.5, "prior": True},
    ],
)
def test_round_trip(tmp_path, particles, options):
    write_particles(tmp_path / "a.star", particles, INFOS, **options)
    for name, info in INFOS.items():
        found = read_annotations(
            tmp_path / "a.star",
            pixel_size=info["pixel_size_angstrom"],
            shape=tuple(info["shape"]),
            tomogram=name,
        )
        own = particles.select(particles.tomogram == name)
        np.testing.assert_allclose(found.positions, own.voxel, atol=1e-5)
        turn = poses_from_relion(found.angles).inv() * poses_of(own)
        np.testing.assert_allclose(np.degrees(turn.magnitude()), 0, atol=1e-4)
        assert found.classes == tuple(own.classes)


def test_centered_coordinates_by_hand(particles):
    table = particle_blocks(particles, INFOS)["particles"]
    x, y, z = (particles.voxel[4, i] for i in (2, 1, 0))  # of T2: 70 x 50 x 30 voxels
    expected = [(x - 35) * 12.5, (y - 25) * 12.5, (z - 15) * 12.5]
    found = table.loc[4, [f"rlnCenteredCoordinate{a}Angst" for a in "XYZ"]]
    np.testing.assert_allclose(found.astype(float), expected)


def test_other_centre_is_one_voxel_less(particles):
    default = particle_blocks(particles, INFOS)["particles"]
    other = particle_blocks(particles, INFOS, centre="size/2-1")["particles"]
    difference = other["rlnCenteredCoordinateZAngst"] - default["rlnCenteredCoordinateZAngst"]
    np.testing.assert_allclose(difference, [10.0] * 4 + [12.5] * 3)


def test_normal_and_axis_follow_relions_formulas(particles):
    table = particle_blocks(particles, INFOS)["particles"]
    tilt, psi = (np.radians(table[f"rlnAngle{a}"]) for a in ("Tilt", "Psi"))
    normal = [-np.cos(psi) * np.sin(tilt), np.sin(psi) * np.sin(tilt), np.cos(tilt)]
    np.testing.assert_allclose(np.stack(normal, axis=1), particles.normals[:, ::-1], atol=1e-6)
    np.testing.assert_array_equal(table["rlnAngleTiltPrior"], table["rlnAngleTilt"])
    np.testing.assert_array_equal(table["rlnAnglePsiPrior"], table["rlnAnglePsi"])


def test_prior_mode_holds_tilt_and_psi(particles):
    table = particle_blocks(particles, INFOS, prior=True)["particles"]
    assert set(table["rlnAngleTilt"]) == set(table["rlnAngleTiltPrior"]) == {90.0}
    assert set(table["rlnAnglePsi"]) == set(table["rlnAnglePsiPrior"]) == {0.0}
    assert set(table["rlnAngleRot"]) == {0.0}


def test_other_columns(particles):
    blocks = particle_blocks(particles, INFOS)
    table, optics = blocks["particles"], blocks["optics"]
    assert list(blocks) == ["optics", "particles"]
    assert table["rlnTomoName"].tolist() == ["001"] * 4 + ["T2"] * 3
    assert table["rlnTomoParticleName"].tolist()[3:5] == ["001/4", "T2/1"]
    assert table["rlnTomoManifoldIndex"].tolist() == [2, 1, 1, 1, 1, 1, 2]
    assert table["rlnClassNumber"].tolist() == [1, 2, 1, 2, 1, 2, 1]
    assert table["rlnOpticsGroup"].tolist() == [1] * 4 + [2] * 3
    assert optics["rlnTomoTiltSeriesPixelSize"].tolist() == [10.0, 12.5]
    np.testing.assert_array_equal(table["rlnAutopickFigureOfMerit"], particles.score)
    assert table["membrainMembrane"].tolist() == list(particles.membrane)
    assert table["membrainSide"].tolist() == list(particles.side)


def test_comment_tells_the_centre_and_bytes_repeat(tmp_path, particles):
    for name in ("a", "b"):
        write_particles(tmp_path / f"{name}.star", particles, INFOS, centre="size/2-1")
    text = (tmp_path / "a.star").read_text()
    assert text == (tmp_path / "b.star").read_text()
    assert "(voxel - (size/2-1)) * pixel size" in text
    assert "starfile" not in text  # its first line holds the time


def test_no_particle_gives_a_valid_file(tmp_path):
    for prior in (False, True):
        write_particles(tmp_path / "a.star", empty_particles(), INFOS, prior=prior)
        blocks = starfile.read(tmp_path / "a.star", always_dict=True)
        assert len(blocks["particles"]) == 0
        assert "rlnTomoName" in blocks["particles"].columns
        assert blocks["optics"]["rlnTomoTiltSeriesPixelSize"].tolist() == [10.0, 12.5]
    found = read_annotations(
        tmp_path / "a.star", pixel_size=10.0, shape=(40, 60, 80), tomogram="001"
    )
    assert len(found) == 0


def test_tomogram_without_info(particles):
    with pytest.raises(InputError, match="tomogram 'T2' has particles but no info file; found inf"):
        particle_blocks(particles, {"001": INFOS["001"]})


def test_import_list_has_two_columns(tmp_path):
    write_import_list(tmp_path / "i.star", {"001": "stars/001.star", "T2": "stars/T2.star"})
    table = starfile.read(tmp_path / "i.star", parse_as_string=["rlnTomoName"])
    assert table.columns.tolist() == ["rlnTomoName", "rlnTomoImportParticleFile"]
    assert table["rlnTomoName"].tolist() == ["001", "T2"]
    assert table["rlnTomoImportParticleFile"].tolist() == ["stars/001.star", "stars/T2.star"]


def test_classes_of_all_files_are_numbered_alike(particles):
    own = particles.select(particles.classes == "b6f")
    assert set(particle_blocks(own, INFOS)["particles"]["rlnClassNumber"]) == {1}
    shared = particle_blocks(own, INFOS, classes=["b6f", "PSII"])["particles"]
    assert set(shared["rlnClassNumber"]) == {2}


def test_tomogram_whose_name_begins_as_a_block_is_read_back(tmp_path, particles):
    names = np.array(["data_1"] * len(particles), dtype=object)
    own = replace(particles, tomogram=names)
    info = next(iter(INFOS.values()))
    write_particles(tmp_path / "a.star", own, {"data_1": info})
    how = {"pixel_size": info["pixel_size_angstrom"], "shape": tuple(info["shape"])}
    found = read_annotations(tmp_path / "a.star", **how, tomogram="data_1", must_be_inside=False)
    assert len(found) == len(particles)
