from dataclasses import replace

import numpy as np
import pytest

from membrain.clusters import read_clusters
from membrain.command import main
from membrain.tables import PointTable, read_status


def make_scores(n_outputs=1, **meta):
    """Four blobs of 20 points: M1 side a (2), M1 side b (1), M3 side a (1); M2 has no point."""
    rng = np.random.default_rng(0)
    centres = np.array([[10, 20, 30], [10, 20, 60], [14, 20, 30], [10, 50, 30]], dtype=float)
    points = (centres[:, None] + rng.normal(0, 1, (4, 20, 3))).reshape(-1, 3)
    scores = np.tile(rng.uniform(0.2, 2.5, (80, 1)), (1, n_outputs)).astype(np.float32)
    table = PointTable(
        points=points.astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (80, 1)),
        membrane=np.repeat([0, 0, 0, 2], 20).astype(np.int32),
        side=np.repeat([0, 0, 1, 0], 20).astype(np.int8),
        membranes=("M1", "M2", "M3"),
        tomogram="T1",
        shape=(30, 80, 90),
        pixel_size=10.0,
        meta={"threshold": 3.0, "classes": [["PSII", "UK"], ["b6f"]][:n_outputs], **meta},
    )
    return table.with_extra(scores=scores), centres


def run(folder, *flags, name="clusters"):
    return main(
        [
            *("cluster_points", "--scores", str(folder / "scores.npz"), "--quiet"),
            *(
                "--output",
                str(folder / f"{name}.npz"),
                "--status",
                str(folder / "status.tsv"),
                *flags,
            ),
        ]
    )


def test_blobs_are_found_on_their_side_of_their_membrane(tmp_path):
    table, centres = make_scores()
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 0
    clusters = read_clusters(tmp_path / "clusters.npz")
    assert len(clusters) == 4
    where = {
        (m, s): clusters.positions[(clusters.membrane == m) & (clusters.side == s)]
        for m, s in ((0, 0), (0, 1), (2, 0))
    }
    assert [len(p) for p in where.values()] == [2, 1, 1]
    for centre in centres:
        assert np.linalg.norm(clusters.positions - centre, axis=1).min() < 1
    # 4 voxels apart but on two sides: never one cluster
    assert len(set(clusters.point_cluster[:, 0])) == 4
    for row in range(4):
        assert len(set(clusters.point_cluster[20 * row : 20 * row + 20, 0])) == 1
    assert clusters.n_points.tolist() == [20] * 4
    assert ((clusters.score > 0) & (clusters.score < 1)).all()
    rows = {
        row["membrane"]: (row["status"], row["n"]) for row in read_status(tmp_path / "status.tsv")
    }
    assert rows == {"M1": ("ok", "3"), "M2": ("empty", "0"), "M3": ("ok", "1")}


def test_every_output_is_clustered_by_itself(tmp_path):
    table, _ = make_scores(2)
    table.extra["scores"][20:, 1] = 7
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 0
    clusters = read_clusters(tmp_path / "clusters.npz")
    assert np.bincount(clusters.output).tolist() == [4, 1]
    assert clusters.classes == (("PSII", "UK"), ("b6f",))
    row = int(np.flatnonzero(clusters.output == 1)[0])
    assert (clusters.point_cluster[:20, 1] == row).all()
    assert (clusters.point_cluster[20:, 1] == -1).all()
    assert np.linalg.norm(clusters.positions[row] - [10, 20, 30]) < 1


def test_lengths_follow_the_working_pixel_size(tmp_path):
    table, _ = make_scores()
    table.write(tmp_path / "scores.npz")
    flags = ["--bandwidth-voxel", "9", "--split-diameter-voxel", "0", "--fuse-voxel", "8"]
    assert (
        run(tmp_path, *flags, "--pixel-size-angstrom", "50") == 0
    )  # bandwidth 45 voxels: all in one
    assert len(read_clusters(tmp_path / "clusters.npz")) == 3
    assert run(tmp_path, *flags, "--pixel-size-angstrom", "10") == 0
    assert len(read_clusters(tmp_path / "clusters.npz")) == 4


def test_threshold_of_the_flag_wins_over_the_models(tmp_path):
    table, _ = make_scores()
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path, "--threshold", "0.1") == 0
    clusters = read_clusters(tmp_path / "clusters.npz")
    assert len(clusters) == 0
    assert clusters.meta["threshold"] == 0.1
    assert (clusters.point_cluster == -1).all()
    assert [row["status"] for row in read_status(tmp_path / "status.tsv")] == ["empty"] * 3


