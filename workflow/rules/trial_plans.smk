# In: the checked configuration and sheets. Out: the trials of the targets search, crossval, ablation.

from dataclasses import replace
from functools import cache

from membrain import trial_plans, trials

SCHEMA = schemas.load_schema("config")
VARIANTS = trials.Variants(OPTIONS["tomograms"])
SHEETS = {OPTIONS["tomograms"]: TOMOGRAMS}
TRIAL_FOLDERS = {
    "info": "inspect_tomogram",
    "points": "sample_points",
    "boxes": "extract_subvolumes",
    "wide": "extract_subvolumes",
    "labels": "label_points",
    "attempt": "train_model",
    "network": "train_model",
    "joined": "join_models",
    "scores": "score_points",
    "clusters": "cluster_points",
    "particles": "orient_particles",
    "evaluation": "evaluate_particles",
}


def trial_box(options):
    """Return the boxes of a trial's model, those to train on, and its working pixel size."""
    start = find_start(options)[1]
    box = start or BOXES[options["train_model"]["network"]]
    given = options["train_model"]["pixel_size_angstrom"] or (start or {}).get(
        "pixel_size_angstrom"
    )
    return box, widened(box, options), given or first_pixel_size()


def read_other_tomograms(sheet):
    """Return the tomograms of another sheet, which holds all that have membranes."""
    planning.check_files({"tomograms": sheet})
    found = sheets.read_tomograms(sheet)
    missing = [name for name in USED_TOMOGRAMS if name not in found]
    if missing:
        raise InputError(
            f"{sheet}: no row of tomogram {', '.join(missing)}",
            expected=f"every tomogram of {OPTIONS['membranes']}, as in {OPTIONS['tomograms']}",
        )
    planning.check_headers(found[name] for name in USED_TOMOGRAMS)
    return found


@cache
def first_pixel_size():
    """Return the pixel size of the first training tomogram."""
    return pixel_size_of(TOMOGRAMS[next(r.tomogram for r in MEMBRANES if r.split == "train")])


def add_labels(trial):
    """Note what a trial needs up to its labels; return the keys."""
    sheet = trial.options["tomograms"]
    if sheet not in SHEETS:
        SHEETS[sheet] = read_other_tomograms(sheet)
    box, wide, pixel_size = trial_box(trial.options)
    names = ("box_shape", "box_centre", "contrast")
    parts = ({name: b[name] for name in names} for b in (box, wide))
    return VARIANTS.add_labels(trial, pixel_size, *parts)


def plan_trials(target):
    """Return the trials of a target and their last keys; the mistake where it has none."""
    try:
        if not TRAINING:
            raise InputError(
                f"{target}: config key 'model'", found=OPTIONS["model"], expected="train"
            )
        found = getattr(trial_plans, f"plan_{target}")(OPTIONS, MEMBRANES, SCHEMA)
        if target == "search":
            keys = [
                VARIANTS.add_networks(t, add_labels(t), "attempt") for t in map(as_attempt, found)
            ]
        else:
            keys = [VARIANTS.add_chain(trial, add_labels(trial)) for trial in found]
        return list(zip(found, keys)), None
    except InputError as error:
        return [], error


def as_attempt(trial):
    """Return a trial of which only the parts held out are looked at: all take their turn."""
    return replace(trial, options=trials.set_keys(trial.options, {"train_model.no_refit": False}))


def trials_of(target):
    """Return the trials of a target with their keys; stops where they cannot be planned."""
    found, error = PLANS[target]
    if error:
        stop(error)
    return found


TABLES = ("table.tsv", "table.png")
SEARCHED = (*TABLES, "best.yaml")
PLANS = {target: plan_trials(target) for target in ("search", "crossval", "ablation")}
MAIN = {}
if TRAINING:
    names = [trial_plans.names_of_split(MEMBRANES, split) for split in ("train", "validation")]
    MAIN = add_labels(trials.Trial("main", OPTIONS, {}, *names))


def trial_file(stage, key, name):
    """Return a file of a stage, the run's own where it is the same. Name: TOMOGRAM/BATCH.END."""
    is_wide = is_training(name.partition("/")[2])
    is_own = MAIN.get(stage) == key
    is_own &= stage in ("info", "points") or is_wide == (stage != "boxes")
    folder = RESULTS if is_own else RESULTS / "trials"
    return str(folder / TRIAL_FOLDERS[stage] / ("" if is_own else key) / name)


def trial_input(stage, up, end):
    """Return an input function: the file of a batch that a trial's stage is made from."""

    def find(wildcards):
        variant = VARIANTS.of(stage_of(stage, wildcards), wildcards.variant)
        place = [wildcards.tomogram, *([] if up == "info" else [wildcards.batch])]
        stage_up = {"boxes": "wide"}.get(up, up) if stage == "labels" else up
        return trial_file(stage_up, variant.up[up], "/".join(place) + end)

    return find


