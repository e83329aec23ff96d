"""The recipe of a data set, checked and completed with its defaults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from ..errors import InputError, Problems, suggest
from ..schemas import check, load_schema, validator_of, with_defaults
from .proteins import BUILT_IN

SECTIONS = ("bilayer", "mask", "placement", "crowding", "imaging")  # a tomogram may change these
CLOSED = ("sphere", "ellipsoid", "torus")


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes
    ----------
    content : dict, after ``workflow/schemas/simulation.schema.yaml``, every default filled in
    folder : path, that of the recipe: paths of density maps are relative to it
    """

    content: dict
    folder: Path

    @property
    def seed(self) -> int:
        """Seed of everything random."""
        return self.content["seed"]

    def with_seed(self, seed: int) -> Recipe:
        """Return the same recipe with another seed."""
        return replace(self, content={**self.content, "seed": seed})

    def options(self, tomogram: Mapping, section: str) -> dict:
        """Return a section of the recipe with what one tomogram's entry changes."""
        return {**self.content[section], **tomogram.get(section, {})}


def _complete(part: dict, schemas: Mapping, where: str, problems: Problems) -> dict:
    """Check an entry against the schema that its ``shape`` names, and fill in the defaults."""
    schema = schemas[part["shape"]]  # the recipe's own schema knows the shapes
    check(validator_of(schema), part, where, problems)
    return with_defaults(schema, part)


def _check_protein(protein: Mapping, where: str, kinds: Mapping, problems: Problems) -> None:
    if protein["kind"] not in kinds:
        problems.add(
            f"{where}: unknown kind '{protein['kind']}'", remedy=suggest(protein["kind"], kinds)
        )
    given = [name for name in ("number", "number_per_square_micrometre") if name in protein]
    if len(given) != 1:
        problems.add(
            f"{where}: how many particles of kind '{protein['kind']}'",
            found=" and ".join(given) or "nothing",
            expected="either number or number_per_square_micrometre",
        )


def _check_names(names: list[str], where: str, noun: str, problems: Problems) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            problems.add(f"{where}: {noun} '{name}' stands {count} times")


def _complete_membrane(
    membrane: Mapping, where: str, schema: Mapping, kinds: Mapping, problems: Problems
) -> dict:
    layout = schema["properties"]["tomograms"]["items"]["properties"]["membranes"]["items"]
    surfaces = schema["$defs"]["surfaces"]
    out = with_defaults(layout, membrane)
    out["surface"] = _complete(membrane["surface"], surfaces, f"{where}, surface", problems)
    protein_layout = layout["properties"]["proteins"]["items"]
    out["proteins"] = [with_defaults(protein_layout, protein) for protein in out["proteins"]]
    for protein in out["proteins"]:
        _check_protein(protein, where, kinds, problems)
    if out["side"] in ("outside", "inside") and out["surface"].get("shape") not in CLOSED:
        problems.add(
            f"{where}: side '{out['side']}' of an open surface",
            found=out["surface"].get("shape"),
            expected=f"a closed one ({', '.join(CLOSED)})",
            remedy="use point, annotations or both",
        )
    sides = {protein["side"] for protein in out["proteins"]}
    if out["side"] == "point" and len(sides) != 1:
        problems.add(
            f"{where}: side 'point' needs proteins on exactly one side",
            found=f"{len(sides)} sides",
            remedy="use both, outside or inside",
        )
    return out


def complete_recipe(content: Mapping, where: str, folder: Path) -> Recipe:
    """Return a checked recipe with every default filled in.

    Parameters
    ----------
    content : mapping
        As read from YAML.
    where : str
        File, for the messages.
    folder : path
        To which paths in the recipe are relative.

    Raises
    ------
    InputError
        Lists every mistake: unknown or missing key, bad value, unknown kind or shape, a name twice,
        a side that does not fit.
    """
    schema, problems = load_schema("simulation"), Problems()
    heading = f"{where}: mistakes in the recipe"
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: not a recipe", expected="keys such as 'tomograms'")
    check(validator_of(schema), content, where, problems)
    problems.raise_if_any(heading)
    out = with_defaults(schema, content)
    out["kinds"] = {
        name: _complete(part, schema["$defs"]["kinds"], f"{where}, kind '{name}'", problems)
        for name, part in {**BUILT_IN, **out.get("kinds", {})}.items()
    }
    names = [tomogram["tomogram"] for tomogram in content["tomograms"]]
    _check_names(names, where, "tomogram", problems)
    tomograms = []
    for tomogram in content["tomograms"]:
        place = f"{where}, tomogram '{tomogram['tomogram']}'"
        names = [membrane["membrane"] for membrane in tomogram["membranes"]]
        _check_names(names, place, "membrane", problems)
        membranes = [
            _complete_membrane(
                m, f"{place}, membrane '{m['membrane']}'", schema, out["kinds"], problems
            )
            for m in tomogram["membranes"]
        ]
        tomograms.append({**tomogram, "membranes": membranes})
    problems.raise_if_any(heading)
    return Recipe({**out, "tomograms": tomograms}, Path(folder))


def read_recipe(path: str | Path) -> Recipe:
    """Return the recipe of a YAML file.

    Raises
    ------
    InputError
        When the file is absent, not YAML, or `complete_recipe` finds mistakes.
    """
    path = Path(path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: unreadable", found=found, expected="a recipe") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML", found=error) from None
    return complete_recipe(content, str(path), path.parent)
