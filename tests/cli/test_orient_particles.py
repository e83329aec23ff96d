import logging
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.command import main
from membrain.particles import COLUMNS, read_particles
from membrain.rotations import angle_between, frames_from_normals
from membrain.tables import PointTable, read_status

SIGMA = (3.35, 1.86)


def planted(n=6, seed=0):
    """One flat patch per membrane in a random orientation, with a long particle in its middle.

    Returns the scored points and, in xyz, the planted normals and axes.
    """
    rng = np.random.default_rng(seed)
    poses = Rotation.random(n, rng=rng).as_matrix()  # columns: axis, across, normal; xyz
    grid = np.stack(np.meshgrid(*[np.arange(-14, 14, 1.5)] * 2), axis=-1).reshape(-1, 2)
    parts = []
    for pose in poses:
        flat = grid + rng.uniform(-0.3, 0.3, grid.shape)
        xyz = np.array([60.0, 50.0, 40.0]) + flat @ pose[:, :2].T
        parts.append((xyz, np.hypot(flat[:, 0] / SIGMA[0], flat[:, 1] / SIGMA[1])))
    table = PointTable(
        points=np.concatenate([xyz for xyz, _ in parts])[:, ::-1].astype(np.float32),
        normals=np.repeat(poses[:, ::-1, 2], len(grid), axis=0).astype(np.float32),
        membrane=np.repeat(np.arange(n), len(grid)).astype(np.int32),
        side=np.repeat(np.arange(n) % 2, len(grid)).astype(np.int8),
        membranes=tuple(f"M{i + 1}" for i in range(n)),
        tomogram="T1",
        shape=(80, 100, 120),
        pixel_size=10.0,
        meta={"threshold": 3.0, "classes": [["PSII", "UK"]]},
    )
    scores = np.minimum(np.concatenate([d for _, d in parts]), 7)[:, None]
    return table.with_extra(scores=scores.astype(np.float32)), poses[:, :, 2], poses[:, :, 0]


def run(folder, *flags, name="particles"):
    return main(
        [
            *("orient_particles", "--scores", str(folder / "scores.npz"), "--quiet"),
            *("--clusters", str(folder / "clusters.npz"), "--output", str(folder / f"{name}.tsv")),
            *("--status", str(folder / "status.tsv"), *flags),
        ]
    )


def cluster(folder, table, *flags):
    table.write(folder / "scores.npz")
    return main(
        [
            *("cluster_points", "--scores", str(folder / "scores.npz"), "--quiet"),
            *("--output", str(folder / "clusters.npz"), "--status", str(folder / "s.tsv"), *flags),
        ]
    )


@pytest.mark.parametrize(("axis", "limit"), [("weighted", 2), ("unweighted", 4)])
def test_planted_poses_come_back(tmp_path, axis, limit):
    table, normals, axes = planted(12)
    assert cluster(tmp_path, table) == 0
    assert run(tmp_path, "--axis", axis) == 0
    particles = read_particles(tmp_path / "particles.tsv")
    assert len(particles) == 12
    np.testing.assert_allclose(particles.voxel[:, ::-1], np.tile([60, 50, 40], (12, 1)), atol=0.5)
    np.testing.assert_allclose(particles.angstrom, 10 * particles.voxel, atol=0.006)
    assert angle_between(particles.normals[:, ::-1], normals).max() < 2
    error = angle_between(particles.axes[:, ::-1], axes)
    assert np.minimum(error, 180 - error).max() < limit  # unweighted: the rim's few points decide
    assert set(particles.classes) == {"PSII"}
    assert particles.side.tolist() == ["a", "b"] * 6


def test_angles_agree_with_the_formulas_of_relion(tmp_path):
    """z axis = (-cos psi sin tilt, sin psi sin tilt, cos tilt); x axis by the ZYZ matrix."""
    table, normals, axes = planted(12, seed=1)
    cluster(tmp_path, table)
    run(tmp_path)
    particles = read_particles(tmp_path / "particles.tsv")
    for angles, normal, axis in zip(particles.angles, normals, axes, strict=True):
        rot, tilt, psi = np.radians(angles)
        z = [-math.cos(psi) * math.sin(tilt), math.sin(psi) * math.sin(tilt), math.cos(tilt)]
        assert angle_between(np.array(z), normal) < 2
        # tomogram -> particle is Rz(rot) Ry(tilt) Rz(psi); the particle's x axis is its first row
        x = [
            math.cos(rot) * math.cos(tilt) * math.cos(psi) - math.sin(rot) * math.sin(psi),
            -math.cos(rot) * math.cos(tilt) * math.sin(psi) - math.sin(rot) * math.cos(psi),
            math.cos(rot) * math.sin(tilt),
        ]
        error = float(angle_between(np.array(x), axis))
        assert min(error, 180 - error) < 2
        n = normal  # xyz
        assert math.degrees(tilt) == pytest.approx(math.degrees(math.acos(n[2])), abs=2)
        expected = 180 - math.degrees(math.atan2(n[1], n[0]))
        assert (math.degrees(psi) - expected + 180) % 360 - 180 == pytest.approx(
            0, abs=2 / math.sin(tilt)
        )


