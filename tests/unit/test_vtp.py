"""VTP files, read back by an independent little parser."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from membrain.formats.vtp import vtp_text, write_vtp

KINDS = {"Float32": "<f4", "Float64": "<f8", "Int32": "<i4", "Int64": "<i8", "Int8": "i1"}


def values(element):
    """Return the content of a DataArray as the format's description has it."""
    if element.get("type") == "String":
        codes = bytes(int(code) for code in (element.text or "").split())
        return codes.decode("utf-8").split("\0")[:-1]
    content = base64.b64decode(element.text)
    assert int.from_bytes(content[:8], "little") == len(content) - 8
    numbers = np.frombuffer(content[8:], KINDS[element.get("type")])
    width = element.get("NumberOfComponents")
    return numbers.reshape(-1, int(width)) if width else numbers


def arrays(text, where):
    root = ET.fromstring(text)
    return {array.get("Name"): values(array) for array in root.find(f"PolyData/{where}")}


def test_points_and_arrays_read_back():
    points = np.array([[1.0, 2, 3], [4, 5, 6.5]])
    normals = np.array([[0, 0, 1], [0, 1, 0]], np.float32)
    data = {"normal": normals, "score": np.array([0.5, 1.0]), "class": np.array([1, 0], np.int32)}
    fields = {"class_names": ["PSII", "b6f <ä>"], "size": np.array([4.0])}
    text = vtp_text(points, data, fields, normals="normal", scalars="score")
    np.testing.assert_array_equal(arrays(text, "Piece/Points")["Points"], points)
    found = arrays(text, "Piece/PointData")
    np.testing.assert_array_equal(found["normal"], normals)
    np.testing.assert_array_equal(found["score"], [0.5, 1.0])
    np.testing.assert_array_equal(found["class"], [1, 0])
    found = arrays(text, "FieldData")
    assert found["class_names"] == ["PSII", "b6f <ä>"]
    np.testing.assert_array_equal(found["size"], [4.0])


def test_every_point_is_a_vertex():
    text = vtp_text(np.zeros((3, 3)), {})
    piece = ET.fromstring(text).find("PolyData/Piece")
    assert piece.get("NumberOfPoints") == piece.get("NumberOfVerts") == "3"
    cells = arrays(text, "Piece/Verts")
    assert cells["connectivity"].tolist() == [0, 1, 2]
    assert cells["offsets"].tolist() == [1, 2, 3]


def test_active_arrays_and_names_are_quoted():
    text = vtp_text(np.zeros((1, 3)), {'a"b': np.zeros(1)}, scalars='a"b')
    data = ET.fromstring(text).find("PolyData/Piece/PointData")
    assert data.get("Scalars") == data[0].get("Name") == 'a"b'


def test_no_point_is_valid():
    text = vtp_text(np.zeros((0, 3)), {"score": np.zeros(0, np.float32)}, {"names": []})
    assert ET.fromstring(text).find("PolyData/Piece").get("NumberOfPoints") == "0"
    assert arrays(text, "Piece/Points")["Points"].shape == (0, 3)


def test_write_gives_the_text(tmp_path):
    write_vtp(tmp_path / "x/a.vtp", np.ones((1, 3)), {})
    assert (tmp_path / "x/a.vtp").read_text() == vtp_text(np.ones((1, 3)), {})


def test_package_vtk_reads_it(tmp_path):
    vtk = pytest.importorskip("vtk", reason="the vtk package is not installed")
    data = {"normal": np.array([[0, 0, 1.0]]), "class": np.array([3], np.int32)}
    write_vtp(tmp_path / "a.vtp", [[1, 2, 3]], data, {"names": ["PSII"]}, normals="normal")
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "a.vtp"))
    reader.Update()
    found = reader.GetOutput()
    assert found.GetPoint(0) == (1, 2, 3)
    assert found.GetNumberOfVerts() == 1
    assert found.GetPointData().GetNormals().GetTuple(0) == (0, 0, 1)
    assert found.GetPointData().GetArray("class").GetValue(0) == 3
    assert found.GetFieldData().GetAbstractArray("names").GetValue(0) == "PSII"
