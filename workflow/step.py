#!/usr/bin/env python
"""Run one step of the workflow by hand: ``python workflow/step.py VERB --help``."""

import sys

from membrain.command import main

if __name__ == "__main__":
    sys.exit(main())
