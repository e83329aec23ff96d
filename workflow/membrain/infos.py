"""Info files of tomograms, as `inspect_tomogram` writes them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

from .entries import (
    NAME,
    NOT_NEGATIVE,
    NUMBER,
    NUMBERS,
    POSITIVE,
    SIZES,
    Rule,
    check_entries,
    is_number,
)
from .errors import InputError
from .files import read_json

log = logging.getLogger(__name__)


def _is_grey(value: object) -> bool:
    names = ("centre", "scale", "low", "high")
    is_complete = isinstance(value, Mapping) and all(is_number(value.get(name)) for name in names)
    return is_complete and value["scale"] > 0 and value["low"] < value["high"]


RULES: dict[str, Rule] = {
    "tomogram": NAME,
    "shape": SIZES,
    "pixel_size_angstrom": POSITIVE,
    "header_pixel_size_angstrom": NOT_NEGATIVE,
    "origin_angstrom": NUMBERS,
    "mean": NUMBER,
    "std": POSITIVE,
    "grey": (_is_grey, "centre, scale above 0, and low below high"),
}


def read_info(path: str | Path, needs: Iterable[str] = ("pixel_size_angstrom",)) -> dict:
    """Return the info of a tomogram.

    Parameters
    ----------
    path : path
    needs : iterable of str
        Entries that must be there beside the tomogram's name and shape.

    Raises
    ------
    InputError
        When the file is not such an info, or tells that the tomogram failed.
    """
    content = read_json(path)
    failure = failure_of(content)
    if failure:
        raise InputError(f"tomogram '{content['tomogram']}' failed: {failure}")
    names = ("tomogram", "shape", *needs)
    check_entries(path, content, RULES, names, "the info of a tomogram", "run inspect_tomogram")
    return content


def failure_of(content: object) -> str:
    """Return why a tomogram could not be used, as its info tells; empty where it could."""
    return str(content.get("failure", "")) if isinstance(content, Mapping) else ""


def read_failures(paths: Iterable[str | Path]) -> dict[str, str]:
    """Return why tomograms failed, by name; those that did not are left out."""
    contents = filter(failure_of, map(read_json, paths))
    return {content["tomogram"]: failure_of(content) for content in contents}


def read_infos(
    paths: Iterable[str | Path], needs: Iterable[str] = ("pixel_size_angstrom",)
) -> dict[str, dict]:
    """Return the infos of tomograms by name, without those of tomograms that failed.

    Raises
    ------
    InputError
        When a file is not such an info, or two are of the same tomogram and differ.
    """
    infos: dict[str, dict] = {}
    for path in paths:
        if failure_of(read_json(path)):
            log.warning("%s: the tomogram failed and is left out", path)
            continue
        info = read_info(path, needs)
        if infos.setdefault(info["tomogram"], info) != info:
            raise InputError(f"{path}: another info of tomogram '{info['tomogram']}' is given too")
    return infos
