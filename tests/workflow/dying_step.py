"""Stands in for workflow/step.py: the jobs that file `dying` names end as it says.

A line of it is VERB TOMOGRAM KIND: killed, with an error, or after the tomogram or mask was lost.
"""

import importlib
import os
import signal
import sys
from pathlib import Path

from membrain.command import main
from membrain.errors import InputError

words = sys.argv[1:]
file = Path("dying")


def fail(args):
    raise InputError("no room")


for line in file.read_text().splitlines() if file.is_file() else ():
    verb, tomogram, kind = line.split()
    is_given_up = "--tries-left" in words and words[words.index("--tries-left") + 1] == "0"
    if words[0] != verb or f"logs/{verb}/{tomogram}" not in " ".join(words) or is_given_up:
        continue
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind.startswith("lost"):
        Path(f"{tomogram}{'_M1' * kind.endswith('mask')}.mrc").unlink()
    else:
        importlib.import_module(f"membrain.steps.{verb}").run = fail
sys.exit(main())
