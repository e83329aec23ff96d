#!/usr/bin/env python
"""Find the errors that no test reaches, and those whose message no test looks at.

    python tests/tools/check_messages.py [--list] [pytest's arguments]

Every ``raise`` and every ``problems.add`` of the library is a place. The tests run once to see
which places each of them reaches. Then tests run again with the message of one such place replaced
by a question mark: a test that fails has looked at it. The library's modules are changed while they
are imported, never on disk. Exit code 1 where a place is left over.

This file is the command and the plugin of pytest that the command runs with.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "workflow"
SCRIPTS = {path.stem for path in SOURCES.glob("*.py")}  # modules beside the library
TASK = os.environ.get("CHECK_MESSAGES")  # what this run of pytest is to do, set by the command

reached: set[str] = set()  # places that the running test came by
garbled = ""  # the place whose message is to be replaced


def _is_note(node: ast.AST) -> bool:
    """Return whether a statement adds to a collection of mistakes named ``problems``."""
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    return is_call and ast.unparse(node.value.func) in ("problems.add", "problems.errors.append")


def places_of(tree: ast.AST) -> list[ast.stmt]:
    """Return the statements that raise an error or note a mistake."""
    nodes = ast.walk(tree)
    return [n for n in nodes if (isinstance(n, ast.Raise) and n.exc) or _is_note(n)]


def name_of(path: Path, node: ast.stmt) -> str:
    """Return a place as ``file:line``."""
    return f"{path.relative_to(ROOT)}:{node.lineno}"


class _Watch(ast.NodeTransformer):
    """Let every place tell that it was reached."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _call(self, node: ast.stmt, argument: ast.expr) -> ast.Call:
        place = ast.Constant(name_of(self.path, node))
        return ast.Call(ast.Name("__told__", ast.Load()), [place, argument], [])

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if node.exc:
            node.exc = self._call(node, node.exc)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | list[ast.Expr]:
        if not _is_note(node):
            return node
        last = ast.parse("problems.errors[-1]", mode="eval").body
        return [node, ast.Expr(self._call(node, last))]


def _told(place: str, error: BaseException) -> BaseException:
    """Note that a place was reached; replace its message where it is the one to be garbled."""
    reached.add(place)
    if place == garbled:
        if isinstance(error, type):
            error = error()
        error.args = ("?",)
        if isinstance(error, OSError):
            error.strerror = "?"
    return error


class _Loader(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str):
        path = Path(self.path)
        tree = _Watch(path).visit(ast.parse(path.read_bytes()))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)

    def exec_module(self, module) -> None:
        module.__dict__["__told__"] = _told
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path=None, target=None):
        if not name.startswith("membrain.") and name not in SCRIPTS:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec and spec.origin and Path(spec.origin).is_relative_to(SOURCES):
            spec.loader = _Loader(name, spec.origin)
        return spec


if TASK:
    import pytest

    sys.meta_path.insert(0, _Finder())
    task = json.loads(Path(TASK).read_text())

    def pytest_collection_modifyitems(config, items) -> None:
        if task["garble"]:
            items[:] = [item for item in items if item.nodeid in task["garble"]]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(item):
        global garbled
        reached.clear()
        garbled, is_fine = task["garble"].get(item.nodeid, ""), False
        try:
            result = yield
            is_fine = True
            return result
        finally:
            line = {"test": item.nodeid, "fine": is_fine, "reached": sorted(reached)}
            with open(task["out"], "a") as handle:  # a line at a time, from several processes
                handle.write(json.dumps(line) + "\n")
            garbled = ""


def run_tests(arguments: list[str], garble: dict[str, str]) -> list[dict]:
    """Run pytest, with the place that each test is to garble; return what it noted of each test."""
    import tempfile

    files = sorted({test.split("::")[0] for test in garble})
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "task.json", Path(folder) / "out.jsonl"
        given.write_text(json.dumps({"garble": garble, "out": str(out)}))
        out.touch()
        environment = {**os.environ, "CHECK_MESSAGES": str(given)}
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), str(SOURCES)])
        command = [sys.executable, "-m", "pytest", "-q", "-p", "check_messages", "--tb=no"]
        command += ["-m", "not slow and not workflow and not slurm", *arguments, *files]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if not garble and done.returncode:
            sys.exit(done.stdout + done.stderr)
        return [json.loads(line) for line in out.read_text().splitlines()]


def look(arguments: list[str], tests_of: dict[str, list[str]]) -> set[str]:
    """Return the places whose message some test looks at."""
    left, seen = {place: list(tests) for place, tests in tests_of.items()}, set()
    while any(left.values()):
        garble: dict[str, str] = {}
        for place, tests in left.items():
            free = [test for test in tests if test not in garble][:3]
            garble |= dict.fromkeys(free, place)
            left[place] = [test for test in tests if test not in free]
        for line in run_tests(arguments, garble):
            if not line["fine"]:
                seen.add(garble[line["test"]])
        left = {place: tests for place, tests in left.items() if place not in seen}
    return seen


def main(arguments: list[str]) -> int:
    """Run the tests, tell the places that are left over."""
    lists = "--list" in arguments
    arguments = [a for a in arguments if a != "--list"]
    files = sorted(SOURCES.rglob("*.py"))
    trees = {path: ast.parse(path.read_bytes()) for path in files}
    places = [name_of(path, node) for path in files for node in places_of(trees[path])]
    tests_of = defaultdict(list)
    for line in sorted(run_tests(arguments, {}), key=lambda line: len(line["reached"])):
        for place in line["reached"]:
            tests_of[place].append(line["test"])
    seen = look(arguments, tests_of)
    unreached = [place for place in places if place not in tests_of]
    unseen = [place for place in places if place in tests_of and place not in seen]
    for words, group in (("reached by no test", unreached), ("message not looked at", unseen)):
        for place in group:
            print(f"{place}: {words}")
    if lists:
        print(json.dumps({place: tests_of[place] for place in places}, indent=1))
    print(f"{len(places)} places: {len(unreached)} unreached, {len(unseen)} not looked at")
    return 1 if unreached or unseen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
