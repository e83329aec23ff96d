"""RELION STAR files as annotations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.errors import InputError
from membrain.formats import star
from membrain.formats.base import Grid

CHLAMY = Path(__file__).parents[3] / "shared/data/others/chlamy_ps2.star"
GRID = Grid(10.0, shape=(40, 60, 80), tomogram="001")


def write(tmp_path, *blocks):
    """Write blocks given as (name, columns, rows)."""
    lines = []
    for name, columns, rows in blocks:
        lines += [f"data_{name}", "", "loop_", *(f"_{c} #{i}" for i, c in enumerate(columns, 1))]
        lines += [" ".join(map(str, row)) for row in rows] + ["", ""]
    path = tmp_path / "a.star"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


PIXEL = ["rlnCoordinateX", "rlnCoordinateY", "rlnCoordinateZ"]
CENTERED = [f"rlnCenteredCoordinate{a}Angst" for a in "XYZ"]
ANGLES = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]


def test_unnamed_block_without_pixel_size_is_in_voxels(tmp_path):
    path = write(tmp_path, ("", [*PIXEL, "rlnTomoName"], [[1, 2, 3, "001"], [4, 5, 6, "002"]]))
    found = star.read(path, GRID)
    np.testing.assert_array_equal(found.positions, [[3, 2, 1]])
    assert found.angles is None
    assert found.classes == ("particle",)


def test_tomogram_names_stay_text(tmp_path):
    path = write(tmp_path, ("", [*PIXEL, "rlnTomoName"], [[1, 2, 3, "001"], [4, 5, 6, "1"]]))
    assert len(star.read(path, GRID)) == 1


def test_centered_angstrom_count_from_half_the_size(tmp_path):
    path = write(tmp_path, ("particles", CENTERED, [[-400, 0, 50]]))
    found = star.read(path, GRID)  # x: 80/2 - 40, y: 60/2, z: 40/2 + 5
    np.testing.assert_allclose(found.positions, [[25, 30, 0]])


def test_optics_block_gives_the_pixel_of_each_group(tmp_path):
    optics = ("optics", ["rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"], [[1, 2.5], [2, 5.0]])
    rows = [[40, 80, 120, 1], [40, 80, 120, 2]]
    path = write(tmp_path, optics, ("particles", [*PIXEL, "rlnOpticsGroup"], rows))
    np.testing.assert_allclose(star.read(path, GRID).positions, [[30, 20, 10], [60, 40, 20]])


def test_one_pixel_size_in_optics_serves_particles_without_group(tmp_path):
    optics = ("optics", ["rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"], [[1, 2.5]])
    path = write(tmp_path, optics, ("particles", PIXEL, [[40, 80, 120]]))
    np.testing.assert_allclose(star.read(path, GRID).positions, [[30, 20, 10]])


def test_pixel_size_beside_the_coordinates(tmp_path):
    path = write(tmp_path, ("", [*PIXEL, "rlnPixelSize"], [[40, 80, 120, 2.5]]))
    np.testing.assert_allclose(star.read(path, GRID).positions, [[30, 20, 10]])


def test_single_values_are_one_particle(tmp_path):
    path = tmp_path / "a.star"
    path.write_text("data_particles\n\n" + "".join(f"_{c} {i}\n" for i, c in enumerate(PIXEL, 1)))
    np.testing.assert_array_equal(star.read(path, GRID).positions, [[3, 2, 1]])


def test_origin_is_subtracted_in_the_frame_of_the_subtomogram(tmp_path):
    origins = [f"rlnOrigin{a}Angst" for a in "XYZ"]
    outer = [f"rlnTomoSubtomogram{a}" for a in ("Rot", "Tilt", "Psi")]
    plain = write(tmp_path, ("", [*PIXEL, *origins], [[10, 20, 30, 10, 20, 30]]))
    np.testing.assert_allclose(star.read(plain, GRID).positions, [[27, 18, 9]])
    turned = write(tmp_path, ("", [*PIXEL, *origins, *outer], [[10, 20, 30, 10, 0, 0, 0, 90, 0]]))
    # RELION's tilt of 90 maps the subtomogram's x axis (1, 0, 0) to (0, 0, 1) of the tomogram
    turn = Rotation.from_euler("ZYZ", [0, 90, 0], degrees=True).inv().apply([1.0, 0, 0])
    expected = np.array([10, 20, 30]) - turn
    np.testing.assert_allclose(star.read(turned, GRID).positions, [expected[::-1]], atol=1e-9)


def test_pose_is_subtomogram_times_particle(tmp_path):
    outer = [f"rlnTomoSubtomogram{a}" for a in ("Rot", "Tilt", "Psi")]
    path = write(tmp_path, ("", [*PIXEL, *ANGLES, *outer], [[1, 2, 3, 10, 20, 30, 40, 50, 60]]))
    found = Rotation.from_euler("ZYZ", star.read(path, GRID).angles, degrees=True).inv()
    particle = Rotation.from_euler("ZYZ", [10, 20, 30], degrees=True).inv()
    subtomogram = Rotation.from_euler("ZYZ", [40, 50, 60], degrees=True).inv()
    np.testing.assert_allclose(
        found.as_matrix()[0], (subtomogram * particle).as_matrix(), atol=1e-9
    )


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("rlnParticleName", ["PSII", "b6f"], ("PSII", "b6f")),
        ("rlnParticleName", ["T/1", "T/2"], ("particle", "particle")),
        ("rlnClassNumber", [1, 2], ("1", "2")),
        ("rlnClassNumber", [1, 1], ("particle", "particle")),
        ("class", ["PSII", "PSII"], ("PSII", "PSII")),
        ("membrainClass", ["001", "x"], ("001", "x")),
    ],
)
def test_class_columns(tmp_path, column, values, expected):
    rows = [[1, 2, 3, value] for value in values]
    assert star.read(write(tmp_path, ("", [*PIXEL, column], rows)), GRID).classes == expected


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("rlnClassNumber", [2, 2, 1, 2], ("2", "2")),
        ("rlnParticleName", ["A", "B", "A", "A"], ("A", "B")),
        ("rlnParticleName", ["p1", "p2", "p3", "p4"], ("particle", "particle")),
    ],
)
def test_column_of_classes_is_that_of_the_whole_file(tmp_path, column, values, expected):
    names = ["001", "001", "002", "002"]
    rows = [[1, 2, 3, name, value] for name, value in zip(names, values, strict=True)]
    path = write(tmp_path, ("", [*PIXEL, "rlnTomoName", column], rows))
    assert star.read(path, GRID).classes == expected


def test_tomograms_of_relion_3_are_told_by_the_micrograph(tmp_path):
    rows = [[1, 2, 3, "rec/001.mrc"], [4, 5, 6, "rec/002.mrc"]]
    path = write(tmp_path, ("", [*PIXEL, "rlnMicrographName"], rows))
    np.testing.assert_array_equal(star.read(path, GRID).positions, [[3, 2, 1]])
    with pytest.raises(InputError, match="'7' in column rlnMicrographName; found 001, 002"):
        star.read(path, Grid(10.0, tomogram="7"))
    one = write(tmp_path, ("", [*PIXEL, "rlnMicrographName"], rows[1:]))
    assert len(star.read(one, GRID)) == 1  # a single one may be called as it likes


@pytest.mark.parametrize("names", [["rlnOriginX"], ["rlnOriginXAngst", "rlnOriginYAngst"]])
def test_shifts_that_are_not_known_are_refused(tmp_path, names):
    path = write(tmp_path, ("", [*PIXEL, *names], [[1, 2, 3, *[5] * len(names)]]))
    with pytest.raises(InputError, match=f"shifts in column {names[0]}; expected rlnOriginXAngst"):
        star.read(path, GRID)
    path = write(tmp_path, ("", [*PIXEL, *names], [[1, 2, 3, *[0] * len(names)]]))
    np.testing.assert_array_equal(star.read(path, GRID).positions, [[3, 2, 1]])


def test_loop_without_rows_is_no_annotation(tmp_path):
    assert len(star.read(write(tmp_path, ("particles", [*PIXEL, "rlnTomoName"], [])), GRID)) == 0


def test_other_tomogram_may_be_no_mistake(tmp_path):
    path = write(tmp_path, ("", [*PIXEL, "rlnTomoName"], [[1, 2, 3, "7"]]))
    assert len(star.read(path, Grid(10.0, tomogram="001", must_have_rows=False))) == 0


def test_mistakes_are_named(tmp_path):
    (tmp_path / "a.star").write_text("hello\n")
    with pytest.raises(InputError, match="a.star: no block with particle coordinates; found no bl"):
        star.read(tmp_path / "a.star", GRID)
    with pytest.raises(InputError, match="rlnCoordinateX.*did you mean"):
        star.read(write(tmp_path, ("", ["rlnCordinateX", "rlnCoordinateY"], [[1, 2]])), GRID)
    columns = ["rlnCoordX", "rlnCoordinateY", "rlnCoordinateZ"]
    with pytest.raises(InputError, match="; for 'rlnCoordX' did you mean 'rlnCoordinateX'?"):
        star.read(write(tmp_path, ("", columns, [[1, 2, 3]])), GRID)
    (tmp_path / "b.star").write_text("data_\nloop_\n_rlnCoordinateX\n1 2 3\n")
    with pytest.raises(InputError, match="b.star: not a STAR file; found .*; expected blocks"):
        star.read(tmp_path / "b.star", GRID)
    for size in (0, -2.5):
        with pytest.raises(InputError, match=f"rlnPixelSize'; found {size}; expected a pixel size"):
            star.read(write(tmp_path, ("", [*PIXEL, "rlnPixelSize"], [[1, 2, 3, size]])), GRID)
    with pytest.raises(InputError, match="no particle of tomogram '001'.*found 7"):
        star.read(write(tmp_path, ("", [*PIXEL, "rlnTomoName"], [[1, 2, 3, "7"]])), GRID)
    with pytest.raises(InputError, match="row 2: column 'rlnCoordinateY'; found"):
        star.read(write(tmp_path, ("", PIXEL, [[1, 2, 3], [1, "<NA>", 3]])), GRID)
    with pytest.raises(InputError, match="centred coordinates need the size of the tomogram"):
        star.read(write(tmp_path, ("", CENTERED, [[1, 2, 3]])), Grid(10.0))
    optics = ("optics", ["rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"], [[1, 2.5]])
    particles = ("particles", [*PIXEL, "rlnOpticsGroup"], [[1, 2, 3, 9]])
    with pytest.raises(InputError, match="optics group 9 is not in the optics block"):
        star.read(write(tmp_path, optics, particles), GRID)
    optics = ("optics", ["rlnOpticsGroup", "rlnTomoTiltSeriesPixelSize"], [[1, 2.5], [1, 5]])
    with pytest.raises(InputError, match="an optics group stands twice in the optics block"):
        star.read(write(tmp_path, optics, particles), GRID)
    with pytest.raises(InputError, match="nowhere.star: unreadable"):
        star.read(tmp_path / "nowhere.star", GRID)


@pytest.mark.skipif(not CHLAMY.exists(), reason="shared data are not here")
def test_real_file_of_another_group():
    found = star.read(CHLAMY, Grid(1.0, tomogram="tomo_0024"))
    assert len(found) == 69
    np.testing.assert_allclose(found.positions[0], [1041.465173, 3862.465173, 3726.465173])
    np.testing.assert_allclose(found.angles[0], [-51.782810, 165.360940, -174.945160])
    assert set(found.classes) == {"PSII"}


def test_unit_of_coordinates_that_do_not_tell_their_own(tmp_path):
    path = write(tmp_path, ("", PIXEL, [[4, 8, 12]]))
    np.testing.assert_allclose(star.read(path, Grid(10.0, unit=2.5)).positions, [[3, 2, 1]])
    path = write(tmp_path, ("", [*PIXEL, "rlnTomoTiltSeriesPixelSize"], [[4, 8, 12, 2.5]]))
    with pytest.raises(InputError, match="expected none: the file tells its own"):
        star.read(path, Grid(10.0, unit=2.5))
    path = write(tmp_path, ("", CENTERED, [[4, 8, 12]]))
    with pytest.raises(InputError, match="expected none: rlnCenteredCoordinate is angstrom"):
        star.read(path, Grid(10.0, shape=(40, 60, 80), unit=2.5))


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("rlnAutopickFigureOfMerit", [0.5, 0.25], [0.5, 0.25]),
        ("rlnLCCmax", [0.5, 0.25], [0.5, 0.25]),
        ("rlnAutopickFigureOfMerit", [0.5, "nan"], None),
        ("rlnOther", [0.5, 0.25], None),
    ],
)
def test_scores_where_every_pick_has_one(tmp_path, column, values, expected):
    rows = [[1, 2, 3, value] for value in values]
    scores = star.read(write(tmp_path, ("", [*PIXEL, column], rows)), GRID).scores
    assert scores is None if expected is None else scores.tolist() == expected
