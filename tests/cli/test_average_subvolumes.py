"""average_subvolumes from the command line: particles and tomograms in, averages out."""

from __future__ import annotations

import csv
import json

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.command import main
from membrain.particles import ParticleTable, concatenate_particles, empty_particles
from membrain.rotations import relion_angles

SHAPE = (60, 70, 80)
BLOBS = np.array([[6.0, 0, 0], [-3, 4, 1], [0, -4, 5], [1, 1, -6]])  # xyz, no symmetry
WEIGHTS = np.array([1.0, 0.8, 1.2, 0.7])


def density(positions, centres):
    squares = ((positions[..., None, :] - centres) ** 2).sum(-1)
    return np.exp(-squares / 8) @ WEIGHTS


def reference(n=20):
    zyx = np.indices((n, n, n)).reshape(3, -1).T - n // 2
    return density(zyx[:, ::-1], BLOBS).reshape(n, n, n)


def planted(tomogram, seed, n=5, classes="PSII"):
    """Particles with known poses, 20 voxels from the faces."""
    rng = np.random.default_rng(seed)
    xyz = np.stack([rng.uniform(20, size - 21, n) for size in SHAPE[::-1]], axis=1)
    xyz[:, 0] = np.linspace(20, SHAPE[2] - 21, n)
    poses = Rotation.random(n, rng=seed)
    matrices = poses.as_matrix()

    def names(value):
        return np.array([value] * n, dtype=object)

    return ParticleTable(
        names(tomogram), names("M1"), names("a"), np.arange(1, n + 1), xyz[:, ::-1],
        xyz[:, ::-1] * 10, np.ones(n), np.ones(n, int), matrices[:, ::-1, 2], matrices[:, ::-1, 0],
        relion_angles(poses), names(classes),
    )  # fmt: skip


