"""Conda environments, lock and supported ranges say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ("core", "torch", "report")
CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}


def pins(name):
    """Return version by lower-case package name of a requirements file."""
    lines = (ROOT / name).read_text().splitlines()
    wanted = [line for line in lines if line and line[0] not in "#-"]
    pairs = [re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line) for line in wanted]
    assert all(pairs), f"not an exact pin among {wanted}"
    return {pair[1].lower().replace("_", "-"): pair[2] for pair in pairs}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_environment_has_the_versions_of_the_lock(name):
    locked = pins("requirements.txt")
    content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    entries = [entry for entry in content["dependencies"] if not entry.startswith("python=")]
    # one = would also take 2.4.6.1 for 2.4.6
    packages = dict(entry.split("==") for entry in entries)
    found = {CONDA_NAMES.get(package, package): v for package, v in packages.items()}
    assert found == {package: locked[package] for package in found}
    assert content["channels"] == ["conda-forge", "nodefaults"]


def test_every_environment_can_run_the_common_steps():
    core, *others = (
        set(yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())["dependencies"])
        for name in ENVIRONMENTS
    )
    for packages in others:
        assert core <= packages


@pytest.mark.parametrize(
    ("file", "extra"), [("requirements.txt", None), ("requirements-dev.txt", "dev")]
)
def test_lock_lies_in_the_supported_ranges(file, extra):
    requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = project["optional-dependencies"][extra] if extra else project["dependencies"]
    locked = pins(file)
    for text in ranges:
        requirement = requirements.Requirement(text)
        assert requirement.specifier.contains(locked[requirement.name.lower()]), text


def test_python_of_the_environments_is_supported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11"
    for name in ENVIRONMENTS:
        content = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
        assert any(entry in ("python=3.11", "python=3.12") for entry in content["dependencies"])


def test_development_lock_extends_the_lock():
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text().splitlines()
    assert not pins("requirements.txt").keys() & pins("requirements-dev.txt").keys()
