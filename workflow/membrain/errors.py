"""Errors that are the data's or the configuration's fault, told in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """A fault of the input: the user sees its one line and exit code 2, never a traceback.

    Parameters
    ----------
    what : str
        What is wrong, with its place: file, membrane, column or config key.
    found, expected, remedy : str, optional
        What stands there, what should stand there, and what to do.

    Examples
    --------
    >>> print(InputError("mask.mrc: unreadable", found="3 bytes", expected="an MRC file"))
    mask.mrc: unreadable; found 3 bytes; expected an MRC file
    """

    def __init__(
        self, what: str, *, found: object = None, expected: object = None, remedy: str = ""
    ):
        parts = [what]
        if found is not None:
            parts.append(f"found {found}")
        if expected is not None:
            parts.append(f"expected {expected}")
        if remedy:
            parts.append(remedy)
        super().__init__(" ".join("; ".join(parts).split()))


class Problems:
    """Mistakes gathered while checking, raised together at the end."""

    def __init__(self) -> None:
        self.errors: list[InputError] = []

    def add(self, what: str, **details: object) -> None:
        """Note one mistake; takes the arguments of `InputError`."""
        self.errors.append(InputError(what, **details))

    def raise_if_any(self, heading: str = "") -> None:
        """Raise one `InputError` that lists every mistake noted so far.

        Raises
        ------
        InputError
            When at least one mistake was noted.
        """
        if not self.errors:
            return
        if len(self.errors) == 1:
            raise self.errors[0]
        error = InputError(heading or f"{len(self.errors)} mistakes")
        lines = [f"{i}. {e}" for i, e in enumerate(self.errors, 1)]
        error.args = ("\n".join([f"{error}:", *lines]),)
        raise error


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant, as a sentence for an error's remedy.

    Parameters
    ----------
    name : str
        The unknown name. Case does not count when it is compared.
    known : iterable of str
        The names that are allowed; the answer spells them as they stand here.
    """
    known = list(known)
    spelling: dict[str, str] = {}
    for candidate in known:
        spelling.setdefault(candidate.lower(), candidate)
    near = difflib.get_close_matches(name.lower(), spelling, n=1, cutoff=0.5)
    if near:
        return f"did you mean '{spelling[near[0]]}'?"
    return f"known are {', '.join(sorted(known))}"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, be it a processor's or a GPU's.

    Told by name and text, as torch is imported by few steps: its errors are RuntimeErrors,
    ``OutOfMemoryError`` for a GPU and one with its allocator's name for a processor.
    """
    is_torch = isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in str(error)
    )
    return is_torch or isinstance(error, MemoryError)
