"""Closed schemas: an unknown key or column is an error that names the nearest known one."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from .errors import Problems, suggest

TYPES = {
    "object": "a section with keys of its own",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
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
    if "expected" in error.schema and rule in ("pattern", "minLength"):
        return error.schema["expected"]
    if rule == "type":
        return " or ".join(TYPES[kind] for kind in ([value] if isinstance(value, str) else value))
    words = {
        "enum": f"one of {', '.join(map(str, value)) if isinstance(value, list) else value}",
        "pattern": "letters, digits and . _ + - only, beginning with a letter or digit",
        "minimum": f"at least {value}",
        "maximum": f"at most {value}",
        "exclusiveMinimum": f"more than {value}",
        "exclusiveMaximum": f"less than {value}",
        "minItems": f"at least {value} entries",
        "maxItems": f"at most {value} entries",
        "minLength": "not nothing",
        "maxLength": f"at most {value} characters",
    }
    return words.get(rule, error.message)


def _remedy(error: ValidationError) -> str:
    """Say what to do about a number that YAML takes for text."""
    value = error.instance
    if error.validator != "type" or not isinstance(value, str):
        return ""
    is_number = re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value)
    return f"write it with a point, as {value.lower().replace('e', '.0e')}" if is_number else ""


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
                    full = f"{place}.{name}" if place else name
                    problems.add(f"{where}: {noun} '{full}' is missing or empty")
        else:
            problems.add(
                f"{where}: {noun} '{place}'",
                found=repr(error.instance),
                expected=_expected(error),
                remedy=_remedy(error),
            )


def _is_integer(_: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: object, value: object) -> bool:
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and abs(value) < math.inf


def validator_of(schema: Mapping) -> Draft202012Validator:
    """Return a validator of a schema: 2.0 is no integer in it, NaN and infinity are no numbers."""
    strict = {"integer": _is_integer, "number": _is_number}
    checker = Draft202012Validator.TYPE_CHECKER.redefine_many(strict)
    return extend(Draft202012Validator, type_checker=checker)(schema)


def drop_empty_sections(schema: Mapping, content: Mapping) -> dict:
    """Return `content` without sections that hold nothing, as where every line is a comment."""
    is_section = {name: p.get("type") == "object" for name, p in schema["properties"].items()}
    return {k: v for k, v in content.items() if v is not None or not is_section.get(k)}


def known_columns(schema: Mapping) -> Iterable[str]:
    """Return the names of the columns that a sheet may have."""
    return schema["properties"].keys()