def stage_of(stage, wildcards):
    """Return the stage itself, or which of the two kinds of boxes a key stands for."""
    is_wide = stage == "boxes" and wildcards.variant in VARIANTS.by_stage.get("wide", {})
    return "wide" if is_wide else stage


def trial_of(stage, wildcards):
    """Return the trial that asked for a variant."""
    return VARIANTS.of(stage_of(stage, wildcards), wildcards.variant).trial


def trial_flags(stage, section, names=None):
    """Return a params function: flags of a section of the trial's configuration."""

    def find(wildcards):
        options = trial_of(stage, wildcards).options[section]
        return flags(options, names and [name for name in options if name in names])

    return find


def trial_tomogram(stage, wildcards):
    """Return the tomogram of a trial: that of its own sheet."""
    return SHEETS[trial_of(stage, wildcards).options["tomograms"]][wildcards.tomogram]


def trial_volume(stage):
    """Return a function of wildcards: the volume of a trial's tomogram."""
    return lambda wildcards: near(trial_tomogram(stage, wildcards).path)


def trial_box_of(wildcards):
    """Return the boxes that a variant of the extraction cuts."""
    box, wide, _ = trial_box(trial_of("boxes", wildcards).options)
    return wide if stage_of("boxes", wildcards) == "wide" else box


def batches_of(names):
    """Return (tomogram, batch) of every batch that holds a membrane of these."""
    return [
        batch
        for batch, rows in BATCHES.items()
        if any(trial_plans.name_of(row) in names for row in rows)
    ]


def training_files(stage, up, end):
    """Return an input function: files of each batch that a trial trains or validates on."""

    def find(wildcards):
        variant = VARIANTS.of(stage, wildcards.variant)
        names = variant.trial.training + variant.trial.validation
        kind = {"boxes": "wide"}.get(up, up)
        return [trial_file(kind, variant.up[up], f"{t}/{b}{end}") for t, b in batches_of(names)]

    return find


def judged_files(stage, up, end):
    """Return an input function: files of each batch that a trial is judged by."""

    def find(wildcards):
        variant = VARIANTS.of(stage, wildcards.variant)
        batches = batches_of(variant.trial.judged)
        return [trial_file(up, variant.up[up], f"{t}/{b}{end}") for t, b in batches]

    return find


def trial_training(stage):
    """Return a params function: the flags of training of a trial."""

    def find(wildcards):
        trial = trial_of(stage, wildcards)
        start = find_start(trial.options)[0]
        names = " ".join(map(shlex.quote, (*trial.training, *trial.validation)))
        folder = f"trials/train_model/{wildcards.variant}"
        return f"--membranes {names} {training_flags(folder, trial.options, start)}"

    return find


def trial_model(wildcards):
    """Return the weights that a trial scores with."""
    up = VARIANTS.of("scores", wildcards.variant).up
    stage, key = ("joined", up["joined"]) if "joined" in up else ("network", up["0"])
    return trial_file(stage, key, "model.safetensors")


def joined_files(end):
    """Return an input function: a file of each network of a trial's ensemble."""

    def find(wildcards):
        up = VARIANTS.of("joined", wildcards.variant).up
        return [trial_file("network", up[str(i)], f"model{end}") for i in range(len(up))]

    return find


def judged_names(wildcards):
    """Return the names of a batch's membranes that a trial is judged by."""
    judged = trial_of("scores", wildcards).judged
    return [r.membrane for r in batch_rows(wildcards) if trial_plans.name_of(r) in judged]


def trial_scoring(wildcards):
    """Return the flags of scoring: the trial's options, and the membranes it is judged by."""
    options = trial_of("scores", wildcards).options["score_points"]
    names = " ".join(map(shlex.quote, judged_names(wildcards)))
    return f"{flags(options)} --membranes {names}"


def result_files(target):
    """Return the files of all trials of a target that its table is made of."""
    if target == "search":
        files = [
            trial_file("attempt", k, "held_out.npz") for _, keys in trials_of(target) for k in keys
        ]
    else:
        files = [trial_file("evaluation", key, "membranes.csv") for _, key in trials_of(target)]
    return list(dict.fromkeys(files))


def plan_text(target):
    """Return the plan of a target as JSON: how its trials are called and where their figures lie."""
    out = []
    for trial, key in trials_of(target):
        entry = {"labels": trial.labels, "changes": trial.changes}
        if target == "search":
            entry["held_out"] = [trial_file("attempt", k, "held_out.npz") for k in key]
            how = trial.options["cluster_points"]
            given = how["threshold"] or trial.options["train_model"]["threshold_voxel"] or None
            entry["cluster_points"] = {name: how[name] for name in trials.JUDGED}
            entry["cluster_points"]["threshold"] = given
        else:
            entry["membranes"] = trial_file("evaluation", key, "membranes.csv")
        out.append(entry)
    return json.dumps(out)
