"""Rank trials of training and clustering options by what they had held out.

Reads a plan (JSON): of each trial its changes (dotted key to value), the files of held-out
predictions of its networks (.held_out.npz, from train_model; several are averaged) and its
clustering options. Clusters the held-out points of each, at a threshold that is chosen anew, and
compares with the annotated particles. Writes a table from best to worst, a picture, and the changes
of the best as a configuration that can be given after the user's own.

  step.py rank_trials --plan plan.json --table table.tsv --picture table.png --best best.yaml
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)

COLUMNS = ("rank", "f1", "f1_low", "f1_high", "n_annotated", "n_found", "n_hits", "threshold")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--plan", required=True, metavar="JSON", help="what each trial changed and predicted")
    add("--draws", type=int, default=1000, help="draws over membranes for the intervals")
    add("--seed", type=int, default=0, help="of the draws")
    add("--table", required=True, metavar="TSV", help="trials from best to worst")
    add("--picture", required=True, metavar="PNG", help="the same as a picture")
    add("--best", required=True, metavar="YAML", help="what the best one changed")


def _judge_all(plan: list, draws: int, seed: int) -> list:
    """Return the score of each trial; files are read and averaged once for trials that share."""
    from ..held_out import average, read_held_out
    from ..ranking import judge

    scores, known = [], {}
    for trial in plan:
        files = tuple(trial["held_out"])
        if files not in known:
            known = {files: average([read_held_out(path) for path in files], files)}
        clustering = trial["cluster_points"]
        scores.append(judge(known[files], clustering, clustering.get("threshold"), draws, seed))
        log.info("%s: F1 %.3f", trial["changes"], scores[-1].f1)
    return scores


def _best(trial: dict, score) -> str:
    """Return the configuration of a trial as text."""
    import yaml

    from ..trials import nest

    changes = dict(trial["changes"])
    is_clustering = any(key.startswith("cluster_points.") for key in changes)
    if is_clustering and len(score.thresholds) == 1:
        # the model's own threshold is that of the usual clustering
        changes["cluster_points.threshold"] = score.thresholds[0]
    figures = f"F1 {score.f1:.3f} on what was held out, {score.n_annotated} particles"
    return f"# best of the search: {figures}\n{yaml.safe_dump(nest(changes), sort_keys=True)}"


def run(args: argparse.Namespace) -> None:
    """Read the plan, judge, write."""
    from ..errors import InputError
    from ..evaluation_files import cell
    from ..files import atomic_path, read_json, write_table
    from ..flags import check_ranges
    from ..ranking import ranks
    from ..trial_figures import draw_bars

    check_ranges(args, least={"draws": 0, "seed": 0})
    plan = read_json(args.plan)
    scores = _judge_all(plan, args.draws, args.seed)
    if not any(score.n_annotated for score in scores):
        raise InputError(
            f"{args.plan}: no annotated particle among the points held out, in any trial",
            expected="at least one, whose points below the distance near a particle make a cluster",
            remedy="annotate more, or sample points more densely (config: sample_points)",
        )
    order = ranks(scores)
    keys = list(plan[0]["labels"])
    rows = []
    for rank, i in enumerate(order):
        score = scores[i]
        figures = (score.f1, *(score.interval or (None, None)))
        thresholds = " ".join(f"{t:g}" for t in score.thresholds)
        counts = (score.n_annotated, score.n_found, score.n_hits)
        labels = [plan[i]["labels"][key] for key in keys]
        rows.append([rank + 1, *(cell(v, 4) for v in figures), *counts, thresholds, *labels])
    write_table(args.table, [*COLUMNS, *keys], rows)
    shown = [(scores[i].f1, *(scores[i].interval or (None, None))) for i in order]
    names = [
        ", ".join(f"{k.split('.')[-1]} {v}" for k, v in plan[i]["labels"].items()) for i in order
    ]
    draw_bars(args.picture, names, shown, "Trials of the search on what was held out")
    with atomic_path(args.best) as temporary:
        temporary.write_text(_best(plan[order[0]], scores[order[0]]), encoding="utf-8")
    log.info("best of %d trials: %s, F1 %.3f", len(plan), names[0], scores[order[0]].f1)