def test_normal_columns_are_xyz(tmp_path):
    table, *_ = planted(1)
    flat = PointTable(
        **{
            **{
                f: getattr(table, f)
                for f in ("membrane", "side", "membranes", "tomogram", "shape", "pixel_size")
            },
            "points": np.column_stack(
                [np.full(361, 20.0), *np.mgrid[0:19, 0:19].reshape(2, -1) * 1.5]
            ).astype(np.float32),
            "normals": np.tile(np.float32([1, 0, 0]), (361, 1)),
        },
        extra=table.extra,
        meta=table.meta,
    )
    assert cluster(tmp_path, flat) == 0
    assert run(tmp_path) == 0
    header, line = (tmp_path / "particles.tsv").read_text().splitlines()
    row = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    assert tuple(row) == COLUMNS
    assert (row["normal_x"], row["normal_y"], row["normal_z"]) == (
        "0.000000",
        "0.000000",
        "1.000000",
    )
    assert float(row["z_voxel"]) == pytest.approx(20)
    assert float(row["tilt"]) == pytest.approx(0, abs=0.01)


def test_numbers_count_by_score_within_membrane_and_side(tmp_path):
    rng = np.random.default_rng(3)
    centres = np.array([[20, 20, 20 * i] for i in range(1, 6)], dtype=float)
    best = [1.0, 0.3, 2.0, 0.6, 1.5]
    points = np.concatenate([c + rng.normal(0, 0.5, (15, 3)) for c in centres])
    table = PointTable(
        points=points.astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (75, 1)),
        membrane=np.zeros(75, np.int32),
        side=np.repeat([0, 0, 0, 1, 1], 15).astype(np.int8),
        membranes=("M1",),
        tomogram="T1",
        shape=(40, 40, 120),
        pixel_size=10.0,
        meta={"threshold": 3.0},
    ).with_extra(scores=np.repeat(best, 15)[:, None].astype(np.float32))
    cluster(tmp_path, table)
    run(tmp_path)
    particles = read_particles(tmp_path / "particles.tsv")
    assert particles.side.tolist() == ["a"] * 3 + ["b"] * 2
    assert particles.particle.tolist() == [1, 2, 3, 1, 2]
    np.testing.assert_allclose(particles.voxel[:, 2], [40, 20, 60, 80, 100], atol=0.7)
    assert (np.diff(particles.score[:3]) < 0).all()
    assert set(particles.classes) == {"particle"}


def test_lengths_follow_the_working_pixel_size(tmp_path):
    """A radius of 6 working voxels of 20 angstrom is 12 voxels of 10: it averages the bend away."""
    points = np.column_stack([np.zeros(41), np.zeros(41), np.arange(-20, 21)]) + 30
    normals = np.column_stack([np.ones(41), np.zeros(41), np.where(points[:, 2] > 38, 1.0, 0.0)])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    scores = np.full((41, 1), 7.0)
    scores[18:23] = 1
    table = PointTable(
        points=points.astype(np.float32),
        normals=normals.astype(np.float32),
        membrane=np.zeros(41, np.int32),
        side=np.zeros(41, np.int8),
        membranes=("M1",),
        tomogram="T1",
        shape=(60, 60, 60),
        pixel_size=10.0,
        meta={"threshold": 3.0},
    ).with_extra(scores=scores.astype(np.float32))
    cluster(tmp_path, table)
    tilts = []
    for pixel_size in ("0", "20"):
        assert run(tmp_path, "--pixel-size-angstrom", pixel_size) == 0
        tilts.append(read_particles(tmp_path / "particles.tsv").angles[0, 1])
    assert tilts[0] == pytest.approx(0, abs=1e-3)
    assert tilts[1] > 1


def test_no_particle_gives_a_header_and_empty_rows(tmp_path):
    table, *_ = planted(2)
    cluster(tmp_path, table, "--threshold", "0.0001")
    assert run(tmp_path) == 0
    assert (tmp_path / "particles.tsv").read_text() == "\t".join(COLUMNS) + "\n"
    assert [row["status"] for row in read_status(tmp_path / "status.tsv")] == ["empty", "empty"]


def test_no_point_at_all(tmp_path):
    table, *_ = planted(2)
    cluster(tmp_path, table.select(np.arange(0)))
    assert run(tmp_path) == 0
    assert len(read_particles(tmp_path / "particles.tsv")) == 0


def test_a_cluster_of_one_point_gets_the_frames_axis(tmp_path):
    table, normals, _ = planted(1)
    one = table.select(np.array([int(table.extra["scores"][:, 0].argmin())]))
    cluster(tmp_path, one, "--min-points", "1")
    assert run(tmp_path) == 0
    particles = read_particles(tmp_path / "particles.tsv")
    assert len(particles) == 1
    assert abs(particles.axes[0] @ particles.normals[0]) < 1e-5
    assert angle_between(particles.normals[0, ::-1], normals[0]) < 0.01


