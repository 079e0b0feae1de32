"""Reading and writing surfaces: round trips, frames, units, and every kind of broken file."""

from __future__ import annotations

import numpy as np
import pytest
from solids import cube, sphere
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkIOGeometry import vtkSTLWriter
from vtkmodules.vtkIOLegacy import vtkPolyDataWriter
from vtkmodules.vtkIOPLY import vtkPLYWriter
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

from XRayTo3DLib.errors import InputError, XRayTo3DError
from XRayTo3DLib.shape.meshes import (
    boundary_edges,
    enclosed_volume,
    make_surface,
    point_array,
    points_of,
    set_point_array,
    surface_area,
    triangles_of,
)
from XRayTo3DLib.shape.surfaces import check_units, field_text, read_surface, set_field_text, write_surface

SUFFIXES = (".vtp", ".ply", ".stl", ".vtk", ".obj")


def shifted_sphere():
    """Asymmetric in x and y, so that a wrong frame shows."""
    return sphere(20, 30, centre=(40, -70, 110))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip(tmp_path, suffix):
    surface = shifted_sphere()
    back = read_surface(write_surface(surface, tmp_path / f"bone{suffix}"))
    assert back.GetNumberOfPoints() == surface.GetNumberOfPoints()
    assert back.GetNumberOfPolys() == surface.GetNumberOfPolys()
    assert points_of(back).mean(axis=0) == pytest.approx(points_of(surface).mean(axis=0), abs=1e-4)
    assert enclosed_volume(back) == pytest.approx(enclosed_volume(surface), rel=1e-5)
    assert len(boundary_edges(back)) == 0
    assert [p.name for p in tmp_path.iterdir()] == [f"bone{suffix}"]


@pytest.mark.parametrize("suffix", [".vtp", ".vtk"])
def test_point_arrays_survive(tmp_path, suffix):
    surface = cube()
    set_point_array(surface, "error_mm", np.arange(8.0))
    set_point_array(surface, "direction", np.arange(24.0).reshape(8, 3))
    back = read_surface(write_surface(surface, tmp_path / f"bone{suffix}"), merge_points=False)
    assert np.array_equal(point_array(back, "error_mm"), np.arange(8.0))
    assert point_array(back, "direction").shape == (8, 3)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [(".stl", b"SPACE=LPS"), (".ply", b"comment SPACE=LPS"), (".vtk", b"SPACE=LPS"), (".obj", b"# XRayTo3D SPACE=LPS")],
)
def test_written_headers_name_the_space(tmp_path, suffix, text):
    assert text in write_surface(cube(), tmp_path / f"bone{suffix}").read_bytes()[:300]


def test_written_vtp_names_the_space(tmp_path):
    assert field_text(read_surface(write_surface(cube(), tmp_path / "bone.vtp")), "SPACE") == "LPS"


def write_ras(folder, suffix, word="SPACE=RAS") -> str:
    """A file in RAS as Slicer writes it, with VTK's own writers."""
    surface = shifted_sphere()
    path = folder / f"ras{suffix}"
    if suffix == ".obj":
        write_surface(surface, path)
        path.write_bytes(path.read_bytes().replace(b"SPACE=LPS", word.encode()))
        return path
    writer = {".stl": vtkSTLWriter, ".ply": vtkPLYWriter, ".vtk": vtkPolyDataWriter, ".vtp": vtkXMLPolyDataWriter}[
        suffix
    ]()
    if suffix == ".ply":
        writer.AddComment(f"3D Slicer output. {word}")
    elif suffix == ".vtp":
        set_field_text(surface, "SPACE", word.split("=")[1])
    else:
        writer.SetHeader(f"3D Slicer output. {word}")
    if suffix == ".stl":
        writer.SetFileTypeToBinary()
    writer.SetInputData(surface)
    writer.SetFileName(str(path))
    writer.Write()
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_ras_files_are_turned_to_lps(tmp_path, suffix):
    back = read_surface(write_ras(tmp_path, suffix))
    assert points_of(back).mean(axis=0) == pytest.approx([-40, 70, 110], abs=0.01)
    assert enclosed_volume(back) > 0


def test_unknown_space_is_refused(tmp_path):
    with pytest.raises(InputError, match='unknown space "scanner".*SPACE=LPS'):
        read_surface(write_ras(tmp_path, ".ply", "SPACE=scanner"))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("share", [0.02, 0.2, 0.5, 0.8, 0.97])
