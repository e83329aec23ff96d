"""Groups of classes: each output of a network measures the distance to one group."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Sequence

from .errors import InputError

AMBIGUOUS = frozenset({"uk", "unknown"})  # lower case
JOINED = "particle"


def parse_classes(text: str | None) -> list[list[str]] | None:
    """Return the groups of classes of a JSON text; None for ``null``, nothing or ``auto``.

    Raises
    ------
    InputError
        When it is not a list of lists of names, or a name stands twice.
    """
    if text is None or text.strip() in ("", "null", "auto"):
        return None
    try:
        groups = json.loads(text)
    except ValueError:
        groups = None
    is_nested = isinstance(groups, list) and all(isinstance(g, list) and g for g in groups)
    names = [name for group in groups for name in group] if is_nested else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(
            "classes", found=text, expected='a list of lists of names, as [["PSII","UK"],["b6f"]]'
        )
    repeated = [n for n, k in Counter(map(str.lower, names)).items() if k > 1]
    if repeated:
        raise InputError(f"classes: '{repeated[0]}' stands twice", found=text)
    return groups


def other_classes(
    names: Iterable[str], groups: Sequence[Sequence[str]], ambiguous: Container[str]
) -> list[str]:
    """Return the names that are in no group and not ambiguous (lower case), sorted."""
    known = {name.lower() for group in groups for name in group}
    return sorted({n for n in names if n.lower() not in known and n.lower() not in ambiguous})


def resolve_classes(
    names_by_membrane: Sequence[Sequence[str]], minimum: int = 10
) -> list[list[str]]:
    """Return the groups of classes that a data set is trained on when none are given.

    Parameters
    ----------
    names_by_membrane : sequence of sequences of str
        Class of each annotated particle, for each training membrane.
    minimum : int
        Annotations that a class needs to get an output of its own.

    Returns
    -------
    list of lists of str
        One group, hence one output, for each class with enough annotations, the most frequent
        first; ``UK`` and ``unknown`` are joined to the first. When no class has enough, all are
        joined to one group whose first name, and so the class of its picks, is ``particle``.
    """
    counts = Counter(name for names in names_by_membrane for name in names)
    order = sorted(counts, key=lambda name: (-counts[name], name))
    known = [n for n in order if counts[n] >= minimum and n.lower() not in AMBIGUOUS]
    if not known:
        return [[JOINED, *(name for name in order if name != JOINED)]]
    groups = [[name] for name in known]
    groups[0] += [name for name in order if name.lower() in AMBIGUOUS]
    return groups
