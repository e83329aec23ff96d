"""Closed schemas: an unknown key or column is an error that names the nearest known one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, ValidationError

from .errors import Problems, suggest

FOLDER = Path(__file__).resolve().parents[1] / "schemas"


def load_schema(name: str) -> dict:
    """Return the schema ``workflow/schemas/{name}.schema.yaml``."""
    return yaml.safe_load((FOLDER / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def with_defaults(schema: Mapping, content: Mapping) -> dict:
    """Return `content` completed with the defaults that the schema gives, at every level."""
    out = dict(content)
    for key, part in schema.get("properties", {}).items():
        if part.get("type") == "object":
            if isinstance(out.get(key, {}), Mapping):
                out[key] = with_defaults(part, out.get(key, {}))
        elif "default" in part:
            out.setdefault(key, part["default"])
    return out


def _expected(error: ValidationError) -> str:
    """Say in plain words what the failed rule of a schema asks for."""
    rule, value = error.validator, error.validator_value
    words = {
        "type": f"a value of type {' or '.join(value) if isinstance(value, list) else value}",
        "enum": f"one of {', '.join(map(str, value)) if isinstance(value, list) else value}",
        "pattern": "letters, digits and . _ + - only, beginning with a letter or digit",
        "minimum": f"at least {value}",
        "maximum": f"at most {value}",
        "exclusiveMinimum": f"more than {value}",
        "exclusiveMaximum": f"less than {value}",
        "minItems": f"at least {value} entries",
        "maxItems": f"at most {value} entries",
    }
    return words.get(rule, error.message)


def check(
    validator: Draft202012Validator,
    content: Mapping,
    where: str,
    problems: Problems,
    noun: str = "key",
) -> None:
    """Note every violation of a schema in `problems`.

    Parameters
    ----------
    validator : Draft202012Validator
    content : mapping
    where : str
        File, or file and line, for the messages.
    problems : Problems
    noun : str
        What an entry is called: ``key`` of a config, ``column`` of a sheet.
    """
    for error in validator.iter_errors(content):
        place = ".".join(map(str, error.absolute_path))
        if error.validator == "additionalProperties":
            known = error.schema["properties"]
            for name in sorted(set(error.instance) - set(known)):
                full = f"{place}.{name}" if place else name
                problems.add(f"{where}: unknown {noun} '{full}'", remedy=suggest(str(name), known))
        elif error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            if error.message.startswith(f"'{missing[0]}'"):  # one error per missing name; tell once
                for name in missing:
                    problems.add(f"{where}: {noun} '{name}' is missing or empty")
        else:
            problems.add(
                f"{where}: {noun} '{place}'", found=repr(error.instance), expected=_expected(error)
            )


def validator_of(schema: Mapping) -> Draft202012Validator:
    """Return a validator of a schema."""
    return Draft202012Validator(schema)


def known_columns(schema: Mapping) -> Iterable[str]:
    """Return the names of the columns that a sheet may have."""
    return schema["properties"].keys()
