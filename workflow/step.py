#!/usr/bin/env python
"""Run one step of the workflow by hand: ``python workflow/step.py VERB --help``."""

import signal
import sys

from membrain.command import main

if __name__ == "__main__":
    # a scheduler ends a job this way: what is half-written goes, as after Ctrl-C
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