def test_same_input_same_bytes(tmp_path):
    table, *_ = planted(3)
    cluster(tmp_path, table)
    assert run(tmp_path, name="one") == run(tmp_path, name="two") == 0
    assert (tmp_path / "one.tsv").read_bytes() == (tmp_path / "two.tsv").read_bytes()


def test_clusters_of_other_scores_are_told(tmp_path, capsys):
    table, *_ = planted(2)
    cluster(tmp_path, table)
    table.select(np.arange(50)).write(tmp_path / "scores.npz")
    assert run(tmp_path) == 2
    text = capsys.readouterr().err
    assert "number of points differ from" in text
    assert "expected 50; run cluster_points on these scores" in text
    planted(3)[0].write(tmp_path / "scores.npz")
    assert run(tmp_path) == 2
    assert "membranes differ from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [("--normal-radius-voxel", "0", "more than 0"), ("--pixel-size-angstrom", "-3", "0 or more")],
)
def test_flags_out_of_range_are_told(tmp_path, capsys, flag, value, expected):
    table, *_ = planted(1)
    cluster(tmp_path, table)
    assert run(tmp_path, flag, value) == 2
    assert f"{flag}; found {float(value)}; expected {expected}" in capsys.readouterr().err


def with_angles(table, axes_xyz, fold=2):
    """Return the table with the angle of each membrane's axis in the boxes of its points."""
    axes = axes_xyz[table.membrane][:, ::-1]
    flat = np.einsum("nab,na->nb", frames_from_normals(table.normals)[:, :, :2], axes)
    angle = fold * np.arctan2(flat[:, 1], flat[:, 0])
    angles = np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None].astype(np.float32)
    return replace(table.with_extra(angles=angles), meta={**table.meta, "folds": [fold]})


@pytest.mark.parametrize("flags", [(), ("--axis", "head"), ("--axis", "weighted")])
def test_axis_is_what_the_angle_head_tells(tmp_path, flags):
    """It tells another direction here than that in which the clusters are long."""
    table, normals, axes = planted(8)
    told = np.cross(normals, axes) * 0.6 + axes * 0.8
    assert cluster(tmp_path, with_angles(table, told)) == 0
    assert run(tmp_path, *flags) == 0
    found = read_particles(tmp_path / "particles.tsv").axes[:, ::-1]
    wanted = axes if "weighted" in flags else told
    error = angle_between(found, wanted)
    assert np.minimum(error, 180 - error).max() < 3


def test_particles_whose_points_disagree_have_the_long_axis(tmp_path, caplog):
    table, normals, axes = planted(2)
    table = with_angles(table, np.cross(normals, axes))
    first = table.membrane == 0
    table.extra["angles"][first] = np.random.default_rng(0).normal(0, 0.01, (first.sum(), 1, 2))
    assert cluster(tmp_path, table) == 0
    with caplog.at_level(logging.WARNING):
        assert run(tmp_path) == 0
    found = read_particles(tmp_path / "particles.tsv").axes[:, ::-1]
    for got, wanted in zip(found, (axes[0], np.cross(normals[1], axes[1])), strict=True):
        error = angle_between(got, wanted)
        assert min(error, 180 - error) < 3
    assert "T1/M1, side a: 1 of 1 particles have the cluster's long axis" in caplog.text
    assert "M2" not in caplog.text


def test_round_output_has_the_long_axis(tmp_path):
    table, normals, axes = planted(2)
    table = with_angles(table, np.cross(normals, axes))
    table.meta["folds"] = [0]
    assert cluster(tmp_path, table) == 0
    assert run(tmp_path) == 0
    error = angle_between(read_particles(tmp_path / "particles.tsv").axes[:, ::-1], axes)
    assert np.minimum(error, 180 - error).max() < 3


def test_head_that_the_model_has_not_is_refused(tmp_path, capsys):
    cluster(tmp_path, planted(1)[0])
    assert run(tmp_path, "--axis", "head") == 2
    assert "scores.npz: no angles for --axis head; expected" in capsys.readouterr().err


def test_spread_of_an_ensemble_stays_with_its_particle(tmp_path):
    table, _, _ = planted(3)
    spread = np.float32([0.3, 0.6, 0.9])[table.membrane][:, None]
    assert cluster(tmp_path, table.with_extra(score_spread=spread)) == 0
    assert run(tmp_path) == 0
    particles = read_particles(tmp_path / "particles.tsv")
    assert list(particles.membrane) == ["M1", "M2", "M3"]
    np.testing.assert_allclose(particles.score_spread, [0.1, 0.2, 0.3], atol=1e-5)
    assert cluster(tmp_path, table) == 0
    assert run(tmp_path) == 0
    assert np.isnan(read_particles(tmp_path / "particles.tsv").score_spread).all()
