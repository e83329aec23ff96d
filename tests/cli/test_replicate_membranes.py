"""replicate_membranes from the command line: a batch in, boxes and labelled points out."""

import gzip
import shutil

import mrcfile
import numpy as np
import pytest

from membrain.command import main
from membrain.files import read_json, read_table, write_json
from membrain.simulation.dataset import write_dataset
from membrain.simulation.recipe import read_recipe
from membrain.tables import PointTable, read_status

RECIPE = """
seed: 3
pixel_size_angstrom: 14.0
masks: files
placement: {protein_density: 1.0, gap_angstrom: 15}
imaging: {max_tilt_degree: 60, snr: 3, noise_exponent: 0.5}
tomograms:
  - tomogram: T1
    size_angstrom: [1540, 1260, 980]
    membranes:
      - membrane: sheet
        side: both
        split: train
        surface:
          shape: sheet
          centre_angstrom: [420, 630, 490]
          axis: [1, 0, 0.2]
          size_angstrom: [900, 1000]
        proteins:
          - {kind: dimer, side: 1, number: 9}
          - {kind: round, side: 1, number: 8}
      - membrane: ball
        side: outside
        split: train
        surface: {shape: sphere, centre_angstrom: [1120, 630, 490], radius_angstrom: 300}
        proteins:
          - {kind: dimer, side: outside, number: 6}
          - {kind: round, side: outside, number: 3}
"""


def step(verb, *flags):
    # as many threads as the tests have: they cannot change once they are launched
    return main([verb, *map(str, flags), "--threads", "2", "--quiet"])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A simulated tomogram with its points, boxes and labels: an open sheet and a vesicle."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "recipe.yaml").write_text(RECIPE)
    write_dataset(read_recipe(folder / "recipe.yaml"), folder)
    tomogram = folder / "tomograms/T1.mrc"
    (info, points) = folder / "info.json", folder / "points.npz"
    step("inspect_tomogram", "--tomogram", "T1", "--path", tomogram, "--output", info)
    sheet = ("--sheet", folder / "membranes.tsv", "--tomogram", "T1", "--info", info)
    status = ("--status", folder / "s.tsv")
    step("sample_points", *sheet, "--thinning-voxel", 2.5, "--output", points, *status)
    boxes = ("--output-subvolumes", folder / "b.npy", "--output-points", folder / "b.npz")
    where = ("--points", points, "--path", tomogram, "--info", info)
    step(
        "extract_subvolumes",
        *where,
        "--box-shape",
        12,
        14,
        14,
        "--box-centre",
        6,
        7,
        7,
        *boxes,
        *status,
    )
    step(
        "label_points", "--points", folder / "b.npz", *sheet, "--output", folder / "l.npz", *status
    )
    return folder


@pytest.fixture
def data(made, tmp_path):
    """The small files of the data set, to be changed; tomogram and masks stay where they are."""
    for name in ("info.json", "b.npz", "b.npy", "l.npz", "membranes.tsv"):
        shutil.copy(made / name, tmp_path / name)
    for name in ("tomograms", "masks"):
        (tmp_path / name).symlink_to(made / name)
    shutil.copytree(made / "annotations", tmp_path / "annotations")
    return tmp_path


def call(data, *flags, name="r", path="tomograms/T1.mrc", replicas=1):
    return step(
        "replicate_membranes",
        *("--points", data / "b.npz", "--sheet", data / "membranes.tsv", "--tomogram", "T1"),
        *("--info", data / "info.json", "--path", data / path, "--replicas", replicas),
        *("--output", data / f"{name}.npz", "--output-subvolumes", data / f"{name}.npy"),
        *("--status", data / f"{name}.tsv", *flags),
    )


def load(data, name="r"):
    return np.load(data / f"{name}.npy"), PointTable.read(data / f"{name}.npz", needs=("labels",))