def write_tomogram(folder, table, sign=1.0):
    """Write the tomogram of particles and its info; noise keeps apart what is no particle."""
    name = table.tomogram[0]
    volume = np.random.default_rng(3).normal(0, 0.03, SHAPE)
    zyx = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    for point, normal, axis in zip(table.voxel, table.normals, table.axes, strict=True):
        x, z = axis[::-1], normal[::-1]
        pose = np.stack([x, np.cross(z, x), z], axis=1)
        volume += density(zyx[..., ::-1], BLOBS @ pose.T + point[::-1])
    with mrcfile.new(folder / f"{name}.mrc", overwrite=True) as handle:
        handle.set_data((sign * volume).astype(np.float32))
        handle.voxel_size = 10.0
    assert 0 == main(
        [
            *("inspect_tomogram", "--tomogram", name, "--path", str(folder / f"{name}.mrc")),
            *("--clip", "30", "--output", str(folder / f"{name}.json")),
        ]
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two tomograms, T1 with dark and T2 with bright protein, of the classes PSII and b6f."""
    folder = tmp_path_factory.mktemp("averages")
    tables = [planted("T1", 1), planted("T2", 2, classes="b6f")]
    for table, sign in zip(tables, (-1.0, 1.0), strict=True):
        write_tomogram(folder, table, sign)
    (folder / "tomograms.tsv").write_text("tomogram\tpath\nT1\tT1.mrc\nT2\tT2.mrc\n")
    concatenate_particles(tables).write(folder / "particles.csv", ",")
    return folder


def call(folder, output, *flags, particles="particles.csv", tomograms=("T1", "T2")):
    return main(
        [
            *("average_subvolumes", "--particles", str(folder / particles)),
            *("--tomograms", str(folder / "tomograms.tsv"), "--box-voxel", "20"),
            *("--infos", *(str(folder / f"{name}.json") for name in tomograms)),
            *("--output-dir", str(output), *flags),
        ]
    )


def read(path):
    """Return the voxels, the pixel size and the z of the origin."""
    with mrcfile.open(path) as handle:
        return np.array(handle.data), float(handle.voxel_size.x), float(handle.header.origin.z)


def rows_of(path):
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_averages_show_the_density_bright_with_z_up(made, tmp_path):
    assert call(made, tmp_path, "--symmetry", "1", "PSII=2") == 0
    rows = rows_of(tmp_path / "averages.csv")
    assert [(r["kind"], r["name"], r["n_averaged"], r["symmetry"]) for r in rows] == [
        ("all", "all", "10", "C1"),
        ("class", "PSII", "5", "C2"),
        ("class", "b6f", "5", "C1"),
    ]
    assert all(float(r["resolution_angstrom"]) < 60 for r in rows)
    for row in rows:
        found, pixel_size, origin = read(tmp_path / row["file"])
        assert correlation(found, reference()) > 0.95, row
        assert correlation(found, np.roll(reference()[::-1], 1, 0)) < 0.8
        assert found.dtype == np.float32
        assert pixel_size == pytest.approx(10)
        assert origin == pytest.approx(-100)  # the particle is at 0, 0, 0
        assert (tmp_path / row["file"].replace(".mrc", ".png")).read_bytes()[:4] == b"\x89PNG"
    turned = read(tmp_path / "class_PSII_c2.mrc")[0][:, 1:, 1:]
    assert np.allclose(turned, turned[:, ::-1, ::-1], atol=1e-5)
    ring = read(tmp_path / "all_round.mrc")[0][:, 1:, 1:]
    assert np.allclose(ring, np.rot90(ring, 1, (1, 2)), atol=1e-5)
    assert not (tmp_path / "all_c1.mrc").exists()
    content = json.loads((tmp_path / "averages.json").read_text())
    assert content["contrast_of_tomograms"] == {"T1": "dark", "T2": "bright"}
    curve = rows_of(tmp_path / "fsc.csv")
    assert [r["shell"] for r in curve[:10]] == [str(i) for i in range(1, 11)]
    assert float(curve[0]["frequency_per_angstrom"]) == pytest.approx(1 / 200)


def test_wrong_sign_of_the_normals_gives_another_picture(made, tmp_path):
    text = (made / "particles.csv").read_text().splitlines()
    columns = text[0].split(",")
    lines = [text[0]]
    for line in text[1:]:
        cells = line.split(",")
        for name in ("normal_x", "normal_y", "normal_z"):
            cells[columns.index(name)] = str(-float(cells[columns.index(name)]))
        lines.append(",".join(cells))
    (tmp_path / "turned.csv").write_text("\n".join(lines) + "\n")
    assert call(made, tmp_path / "out", particles=tmp_path / "turned.csv") == 0
    found = read(tmp_path / "out/all.mrc")[0]
    assert correlation(found, reference()) < 0.8


def test_lists_are_averaged_by_themselves(made, tmp_path):
    planted("T1", 1).write(tmp_path / "both.csv", ",")
    empty_particles().write(tmp_path / "only.csv", ",")
    lists = ("--lists", f"both={tmp_path / 'both.csv'}", f"only A={tmp_path / 'only.csv'}")
    assert call(made, tmp_path / "out", *lists) == 0
    rows = {r["name"]: r for r in rows_of(tmp_path / "out/averages.csv")}
    assert (rows["both"]["kind"], rows["both"]["n_averaged"]) == ("list", "5")
    assert (rows["only A"]["n_particles"], rows["only A"]["file"]) == ("0", "")
    both, same = (read(tmp_path / f"out/{name}.mrc")[0] for name in ("list_both", "class_PSII"))
    assert np.allclose(both, same, atol=1e-5)


def test_star_file_of_another_program(made, tmp_path):
    table = planted("T1", 1)
    lines = ["data_particles", "", "loop_"]
    names = ["CoordinateX CoordinateY CoordinateZ AngleRot AngleTilt AnglePsi TomoName".split()]
    lines += [f"_rln{name} #{i}" for i, name in enumerate(names[0], 1)]
    for (z, y, x), (rot, tilt, psi) in zip(table.voxel, table.angles, strict=True):
        lines.append(f"{x} {y} {z} {rot} {tilt} {psi} T1")
    (tmp_path / "picks.star").write_text("\n".join(lines) + "\n")
    assert call(made, tmp_path / "out", particles=tmp_path / "picks.star") == 0
    assert correlation(read(tmp_path / "out/all.mrc")[0], reference()) > 0.95


def test_no_particle_gives_tables_without_volumes(made, tmp_path, caplog):
    empty_particles().write(tmp_path / "none.csv", ",")
    assert call(made, tmp_path / "out", particles=tmp_path / "none.csv") == 0
    assert [r["n_particles"] for r in rows_of(tmp_path / "out/averages.csv")] == ["0"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "averages.csv",
        "averages.json",
        "fsc.csv",
    ]
    assert "all all: 0 of 0 particles averaged" in caplog.text


def test_particle_at_the_border_and_one_outside_are_counted(made, tmp_path):
    text = (made / "particles.csv").read_text().splitlines()
    cells = dict(zip(text[0].split(","), text[1].split(","), strict=True))
    extra = [{**cells, "x_voxel": "2.0"}, {**cells, "y_voxel": "-1.0"}]
    lines = text + [",".join(row.values()) for row in extra]
    (tmp_path / "more.csv").write_text("\n".join(lines) + "\n")
    assert call(made, tmp_path / "out", particles=tmp_path / "more.csv") == 0
    row = rows_of(tmp_path / "out/averages.csv")[0]
    counts = [row[f"n_{name}"] for name in ("particles", "averaged", "partial", "outside")]
    assert counts == ["12", "11", "1", "1"]


def test_given_contrast_wins(made, tmp_path):
    assert call(made, tmp_path, "--contrast", "dark") == 0
    assert correlation(read(tmp_path / "class_b6f.mrc")[0], reference()) < -0.9


def test_pixel_size_of_the_boxes(made, tmp_path):
    assert call(made, tmp_path, "--pixel-size-angstrom", "20") == 0
    found, pixel_size, _ = read(tmp_path / "all.mrc")
    assert pixel_size == pytest.approx(20)
    zyx = 2 * (np.indices((20, 20, 20)).reshape(3, -1).T - 10)
    expected = density(zyx[:, ::-1], BLOBS).reshape(20, 20, 20)
    inner = (slice(6, 15),) * 3
    assert correlation(found[inner], expected[inner]) > 0.9


def test_same_bytes_each_time(made, tmp_path):
    contents = []
    for name in ("one", "two"):
        assert call(made, tmp_path / name) == 0
        files = sorted((tmp_path / name).iterdir())
        contents.append({path.name: path.read_bytes() for path in files})
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--box-voxel", "3"), "--box-voxel; found 3; expected at least 4"),
        (("--pixel-size-angstrom", "-1"), "--pixel-size-angstrom; found -1.0; expected 0 or more"),
        (("--symmetry", "0"), "--symmetry; found 0; expected a whole number from 1 on"),
        (("--symmetry", "PSII=1.5"), "--symmetry; found 1.5"),
        (("--lists", "a.csv"), "--lists; found a.csv; expected NAME=FILE"),
        (("--lists", "all=a.csv"), "name 'all' stands twice or means all particles"),
        (("--lists", "a=nowhere.csv"), "nowhere.csv: no such file of picks"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(made, tmp_path, capsys, flags, message):
    assert call(made, tmp_path / "out", *flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_tomogram_that_the_sheet_lacks(made, tmp_path, capsys):
    (tmp_path / "tomograms.tsv").write_text(f"tomogram\tpath\nT1\t{made / 'T1.mrc'}\n")
    flags = ("--tomograms", str(tmp_path / "tomograms.tsv"))
    assert call(made, tmp_path / "out", *flags) == 2
    assert "tomogram 'T2' has particles but is not in the sheet" in capsys.readouterr().err


def test_another_tomogram_than_the_info_tells(made, tmp_path, capsys):
    with mrcfile.new(tmp_path / "small.mrc") as handle:
        handle.set_data(np.zeros((9, 9, 9), np.float32))
        handle.voxel_size = 10.0
    (tmp_path / "tomograms.tsv").write_text(
        f"tomogram\tpath\nT1\tsmall.mrc\nT2\t{made / 'T2.mrc'}\n"
    )
    assert call(made, tmp_path / "out", "--tomograms", str(tmp_path / "tomograms.tsv")) == 2
    assert "small.mrc: not the shape of the tomogram that" in capsys.readouterr().err


def test_averages_without_a_usable_tomogram_are_refused(tmp_path, capsys):
    empty_particles().write(tmp_path / "p.csv", ",")
    (tmp_path / "T1.json").write_text(json.dumps({"tomogram": "T1", "failure": "cut short"}))
    (tmp_path / "tomograms.tsv").write_text("tomogram\tpath\nT1\tT1.mrc\n")
    flags = ["--particles", "p.csv", "--tomograms", "tomograms.tsv", "--infos", "T1.json"]
    flags = [str(tmp_path / flag) if flag[0] != "-" else flag for flag in flags]
    flags += ["--output-dir", str(tmp_path / "out")]
    assert main(["average_subvolumes", *flags]) == 2
    assert "--infos: every tomogram failed; see the status table" in capsys.readouterr().err
