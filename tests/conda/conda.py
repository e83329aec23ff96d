#!/usr/bin/env python
"""Stands in for the program conda in tests: solves and installs from a channel on this disk.

It knows the calls that Snakemake makes. Solving, unpacking and linking are those of rattler.
STAND_IN_CHANNELS names the folder that holds the channels.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import rattler
import yaml

PLATFORMS = ["linux-64", "noarch"]


async def create(file: str, prefix: str) -> None:
    """Solve an environment file and install what it needs."""
    content = yaml.safe_load(Path(file).read_text())
    folder = Path(os.environ["STAND_IN_CHANNELS"])
    config = rattler.ChannelConfig(channel_alias=f"{folder.as_uri()}/")
    names = [name for name in content["channels"] if name != "nodefaults"]
    records = await rattler.solve(
        [rattler.Channel(name, config) for name in names],
        [rattler.MatchSpec(spec) for spec in content["dependencies"]],
        platforms=PLATFORMS,
    )
    await rattler.install(
        records, target_prefix=prefix, cache_dir=folder / "cache", show_progress=False
    )


def main(arguments: list[str]) -> int:
    """Answer one call."""
    if arguments == ["info", "--json"]:
        prefix = str(Path(__file__).resolve().parent)
        print(json.dumps({"conda_prefix": prefix, "platform": PLATFORMS[0]}))
    elif arguments == ["--version"]:
        print("conda 25.1.0")
    elif arguments == ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:1] == ["clean"]:
        pass
    elif arguments[:2] == ["env", "create"]:
        value = dict(zip(arguments, arguments[1:], strict=False))
        asyncio.run(create(value["--file"], value["--prefix"]))
    else:
        print(f"conda: not a call that is stood in for: {arguments}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # rattler's threads can break an interpreter that ends with them still at work
