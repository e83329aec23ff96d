"""A hash of the code that a step depends on, blind to comments, docstrings and layout."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _module_file(name: str) -> Path | None:
    """Return the file of a dotted module name below the package, if there is one."""
    base = PACKAGE.joinpath(*name.split(".")) if name else PACKAGE
    for candidate in (base.with_suffix(".py") if name else base, base / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _parsed(path: Path) -> tuple[str, frozenset[str]]:
    """Return the syntax tree as text, without docstrings, and the package modules it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = path.relative_to(PACKAGE).with_suffix("").parts
    folder = own[:-1]  # relative imports start here
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (
            node.level or str(node.module).startswith("membrain")
        ):
            if node.level:
                base = folder[: len(folder) - node.level + 1] + tuple(
                    (node.module or "").split(".")
                )
            else:
                base = tuple(node.module.split("."))[1:]
            base = tuple(part for part in base if part)
            found.add(".".join(base))
            found.update(".".join((*base, alias.name)) for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(
                a.name.partition(".")[2] for a in node.names if a.name.startswith("membrain.")
            )
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and body:
            if ast.get_docstring(node, clean=False) is not None:
                node.body = body[1:]
    return ast.dump(tree), frozenset(found)


def modules_of(verb: str) -> list[Path]:
    """Return the files of the package that a step imports, itself included, in sorted order."""
    todo, files = [f"steps.{verb}"], set()
    while todo:
        path = _module_file(todo.pop())
        if path is None or path in files:
            continue
        files.add(path)
        todo.extend(_parsed(path)[1])
    # the package's own __init__ holds the version alone: a release re-runs nothing by itself
    return sorted(files - {PACKAGE / "__init__.py", PACKAGE / "steps" / "__init__.py"})


def code_hash(verb: str) -> str:
    """Return a short hash of everything a step's result can depend on in the source.

    Parameters
    ----------
    verb : str
        Name of the step, as on the command line.

    Notes
    -----
    Changes of comments, docstrings and layout leave it as it is.
    """
    digest = hashlib.sha256()
    for path in modules_of(verb):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(_parsed(path)[0].encode())
    return digest.hexdigest()[:16]
