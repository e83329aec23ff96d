"""A small data set of membranes, and Snakemake on it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import yaml

from membrain.volumes import write_volume

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("Snakefile", "workflow", "envs", "profiles", "resources/weights")
SHAPE = (40, 50, 60)
JOB = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)*)", re.MULTILINE)
WILDCARDS = re.compile(r"    wildcards: (.*)\n")


@dataclass
class Project:
    """Tomograms of noise with flat membranes, their sheets, and a configuration."""

    folder: Path
    membranes: dict[str, list[str]] = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    def add(self, tomogram: str, *membranes: str) -> None:
        """Add membranes to a tomogram, which is made when it is new."""
        rng = np.random.default_rng(len(self.membranes))
        if tomogram not in self.membranes:
            volume = rng.normal(0, 1, SHAPE).astype(np.float32)
            write_volume(self.folder / f"{tomogram}.mrc", volume, 14.0)
        known = self.membranes.setdefault(tomogram, [])
        for name in membranes:
            self.write_mask(tomogram, name, 8 + 10 * (len(known) % 3))
            known.append(name)
        self.write_sheets()

    def write_mask(self, tomogram: str, membrane: str, z: int | None) -> None:
        """Write a mask of one flat membrane; without a height it is empty."""
        mask = np.zeros(SHAPE, np.int8)
        if z is not None:
            mask[z : z + 3, 5:45, 5:55] = 1
        write_volume(self.folder / f"{tomogram}_{membrane}.mrc", mask, 14.0)

    def write_sheets(self) -> None:
        """Write both sheets anew."""
        tomograms = "".join(f"{name}\t{name}.mrc\n" for name in self.membranes)
        (self.folder / "tomograms.tsv").write_text("tomogram\tpath\n" + tomograms)
        rows = [(t, m) for t, names in self.membranes.items() for m in names]
        lines = "".join(f"{t}\t{m}\t{t}_{m}.mrc\n" for t, m in rows)
        (self.folder / "membranes.tsv").write_text("tomogram\tmembrane\tmask\n" + lines)

    def snakemake(self, *flags: str, root: Path = ROOT) -> subprocess.CompletedProcess:
        """Run Snakemake in the folder of the data."""
        options = {"tomograms": "tomograms.tsv", "membranes": "membranes.tsv", "device": "cpu"}
        options |= {"export_particles": {"heatmaps": False}, **self.options}
        (self.folder / "my.yaml").write_text(yaml.safe_dump(options))
        command = [sys.executable, "-m", "snakemake", "--snakefile", root / "Snakefile"]
        command += ["--configfile", "my.yaml", "--cores", "2", *flags]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def planned(self, *flags: str, root: Path = ROOT) -> set[str]:
        """Return the jobs that a dry run tells, each as its rule and the values of wildcards."""
        done = self.snakemake("--dry-run", *flags, root=root)
        assert done.returncode == 0, done.stderr
        return jobs_of(done.stdout + done.stderr)


def jobs_of(text: str) -> set[str]:
    """Return the jobs that Snakemake tells of, each as its rule and the values of wildcards."""
    found = set()
    for rule, body in JOB.findall(text):
        wildcards = WILDCARDS.search(body)
        values = re.findall(r"=([^,]*)", wildcards[1]) if wildcards else []
        found.add(" ".join([rule, *values]))
    return found


def _new_project(folder: Path) -> Project:
    made = Project(folder)
    made.add("T1", "M1")
    made.add("T2", "M1")
    return made


@pytest.fixture(scope="session")
def new_project():
    """Return a function that makes a project in a folder: a membrane in each of two tomograms."""
    return _new_project


@pytest.fixture
def project(tmp_path):
    """One membrane in each of two tomograms."""
    folder = tmp_path / "project"
    folder.mkdir()
    return _new_project(folder)


@pytest.fixture(scope="module")
def new_program(tmp_path_factory):
    """Return a function that copies the program, with another file in place of workflow/step.py."""

    def copy(step: str) -> Path:
        folder = tmp_path_factory.mktemp("program")
        for name in SOURCES:
            source, target = ROOT / name, folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        shutil.copy(Path(__file__).parent / step, folder / "workflow/step.py")
        return folder

    return copy
