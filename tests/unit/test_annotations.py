"""Annotations of any format: choice of reader, place in the volume."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest

from membrain.annotations import annotations_of_membrane, read_annotations
from membrain.errors import InputError
from membrain.sheets import MembraneRow

SHARED = Path(__file__).parents[3] / "shared/data"
SHAPE = (40, 60, 80)


def write_csv(tmp_path, xyz, name="a.csv"):
    path = tmp_path / name
    path.write_text("class,x,y,z\n" + "".join(f"PSII,{x},{y},{z}\n" for x, y, z in xyz))
    return path


def test_extension_chooses_the_reader(tmp_path):
    path = write_csv(tmp_path, [(1, 2, 3)], "A.CSV")
    assert read_annotations(path, pixel_size=10.0).source == "csv"
    with pytest.raises(InputError, match="unknown format of annotations; found extension '.xlsx'"):
        read_annotations(tmp_path / "a.xlsx", pixel_size=10.0)


@pytest.mark.parametrize("name", ["a.csv", "a.star", "a.xml", "a.tbl", "a.json"])
def test_file_of_no_bytes_is_no_annotation(tmp_path, name, caplog):
    (tmp_path / name).write_text("\n")
    found = read_annotations(tmp_path / name, pixel_size=10.0, shape=SHAPE)
    assert found.positions.shape == (0, 3)
    assert "the file is empty: no annotated particle" in caplog.text


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="a.csv: unreadable; found No such file"):
        read_annotations(tmp_path / "a.csv", pixel_size=10.0)


def test_positions_at_the_rim_are_accepted(tmp_path):
    path = write_csv(tmp_path, [(-9, 30, 20), (88, 30, 20), (40, 69, 49)])
    assert len(read_annotations(path, pixel_size=10.0, shape=SHAPE)) == 3


def test_anisotropic_shape_is_zyx(tmp_path):
    path = write_csv(tmp_path, [(79, 59, 39)])
    assert len(read_annotations(path, pixel_size=10.0, shape=SHAPE)) == 1
    with pytest.raises(InputError, match="1 of 1 positions lie outside"):
        read_annotations(write_csv(tmp_path, [(39, 59, 79)]), pixel_size=10.0, shape=SHAPE)


def test_unbinned_pixels_are_recognised(tmp_path):
    path = write_csv(tmp_path, [(4, 8, 12), (280, 200, 140)])
    with pytest.raises(InputError) as caught:
        read_annotations(path, pixel_size=10.0, shape=SHAPE)
    text = str(caught.value)
    assert "a.csv: 1 of 2 positions lie outside the tomogram" in text
    assert "found x 4 to 280, y 8 to 200, z 12 to 140 voxels" in text
    assert "expected within 80 x 60 x 40 voxels (x, y, z)" in text
    assert "divided by 4 (pixels of an unbinned tomogram, 2.5 angstrom)" in text


@pytest.mark.parametrize(
    ("xyz", "names"),
    [((5, 50, 70), "x and z"), ((55, 70, 30), "x and y"), ((70, 35, 55), "y and z")],
)
def test_exchanged_axes_are_recognised(tmp_path, xyz, names):
    path = write_csv(tmp_path, [xyz, (30, 30, 30)])
    with pytest.raises(InputError, match=f"they would fit with {names} exchanged"):
        read_annotations(path, pixel_size=10.0, shape=SHAPE)


def test_angstrom_are_recognised(tmp_path):
    path = write_csv(tmp_path, [(800, 600, 400)])
    with pytest.raises(InputError, match=r"divided by 13.5 \(angstrom, not voxels\)"):
        read_annotations(path, pixel_size=13.5, shape=SHAPE)


def test_origin_is_recognised(tmp_path):
    path = write_csv(tmp_path, [(10, 20, 130)])
    with pytest.raises(InputError, match=r"header's origin subtracted \(\(0.0, 0.0, 1000.0\) ang"):
        read_annotations(path, pixel_size=10.0, origin=(0.0, 0.0, 1000.0), shape=SHAPE)


def test_missing_origin_of_half_the_volume_is_recognised(tmp_path):
    path = write_csv(tmp_path, [(10, 20, 25), (70, 50, 58)])
    with pytest.raises(InputError, match="half the volume's size moved along z"):
        read_annotations(path, pixel_size=10.0, shape=SHAPE)


def test_centred_coordinates_are_recognised(tmp_path):
    path = write_csv(tmp_path, [(-35, -25, -15), (35, 25, 15)])
    with pytest.raises(InputError, match="half the volume's size moved along z and y and x"):
        read_annotations(path, pixel_size=10.0, shape=SHAPE)


def test_few_positions_outside_are_told_by_their_number(tmp_path):
    rows = [[20, 20, 20]] * 6 + [[1e300, 20, 20], [20, -500, 20]]
    path = write_csv(tmp_path, rows)
    message = (
        r"2 of 8 positions lie outside the tomogram; found x 20 to 1e\+300, y -500 to 20, z 20 to "
        r"20 voxels; expected .*; look at position 7, 8 of this tomogram in the file$"
    )
    with pytest.raises(InputError, match=message):
        read_annotations(path, pixel_size=10.0, shape=(30, 40, 50))
    path = write_csv(tmp_path, [[20, 20, 20]] * 18 + [[500, 20, 20]] * 6)
    with pytest.raises(InputError, match="look at position 19, 20, 21, 22, 23, ... of this"):
        read_annotations(path, pixel_size=10.0, shape=(30, 40, 50))


def test_nothing_fits(tmp_path):
    path = write_csv(tmp_path, [(-4000, 20, 20), (4000, 20, 20)])
    with pytest.raises(InputError, match="is this the file of this tomogram"):
        read_annotations(path, pixel_size=1.0, shape=SHAPE)


def test_star_outside_names_the_column_that_helps(tmp_path):
    path = tmp_path / "a.star"
    path.write_text(
        "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnCoordinateZ #3\n300 200 100\n"
    )
    with pytest.raises(InputError, match="a column rlnTomoTiltSeriesPixelSize"):
        read_annotations(path, pixel_size=10.0, shape=SHAPE)


def test_membrane_row_takes_origin_from_the_mask(tmp_path):
    with mrcfile.new(tmp_path / "m.mrc") as handle:
        handle.set_data(np.zeros(SHAPE, np.int8))
        handle.voxel_size = 10.0
        handle.header.origin = (0.0, 0.0, 300.0)
    (tmp_path / "a.xml").write_text(
        '<Session><PointGroups><Group Name="PSII"><Point ID="0" Position="10,20,500" /></Group>'
        "</PointGroups></Session>"
    )
    row = MembraneRow("T", "M", tmp_path / "m.mrc", annotations=tmp_path / "a.xml")
    info = {"pixel_size_angstrom": 10.0, "shape": list(SHAPE), "origin_angstrom": [0.0, 0.0, 0.0]}
    np.testing.assert_allclose(annotations_of_membrane(row, info).positions, [[20, 2, 1]])
    with mrcfile.open(tmp_path / "m.mrc", "r+") as handle:
        handle.header.origin = (0.0, 0.0, 0.0)
    info["origin_angstrom"] = [0.0, 0.0, 400.0]
    np.testing.assert_allclose(annotations_of_membrane(row, info).positions, [[10, 2, 1]])


@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not here")
def test_real_unbinned_star_names_the_binning():
    with pytest.raises(InputError, match="69 of 69 positions lie outside.*divided by"):
        read_annotations(
            SHARED / "others/chlamy_ps2.star",
            pixel_size=7.84,
            shape=(512, 1024, 1024),
            tomogram="tomo_0024",
        )


@pytest.mark.skipif(not SHARED.exists(), reason="shared data are not here")
def test_real_session_without_its_origin_is_refused():
    with pytest.raises(InputError, match="36 of 105 positions lie outside"):
        read_annotations(
            SHARED / "thylakoid/positions/T1S1M1.xml", pixel_size=13.68, shape=(464, 928, 928)
        )
