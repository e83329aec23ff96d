# In: the checked configuration, or that of a trial. Out: files and flags of labels and training.


def label_flags(of=OPTIONS):
    """Return the options of labels as flags, but the classes, which are JSON."""
    return flags({k: v for k, v in of["label_points"].items() if k != "classes"})


def label_maps(of=OPTIONS):
    """Return the density maps that give particles their shape: a changed map labels anew."""
    maps = of["label_points"]["map"] or []
    return list(maps.values()) if isinstance(maps, dict) else [maps] if maps else []


def widened(box, of):
    """Return boxes to train on: half as wide again, so that turned ones have corners with data.

    Along the normal only where boxes do not stand on the membrane and are turned in space.
    """
    shape = [n * 3 // 2 for n in box["box_shape"]]
    if not of["extract_subvolumes"]["unaligned"]:
        shape[0] = box["box_shape"][0]
    margins = [(outer - n) // 2 for outer, n in zip(shape, box["box_shape"])]
    centre = [c + margin for c, margin in zip(box["box_centre"], margins)]
    return {**box, "box_shape": shape, "box_centre": centre}


def start_files(of=OPTIONS):
    """Return the weights that training begins with and their card: a change trains anew."""
    start = find_start(of)[0]
    return [near(start), near(start.with_suffix(".json"))] if start else []


def training_flags(folder="train_model", of=OPTIONS, start=START):
    """Return the options of training as flags, but those that name what lies elsewhere."""
    elsewhere = ("pixel_size_angstrom", "start_from", "tensorboard", "ensemble")
    options = {k: v for k, v in of["train_model"].items() if k not in elsewhere}
    if start:
        options["start_from"] = start
    if of["train_model"]["tensorboard"]:
        options["tensorboard"] = RESULTS / folder / "tensorboard"
    return flags(options)


def held_out_files():
    """Return the held-out predictions of the members; none where a given one lacks them."""
    files = [path.with_suffix(".held_out.npz") for path in MEMBERS]
    return files if TRAINING or all(file.is_file() for file in files) else []
