"""Fuzz targets of shapes and arrays: surfaces, shape models, prepared cases, depth views, pictures of comparisons."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
from fuzz_case import Target
from solids import vtk_sphere
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkIOGeometry import vtkSTLWriter
from vtkmodules.vtkIOLegacy import vtkPolyDataWriter
from vtkmodules.vtkIOPLY import vtkPLYWriter
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

from XRayTo3DLib.cli.ssm_input import _arrays
from XRayTo3DLib.dataset import depth_view_files, prepared_files
from XRayTo3DLib.dataset.depth_views import DepthView
from XRayTo3DLib.dataset.prepared import PreparedCase
from XRayTo3DLib.experiments.compare_conditions import AS_TRAINED
from XRayTo3DLib.experiments.compare_trials import Asked, TrialSet
from XRayTo3DLib.geometry.anatomical_frame import AnatomicalFrame
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.shape.meshes import points_of, set_point_array, triangles_of
from XRayTo3DLib.shape.shape_model_file import load_shape_model, save_shape_model
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel
from XRayTo3DLib.shape.surfaces import read_surface, set_field_text, write_surface

CAMERA = standard_camera(1000.0, (1.0, 0.8), (6, 6), source_isocentre=900.0, view="PA")


def ball() -> vtkPolyData:
    """12 vertices, 20 triangles, with an array."""
    made, surface = vtk_sphere(20.0, 5, 4), vtkPolyData()
    surface.SetPoints(made.GetPoints())
    surface.SetPolys(made.GetPolys())
    set_point_array(surface, "quality", np.arange(surface.GetNumberOfPoints(), dtype=np.float32))
    set_field_text(surface, "SPACE", "RAS")
    return surface


# ---- seeds -----------------------------------------------------------------------------------------------------------


def _written(writer: object, path: Path, **settings: object) -> None:
    for name, value in settings.items():
        getattr(writer, name)(*(() if value is None else (value,)))
    writer.SetInputData(ball())  # type: ignore[attr-defined]
    writer.SetFileName(str(path))  # type: ignore[attr-defined]
    assert writer.Write()  # type: ignore[attr-defined]


def _stl(folder: Path) -> None:
    write_surface(ball(), folder / "zq_binary.stl")
    _written(vtkSTLWriter(), folder / "zq_text.stl", SetFileTypeToASCII=None)


def _ply(folder: Path) -> None:
    write_surface(ball(), folder / "zq_little.ply")
    _written(vtkPLYWriter(), folder / "zq_text.ply", SetFileTypeToASCII=None)
    _written(vtkPLYWriter(), folder / "zq_big.ply", SetDataByteOrderToBigEndian=None)


def _vtp(folder: Path) -> None:
    write_surface(ball(), folder / "zq_ours.vtp")
    _written(vtkXMLPolyDataWriter(), folder / "zq_text.vtp", SetDataModeToAscii=None)
    _written(vtkXMLPolyDataWriter(), folder / "zq_binary.vtp", SetDataModeToBinary=None)
    plain = vtkXMLPolyDataWriter()
    plain.SetCompressorTypeToNone()
    plain.EncodeAppendedDataOff()
    _written(plain, folder / "zq_raw.vtp", SetDataModeToAppended=None)
    big = vtkXMLPolyDataWriter()
    big.SetHeaderTypeToUInt64()
    big.SetCompressorTypeToLZMA()
    _written(big, folder / "zq_big.vtp", SetByteOrderToBigEndian=None)


def _vtk(folder: Path) -> None:
    write_surface(ball(), folder / "zq_binary.vtk")
    _written(vtkPolyDataWriter(), folder / "zq_text.vtk", SetFileTypeToASCII=None)
    old = vtkPolyDataWriter()
    old.SetFileVersion(42)
    _written(old, folder / "zq_old.vtk", SetFileTypeToBinary=None)


def _obj(folder: Path) -> None:
    write_surface(ball(), folder / "zq_ball.obj")
    text = "v 0 0 0\nv 20 0 0\nv 0 20 0\nv 0 0 20\nvt 0 0\nvn 0 0 1\n"
    (folder / "zq_square.obj").write_text(text + "f 1/1/1 2/1/1 3/1/1\nf 1//1 2//1 4//1\nf -1 -2 -3 -4\n")


def _model() -> ShapeModel:
    mean = points_of(ball()).astype(np.float64)
    modes = np.linalg.qr(np.random.default_rng(0).normal(size=(mean.size, 2)))[0].T.reshape(2, -1, 3)
    return ShapeModel(mean, modes, np.array([3.0, 1.0]), triangles_of(ball()), "femur", 5, True, ("made up",))


def _models(folder: Path) -> None:
    save_shape_model(_model(), folder / "zq_model.npz")
    save_shape_model(_model(), folder / "zq_exact.npz", np.float64)


def _npz(folder: Path) -> None:
    np.savez(folder / "zq_shapes.npz", vertices=np.zeros((2, 4, 3)), faces=np.array([[0, 1, 2]]))


def _prepared(folder: Path) -> None:
    mu, distances = np.ones((4, 5, 6), np.float16), np.ones((2, 4, 5, 6), np.float16)
    frame = AnatomicalFrame(np.eye(4), False)
    case = PreparedCase("zq", mu, distances, 1.0, np.zeros(3), ("radius", "ulna"), True, "p", frame)
    prepared_files._write(case, folder / "zq_case.safetensors", "key")


def _depth_views(folder: Path) -> None:
    maps = [np.full((2, 6, 6), 900.0, np.float32) for _ in range(3)]
    image = np.ones((6, 6), np.float32)
    view = DepthView("zq", "p", "", "pa", ("radius", "ulna"), image, CAMERA, *maps, True, ("made up",))
    depth_view_files._write([view], folder / "zq_depth.safetensors", "key")


def _trials(folder: Path) -> None:
    asked = Asked(AS_TRAINED, np.ones((1, 1, 6, 6), np.float32), np.eye(4)[None], (CAMERA,))
    TrialSet(("zq",), {AS_TRAINED.key: asked}, {"metal": "no"}).save(folder / "zq_trials.safetensors")


def _header(content: bytes, rng: object) -> bytes:
    """Safetensors: the header is damaged, its length says the truth again."""
    from mutators import damaged

    length = int.from_bytes(content[:8], "little")
    header = damaged(content[8 : 8 + length], rng)  # type: ignore[arg-type]
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def _about(content: bytes, rng: object) -> bytes:
    """The JSON text inside a safetensors header is damaged."""
    from mutators import damaged

    try:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        about = damaged(header["__metadata__"]["about"].encode(), rng).decode(errors="replace")  # type: ignore[arg-type]
        header["__metadata__"]["about"] = about
        text = json.dumps(header).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return content[:-1]
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _members(content: bytes, rng: object) -> bytes:
    """One array of an .npz is damaged; the archive is whole."""
    import io
    import zipfile

    from mutators import damaged

    result = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
            chosen = rng.choice(old.namelist())  # type: ignore[attr-defined]
            for name in old.namelist():
                data = old.read(name)
                new.writestr(name, damaged(data, rng) if name == chosen else data)  # type: ignore[arg-type]
    except (
        zipfile.BadZipFile,
        zlib.error,
        OSError,
        ValueError,
        IndexError,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ):
        return content[:-1]
    return result.getvalue()


def _shape(content: bytes, rng: object) -> bytes:
    """An array whose header is of another shape or type than what follows."""
    number = rng.choice((b"(9999999999, 3)", b"(12, 3, 0)", b"(-1, 3)", b"()", b"(3,)", b"(1000000, 1000000)"))  # type: ignore[attr-defined]
    return _members(content.replace(b"(12, 3)", number), rng)


def _vertices(path: Path) -> None:
    _arrays(path, ("vertices", "faces"))


def _read_depth(path: Path) -> None:
    depth_view_files._read(path, "pa")


SAFETENSORS = (_header, _header, _about, _about)
ARCHIVE = (_members, _members, _members, _shape)
TARGETS = (
    Target("mesh_stl", _stl, read_surface),
    Target("mesh_ply", _ply, read_surface),
    Target("mesh_vtp", _vtp, read_surface),
    Target("mesh_vtk", _vtk, read_surface),
    Target("mesh_obj", _obj, read_surface),
    Target("shape_model", _models, load_shape_model, ARCHIVE),
    Target("npz", _npz, _vertices, ARCHIVE),
    Target("prepared", _prepared, prepared_files.read_prepared, SAFETENSORS),
    Target("depth_views", _depth_views, _read_depth, SAFETENSORS),
    Target("trials", _trials, TrialSet.load, SAFETENSORS),
)
