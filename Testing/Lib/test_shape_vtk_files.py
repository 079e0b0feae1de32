"""Our readers of .vtk, .vtp and .obj against VTK's own, over all ways in which VTK writes these files."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from solids import sphere
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkFiltersCore import vtkStripper
from vtkmodules.vtkIOGeometry import vtkOBJReader
from vtkmodules.vtkIOLegacy import vtkPolyDataReader, vtkPolyDataWriter
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader, vtkXMLPolyDataWriter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.meshes import points_of, set_point_array
from XRayTo3DLib.shape.obj import read_obj
from XRayTo3DLib.shape.surface_parts import SurfaceDamaged, cells_of
from XRayTo3DLib.shape.surfaces import field_text, read_surface, set_field_text
from XRayTo3DLib.shape.vtk_legacy import read_vtk
from XRayTo3DLib.shape.vtp import read_vtp

XML = {
    "text": ["SetDataModeToAscii"],
    "base64": ["SetDataModeToBinary"],
    "base64 plain": ["SetDataModeToBinary", "SetCompressorTypeToNone"],
    "base64 plain 64": ["SetDataModeToBinary", "SetCompressorTypeToNone", "SetHeaderTypeToUInt64"],
    "appended": ["SetDataModeToAppended"],
    "appended raw": ["SetDataModeToAppended", "EncodeAppendedDataOff"],
    "appended plain": ["SetDataModeToAppended", "SetCompressorTypeToNone"],
    "appended raw plain": ["SetDataModeToAppended", "EncodeAppendedDataOff", "SetCompressorTypeToNone"],
    "big endian, lzma": ["SetDataModeToAppended", "SetByteOrderToBigEndian", "SetCompressorTypeToLZMA"],
}


def surface(strips: bool = False) -> vtkPolyData:
    """A sphere with values, normals and texts; as strips if asked."""
    found = sphere(30.0, 12)
    numbers = np.arange(found.GetNumberOfPoints())
    set_point_array(found, "q", numbers / 7)
    set_point_array(found, "b", (numbers % 251).astype(np.uint8))
    set_point_array(found, "v w", np.stack([numbers] * 3, axis=1))
    set_field_text(found, "SPACE", "RAS")
    if not strips:
        return found
    stripper = vtkStripper()
    stripper.SetInputData(found)
    stripper.Update()
    return stripper.GetOutput()


def same(ours: vtkPolyData, theirs: vtkPolyData) -> None:
    """Points, cells, arrays and texts are VTK's."""
    assert np.array_equal(points_of(ours), points_of(theirs))
    for cells in ("GetPolys", "GetStrips"):
        for part in ("GetOffsetsArray", "GetConnectivityArray"):
            one, other = (getattr(getattr(each, cells)(), part)() for each in (ours, theirs))
            assert np.array_equal(vtk_to_numpy(one), vtk_to_numpy(other))
    arrays = [theirs.GetPointData().GetArrayName(k) for k in range(theirs.GetPointData().GetNumberOfArrays())]
    for name in arrays:
        found = [vtk_to_numpy(each.GetPointData().GetArray(name)) for each in (ours, theirs)]
        assert found[0].dtype == found[1].dtype and np.array_equal(*found), name
    assert field_text(ours, "SPACE") == field_text(theirs, "SPACE")


def read_by(reader: Any, path: Path) -> vtkPolyData:
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize("way", XML)
def test_xml_is_read_as_vtk_reads_it(tmp_path: Path, way: str, strips: bool) -> None:
    writer, path = vtkXMLPolyDataWriter(), tmp_path / "bone.vtp"
    for setting in XML[way]:
        getattr(writer, setting)()
    writer.SetBlockSize(512)  # several blocks an array
    writer.SetInputData(surface(strips))
    writer.SetFileName(str(path))
    assert writer.Write()
    same(read_vtp(path), read_by(vtkXMLPolyDataReader(), path))


@pytest.mark.parametrize("strips", [False, True])
@pytest.mark.parametrize("version", [42, 51])
@pytest.mark.parametrize("mode", ["SetFileTypeToASCII", "SetFileTypeToBinary"])
def test_legacy_is_read_as_vtk_reads_it(tmp_path: Path, mode: str, version: int, strips: bool) -> None:
    writer, path, written = vtkPolyDataWriter(), tmp_path / "bone.vtk", surface(strips)
    written.GetPointData().SetActiveScalars("q")
    written.GetPointData().SetActiveVectors("v w")
    getattr(writer, mode)()
    writer.SetFileVersion(version)
    writer.SetInputData(written)
    writer.SetFileName(str(path))
    assert writer.Write()
    same(read_vtk(path), read_by(vtkPolyDataReader(), path))


def test_obj_is_read_as_vtk_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "bone.obj"
    path.write_text("# a comment\nv 0 0 0\nv 20 0 0\nv 0 20 0\nv 0 0 20\ng bone\nf 1 2 3\nf 1 2 -1\nf 1 2 3 4\ns off\n")
    same(read_obj(path), read_by(vtkOBJReader(), path))
    path.write_text("v 0 0 0 1 0 0\nv 20 0 0\nv 0 20 0\nvt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3//1\n")
    assert read_obj(path).GetNumberOfPolys() == 1


FAULTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "count of vertices": (".vtk", lambda text: text.replace("POINTS 122", "POINTS 99999999999")),
    "negative count": (".vtk", lambda text: text.replace("POINTS 122", "POINTS -1")),
    "count of triangles": (".vtk", lambda text: text.replace("POLYGONS 241", "POLYGONS 9999999")),
    "no keyword": (".vtk", lambda text: text.replace("POLYGONS", "POLYGON")),
    "no type": (".vtk", lambda text: text.replace("float", "flat")),
    "cut": (".vtk", lambda text: text[: len(text) // 2]),
    "vertices that are not there": (".vtp", lambda text: text.replace('NumberOfPoints="122"', 'NumberOfPoints="123"')),
    "entities": (".vtp", lambda text: text.replace("<VTKFile", '<!DOCTYPE x [<!ENTITY a "b">]><VTKFile', 1)),
    "no triangles": (".vtp", lambda text: text.replace("connectivity", "x")),
    "other compressor": (".vtp", lambda text: text.replace("vtkZLib", "vtkLZ4")),
    "end missing": (".vtp", lambda text: text.replace("</VTKFile>", "")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_ends_vtk_is_refused(tmp_path: Path, fault: str) -> None:
    suffix, change = FAULTS[fault]
    writer = {".vtk": vtkPolyDataWriter, ".vtp": vtkXMLPolyDataWriter}[suffix]()
    if suffix == ".vtp":
        writer.SetDataModeToAscii()
    path = tmp_path / f"bone{suffix}"
    writer.SetInputData(surface())
    writer.SetFileName(str(path))
    assert writer.Write()
    assert read_surface(path).GetNumberOfPolys() == 240
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=rf"bone\{suffix} is cut short, damaged or not really"):
        read_surface(path)


def test_a_block_that_unpacks_to_more_than_it_says_is_cut(tmp_path: Path) -> None:
    """A bomb gets no memory: only what the header says is unpacked, and that is looked at first."""
    import zlib

    bomb = zlib.compress(bytes(10_000_000))
    header = np.array([1, 100, 100, len(bomb)], np.uint32).tobytes()
    data = (base64.b64encode(header) + base64.b64encode(bomb)).decode()
    array = f'<DataArray type="Float32" Name="Points" NumberOfComponents="3" format="binary">{data}</DataArray>'
    text = f'<PolyData><Piece NumberOfPoints="2"><Points>{array}</Points></Piece></PolyData></VTKFile>'
    start = '<VTKFile type="PolyData" byte_order="LittleEndian" compressor="vtkZLibDataCompressor">'
    (tmp_path / "bomb.vtp").write_text(start + text)
    with pytest.raises(SurfaceDamaged):
        read_vtp(tmp_path / "bomb.vtp")


@pytest.mark.parametrize("numbers", [[3, 0, 1], [-1, 0], [4, 0, 1, 2]])
def test_cells_that_are_incomplete_are_refused(numbers: list[int]) -> None:
    with pytest.raises(SurfaceDamaged):
        cells_of(np.array(numbers))


@pytest.mark.parametrize("rest", ["", "METADATA\n", "\n\n"])
def test_a_legacy_file_that_promises_more_arrays_than_it_has_ends(tmp_path: Path, rest: str) -> None:
    """Found by the fuzzer: reading went on for ever."""
    points = "# vtk DataFile Version 4.2\nx\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 1 0 0 0 1 0\n"
    points += "POLYGONS 1 4\n3 0 1 2\n"
    (tmp_path / "a.vtk").write_text(f"{points}POINT_DATA 3\nFIELD FieldData 2\na 1 3 float\n1 2 3\n{rest}")
    with pytest.raises(InputError, match=r"a\.vtk"):
        read_surface(tmp_path / "a.vtk")


def test_a_text_of_many_short_arrays_or_wide_gaps_is_read(tmp_path: Path) -> None:
    """The rest of the file was copied for each array: 0.8 MB took 4.5 s, growing with the square."""
    start = "# vtk DataFile Version 4.2\nx\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 90 0 0\n0 90 0\n"
    gaps = f"POLYGONS 1 4\n3{' ' * 5000}0 1{' ' * 9000}\n2\nPOINT_DATA 3\nFIELD FieldData 20000\n"
    (tmp_path / "a.vtk").write_text(start + gaps + "".join(f"a{n} 1 3 int\n{n} 2 3\n" for n in range(20_000)))
    read = read_surface(tmp_path / "a.vtk")
    assert read.GetNumberOfPolys() == 1 and read.GetPointData().GetNumberOfArrays() == 20_000
    for number in (0, 19_999):
        assert vtk_to_numpy(read.GetPointData().GetArray(f"a{number}")).tolist() == [number, 2, 3]


def test_an_obj_that_counts_from_0_is_refused(tmp_path: Path) -> None:
    """Its faces were those of other vertices, where more vertices came after them."""
    vertices = "v 0 0 0\nv 90 0 0\nv 0 90 0\nv 0 0 90\n"
    (tmp_path / "a.obj").write_text(f"{vertices}f 0 1 2\n{vertices}f 4 5 6\n")
    with pytest.raises(InputError, match="a.obj .*counts vertices from 0"):
        read_surface(tmp_path / "a.obj")


def test_entities_are_refused_in_every_encoding(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE VTKFile [<!ENTITY a "x">]><VTKFile type="PolyData"/>'
    (tmp_path / "a.vtp").write_bytes(text.encode("utf-16"))
    with pytest.raises(SurfaceDamaged, match="declares a document type"):
        read_vtp(tmp_path / "a.vtp")
