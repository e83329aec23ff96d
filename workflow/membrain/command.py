"""The command line: finds the verb's module, sets up threads and logging, tells errors."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import __version__
from .errors import InputError, is_out_of_memory, suggest
from .flags import check_finite
from .steps import VERBS
from .tries import noted

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
OUTPUTS = {"output", "output_points", "output_subvolumes", "status", "checkpoint", "curves"}
OUTPUTS |= {"matches", "curves_png", "csv", "star", "import_list", "metrics", "membranes"}
OUTPUTS |= {"output_volume"}
MAX_THREADS = 1024
MORE = "give the job more memory, or fewer membranes (config: membranes_per_job)"
MORE_GPU = "see whether others use this GPU, or take the processor (config: device)"


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines and adds the defaults."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, "") or action.default == []:
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Tells a wrong flag in one line, without the usage that would hide it."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f"{self.prog.removeprefix('step.py ')}: error: {message}; see --help\n")


def _overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            "usage: step.py VERB [flags]",
            "",
            "One step of membrain-flow, as the workflow runs it. VERB --help tells its flags.",
            "",
            *lines,
        ]
    )


def _check_outputs(args: argparse.Namespace) -> None:
    """Check that no output would replace an input.

    Raises
    ------
    InputError
        Names the two flags and the file.
    """
    files = {}
    for name, value in vars(args).items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str | os.PathLike) and item and os.path.isfile(item):
                files.setdefault(os.path.realpath(item), set()).add(name)
    for path, names in files.items():
        if len(names) > 1 and names & OUTPUTS:
            flags = " and ".join(f"--{name.replace('_', '-')}" for name in sorted(names))
            raise InputError(f"{flags}: the same file", found=path, expected="files of their own")


def _fail(verb: str, message: str) -> int:
    print(f"{verb}: {message}", file=sys.stderr)
    return 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code: 0 done, 2 the input's fault.

    Parameters
    ----------
    argv : sequence of str, optional
        The verb and its flags; the process's arguments when absent.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if not argv or argv[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if argv[0] == "--version":
        print(__version__)
        return 0
    verb, flags = argv[0], argv[1:]
    if verb not in VERBS:
        return _fail("step.py", f"unknown step '{verb}': {suggest(verb, VERBS)}")
    module = importlib.import_module(f"{__package__}.steps.{verb}")
    parser = Parser(
        prog=f"step.py {verb}", description=module.__doc__, formatter_class=HelpFormatter
    )
    module.add_arguments(parser)
    common = parser.add_argument_group("common")
    common.add_argument("--threads", type=int, default=1, help="processor cores to use")
    common.add_argument("--quiet", action="store_true", help="warnings and errors only")
    args = parser.parse_args(flags)
    if not 1 <= args.threads <= MAX_THREADS:
        return _fail(verb, f"--threads {args.threads}: expected 1 to {MAX_THREADS}")
    for name in THREAD_VARIABLES:
        os.environ[name] = str(args.threads)
    logging.basicConfig(
        level=logging.WARNING if args.quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
    )
    try:
        check_finite(args)
        _check_outputs(args)
        with noted(args):
            module.run(args)
    except InputError as error:
        return _fail(verb, f"error: {error}")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return _fail(verb, f"error: {place}{error.strerror or error}")
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        found = str(error).partition("\n")[0] or None
        remedy = f"{MORE_GPU}; or {MORE}" if "CUDA" in str(error) else MORE
        return _fail(verb, f"error: {InputError('out of memory', found=found, remedy=remedy)}")
    except KeyboardInterrupt:
        return _fail(verb, "stopped") and 130
    return 0
