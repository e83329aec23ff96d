"""Points with arrays as VTK PolyData (``.vtp``), for ParaView; the vtk package is not needed.

XML with the numbers inline: each array is a base64 text of its size in bytes (unsigned 64 bit)
followed by its little-endian values. Every point is a vertex cell, or viewers would show nothing.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from ..files import atomic_path

TYPES = {
    "float32": "Float32",
    "float64": "Float64",
    "int8": "Int8",
    "int32": "Int32",
    "int64": "Int64",
}


def _numbers(name: str, values: np.ndarray, is_field: bool = False) -> str:
    """Return the element of a numeric array (n,) or (n, n_components)."""
    values = np.ascontiguousarray(values)
    kind = TYPES[values.dtype.name]
    data = values.astype(values.dtype.newbyteorder("<")).tobytes()
    text = base64.b64encode(np.array(len(data), dtype="<u8").tobytes() + data).decode("ascii")
    attributes = f'type="{kind}" Name={quoteattr(name)} format="binary"'
    if values.ndim > 1:
        attributes += f' NumberOfComponents="{values.shape[1]}"'
    if is_field:
        attributes += f' NumberOfTuples="{len(values)}"'
    return f"<DataArray {attributes}>{text}</DataArray>"


def _names(name: str, values: Sequence[str]) -> str:
    """Return the element of an array of texts: their bytes as numbers, a zero after each."""
    codes = " ".join(str(code) for value in values for code in (*value.encode("utf-8"), 0))
    attributes = (
        f'type="String" Name={quoteattr(name)} NumberOfTuples="{len(values)}" format="ascii"'
    )
    return f"<DataArray {attributes}>{codes}</DataArray>"


def vtp_text(
    points_xyz: np.ndarray,
    point_data: Mapping[str, np.ndarray],
    fields: Mapping[str, Sequence[str] | np.ndarray] | None = None,
    *,
    normals: str = "",
    scalars: str = "",
) -> str:
    """Return the text of a VTP file.

    Parameters
    ----------
    points_xyz : (n, 3) float, xyz, angstrom
    point_data : mapping of name to (n,) or (n, n_components) array
    fields : mapping of name to texts or a 1D array, for the data set as a whole
    normals, scalars : str
        Names in `point_data` that viewers use for shading and colour.
    """
    n = len(points_xyz)
    points = np.asarray(points_xyz, dtype=np.float32).reshape(n, 3)
    active = f' Normals="{normals}"' * bool(normals) + f" Scalars={quoteattr(scalars)}" * bool(
        scalars
    )
    field_lines = [
        _numbers(name, values, is_field=True)
        if isinstance(values, np.ndarray)
        else _names(name, values)
        for name, values in (fields or {}).items()
    ]
    return "\n".join(
        [
            '<?xml version="1.0"?>',
            '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian"'
            ' header_type="UInt64">',
            "<PolyData>",
            "<FieldData>",
            *field_lines,
            "</FieldData>",
            f'<Piece NumberOfPoints="{n}" NumberOfVerts="{n}" NumberOfLines="0"'
            ' NumberOfStrips="0" NumberOfPolys="0">',
            f"<PointData{active}>",
            *(_numbers(name, values) for name, values in point_data.items()),
            "</PointData>",
            "<Points>",
            _numbers("Points", points),
            "</Points>",
            "<Verts>",
            _numbers("connectivity", np.arange(n, dtype=np.int64)),
            _numbers("offsets", np.arange(1, n + 1, dtype=np.int64)),
            "</Verts>",
            "</Piece>",
            "</PolyData>",
            "</VTKFile>",
            "",
        ]
    )


def write_vtp(path: str | Path, *args: object, **kwargs: object) -> None:
    """Write a VTP file; takes the arguments of `vtp_text`."""
    with atomic_path(path) as temporary:
        temporary.write_text(vtp_text(*args, **kwargs), encoding="utf-8")
