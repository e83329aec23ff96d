import shutil

import pytest

from membrain import sourcecode
from membrain.sourcecode import code_hash, modules_of
from membrain.steps import VERBS

STEP = '''"""What the step does."""

from __future__ import annotations

import logging


def run(args):
    """Run it."""
    from ..tool import twice

    return twice(args)
'''
TOOL = '''"""A tool."""

import numpy as np

from . import deep
from .deep.inner import LIMIT


class Box:
    """A box."""

    def size(self):
        """Return its size."""
        return 1


def twice(x):
    """Return twice x."""
    # a note
    return min(2 * x, LIMIT) + deep.SHIFT
'''
FILES = {
    "__init__.py": '__version__ = "1"\n',
    "steps/__init__.py": "VERBS = {}\n",
    "steps/work.py": STEP,
    "tool.py": TOOL,
    "deep/__init__.py": "SHIFT = 0\n",
    "deep/inner.py": "from ..far import STEP\nfrom .leaf import LEAF\n\nLIMIT = 9\n",
    "deep/leaf.py": "LEAF = 1\n",
    "far.py": "import membrain.absolute\nfrom membrain.other import X\n\nSTEP = 1\n",
    "absolute.py": "A = 1\n",
    "other.py": "from . import tool\n\nX = 1\n",  # a circle of imports
    "unused.py": "U = 1\n",
}


@pytest.fixture(autouse=True)
def _forget():
    sourcecode._parsed.cache_clear()
    yield
    sourcecode._parsed.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package of a step, what it imports, and a module that nothing imports."""
    for name, text in FILES.items():
        path = tmp_path / "membrain" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(sourcecode, "PACKAGE", tmp_path / "membrain")
    return tmp_path / "membrain"


def changed(package, name, old, new):
    """Return whether an edit of one file changes the hash of the step."""
    before = code_hash("work")
    path = package / name
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    sourcecode._parsed.cache_clear()
    return code_hash("work") != before


def test_files_are_those_reached_by_every_form_of_import(package):
    found = [path.relative_to(package).as_posix() for path in modules_of("work")]
    assert found == [
        "absolute.py",
        "deep/__init__.py",
        "deep/inner.py",
        "deep/leaf.py",
        "far.py",
        "other.py",
        "steps/work.py",
        "tool.py",
    ]


def test_unknown_step_reaches_no_file(package):
    assert modules_of("nothing") == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("tool.py", "    # a note\n", ""),
        ("tool.py", "# a note", "# another note"),
        ("tool.py", '"""A tool."""', '"""The tool.\n\nMore of it.\n"""'),
        ("tool.py", '    """A box."""\n', ""),
        ("tool.py", "Return its size.", "Give its size."),
        ("tool.py", '    """Return twice x."""\n', ""),
        ("tool.py", "min(2 * x, LIMIT) + deep.SHIFT", "(\n        min(2*x, LIMIT) + deep.SHIFT)"),
        ("steps/work.py", "What the step does.", "What it does, in other words."),
        ("unused.py", "U = 1", "U = 2"),
        ("__init__.py", '"1"', '"2"'),
        ("steps/__init__.py", "{}", '{"work": "a text"}'),
    ],
)
def test_hash_is_blind_to_what_changes_no_result(package, name, old, new):
    assert not changed(package, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("steps/work.py", "return twice(args)", "return twice(-args)"),
        ("tool.py", "2 * x", "3 * x"),
        ("tool.py", "return 1", "return 2"),
        ("tool.py", "def size(self)", "def size(self, n=1)"),
        ("tool.py", "import numpy as np\n", ""),
        ("deep/__init__.py", "SHIFT = 0", "SHIFT = 1"),
        ("deep/inner.py", "LIMIT = 9", "LIMIT = 9.0"),
        ("deep/leaf.py", "LEAF = 1", "LEAF = 2"),
        ("far.py", "STEP = 1", "STEP = 2"),
        ("absolute.py", "A = 1", "A = 2"),
        ("other.py", "X = 1", "X = 2"),
    ],
)
def test_hash_sees_code_wherever_it_is_imported_from(package, name, old, new):
    assert changed(package, name, old, new)


def test_hash_sees_a_renamed_module(package):
    before = code_hash("work")
    (package / "far.py").rename(package / "near.py")
    (package / "deep" / "inner.py").write_text("from ..near import STEP\n\nLIMIT = 9\n")
    sourcecode._parsed.cache_clear()
    assert code_hash("work") != before


def test_hash_is_the_same_in_another_folder(package, tmp_path, monkeypatch):
    before = code_hash("work")
    copy = tmp_path / "elsewhere" / "membrain"
    shutil.copytree(package, copy)
    monkeypatch.setattr(sourcecode, "PACKAGE", copy)
    assert code_hash("work") == before
    assert len(before) == 16


def test_steps_of_this_program_have_hashes_of_their_own():
    present = [verb for verb in VERBS if (sourcecode.PACKAGE / "steps" / f"{verb}.py").is_file()]
    hashes = {verb: code_hash(verb) for verb in present}
    assert len(set(hashes.values())) == len(present) > 1


def test_step_of_this_program_reaches_the_modules_it_imports_inside_run():
    found = {path.name for path in modules_of("cluster_points")}
    assert {"cluster_points.py", "clusters.py", "mean_shift.py", "tables.py", "files.py"} <= found
    assert "network.py" not in found
