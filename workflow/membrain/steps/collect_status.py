"""Join the status tables of all batches and steps into one, and judge it.

Reads status tables (tomogram, membrane, step, status, n, message), sorts them by tomogram, membrane
and the order of the steps, tells how many membranes went through each step, and lists the failed
ones with their messages. With --check the exit code is 2 when more than --allow-failed failed.

  step.py collect_status --status results/*/*.status.tsv --output results/status.tsv
  step.py collect_status --status results/status.tsv --check --allow-failed 2
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--status", nargs="*", default=[], metavar="TSV", help="status tables")
    parser.add_argument("--output", metavar="TSV", help="the joined table")
    parser.add_argument("--check", action="store_true", help="exit with 2 when too many failed")
    parser.add_argument(
        "--allow-failed",
        type=int,
        default=0,
        metavar="N",
        help="failed membranes that are accepted",
    )


def run(args: argparse.Namespace) -> None:
    """Join, write, tell, check."""
    from ..flags import check_ranges
    from ..status_report import (
        check_failures,
        count_lines,
        failure_lines,
        join_status,
        write_status,
    )

    check_ranges(args, least={"allow_failed": 0})
    rows = join_status(args.status)
    if args.output:
        write_status(args.output, rows)
    for line in count_lines(rows):
        log.info("%s", line)
    if args.check:
        check_failures(rows, args.allow_failed)
    for line in failure_lines(rows):
        log.warning("failed: %s", line)
