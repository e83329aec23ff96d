"""Write tomograms.tsv and membranes.tsv from a folder.

Reads a folder in one of these arrangements, found out by itself:
  membrain  the published program's: Tomo*/ with the tomogram, membranes/, positions/, meshes/
  masks     tomograms and one mask a membrane, matched by their names
  labels    tomograms and one label map each: one row a label
Writes the two sheets (and with --split-components a new label map) into the output folder, and says
what was left out and why. Look through them and fill in the columns side and split before a run.

  python workflow/step.py init --folder data/tomograms --output-dir .
  python workflow/step.py init --folder data --tomogram T1=T1.mrc --split-components --output-dir .
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument("--folder", required=True, help="folder with masks and tomograms")
    parser.add_argument("--output-dir", required=True, help="folder that the sheets are written to")
    parser.add_argument(
        "--layout",
        choices=("auto", "membrain", "masks", "labels"),
        default="auto",
        help="arrangement of the folder",
    )
    parser.add_argument(
        "--tomogram",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a tomogram that lies elsewhere or is to be used alone; may be repeated",
    )
    parser.add_argument(
        "--prefer",
        default="",
        metavar="TEXT",
        help="where a tomogram exists in several versions: part of the file name of the wanted one",
    )
    parser.add_argument(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        help="pixel size to write for every tomogram, angstrom; 0: leave it to the headers",
    )
    parser.add_argument(
        "--split-components",
        action="store_true",
        help="make each connected piece of a mask or label a membrane of its own",
    )
    parser.add_argument(
        "--min-voxels",
        type=int,
        default=500,
        help="leave out labels and pieces with fewer voxels",
    )
    parser.add_argument("--force", action="store_true", help="replace sheets that exist")


def _given_tomograms(texts: list[str], folders: list) -> dict:
    """Return the tomograms of --tomogram by name."""
    from pathlib import Path

    from ..errors import Problems
    from ..file_names import clean_name
    from ..volumes import stem_of

    problems, given = Problems(), {}
    for text in texts:
        name, has_name, file = text.partition("=")
        path = Path(file if has_name else text)
        if not has_name:
            is_single = len(texts) == len(folders) == 1
            name = folders[0].resolve().name if is_single else stem_of(path)
        if not path.is_file():
            problems.add(f"--tomogram {text}: no such file")
        if clean_name(name) in given:
            problems.add(f"--tomogram {text}: the name '{clean_name(name)}' stands twice")
        given[clean_name(name)] = path
    problems.raise_if_any()
    return given


def _check(args: argparse.Namespace, sheets: list) -> None:
    from pathlib import Path

    from ..errors import Problems
    from ..flags import check_ranges

    check_ranges(args, least={"pixel_size_angstrom": 0, "min_voxels": 1})
    problems = Problems()
    if not Path(args.folder).is_dir():
        problems.add(f"{args.folder}: no such folder")
    for sheet in sheets:
        if sheet.exists() and not args.force:
            problems.add(f"{sheet}: exists already", remedy="give --force to replace it")
    problems.raise_if_any()


def _report(draft, layout: str) -> None:
    import logging

    log = logging.getLogger(__name__)
    n_annotated = sum(bool(row["annotations"]) for row in draft.membranes)
    for row in draft.tomograms:
        n_membranes = sum(m["tomogram"] == row["tomogram"] for m in draft.membranes)
        log.info("%s: %d membranes, %s", row["tomogram"], n_membranes, row["path"])
    for path, reason in draft.left_out:
        log.warning("left out: %s: %s", path, reason)
    log.info(
        "arrangement '%s': tomograms %d, membranes %d, annotated %d, left out %d",
        layout,
        len(draft.tomograms),
        len(draft.membranes),
        n_annotated,
        len(draft.left_out),
    )


def run(args: argparse.Namespace) -> None:
    """Look through the folder and write the sheets."""
    from pathlib import Path

    from ..errors import InputError, Problems
    from ..folders import arrange_by_name, arrange_published, published_folders
    from ..sheet_drafts import COMPONENTS_SUFFIX, Options, draft_sheets, write_sheets

    folder, output_dir = Path(args.folder), Path(args.output_dir)
    _check(args, [output_dir / "tomograms.tsv", output_dir / "membranes.tsv"])
    folders = published_folders(folder) if args.layout in ("auto", "membrain") else []
    if args.layout == "membrain" and not folders:
        raise InputError(f"{folder}: no folder 'membranes' in it or directly below")
    given = _given_tomograms(args.tomogram, folders)
    problems = Problems()
    if folders:
        arrangement = arrange_published(folders, given, args.prefer, problems)
    else:
        skip = output_dir.glob(f"*{COMPONENTS_SUFFIX}")
        arrangement = arrange_by_name(folder, given, args.prefer, skip, problems)
    problems.raise_if_any(f"{folder}: {len(problems.errors)} mistakes")
    options = Options(
        output_dir=output_dir,
        layout=args.layout,
        split_components=args.split_components,
        min_voxels=args.min_voxels,
        pixel_size=args.pixel_size_angstrom,
        force=args.force,
    )
    draft = draft_sheets(arrangement, options)
    write_sheets(draft, output_dir)
    _report(draft, arrangement.layout)
