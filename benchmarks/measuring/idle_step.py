#!/usr/bin/env python
"""Stands in for workflow/step.py: makes the files that a step names, and nothing else."""

import sys
from pathlib import Path

FILES = {"--output", "--output-points", "--output-subvolumes", "--status", "--csv", "--star"}
FILES |= {"--import-list", "--metrics"}


def main(words: list[str]) -> None:
    """Make every output of a command line."""
    flags = dict(zip(words, words[1:], strict=False))
    if "--check" in words:  # reads the status, makes nothing
        return
    if words[0] == "collect_status":
        flags.pop("--status")
    for flag in FILES & flags.keys():
        Path(flags[flag]).touch()
    if "--vtp-dir" in flags:
        Path(flags["--vtp-dir"]).mkdir(exist_ok=True)
    if "--star-dir" in flags:
        first = words.index("--infos") + 1
        for word in words[first:]:
            if word.startswith("--"):
                break
            Path(flags["--star-dir"], f"{Path(word).stem}.star").touch()


if __name__ == "__main__":
    main(sys.argv[1:])
