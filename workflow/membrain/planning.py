"""What can be checked before anything runs, so that a run does not stop at it hours later."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .errors import InputError, Problems, suggest
from .files import read_json
from .headers import read_header
from .sheets import TomogramRow
from .volumes import resolve_pixel_size

CARD_ENTRIES = ("pixel_size_angstrom", "box_shape", "box_centre", "contrast", "sha256")


def check_files(files: Mapping[str, str | Path]) -> None:
    """Check that the files that the configuration names are there.

    Parameters
    ----------
    files : mapping of config key to path

    Raises
    ------
    InputError
        Lists every file that is not, with the folder that paths are relative to, or whose name
        Snakemake cannot take.
    """
    problems = Problems()
    for key, path in files.items():
        if set("{}") & set(str(path)):
            problems.add(f"config key '{key}'", found=path, expected="a name without { and }")
        elif not Path(path).is_file():
            problems.add(
                f"config key '{key}': {path} not found",
                found="a folder" if Path(path).is_dir() else None,
                expected="a file",
                remedy=f"paths in the configuration are relative to {Path.cwd()}, the folder that "
                "Snakemake is started in",
            )
    problems.raise_if_any(f"{len(problems.errors)} files not found")


def read_card_entries(weights: str | Path, words: Sequence[str], key: str = "model") -> dict:
    """Return the card of a weights file, looked at as far as planning needs it.

    Parameters
    ----------
    weights : path, ``.safetensors`` with its card ``.json`` beside it
    words : sequence of str
        What may stand in the configuration in place of a file.
    key : str, of the configuration

    Raises
    ------
    InputError
        When a file is absent, the card lacks an entry, or is that of other weights.
    """
    weights = Path(weights)
    card = weights.with_suffix(".json")
    for file in (weights, card):
        if not file.is_file():
            near = suggest(weights.name, words)
            raise InputError(
                f"config key '{key}': {file} not found",
                expected=f"{', '.join(map(repr, words))}, or a .safetensors file with its .json "
                "card beside it",
                remedy=near if near.startswith("did you mean") else "",
            )
    content = read_json(card)
    is_object = isinstance(content, dict)
    missing = [name for name in CARD_ENTRIES if not (is_object and content.get(name))]
    if missing:
        raise InputError(
            f"config key '{key}': {card} is not the card of weights",
            found=f"no {', '.join(missing)}",
            remedy="copy it again, or make it with train_model or import_weights",
        )
    if hashlib.sha256(weights.read_bytes()).hexdigest() != content["sha256"]:
        raise InputError(
            f"config key '{key}': {weights} is not the file that its card describes",
            remedy="copy the weights and the card again, together",
        )
    return content


def check_start(options: Mapping[str, object], card: Mapping, weights: Path) -> None:
    """Check that training with these options can begin with the weights of a card.

    Parameters
    ----------
    options : mapping, section ``train_model`` of the configuration
    card : mapping, from `read_card_entries`
    weights : path, for messages

    Raises
    ------
    InputError
        Lists the options that differ.
    """
    problems = Problems()
    for name in ("network", "width", "normalisation"):
        if name in card and options[name] != card[name]:
            problems.add(
                f"config key 'train_model.{name}'",
                found=options[name],
                expected=f"{card[name]}, as {weights.name} has, which training is to begin with",
            )
    problems.raise_if_any(f"{len(problems.errors)} options differ from those of {weights}")


def check_output_folder(path: str | Path, name: str) -> None:
    """Check that a folder can be made or written to.

    Parameters
    ----------
    path : path
        Need not exist.
    name : str
        What names it, for the message.

    Raises
    ------
    InputError
        When it, or what it is to lie in, is a file or may not be written to.
    """
    path = Path(path).absolute()
    there = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    if not there.is_dir():
        raise InputError(
            f"{name}: {path} cannot be made", found=f"a file, {there}", expected="a folder"
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"{name}: {path} cannot be written",
            found=f"no right to write to {there}, or a disk that is read-only",
            remedy="choose another folder",
        )


def check_headers(rows: Iterable[TomogramRow]) -> None:
    """Check that tomograms are complete MRC files whose pixel size is known.

    Raises
    ------
    InputError
        Lists every tomogram that is not.
    """
    problems = Problems()
    for row in rows:
        try:
            resolve_pixel_size(read_header(row.path), row.pixel_size)
        except InputError as error:
            problems.add(f"tomogram '{row.tomogram}': {error}")
    problems.raise_if_any(f"{len(problems.errors)} tomograms cannot be used")
