# In: what the configuration says of refine_angles. Out: its templates, flags and particle tables.


def refines():
    """Return what angles are found by: None, map or average; stops where that cannot be."""
    template = settings("refine_angles")["template"]
    has_map = bool(settings("label_points")["map"])
    if template == "auto":
        return "map" if has_map else "average" if training_rows() else None
    problem = None
    if template == "map" and not has_map:
        problem = InputError(
            "config key 'refine_angles.template': 'map' without a map",
            expected="a density map in label_points.map",
        )
    if template == "average" and not training_rows():
        problem = InputError(
            "config key 'refine_angles.template': 'average' without annotated particles",
            expected="rows with split 'train' and annotations in the sheet of membranes",
        )
    if problem:
        stop(problem)
    return None if template == "none" else template


def training_rows():
    """Return the sheet's rows whose annotated particles are averaged."""
    return [row for row in MEMBRANES if row.split == "train" and row.annotations]


def training_annotations():
    """Return the files of annotations and their meshes, of tomograms with training membranes."""
    tomograms = {row.tomogram for row in training_rows()}
    rows = [row for row in MEMBRANES if row.tomogram in tomograms and row.annotations]
    return list(dict.fromkeys(near(f) for r in rows for f in (r.annotations, r.mesh) if f))


def training_infos():
    """Return the info files of tomograms with training membranes."""
    names = sorted({row.tomogram for row in training_rows()})
    return [RESULTS / f"inspect_tomogram/{name}.json" for name in names]


def training_volumes():
    """Return the volumes of tomograms with training membranes."""
    return [near(TOMOGRAMS[name].path) for name in sorted({r.tomogram for r in training_rows()})]


def template_files():
    """Return the density maps or the folder of averages that angles are found by."""
    return RESULTS / "average_annotations" if refines() == "average" else label_maps()


def refining_flags():
    """Return the flags of refine_angles; what tells of the particle stands in label_points."""
    particle, options = settings("label_points"), settings("refine_angles")
    if refines() == "average":
        source = flags({"averages": str(RESULTS / "average_annotations")})
    else:
        source = flags(particle, ("map", "map_threshold", "map_axis"))
    own = flags({k: v for k, v in options.items() if k != "template"})
    # annotations tell only when they are read whether they have angles
    optional = flags({"optional": options["template"] == "auto" and refines() == "average"})
    return " ".join(filter(None, [source, flags(particle, ("symmetry",)), own, optional]))


def particle_tables(tomogram=None):
    """Return the particles of every batch after the last step that changes them."""
    step = "refine_angles" if refines() else "orient_particles"
    return per_batch(f"{step}/{{tomogram}}/{{batch}}.tsv", tomogram)
