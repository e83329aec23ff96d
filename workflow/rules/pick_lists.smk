# In: the lists of picks that the configuration names. Out: their files and flags for the comparison.


def picks_of(name):
    """Return file and pixel size (None: the file tells, or voxels) of a list of picks."""
    entry = settings("compare_picks")["lists"][name]
    entry = {"path": entry} if isinstance(entry, str) else entry
    return entry["path"], entry.get("pixel_size_angstrom")


def list_files(name=None):
    """Return the files of one list of picks or of all; {tomogram} in a name stands for each."""
    found = []
    for path, _ in map(picks_of, [name] if name else settings("compare_picks")["lists"]):
        found += [path.replace("{tomogram}", t) for t in USED_TOMOGRAMS]
    return list(dict.fromkeys(found))


def list_flags(name=None, flag=""):
    """Return the names, files and pixel sizes of lists as the steps take them."""
    names = [name] if name else list(settings("compare_picks")["lists"])
    pairs = [shlex.quote(f"{n}={picks_of(n)[0]}") for n in names]
    sizes = [f"{n}={picks_of(n)[1]}" for n in names if picks_of(n)[1] is not None]
    parts = [flag, *pairs, *(["--pixel-sizes", *sizes] if sizes else [])]
    return " ".join(filter(None, parts))


COMPARISON_FILES = (
    *("table.csv", "table.md", "comparison.json", "radii.csv", "radii.png"),
    "precision_recall.png",
)
CONSENSUS_FILES = [
    f"{name}.{kind}" for name in ("both", "only_first", "only_second") for kind in ("csv", "star")
] + ["pairs.csv", "table.csv"]


def comparison_outputs():
    """Return the files of the comparison with other programs; stops where a list is missing."""
    lists = settings("compare_picks")["lists"]
    if not lists:
        stop(
            InputError(
                "config key 'compare_picks.lists': no list of picks to compare with",
                expected="{name: file}, as {crYOLO: picks/{tomogram}.csv}",
            )
        )
    problems = Problems()
    for name in lists:
        for file in list_files(name):
            if not Path(file).is_file():
                problems.add(f"config key 'compare_picks.lists.{name}': no such file", found=file)
    try:
        problems.raise_if_any(f"{len(problems.errors)} files of picks are missing")
    except InputError as error:
        stop(error)
    folder = RESULTS / "comparison"
    return [folder / name for name in COMPARISON_FILES] + [
        folder / name / file for name in lists for file in CONSENSUS_FILES
    ]
