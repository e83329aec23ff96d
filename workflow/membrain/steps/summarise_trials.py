"""Put the figures of trials into one table, as of a cross-validation or an ablation.

Reads a plan (JSON): what each trial is called by (column to text) and its evaluated membranes
(membranes.csv, from evaluate_particles). Trials that are called the same are pooled. Writes a table
with precision, recall and F1 in the paper's and in the strict way, each F1 with its interval over
membranes, and a picture.

  step.py summarise_trials --plan plan.json --overall --table table.tsv --picture table.png
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--plan", required=True, metavar="JSON", help="names and files of the trials")
    add("--draws", type=int, default=1000, help="draws over membranes for the intervals")
    add("--seed", type=int, default=0, help="of the draws")
    add("--overall", action="store_true", help="a last row pools all trials")
    add(
        "--lines",
        nargs=2,
        metavar=("COLUMN", "NUMBER"),
        help="picture of F1 over a column of numbers, a line for each text of the other; "
        "default: a line for each row",
    )
    add("--table", required=True, metavar="TSV", help="a row for each name")
    add("--picture", required=True, metavar="PNG", help="the F1 of each")


def run(args: argparse.Namespace) -> None:
    """Read the figures, pool, write."""
    from ..evaluation_files import cell
    from ..files import read_json, write_table
    from ..flags import check_ranges
    from ..trial_figures import draw_bars, draw_lines
    from ..trial_tables import read_counts, tabulate

    check_ranges(args, least={"draws": 0, "seed": 0})
    plan = read_json(args.plan)
    labels = [trial["labels"] for trial in plan]
    counts = [read_counts(trial["membranes"]) for trial in plan]
    columns, rows = tabulate(labels, counts, args.draws, args.seed, args.overall)
    write_table(args.table, columns, [[cell(row[c], 4) for c in columns] for row in rows])
    if args.lines:
        draw_lines(args.picture, rows, *args.lines, "strict_f1")
    else:
        names = [" ".join(filter(None, (row[c] for c in labels[0]))) for row in rows]
        shown = [(row["strict_f1"], row["strict_f1_low"], row["strict_f1_high"]) for row in rows]
        if args.overall:  # first: of many trials a picture shows the first ones
            names, shown = [names[-1], *names[:-1]], [shown[-1], *shown[:-1]]
        draw_bars(args.picture, names, shown, "Strict F1 of each trial")
    for row in rows:
        named = ", ".join(row[c] for c in labels[0] if row[c])
        log.info("%s: strict F1 %s, paper's %s", named, row["strict_f1"], row["paper_f1"])
