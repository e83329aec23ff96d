"""Steps that are started once more to do no work: their outputs are valid and hold nothing."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from membrain.command import main
from membrain.files import read_json
from membrain.tables import read_status
from membrain.tries import count_given_up
from membrain.volumes import write_volume

WEIGHTS = Path(__file__).resolve().parents[2] / "resources/weights/simulated.safetensors"
ORDER = ("inspect_tomogram", "sample_points", "extract_subvolumes", "score_points")
ORDER += ("cluster_points", "orient_particles")
MEMBRANES = {"M1", "M2"}


def flags(verb, data, inputs, out):
    """Return the command line of a step that reads from folder `inputs` and writes to `out`."""
    status = ["--status", f"{out}/{verb}.tsv"]
    volume = ["--path", f"{data}/T1.mrc"]
    by_verb = {
        "inspect_tomogram": ["--tomogram", "T1", *volume, "--output", f"{out}/info.json"],
        "sample_points": [
            *("--sheet", f"{data}/membranes.tsv", "--tomogram", "T1"),
            *("--info", f"{inputs}/info.json", "--output", f"{out}/points.npz", *status),
        ],
        "extract_subvolumes": [
            *("--points", f"{inputs}/points.npz", *volume, "--info", f"{inputs}/info.json"),
            *("--output-subvolumes", f"{out}/boxes.npy", "--output-points", f"{out}/boxes.npz"),
            *("--contrast", "dark", *status),
        ],
        "score_points": [
            *("--points", f"{inputs}/boxes.npz", "--subvolumes", f"{inputs}/boxes.npy"),
            *("--weights", str(WEIGHTS), "--output", f"{out}/scores.npz", *status),
        ],
        "cluster_points": [
            *("--scores", f"{inputs}/scores.npz", "--output", f"{out}/clusters.npz", *status)
        ],
        "orient_particles": [
            *("--scores", f"{inputs}/scores.npz", "--clusters", f"{inputs}/clusters.npz"),
            *("--output", f"{out}/particles.tsv", *status),
        ],
    }
    return [verb, *by_verb[verb], "--quiet"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """One tomogram with two flat membranes, and what every step makes of it."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    write_volume(folder / "T1.mrc", rng.normal(0, 1, (40, 50, 60)).astype(np.float32), 14.0)
    for name, z in (("M1", 10), ("M2", 25)):
        mask = np.zeros((40, 50, 60), np.int8)
        mask[z : z + 3, 5:45, 5:55] = 1
        write_volume(folder / f"{name}.mrc", mask, 14.0)
    rows = "".join(f"T1\t{name}\t{name}.mrc\n" for name in sorted(MEMBRANES))
    (folder / "membranes.tsv").write_text("tomogram\tmembrane\tmask\n" + rows)
    for verb in ORDER:
        assert main(flags(verb, folder, folder, folder)) == 0
    return folder


@pytest.mark.parametrize("verb", ORDER[1:])
def test_membranes_of_a_step_that_is_given_up_fail_and_later_steps_go_on(verb, data, tmp_path):
    tries = ["--log", f"{tmp_path}/{verb}.log", "--tries-left", "0"]
    assert main([*flags(verb, data, data, tmp_path), *tries]) == 0
    rows = read_status(tmp_path / f"{verb}.tsv")
    assert {(row["membrane"], row["status"], row["n"]) for row in rows} == {
        (name, "failed", "0") for name in MEMBRANES
    }
    assert all(row["message"].startswith("its job ended without a message") for row in rows)
    assert count_given_up(tmp_path / f"{verb}.log") == 1
    for file in data.iterdir():  # what steps before it made
        if not (tmp_path / file.name).exists():
            shutil.copy(file, tmp_path)
    for later in ORDER[ORDER.index(verb) + 1 :]:
        assert main(flags(later, data, tmp_path, tmp_path)) == 0
        assert {row["status"] for row in read_status(tmp_path / f"{later}.tsv")} == {"empty"}


def test_tomogram_of_a_job_that_is_given_up_is_one_that_failed(data, tmp_path):
    tries = ["--log", f"{tmp_path}/T1.log", "--tries-left", "0"]
    assert main([*flags("inspect_tomogram", data, data, tmp_path), *tries]) == 0
    assert "its job ended without a message" in read_json(tmp_path / "info.json")["failure"]


def test_error_of_a_try_is_kept_for_giving_up(data, tmp_path, capsys):
    tries = ["--log", f"{tmp_path}/T1.log", "--tries-left"]
    wrong = flags("cluster_points", data, tmp_path, tmp_path)
    assert main([*wrong, *tries, "1"]) == 2
    assert "scores.npz: no such file" in capsys.readouterr().err
    assert main([*flags("cluster_points", data, data, tmp_path), *tries, "0"]) == 0
    (row, _) = read_status(tmp_path / "cluster_points.tsv")
    assert row["message"].startswith("its job failed in each try, at last: ")
    assert "scores.npz: no such file" in row["message"]
