"""Make a data set with known particles: tomograms, masks, annotations and sheets.

Reads a recipe (YAML; see docs/simulation.md) and writes into the output folder

  tomograms.tsv, membranes.tsv   the sheets that the workflow takes
  tomograms/*.mrc                float32, with missing wedge and noise
  masks/*.mrc                    int8, one per membrane or one label map per tomogram
  annotations/*.csv              class, x, y, z (voxels) and RELION's rot, tilt, psi (degrees)
  truth.csv                      every particle with centre, membrane normal and long axis
  simulation.json                the whole recipe with its defaults

  python workflow/step.py simulate --recipe resources/demo/simulation.yaml --output-dir demo/data
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.add_argument(
        "--recipe", type=Path, required=True, metavar="YAML", help="what to simulate"
    )
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the data set")
    parser.add_argument("--seed", type=int, help="of everything random, in place of the recipe's")


def run(args: argparse.Namespace) -> None:
    """Simulate the recipe."""
    from ..flags import check_ranges
    from ..simulation.dataset import write_dataset
    from ..simulation.recipe import read_recipe

    check_ranges(args, least={"seed": 0})
    recipe = read_recipe(args.recipe)
    if args.seed is not None:
        recipe = recipe.with_seed(args.seed)
    write_dataset(recipe, args.output_dir, args.threads)