def test_replicas_have_the_format_and_the_points_of_the_real_membranes(data):
    assert call(data, replicas=2) == 0
    boxes, table = load(data)
    real_boxes, real = np.load(data / "b.npy"), PointTable.read(data / "l.npz")
    assert table.membranes == ("sheet~1", "sheet~2", "ball~1", "ball~2")
    assert len(boxes) == len(table) == 2 * len(real)
    assert boxes.shape[1:] == real_boxes.shape[1:]
    assert boxes.dtype == np.float32
    for index in range(4):
        mine, theirs = (
            table.select(table.membrane == index),
            real.select(real.membrane == index // 2),
        )
        assert np.array_equal(mine.points, theirs.points)
        assert np.array_equal(mine.side, theirs.side)
    for name in ("classes", "cap", "target", "subvolumes"):
        assert table.meta[name] == real.meta[name]
    assert table.extra["is_replica"].all()
    assert table.meta["replicas"]["sheet~2"]["of"] == "sheet"
    rows = read_status(data / "r.tsv")
    assert [(r["membrane"], r["status"], int(r["n"])) for r in rows] == [
        ("sheet", "ok", 2 * int((real.membrane == 0).sum())),
        ("ball", "ok", 2 * int((real.membrane == 1).sum())),
    ]
    assert "2 replicas: 9 " in rows[0]["message"]


def test_boxes_and_labels_have_the_statistics_of_the_real_ones(data):
    assert call(data) == 0
    boxes, table = load(data)
    real_boxes, real = np.load(data / "b.npy"), PointTable.read(data / "l.npz")
    mean, want = (
        b[t.membrane == 0].mean(axis=(0, 2, 3)) for b, t in ((boxes, table), (real_boxes, real))
    )
    assert np.abs(mean - want).max() < 0.25 * (want.max() - want.min())
    assert np.corrcoef(mean, want)[0, 1] > 0.95
    assert boxes.std() == pytest.approx(real_boxes.std(), rel=0.15)
    near, expected = ((t.extra["labels"] < 3.5).mean() for t in (table, real))
    assert near == pytest.approx(expected, rel=0.4)
    assert np.nanmax(table.extra["labels"]) == 7.0


def test_only_the_annotated_side_gets_particles(data):
    assert call(data) == 0
    _, table = load(data)
    on = [table.extra["labels"][(table.membrane == 0) & (table.side == s)].min() for s in (0, 1)]
    assert sorted(value == 7.0 for value in on) == [False, True]
    assert min(on) < 1.5


def test_annotated_side_is_darker_where_labels_are_low(data):
    """What the network has to learn is in the boxes."""
    assert call(data) == 0
    boxes, table = load(data)
    label = table.extra["labels"].min(axis=1)
    above = boxes[:, 2:5, 5:9, 5:9].mean(axis=(1, 2, 3))
    assert above[label < 2].mean() < above[label >= 7].mean() - 0.5 * above[label >= 7].std()


def test_same_seed_same_bytes_and_another_seed_others(data):
    for name, seed in (("first", 5), ("second", 5), ("third", 6)):
        assert call(data, "--seed", seed, name=name) == 0
    for suffix in ("npy", "npz"):
        one, two, other = (
            (data / f"{name}.{suffix}").read_bytes() for name in ("first", "second", "third")
        )
        assert one == two
        assert one != other


def test_real_and_simulated_batches_train_together(data):
    assert call(data) == 0
    code = step(
        "train_model",
        *(
            "--labels",
            data / "l.npz",
            data / "r.npz",
            "--subvolumes",
            data / "b.npy",
            data / "r.npy",
        ),
        *("--epochs", 1, "--device", "cpu", "--box-shape", 12, 12, 12, "--precision", "fp32"),
        *("--output", data / "m.safetensors", "--curves", data / "c.csv", "--no-refit"),
        *("--validation-fraction", 0.5),
    )
    assert code == 0
    assert read_table(data / "c.csv", ",")[1][0]["validation_loss"]


def test_compressed_tomogram_gives_the_same(data):
    with (
        open(data / "tomograms/T1.mrc", "rb") as source,
        gzip.open(data / "T1.mrc.gz", "wb", 1) as target,
    ):
        shutil.copyfileobj(source, target)
    assert call(data, name="first") == 0
    assert call(data, name="second", path="T1.mrc.gz") == 0
    assert (data / "first.npy").read_bytes() == (data / "second.npy").read_bytes()
    assert not list(data.glob("*.mrc"))


def test_volume_to_look_at_is_written(data):
    assert call(data, "--output-volume", data / "look.mrc") == 0
    with mrcfile.open(data / "look.mrc") as mrc:
        assert mrc.data.std() > 0
        assert float(mrc.voxel_size.x) == pytest.approx(14)


def test_turned_contrast_is_turned_in_replicas_too(data):
    table = PointTable.read(data / "b.npz")
    assert call(data, name="first") == 0
    table.meta["subvolumes"]["contrast"]["inverted"] = True
    table.write(data / "b.npz")
    assert call(data, name="second") == 0
    one, two = (np.load(data / f"{name}.npy") for name in ("first", "second"))
    assert np.allclose(one, 1 - two, atol=1e-5)


def edit_sheet(data, **changes):
    """Change cells of the first row."""
    lines = (data / "membranes.tsv").read_text().splitlines()
    columns, cells = lines[0].split("\t"), lines[1].split("\t")
    for name, value in changes.items():
        cells[columns.index(name)] = value
    (data / "membranes.tsv").write_text("\n".join([lines[0], "\t".join(cells), *lines[2:]]) + "\n")


def outcome(data):
    return {r["membrane"]: (r["status"], r["message"]) for r in read_status(data / "r.tsv")}


def test_validation_membranes_are_not_replicated(data):
    edit_sheet(data, split="validation")
    assert call(data) == 0
    assert load(data)[1].membranes == ("ball~1",)
    assert outcome(data)["sheet"] == ("empty", "validates, not replicated")


def test_membrane_without_particles_is_empty(data):
    (data / "annotations/T1_sheet.csv").write_text("class,x,y,z\n")
    assert call(data) == 0
    assert load(data)[1].membranes == ("ball~1",)
    assert outcome(data)["sheet"] == ("empty", "no annotated particle")


def test_membrane_without_annotations_fails_and_the_others_go_on(data):
    edit_sheet(data, annotations="", split="")
    assert call(data) == 0
    assert load(data)[1].membranes == ("ball~1",)
    status, message = outcome(data)["sheet"]
    assert status == "failed"
    assert "has no file in column 'annotations'" in message


def test_batch_without_any_replica_gives_empty_files_that_train(data):
    for name in ("sheet", "ball"):
        path = data / f"annotations/T1_{name}.csv"
        path.write_text("".join(path.read_text().splitlines(True)[:4]))
    assert call(data, "--classes", '[["dimer"],["round"]]') == 0
    boxes, table = load(data)
    assert boxes.shape == (0, 12, 14, 14)
    assert table.extra["labels"].shape == (0, 2)
    assert [status for status, _ in outcome(data).values()] == ["failed", "failed"]
    assert "no class with enough annotated particles" in outcome(data)["ball"][1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--replicas", 0), "--replicas; found 0; expected at least 1"),
        (("--radius-voxel", 1), "--radius-voxel; found 1; expected at least 2"),
        (("--seed", -1), "--seed; found -1; expected at least 0"),
        (("--jitter", 1), "--jitter; found 1; expected 0 to below 1"),
        (("--symmetry", "1.5"), "--symmetry, every class; found '1.5'; expected a whole number"),
        (("--source", "map"), "--source map; expected a density map of some class in --map"),
        (("--tomogram", "T2"), "not of tomogram 'T2'; found T1 and T1"),
        (("--cap-voxel", 0), "expected a cap above 0"),
        (("--points", "none.npz"), "none.npz: no such file"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(data, capsys, flags, message):
    assert call(data, *flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (data / "r.npz").exists()


def test_tomogram_that_failed_has_no_replicas_and_training_goes_on(data):
    table = PointTable.read(data / "b.npz").select(np.empty(0, dtype=int))
    table.meta["failure"] = "its tomogram failed"
    table.write(data / "b.npz")
    assert call(data, "--classes", '[["dimer"],["round"]]', path="tomograms/lost.mrc") == 0
    boxes, made = load(data)
    assert boxes.shape == (0, 12, 14, 14)
    assert made.membranes == ()
    assert {status for status, _ in outcome(data).values()} == {"empty"}


def test_points_that_were_not_cut_are_refused(data, capsys):
    table = PointTable.read(data / "b.npz")
    del table.meta["subvolumes"]
    table.write(data / "b.npz")
    assert call(data) == 2
    assert (
        "b.npz: does not say how boxes are cut; expected the points that" in capsys.readouterr().err
    )


def test_info_of_another_shape_is_refused(data, capsys):
    write_json(data / "info.json", {**read_json(data / "info.json"), "shape": [1, 2, 3]})
    assert call(data) == 2
    assert "not the shape of the tomogram" in capsys.readouterr().err


def test_map_stands_in_for_the_average(data):
    g = np.arange(-14, 15.0)
    z, y, x = np.meshgrid(g, g, g, indexing="ij")
    density = np.exp(-((x / 6) ** 2 + (y / 3) ** 2 + (z / 3) ** 2)).astype(np.float32)
    with mrcfile.new(data / "map.mrc", density) as mrc:
        mrc.voxel_size = 14.0
    assert call(data, name="first") == 0
    flags = ("--map", f"dimer={data / 'map.mrc'}", "--distance", "euclidean", "--source", "map")
    assert call(data, *flags, name="second") == 0
    one, two = (np.load(data / f"{name}.npy") for name in ("first", "second"))
    assert not np.array_equal(one, two)
    assert np.abs(one - two).mean() < 0.02
