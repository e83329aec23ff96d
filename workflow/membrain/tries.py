"""Jobs that end without a result: tried again, then told as a failure of their membranes.

A job that is killed (memory, time, a machine that is lost) cannot say so. Where its tries are used
up the workflow starts the step once more with ``--tries-left 0``: it does no work, writes outputs
without points, and lets every membrane fail with the reason. The run goes on with the others.

How a try ended stands beside the job's log. The workflow takes the number of times that a job was
given up for a parameter of the job, so that the next run does not take its outputs for done.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError

DIED = (
    "killed, out of memory, over its time limit, or its machine was lost; give it more memory or "
    "time, or fewer membranes (config: membranes_per_job), and run again"
)


def add_try_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a step that can be given up."""
    group = parser.add_argument_group("tries")
    group.add_argument(
        "--tries-left",
        type=int,
        default=1,
        metavar="N",
        help="this one included; 0: all tries ended without a result, every membrane fails",
    )
    group.add_argument("--log", metavar="FILE", help="the job's log; its tries are kept beside it")


def notes_path(log: str | Path) -> Path:
    """Return the file that tells how tries ended, beside a job's log."""
    return Path(log).with_suffix(".tries.json")


def _read(path: Path) -> dict:
    """Return the notes on a job; a damaged file counts as none."""
    from .files import read_json

    try:
        content = read_json(path) if path.is_file() else {}
        return {"n_given_up": int(content["n_given_up"]), "last": str(content["last"])}
    except (InputError, KeyError, TypeError, ValueError):
        return {"n_given_up": 0, "last": ""}


def count_given_up(log: str | Path) -> int:
    """Return how often a job was given up so far."""
    return _read(notes_path(log))["n_given_up"]


def given_up(args: argparse.Namespace) -> InputError | None:
    """Return why a step is given up; None where it is to do its work."""
    if args.tries_left > 0:
        return None
    last = _read(notes_path(args.log))["last"] if args.log else ""
    if last:
        return InputError(f"its job failed in each try, at last: {last}")
    return InputError(f"its job ended without a message in each try: {DIED}")


@contextlib.contextmanager
def noted(args: argparse.Namespace) -> Iterator[None]:
    """Keep how a try ends: with an error, by a signal, well, or given up.

    Only a step with the flags of `add_try_arguments` is kept, and only where its log is known.
    """
    if not getattr(args, "log", None) or not hasattr(args, "tries_left"):
        yield
        return
    from .files import write_json

    path, is_last = notes_path(args.log), args.tries_left < 1
    notes = _read(path)
    if notes["last"] and not is_last:  # of an earlier try: this one may end without a word
        notes["last"] = ""
        write_json(path, notes)
    try:
        yield
    except Exception as error:
        name = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        write_json(path, {**notes, "last": f"{name}{error}"})
        raise
    if is_last:
        write_json(path, {**notes, "n_given_up": notes["n_given_up"] + 1})
