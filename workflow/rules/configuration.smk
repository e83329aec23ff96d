# In: the configuration and the two sheets. Out: what they hold, checked before anything runs.

import sys
import time
from pathlib import Path

# not workflow.basedir: that is another workflow's where this one is its module
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import summary
from membrain import batches, planning, schemas, sheets, sourcecode, tries
from membrain.errors import InputError, Problems


def load_config(given):
    """Return the configuration, checked against the closed schema and completed with defaults."""
    where = ", ".join(map(str, workflow.configfiles)) or "configuration (--configfile not given)"
    schema = schemas.load_schema("config")
    problems = Problems()
    given = schemas.drop_empty_sections(schema, given)
    schemas.check(schemas.validator_of(schema), given, where, problems)
    problems.raise_if_any(f"{where}: {len(problems.errors)} mistakes")
    return schemas.with_defaults(schema, given)


def find_start(options):
    """Return the weights that training begins with and their card; None where it does not."""
    given = options["train_model"]["start_from"] if options["model"] == "train" else None
    if not given:
        return None, None
    path = ROOT / PRETRAINED if given == "pretrained" else Path(given)
    card = planning.read_card_entries(path, ("pretrained",), "train_model.start_from")
    planning.check_start(options["train_model"], card, path)
    return path, card


def find_model(options, membranes, tomograms, start):
    """Return the weights file, its card (None: to be trained) and the working pixel size.

    Weights that training begins with bring their pixel size along.
    """
    if options["model"] == "train":
        rows = [row for row in membranes if row.split == "train"]
        if not rows:
            raise InputError(
                f"{options['membranes']}: no row with split 'train'",
                expected="at least one annotated membrane, as config key 'model' says 'train'",
            )
        pixel_size = options["train_model"]["pixel_size_angstrom"]
        pixel_size = pixel_size or (start and start["pixel_size_angstrom"])
        return (
            RESULTS / "train_model/model.safetensors" if len(MEMBERS) == 1 else JOINED,
            None,
            pixel_size or pixel_size_of(tomograms[rows[0].tomogram]),
        )
    card = [planning.read_card_entries(path, ("pretrained", "train")) for path in MEMBERS][0]
    path = JOINED if isinstance(options["model"], list) else MEMBERS[0]
    return path, card, card["pixel_size_angstrom"]


def find_members(options):
    """Return the weights that are scored as one model: given ones, or those to be trained."""
    if options["model"] == "train":
        n = options["train_model"]["ensemble"]
        return [RESULTS / f"train_model/member{i + 1}/model.safetensors" for i in range(n)]
    given = options["model"] if isinstance(options["model"], list) else [options["model"]]
    return [ROOT / PRETRAINED if name == "pretrained" else Path(name) for name in given]


def read_sheets(options):
    """Return tomograms and membranes of the sheets, after checking what can be checked now.

    Files are looked at once, before anything runs: a job on a cluster reads the sheets again, and
    one tomogram that has become unreadable must not stop the jobs of the others.
    """
    if not workflow.is_main_process:
        tomograms = sheets.read_tomograms(options["tomograms"], must_exist=False)
        return tomograms, sheets.read_membranes(options["membranes"], tomograms, must_exist=False)
    files = {key: options[key] for key in ("tomograms", "membranes")}
    maps = options["label_points"]["map"] or {}
    maps = maps if isinstance(maps, dict) else {"": maps}
    files |= {"label_points.map" + (f".{k}" if k else ""): path for k, path in maps.items()}
    planning.check_files(files)
    planning.check_output_folder(options["results"], "config key 'results'")
    tomograms = sheets.read_tomograms(options["tomograms"])
    membranes = sheets.read_membranes(options["membranes"], tomograms)
    if not membranes:
        raise InputError(
            f"{options['membranes']}: no membrane", expected="at least one row below the header"
        )
    used = {row.tomogram for row in membranes}
    planning.check_headers(row for name, row in tomograms.items() if name in used)
    return tomograms, membranes


def pixel_size_of(row):
    """Return the pixel size of a tomogram: the sheet's, or else its header's."""
    if row.pixel_size:
        return row.pixel_size
    from membrain import volumes

    return volumes.resolve_pixel_size(volumes.read_header(row.path))


def near(path):
    """Return a path below the folder of the run relative to it: the whole may then be moved."""
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def stop(error):
    """End with one message and exit code 2, as for every mistake of the input."""
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)


STARTED = time.time()
PRETRAINED = "resources/weights/simulated.safetensors"

if not workflow.configfiles and Path("config/config.yaml").is_file():

    configfile: "config/config.yaml"


try:
    OPTIONS = load_config(config)
    RESULTS = Path(near(OPTIONS["results"]))  # as inputs are told, so that they meet
    TOMOGRAMS, MEMBRANES = read_sheets(OPTIONS)
    KNOWN = batches.read_batches(RESULTS)
    BATCHES = batches.group_batches(MEMBRANES, OPTIONS["membranes_per_job"], KNOWN)
    START, START_CARD = find_start(OPTIONS)
    MEMBERS, JOINED = find_members(OPTIONS), RESULTS / "join_models/model.safetensors"
    MODEL, CARD, PIXEL_SIZE = find_model(OPTIONS, MEMBRANES, TOMOGRAMS, START_CARD)
except InputError as error:
    stop(error)
