# In: the checked configuration and sheets. Out: names, batches and settings for every rule.

import functools
import json
import os
import shlex

TRAINING = CARD is None
# boxes of a new model, unless it begins with given weights
BOXES = {
    "membrain": {"box_shape": [12, 12, 12], "box_centre": [6, 6, 6], "contrast": "dark"},
    "wide": {"box_shape": [14, 20, 20], "box_centre": [7, 9.5, 9.5], "contrast": "dark"},
}
NEW_BOX = START_CARD or BOXES[OPTIONS["train_model"]["network"]]
USED_TOMOGRAMS = sorted({tomogram for tomogram, _ in BATCHES})
TRIES = OPTIONS["tries"]
count_given_up = functools.cache(tries.count_given_up)  # as it was when the run began
STATUS_STEPS = (
    "sample_points",
    "extract_subvolumes",
    "score_points",
    "cluster_points",
    "orient_particles",
)

# the interpreter that runs Snakemake has the packages, unless conda environments bring their own
USES_CONDA = any("conda" in str(m).lower() for m in workflow.deployment_settings.deployment_method)
PYTHON = "python" if USES_CONDA else shlex.quote(sys.executable)

# in every rule `step VERB --flag ...` means `python workflow/step.py VERB --flag ...`
shell.prefix(f'step() ( exec {PYTHON} {shlex.quote(str(ROOT / "workflow/step.py"))} "$@" ); ')


wildcard_constraints:
    tomogram=r"[A-Za-z0-9][A-Za-z0-9._+-]*",
    batch=r"[A-Za-z0-9][A-Za-z0-9._+-]*",
    list=r"[A-Za-z0-9][A-Za-z0-9._+-]*",
    member=r"[1-9][0-9]*",
    variant=r"[0-9a-f]{10}",


def code(verb):
    """Return a hash of a step's source: a changed step runs again, a changed comment does not."""
    return sourcecode.code_hash(verb)


def settings(step):
    """Return the configuration of one step."""
    return OPTIONS[step]


def flags(options, names=None):
    """Return options as command-line flags; None and false are left out.

    Lists are spread, mappings become KEY=VALUE with lists joined by commas.
    """

    def text(value):
        joined = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        return shlex.quote(joined)

    out = []
    for name in names or options:
        value, flag = options[name], f"--{name.replace('_', '-')}"
        if value is None or value is False or value == {}:
            continue
        if value is True:
            out.append(flag)
        elif isinstance(value, dict):
            pairs = [f"{shlex.quote(str(key))}={text(part)}" for key, part in value.items()]
            out.append(f"{flag} {' '.join(pairs)}")
        elif isinstance(value, (list, tuple)):
            out.append(f"{flag} {' '.join(map(text, value))}")
        else:
            out.append(f"{flag} {text(value)}")
    return " ".join(out)


def batch_rows(wildcards):
    """Return the sheet's rows of a batch."""
    return BATCHES[wildcards.tomogram, wildcards.batch]


def batch_names(wildcards):
    """Return the names of a batch's membranes."""
    return [row.membrane for row in batch_rows(wildcards)]


def batch_sides(wildcards):
    """Return what the sheet says of a batch's sides and labels: a change runs the batch again."""
    return [
        f"{r.membrane} {near(r.mask)} {r.label} {r.side} {r.side_point}"
        for r in batch_rows(wildcards)
    ]


def annotated_rows(rows):
    """Return what rows of the sheet say of annotations: a change runs what reads them again.

    Inputs alone do not tell: their order, and which row names which file, is not compared.
    """
    return [
        f"{r.tomogram}/{r.membrane}={r.split} {near(r.annotations)} {r.mesh and near(r.mesh)}"
        for r in rows
        if r.annotations
    ]


def labelled_rows(wildcards):
    """Return the rows whose annotations decide a batch's labels, and its outputs."""
    options = trial_of("labels", wildcards).options if hasattr(wildcards, "variant") else OPTIONS
    rows = list(batch_rows(wildcards))
    if options["label_points"]["classes"] is None:
        rows += [row for row in MEMBRANES if row.split == "train"]
    return rows


def batch_masks(wildcards):
    """Return the mask files of a batch, and the annotations where they decide the side."""
    rows = batch_rows(wildcards)
    files = [row.mask for row in rows]
    files += [
        file for r in rows if r.side == "annotations" for file in (r.annotations, r.mesh) if file
    ]
    return list(dict.fromkeys(map(near, files)))


def batch_annotations(wildcards):
    """Return the annotation files (and meshes) of a batch.

    Where no classes are given, those of all training membranes: together they make the outputs.
    """
    rows = labelled_rows(wildcards)
    files = [file for row in rows for file in (row.annotations, row.mesh) if file]
    return list(dict.fromkeys(map(near, files)))


# options of label_points that shape the distance to a particle
SHAPE_OPTIONS = ("distance", "map", "map_threshold", "map_axis")
SHAPE_OPTIONS += ("radii_angstrom", "covariance_angstrom2")


def n_replicas():
    """Return the number of simulated membranes for each one that is trained on."""
    return settings("replicate_membranes")["replicas"]


def batches_to_replicate():
    """Return tomogram and batch of the training batches that have replicas."""
    return [b for b in BATCHES if is_training(b[1])] if TRAINING and n_replicas() else []


def training_files(pattern, of_replicas):
    """Return files of the training batches, real ones first, then those of their replicas."""
    files = per_batch(pattern, keep=is_training)
    return files + (per_batch(of_replicas, keep=is_training) if n_replicas() else [])


def tomogram_masks(wildcards):
    """Return every mask of a tomogram: what lies on none of them is background."""
    masks = [near(row.mask) for row in MEMBRANES if row.tomogram == wildcards.tomogram]
    return list(dict.fromkeys(masks))


