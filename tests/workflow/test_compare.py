"""How the comparison with other programs is planned, and how its mistakes are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/workflow/lint"
CONSENSUS = ("both", "only_first", "only_second")


def dry_run(folder, lists, *flags, **options):
    content = yaml.safe_load((DATA / "config.yaml").read_text())
    for name in ("tomograms", "membranes"):
        content[name] = str(ROOT / content[name])
    content["compare_picks"] = {"lists": lists, **options}
    (folder / "my.yaml").write_text(yaml.safe_dump(content))
    command = [sys.executable, "-m", "snakemake", "compare", "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", "my.yaml", "--cores", "1", "--dry-run", "--printshellcmds", *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_one_comparison_and_a_consensus_for_each_list(tmp_path):
    (tmp_path / "a list.star").touch()
    tomograms = (DATA / "tomograms.tsv").read_text().splitlines()[1:]
    for line in tomograms:
        (tmp_path / f"{line.split()[0]}.csv").touch()
    lists = {
        "TM": {"path": "a list.star", "pixel_size_angstrom": 3.42},
        "crYOLO": "{tomogram}.csv",
    }
    done = dry_run(tmp_path, lists, near_voxel=12, classes=["PSII"])
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert text.count("rule compare_picks:") == 1
    assert text.count("rule intersect_picks:") == 2
    (command,) = [line for line in text.splitlines() if "step compare_picks" in line]
    assert "--lists membrain-flow=results/particles.csv 'TM=a list.star'" in command
    assert "'crYOLO={tomogram}.csv' --pixel-sizes TM=3.42" in command
    assert "--near-voxel 12 --classes PSII" in command
    for name in lists:
        for part in CONSENSUS:
            assert f"results/comparison/{name}/{part}.star" in text


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({}, "config key 'compare_picks.lists': no list of picks to compare with; expected {name"),
        ({"TM": "gone.star"}, "config key 'compare_picks.lists.TM': no such file; found gone.star"),
        ({"TM": {"path": "x", "pixel_size": 3}}, "unknown key 'compare_picks.lists.TM.pixel_size'"),
        ({"TM": {"pixel_size_angstrom": 3}}, "compare_picks.lists.TM.path' is missing"),
        ({"TM": {"path": "x", "pixel_size_angstrom": 0}}, "expected more than 0"),
        ({"T M": "x.star"}, "found 'T M'; expected letters, digits and . _ + - only"),
    ],
)
def test_mistakes_end_with_one_message_and_code_2(tmp_path, lists, message):
    done = dry_run(tmp_path, lists)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
