"""``--sdm conda``: each rule runs in the environment that its file describes.

No public channel is asked: a channel on this disk holds a stand-in of each package, and rattler
solves and installs from it. What is tested is the wiring, not that conda-forge has these versions.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

rattler = pytest.importorskip("rattler")

ROOT = Path(__file__).resolve().parents[2]
LINT = ROOT / "tests/workflow/lint"
ENVIRONMENTS = ("core", "torch", "report")

pytestmark = pytest.mark.workflow


def read_pins(name):
    entries = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())["dependencies"]
    return dict(entry.replace("==", "=").split("=") for entry in entries)


def write_package(channel, name, version, subdir="noarch", files=None):
    """Write a package of a channel; its files are executable."""
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": []}
    index |= {"subdir": subdir, "timestamp": 1}
    index |= (
        {"noarch": "generic"} if subdir == "noarch" else {"platform": "linux", "arch": "x86_64"}
    )
    listed = [{"_path": path, "path_type": "hardlink"} for path in files or {}]
    content = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": listed, "paths_version": 1}),
        **(files or {}),
    }
    path = channel / subdir / f"{name}-{version}-0.tar.bz2"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:bz2") as archive:
        for member, text in content.items():
            entry = tarfile.TarInfo(member)
            entry.size, entry.mode = len(text.encode()), 0o755
            archive.addfile(entry, io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def channels(tmp_path_factory):
    """A channel with a stand-in of each package of the environments, and of releases near it."""
    folder = tmp_path_factory.mktemp("channels")
    channel = folder / "conda-forge"
    pins = {key: value for name in ENVIRONMENTS for key, value in read_pins(name).items()}
    # says which environment runs it, then runs what runs these tests
    python = f'#!/bin/sh\necho "$CONDA_PREFIX $2" >> "$STAND_IN_LOG"\nexec {sys.executable} "$@"\n'
    for name, version in pins.items():
        if name == "python":
            for release in (f"{version}.1", f"{version}.9", "3.99.0"):
                files = {"bin/python": python}
                write_package(channel, name, release, "linux-64", files)
        else:
            write_package(channel, name, version)
            write_package(channel, name, f"{version}.1")
            write_package(channel, name, "999.0")
    _index(channel)
    return folder


def _index(channel):
    import asyncio

    from rattler.index import index_fs

    asyncio.run(index_fs(channel))


@pytest.fixture(scope="module")
def conda(tmp_path_factory, channels):
    """The variables of a shell that has the stand-in of conda."""
    folder = tmp_path_factory.mktemp("conda")
    program = folder / "bin/conda"
    program.parent.mkdir()
    script = Path(__file__).parent / "conda.py"
    shutil.copy(script, folder / "bin/conda.py")
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {folder}/conda.py "$@"\n')
    shutil.copy(script, folder)
    program.chmod(0o755)
    activate = folder / "bin/activate"
    activate.write_text('export CONDA_PREFIX="$1"\nexport PATH="$1/bin:$PATH"\n')
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "STAND_IN_CHANNELS": str(channels)}


def run(folder, conda, *flags):
    options = yaml.safe_load((LINT / "config.yaml").read_text())
    options |= {name: str(ROOT / options[name]) for name in ("tomograms", "membranes")}
    options |= {"model": "pretrained", "device": "cpu"}
    (folder / "my.yaml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", "my.yaml", "--sdm", "conda", "--cores", "2", *flags]
    env = {**conda, "STAND_IN_LOG": str(folder / "used.txt")}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def installed(prefix):
    records = [json.loads(path.read_text()) for path in prefix.glob("conda-meta/*.json")]
    return {record["name"]: record["version"] for record in records}


def test_environments_hold_the_pinned_versions_and_nothing_else(tmp_path, conda):
    run(tmp_path, conda, "--conda-create-envs-only", "all", "average")
    folders = [path for path in (tmp_path / ".snakemake/conda").iterdir() if path.is_dir()]
    found = [installed(folder) for folder in folders]
    expected = [{**read_pins(name), "python": "3.12.9"} for name in ENVIRONMENTS]
    assert sorted(map(sorted, (x.items() for x in found))) == sorted(
        map(sorted, (x.items() for x in expected))
    )


def test_steps_run_in_their_environment(tmp_path, conda):
    target = "results/score_points/T1/batch001.npz"
    run(tmp_path, conda, target)
    assert (tmp_path / target).is_file()
    lines = (tmp_path / "used.txt").read_text().splitlines()
    used = {}
    for line in lines:
        prefix, _, verb = line.partition(" ")
        used[verb] = "pytorch" in installed(Path(prefix))
    assert used["score_points"]
    assert {used[v] for v in ("inspect_tomogram", "sample_points", "extract_subvolumes")} == {False}
