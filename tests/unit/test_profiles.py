"""Profiles are complete in themselves and know every rule that asks for a GPU."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULE = re.compile(r"^(?:rule (\w+)|use rule (\w+) as (\w+) with):\n(.*?)(?=^\S|\Z)", re.M | re.S)


def read_profile(name):
    return yaml.safe_load((ROOT / f"profiles/{name}/config.yaml").read_text())


def rules_with_gpu():
    files = sorted((ROOT / "workflow/rules").glob("*.smk"))
    found = [match for file in files for match in RULE.findall(file.read_text())]
    asking = {name for name, _, _, body in found if name and "        gpu=" in body}
    return asking | {name for _, base, name, _ in found if base in asking}


@pytest.mark.parametrize("name", ["default", "slurm"])
def test_profile_holds_what_every_run_needs(name):
    profile = read_profile(name)
    for key in ("keep-going", "show-failed-logs", "rerun-incomplete"):
        assert profile[key] is True, key
    assert {"mem_mb", "runtime"} <= profile["default-resources"].keys()


def test_steps_with_a_gpu_and_no_others_go_to_its_partition():
    profile = read_profile("slurm")
    assert {"score_points", "train_model", "train_member"} <= rules_with_gpu()
    assert profile["set-resources"].keys() == rules_with_gpu()
    partitions = {r["slurm_partition"] for r in profile["set-resources"].values()}
    assert partitions == {"'gpu'"}
    assert profile["default-resources"]["slurm_partition"] == "'cpu'"
    assert "slurm_account" in profile["default-resources"]