@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one_point(tmp_path, n):
    table, _ = make_scores()
    table.select(np.arange(n)).write(tmp_path / "scores.npz")
    assert run(tmp_path, "--min-points", "1") == 0
    clusters = read_clusters(tmp_path / "clusters.npz")
    assert len(clusters) == n
    assert clusters.point_cluster.shape == (n, 1)


def test_same_scores_same_bytes(tmp_path):
    table, _ = make_scores()
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path, name="one") == run(tmp_path, name="two") == 0
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_membrane_with_bad_scores_fails_alone(tmp_path):
    table, _ = make_scores()
    table.extra["scores"][3] = np.nan
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 0
    rows = {row["membrane"]: row for row in read_status(tmp_path / "status.tsv")}
    assert rows["M1"]["status"] == "failed"
    assert "membrane 'M1': scores that are not numbers; found 1 of 40" in rows["M1"]["message"]
    clusters = read_clusters(tmp_path / "clusters.npz")
    assert clusters.membrane.tolist() == [2]
    assert set(clusters.point_cluster[60:, 0]) == {0}


def test_missing_threshold_and_odd_classes_are_told(tmp_path, capsys):
    table, _ = make_scores(threshold=None)
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 2
    assert "the model gives no threshold; set --threshold" in capsys.readouterr().err
    table, _ = make_scores(classes=[["a"], ["b"]])
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 2
    assert (
        "classes and scores do not fit; found 2 lists of classes; expected 1"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "clusters.npz").exists()


def test_a_table_without_classes_holds_particles(tmp_path):
    table, _ = make_scores(classes=None)
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 0
    assert read_clusters(tmp_path / "clusters.npz").classes == (("particle",),)


def test_a_table_without_scores_is_told(tmp_path, capsys):
    table, _ = make_scores()
    table.extra.clear()
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 2
    assert "expected also scores" in capsys.readouterr().err


def test_flags_out_of_range_are_told_together(tmp_path, capsys):
    assert run(tmp_path, "--bandwidth-voxel", "0", "--fuse-voxel", "-1", "--min-points", "0") == 2
    text = capsys.readouterr().err
    assert "3 flags out of range" in text
    assert "--bandwidth-voxel; found 0.0; expected at least 0.1" in text
    assert "--fuse-voxel; found -1.0; expected 0 or more" in text
    assert "--min-points; found 0; expected at least 1" in text
    assert run(tmp_path, "--threshold", "nan") == 2
    assert "--threshold; found nan; expected a finite number" in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "n"), [((), 2), (("--opposite-voxel", "0"), 3)])
def test_particle_found_from_both_sides_counts_once(tmp_path, flags, n):
    table, _ = make_scores()
    normals = table.normals.copy()
    normals[:40] *= -1  # side b lies at higher z here: the sides' normals point away from it
    replace(table, normals=normals).write(tmp_path / "scores.npz")
    assert run(tmp_path, *flags) == 0
    clusters = read_clusters(tmp_path / "clusters.npz")
    assert (clusters.membrane == 0).sum() == n
    status = {row["membrane"]: row["message"] for row in read_status(tmp_path / "status.tsv")}
    assert status["M1"] == ("1 found from both sides" if n == 2 else "")
    assert status["M3"] == ""


def test_every_output_has_a_threshold_of_its_own(tmp_path):
    table, _ = make_scores(2, threshold=[3.0, 0.1])
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 0
    clusters = read_clusters(tmp_path / "clusters.npz")
    assert set(clusters.output) == {0}
    assert clusters.meta["threshold"] == [3.0, 0.1]


def test_thresholds_that_do_not_fit_the_outputs_are_told(tmp_path, capsys):
    table, _ = make_scores(2, threshold=[3.0, 2.0, 1.0])
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 2
    message = "thresholds and scores do not fit; found 3 thresholds; expected 2, one for each"
    assert message in capsys.readouterr().err


def test_spread_of_an_ensemble_travels_with_the_clusters(tmp_path):
    table, _ = make_scores()
    spread = np.full((80, 1), 0.6, np.float32)
    table.with_extra(score_spread=spread).write(tmp_path / "scores.npz")
    assert run(tmp_path) == 0
    assert read_clusters(tmp_path / "clusters.npz").score_spread == pytest.approx([0.2] * 4)
    table.write(tmp_path / "scores.npz")
    assert run(tmp_path) == 0
    assert read_clusters(tmp_path / "clusters.npz").score_spread is None
