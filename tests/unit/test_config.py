"""Schema, config/config.yaml and config/README.md tell the same options and defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from membrain.schemas import load_schema, with_defaults

CONFIG = Path(__file__).parents[2] / "config"
SHEETS = {"tomograms": "config/tomograms.tsv", "membranes": "config/membranes.tsv"}


def keys(schema):
    """Return every key of a schema, those of sections as section and key."""
    out = []
    for name, part in schema["properties"].items():
        out.append((name,))
        out += [(name, *rest) for rest in keys(part)] if "properties" in part else []
    return out


def test_file_holds_every_option_with_its_default():
    content = yaml.safe_load((CONFIG / "config.yaml").read_text())
    assert content == with_defaults(load_schema("config"), SHEETS)


def test_every_option_has_a_comment():
    lines = (CONFIG / "config.yaml").read_text().splitlines()
    for before, line in zip([""] + lines, lines, strict=False):
        if line and not line.lstrip().startswith("#"):
            assert "# " in line or before.lstrip().startswith("# "), line


@pytest.mark.parametrize("key", keys(load_schema("config")), ids=".".join)
def test_readme_tells_of_option(key):
    text = (CONFIG / "README.md").read_text()
    section = text.split(f"### `{key[0]}`")[1].split("\n### ")[0] if len(key) > 1 else text
    assert f"`{key[-1]}`" in section


@pytest.mark.parametrize("sheet", ["tomograms", "membranes"])
def test_readme_and_example_have_the_columns_of_the_sheet(sheet):
    columns = list(load_schema(sheet)["properties"])
    section = (CONFIG / "README.md").read_text().split(f"### `{sheet}.tsv`")[1].split("\n### ")[0]
    assert [c for c in columns if f"| `{c}` |" not in section] == []
    header, example, *rest = (CONFIG / f"{sheet}.tsv").read_text().splitlines()
    assert header.split("\t") == columns
    assert example.startswith("#")
    assert len(example.split("\t")) == len(columns)
    assert rest == []