def averaged_particles():
    """Return the list of particles that are averaged: the run's own, unless another is named."""
    return settings("average_subvolumes")["particles"] or RESULTS / "particles.csv"


def averaged_lists():
    """Return the further lists that are averaged by themselves, by name."""
    return settings("average_subvolumes")["lists"] or {}


def averaging_flags():
    """Return the flags of the averages that are not files of their own in the rule."""
    names = ("lists", "box_voxel", "pixel_size_angstrom", "symmetry")
    return flags(settings("average_subvolumes"), names)


def tomogram_file(wildcards):
    """Return the volume of a tomogram."""
    return near(TOMOGRAMS[wildcards.tomogram].path)


def see_files(paths):
    """Return size and time of files that people gave, as a parameter of the job that reads them.

    A change runs the job again, as for an input. But where an input is lost after planning
    Snakemake ends the whole run; here the job finds out, and only its membranes fail.
    """

    def see(path):
        try:
            found = os.stat(path)
        except OSError:
            return f"{path} lost"
        return f"{path} {found.st_size} {int(found.st_mtime)}"

    return [see(path) for path in paths]


def per_batch(pattern, tomogram=None, keep=lambda batch: True):
    """Return one path per batch, of one tomogram or of all."""
    return [
        str(RESULTS / pattern.format(tomogram=t, batch=b))
        for t, b in BATCHES
        if tomogram in (None, t) and keep(b)
    ]


def per_tomogram(pattern):
    """Return one path per tomogram that has membranes."""
    return [str(RESULTS / pattern.format(tomogram=t)) for t in USED_TOMOGRAMS]


def batch_size(wildcards):
    """Return the number of membranes of a batch, for memory and time."""
    return len(batch_rows(wildcards))


def grow(base, per_membrane=0, most=max(TRIES, 3)):
    """Return a resource that grows with the batch and doubles where a job has to be tried again.

    Half a gigabyte of a memory is what Snakemake itself takes in a job on a cluster. It doubles up
    to try `most`.
    """

    def resource(wildcards, attempt):
        n = batch_size(wildcards) if per_membrane and hasattr(wildcards, "batch") else 0
        return (base + per_membrane * n) * 2 ** (min(attempt, most) - 1)

    return resource


# of jobs that are given up in the end: that try takes no more than the one before
grow_tried = functools.partial(grow, most=TRIES)


def tries_left(wildcards, attempt):
    """Return how many tries a job has left, this one included; with 0 it is given up.

    A job that a model waits for never is: the model would miss membranes without a word. Nor is one
    of a trial, whose figures would.
    """
    names = [b for t, b in BATCHES if t == wildcards.tomogram]
    names = [wildcards.batch] if hasattr(wildcards, "batch") else names
    is_for_model = TRAINING and any(map(is_training, names))
    is_for_model |= hasattr(wildcards, "variant")
    return max(TRIES + 1 - attempt, int(is_for_model))


def given_up(step):
    """Return how often a job of a step was given up before: one more time, and it runs again."""

    def parameter(wildcards):
        if hasattr(wildcards, "variant"):
            return 0  # jobs of trials never are, see `tries_left`
        batch = [wildcards.batch] if hasattr(wildcards, "batch") else []
        name = "/".join([step, wildcards.tomogram, *batch])
        return count_given_up(RESULTS / f"logs/{name}.log")

    return parameter


def box_of(wildcards):
    """Return shape, centre and contrast of a batch's boxes: those of the model, or of a new one."""
    return CARD or (widened(NEW_BOX, OPTIONS) if is_training(wildcards.batch) else NEW_BOX)


def is_training(batch):
    """Say whether a batch holds training or validation membranes."""
    return batch.startswith("train")


def status_tables():
    """Return the status tables of every batch and step."""
    steps = (*STATUS_STEPS, *(["refine_angles"] if refines() else []))
    tables = [f"{step}/{{tomogram}}/{{batch}}.status.tsv" for step in steps]
    files = [file for table in tables for file in per_batch(table)]
    if TRAINING:
        status = "{tomogram}/{batch}.status.tsv"
        files += training_files(f"label_points/{status}", f"replicate_membranes/{status}")
    return files


def has_annotations():
    """Say whether anything can be evaluated."""
    return any(row.annotations for row in MEMBRANES)


def particle_outputs():
    """Return the particle files, all and per tomogram."""
    heatmaps = (
        per_tomogram("heatmaps/{tomogram}") if settings("export_particles")["heatmaps"] else []
    )
    return [
        RESULTS / "particles.csv",
        RESULTS / "particles.star",
        RESULTS / "import.star",
        *per_tomogram("particles/{tomogram}.star"),
        *heatmaps,
    ]


def annotated_scores():
    """Return the scores of every batch with an annotated membrane."""
    return [
        str(RESULTS / f"score_points/{tomogram}/{batch}.npz")
        for (tomogram, batch), rows in BATCHES.items()
        if any(row.annotations for row in rows)
    ]


def evaluation_details():
    """Return the curves and poses of the evaluation, each as table and figure."""
    names = ("radii", "precision_recall", "orientations")
    return [RESULTS / f"evaluation/{name}.{kind}" for name in names for kind in ("csv", "png")]


def annotation_files():
    """Return every file of annotations and its mesh."""
    return list(dict.fromkeys(near(f) for r in MEMBRANES for f in (r.annotations, r.mesh) if f))


def evaluation_outputs():
    """Return the evaluation's files, none without annotations."""
    names = ("metrics.json", "membranes.csv") if has_annotations() else ()
    return [RESULTS / "evaluation" / name for name in names]


def final_outputs():
    """Return everything that a whole run makes."""
    return [*particle_outputs(), *evaluation_outputs(), RESULTS / "status.tsv"]