def test_truncated_files_are_refused(tmp_path, suffix, share, capfd):
    path = write_surface(sphere(20, 30), tmp_path / f"bone{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=r"bone\.\w+ (is cut short|holds (no|points but no))"):
        read_surface(path)
    assert capfd.readouterr().err == "", "VTK's own messages must not reach the user"


@pytest.mark.parametrize("cut", [1, 7, 13])
def test_ply_missing_only_its_last_bytes_is_refused(tmp_path, cut):
    path = write_surface(sphere(20, 30), tmp_path / "bone.ply")
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError, match="cut short"):
        read_surface(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_something_else_under_a_surface_suffix(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    path.write_bytes(bytes(range(256)) * 40)
    with pytest.raises(InputError, match="photo"):
        read_surface(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("suffix", [".vtp", ".ply", ".vtk"])
def test_points_that_are_no_numbers(tmp_path, bad, suffix):
    points = points_of(cube())
    points[3, 1] = bad
    path = write_surface(make_surface(points, triangles_of(cube())), tmp_path / f"bone{suffix}")
    with pytest.raises(InputError, match="1 points that are not finite"):
        read_surface(path)


def test_missing_empty_and_unknown_files(tmp_path):
    with pytest.raises(InputError, match="Reference: there is no file"):
        read_surface(tmp_path / "nothing.ply", what="Reference")
    (tmp_path / "zero.stl").touch()
    with pytest.raises(InputError, match="empty"):
        read_surface(tmp_path / "zero.stl")
    (tmp_path / "bone.dcm").write_bytes(b"x")
    with pytest.raises(InputError, match=r"bone.dcm is no surface file; give one of \.vtp"):
        read_surface(tmp_path / "bone.dcm")
    with pytest.raises(InputError, match="Cannot write bone.xyz"):
        write_surface(cube(), tmp_path / "bone.xyz")


def test_no_points_and_no_triangles(tmp_path):
    with pytest.raises(InputError, match="no points"):
        read_surface(write_surface(make_surface(np.empty((0, 3)), np.empty((0, 3))), tmp_path / "empty.vtp"))
    cloud = make_surface(points_of(cube()), np.empty((0, 3)))
    with pytest.raises(InputError, match="no triangles; a point cloud"):
        read_surface(write_surface(cloud, tmp_path / "cloud.vtp"))


def test_writing_to_an_impossible_place_leaves_nothing(tmp_path):
    (tmp_path / "bone.vtp").mkdir()
    with pytest.raises((XRayTo3DError, OSError)):
        write_surface(cube(), tmp_path / "bone.vtp")
    assert [p.name for p in tmp_path.iterdir()] == ["bone.vtp"]


def test_metres_are_noticed_and_the_option_mends_them(tmp_path):
    path = write_surface(make_surface(points_of(cube()) * 0.015, triangles_of(cube())), tmp_path / "femur.ply")
    with pytest.raises(InputError, match=r"metres: largest extent is 0\.45; give --unit m \(or multiply by 1000\)"):
        read_surface(path)
    assert np.ptp(points_of(read_surface(path, unit="m")), axis=0) == pytest.approx([450] * 3, rel=1e-5)


def test_micrometres_and_a_wrong_unit_are_noticed(tmp_path):
    path = write_surface(make_surface(points_of(cube()) * 15_000, triangles_of(cube())), tmp_path / "femur.ply")
    with pytest.raises(InputError, match="looks like micrometres: largest extent is 450000"):
        read_surface(path)
    good = write_surface(cube(), tmp_path / "good.ply")
    with pytest.raises(InputError, match="with unit m its largest extent is 3e\\+04 mm.*check --unit"):
        read_surface(good, unit="m")
    assert surface_area(read_surface(good, unit="cm")) == pytest.approx(100 * surface_area(cube()))
    with pytest.raises(InputError, match='unit "inch" is unknown'):
        read_surface(good, unit="inch")


@pytest.mark.parametrize("edge", [5.0, 450.0, 5000.0])
def test_bones_of_possible_size_pass(edge):
    check_units(cube(edge), "bone")


ASCII_PLY = """ply
format ascii 1.0
comment by hand
element vertex 5
property float x
property float y
property float z
property uchar quality
element face 2
property list uchar int vertex_index
end_header
0 0 0 9
10 0 0 8
10 10 0 7
0 10 0 6
5 5 10 5
4 0 1 2 3
3 0 1 4
"""


def test_ascii_ply_with_mixed_polygons_and_a_property(tmp_path):
    path = tmp_path / "mixed.ply"
    path.write_text(ASCII_PLY)
    surface = read_surface(path)
    assert surface.GetNumberOfPolys() == 3
    assert surface_area(surface) == pytest.approx(100 + 5 * np.sqrt(125))
    assert point_array(read_surface(path, merge_points=False), "quality").tolist() == [9, 8, 7, 6, 5]


def test_binary_ply_with_mixed_polygons_and_other_byte_order(tmp_path):
    header = ASCII_PLY.split("end_header\n")[0].replace("ascii", "binary_big_endian") + "end_header\n"
    vertices = np.array(
        [(0, 0, 0, 9), (10, 0, 0, 8), (10, 10, 0, 7), (0, 10, 0, 6), (5, 5, 10, 5)],
        dtype=[("x", ">f4"), ("y", ">f4"), ("z", ">f4"), ("q", "u1")],
    )
    faces = b"\x04" + np.array([0, 1, 2, 3], ">i4").tobytes() + b"\x03" + np.array([0, 1, 4], ">i4").tobytes()
    path = tmp_path / "mixed.ply"
    path.write_bytes(header.encode() + vertices.tobytes() + faces)
    assert surface_area(read_surface(path)) == pytest.approx(100 + 5 * np.sqrt(125))
    path.write_bytes(header.encode() + vertices.tobytes() + faces[:-1])
    with pytest.raises(InputError, match="cut short"):
        read_surface(path)


def test_ply_naming_a_missing_vertex_is_refused(tmp_path):
    path = tmp_path / "mixed.ply"
    path.write_text(ASCII_PLY.replace("3 0 1 4", "3 0 1 9"))
    with pytest.raises(InputError, match="name missing vertices"):
        read_surface(path)


def test_real_bones_are_read(data_dir):
    paths = [*data_dir.glob("vertebra_L1_population/*.ply"), *data_dir.glob("opensim*/*_r_capitate.vtp")]
    assert len(paths) > 5
    for path in paths:
        surface = read_surface(path, unit="m" if path.suffix == ".vtp" else "mm")
        assert isinstance(surface, vtkPolyData)
        assert surface.GetNumberOfPolys() > 100
