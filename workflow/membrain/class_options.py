"""Options with a value for every class, or class by class."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import InputError

ANY_CLASS = ""  # key of the value of classes that have none of their own


def by_class(flag: str, texts: Sequence[str]) -> dict[str, str]:
    """Return the values of an option by class (lower case), `ANY_CLASS` for one without a name.

    Parameters
    ----------
    flag : str, for messages
    texts : sequence of str
        ``CLASS=VALUE``, or ``VALUE`` for every class that has none of its own. An equals sign
        behind a slash belongs to a path.

    Raises
    ------
    InputError
        When a class has two values.
    """
    out: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or "/" in name:
            name, value = ANY_CLASS, text
        if name.lower() in out:
            raise InputError(f"{flag}: two values for {name or 'every class'}", found=list(texts))
        out[name.lower()] = value
    return out


def numbers_by_class(
    flag: str, texts: Sequence[str | float], counts: Sequence[int]
) -> dict[str, list[float]]:
    """Return the numbers of an option by class, as `by_class` does.

    Parameters
    ----------
    texts : sequence of str or float
        Numbers for every class, one each (``80 40 20``), or ``CLASS=80,40,20``.
    counts : sequence of int
        How many numbers a value may have.

    Raises
    ------
    InputError
        When a value is not that many numbers.
    """
    texts = [str(text) for text in texts]
    plain = [text for text in texts if "=" not in text]
    joined = [text for text in texts if "=" in text] + ([",".join(plain)] if plain else [])
    out = {}
    for name, value in by_class(flag, joined).items():
        try:
            numbers = [float(part) for part in value.split(",")]
        except ValueError:
            numbers = []
        if len(numbers) not in counts:
            raise InputError(
                f"{flag}, {name or 'every class'}",
                found=repr(value),
                expected=f"{' or '.join(map(str, counts))} numbers",
            )
        out[name] = numbers
    return out


def whole_by_class(flag: str, texts: Sequence[str]) -> dict[str, int]:
    """Return a whole number of 0 or more for each class, as `by_class` does.

    Raises
    ------
    InputError
        When a value is anything else.
    """
    out = {}
    for name, value in by_class(flag, texts).items():
        if not value.isdecimal():
            raise InputError(
                f"{flag}, {name or 'every class'}",
                found=repr(value),
                expected="a whole number of 0 or more",
            )
        out[name] = int(value)
    return out
