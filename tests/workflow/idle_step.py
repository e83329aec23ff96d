"""Stands in for workflow/step.py: makes the files of a step without computing anything."""

import argparse
from pathlib import Path

FILES = ("output", "output_subvolumes", "output_points", "csv", "star", "import_list")

parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("verb")
for name in (*FILES, "status", "star_dir", "tomogram"):
    parser.add_argument(f"--{name.replace('_', '-')}")
for name in ("membranes", "infos"):
    parser.add_argument(f"--{name}", nargs="*", default=[])
args = parser.parse_known_args()[0]

for name in FILES:
    if getattr(args, name):
        Path(getattr(args, name)).write_text("made")
if args.verb != "collect_status" and args.status:
    rows = [f"{args.tomogram}\t{name}\t{args.verb}\tok\t1\t\n" for name in args.membranes]
    head = "tomogram\tmembrane\tstep\tstatus\tn\tmessage\n"
    Path(args.status).write_text("".join([head, *rows]))
for info in args.infos if args.star_dir else ():
    (Path(args.star_dir) / f"{Path(info).stem}.star").write_text("made")
