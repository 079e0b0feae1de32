"""Reading and writing bone surfaces (.vtp .ply .stl .vtk .obj) as triangles in LPS mm, with the traps closed.

Frame: a file that says ``SPACE=RAS`` (as Slicer writes it into STL, PLY, VTK and OBJ headers and into the field data
of VTP) is turned to LPS; a file that says nothing is taken as LPS, as Slicer 5 does. Everything written says
``SPACE=LPS``. Unit: files carry none, so :func:`check_units` refuses a bone of impossible size.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkDataArray, vtkLogger, vtkOutputWindow, vtkStringArray, vtkStringOutputWindow
from vtkmodules.vtkCommonDataModel import vtkPolyData
from vtkmodules.vtkIOGeometry import vtkOBJWriter, vtkSTLReader, vtkSTLWriter
from vtkmodules.vtkIOLegacy import vtkPolyDataWriter
from vtkmodules.vtkIOPLY import vtkPLYWriter
from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path, require_file
from XRayTo3DLib.shape.meshes import points_of, transformed, triangulated
from XRayTo3DLib.shape.obj import read_obj
from XRayTo3DLib.shape.ply import read_ply
from XRayTo3DLib.shape.surface_parts import SurfaceDamaged
from XRayTo3DLib.shape.vtk_legacy import read_vtk
from XRayTo3DLib.shape.vtp import read_vtp

UNITS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
SURFACE_SUFFIXES = (".vtp", ".ply", ".stl", ".vtk", ".obj")
SMALLEST_BONE_MM = 5.0
LARGEST_BONE_MM = 5000.0
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_SPACES = {"ras": "RAS", "right-anterior-superior": "RAS", "lps": "LPS", "left-posterior-superior": "LPS"}
_OWN_READERS: dict[str, Callable[[Path], vtkPolyData]] = {
    ".ply": read_ply,
    ".vtp": read_vtp,
    ".vtk": read_vtk,
    ".obj": read_obj,
}
"""VTK's own readers of these crash on damaged files."""


def read_surface(
    path: Path | str,
    *,
    unit: str = "mm",
    what: str = "Surface",
    unit_option: str = "--unit",
    check_size: bool = True,
    merge_points: bool = True,
) -> vtkPolyData:
    """Read a surface as triangles in LPS mm; point arrays are kept.

    Args:
        path: .vtp, .ply, .stl, legacy .vtk or .obj.
        unit: Unit of the coordinates in the file: "mm", "cm" or "m".
        what: What the surface is, for messages ("Reference").
        unit_option: The option that sets ``unit``, for messages.
        check_size: Refuse what :func:`check_units` finds impossible for a bone.
        merge_points: Join vertices at the same place (False keeps vertex number and order, for correspondence).

    Raises:
        InputError: Missing, unknown, damaged or truncated file, no triangles, NaN or infinite points, wrong unit.
    """
    path = require_file(path, what)
    suffix = path.suffix.lower()
    if suffix not in SURFACE_SUFFIXES:
        raise InputError(f"{what}: {path.name} is no surface file; give one of {' '.join(SURFACE_SUFFIXES)}.")
    if unit not in UNITS_MM:
        raise InputError(f'{what}: unit "{unit}" is unknown; give one of {", ".join(UNITS_MM)}.')
    name = f"{what} {path.name}"
    surface = _read(path, suffix, name)
    check_content(surface, name)
    space = _space_of(path, suffix, surface, name)
    surface = triangulated(surface, merge_points)
    if surface.GetNumberOfPolys() == 0:
        raise InputError(f"{name} has no triangles left after cleaning. Export the surface again.")
    scale = UNITS_MM[unit]
    if space == "RAS" or scale != 1.0:
        frame = _RAS_TO_LPS if space == "RAS" else np.eye(4)
        surface = transformed(surface, frame @ np.diag([scale, scale, scale, 1.0]))
    set_field_text(surface, "SPACE", "LPS")
    if check_size:
        check_units(surface, name, unit=unit, unit_option=unit_option)
    return surface


def check_units(surface: vtkPolyData, name: str, *, unit: str = "mm", unit_option: str = "--unit") -> None:
    """Refuse a surface whose largest extent no bone has in millimetres (below 5 or above 5000).

    Args:
        surface: Points in what should be mm.
        name: What to call it in the message.
        unit: The unit the coordinates were converted from.
        unit_option: The option that sets that unit.

    Raises:
        InputError: With the unit it looks like and what to do. (Centimetres cannot be told from a small bone.)
    """
    points = points_of(surface)
    extent = float(np.ptp(points, axis=0).max()) / UNITS_MM[unit]
    if SMALLEST_BONE_MM <= extent * UNITS_MM[unit] <= LARGEST_BONE_MM:
        return
    if unit != "mm":
        raise InputError(
            f"{name}: with unit {unit} its largest extent is {extent * UNITS_MM[unit]:.3g} mm, which no bone has; "
            f"check {unit_option} (the file's own largest extent is {extent:.3g})."
        )
    if extent < SMALLEST_BONE_MM:
        raise InputError(
            f"{name} looks like metres: largest extent is {extent:.2g}; give {unit_option} m (or multiply by 1000)."
        )
    raise InputError(f"{name} looks like micrometres: largest extent is {extent:.0f}; divide the coordinates by 1000.")


def write_surface(surface: vtkPolyData, path: Path | str) -> Path:
    """Write ``surface`` (LPS mm) atomically in the format of the suffix; the file says ``SPACE=LPS``.

    Point and field arrays survive in .vtp and .vtk; .stl, .ply and .obj hold the shape alone.

    Raises:
        InputError: Unknown suffix.
        CannotWrite: The disk is full, or the folder may not be written to; nothing is left behind.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in SURFACE_SUFFIXES:
        raise InputError(f"Cannot write {path.name}: give one of {' '.join(SURFACE_SUFFIXES)}.")
    labelled = vtkPolyData()
    labelled.ShallowCopy(surface)
    set_field_text(labelled, "SPACE", "LPS")
    _forget_ranges(labelled)
    writer = _writer(suffix)
    writer.SetInputData(labelled)
    with atomic_path(path) as temporary:
        writer.SetFileName(str(temporary))
        with _listening() as heard:
            succeeded = writer.Write()
        if not succeeded or not temporary.exists() or "error" in heard().lower():
            raise OSError(f"{path.name} could not be written")
        if suffix == ".ply":  # of all writers this one does not tell
            _require_whole_ply(temporary)
        if suffix == ".obj":
            temporary.write_bytes(b"# XRayTo3D SPACE=LPS\n" + temporary.read_bytes())
    return path


def _forget_ranges(surface: vtkPolyData) -> None:
    """Drop the ranges that VTK keeps once it computed them, and would write: the same surface, the same bytes."""
    parts = (surface.GetPointData(), surface.GetCellData())
    arrays = [part.GetArray(number) for part in parts for number in range(part.GetNumberOfArrays())]
    arrays += [] if surface.GetPoints() is None else [surface.GetPoints().GetData()]
    for array in filter(None, arrays):
        for kept in (vtkDataArray.L2_NORM_RANGE(), vtkDataArray.L2_NORM_FINITE_RANGE()):
            array.GetInformation().Remove(kept)


def set_field_text(surface: vtkPolyData, name: str, text: str) -> None:
    """Attach ``text`` to the whole surface under ``name`` (VTK field data)."""
    array = vtkStringArray()
    array.SetName(name)
    array.InsertNextValue(text)
    surface.GetFieldData().RemoveArray(name)
    surface.GetFieldData().AddArray(array)


def field_text(surface: vtkPolyData, name: str) -> str | None:
    """Text that :func:`set_field_text` (or Slicer) attached under ``name``, or None."""
    array = surface.GetFieldData().GetAbstractArray(name)
    if isinstance(array, vtkStringArray) and array.GetNumberOfValues():
        return array.GetValue(0)
    return None


def _read(path: Path, suffix: str, name: str) -> vtkPolyData:
    if suffix in _OWN_READERS:
        try:
            return _OWN_READERS[suffix](path)
        except SurfaceDamaged as error:
            raise InputError(_damaged(name, suffix, f" ({error})")) from error
    reader = vtkSTLReader()
    errors: list[str] = []
    reader.AddObserver("ErrorEvent", lambda _reader, event: errors.append(event))
    reader.SetFileName(str(path))
    with _listening() as heard:
        reader.Update()
    if errors or "error" in heard().lower():
        raise InputError(_damaged(name, suffix))
    return reader.GetOutput()


def _damaged(name: str, suffix: str, why: str = "") -> str:
    return f"{name} is cut short, damaged or not really a {suffix} file{why}. Copy or export it again."


def check_content(surface: vtkPolyData, name: str) -> None:
    """Refuse a surface without points or triangles, with broken triangles, or with points that are not finite.

    Raises:
        InputError: Naming ``name`` and what is wrong.
    """
    if surface.GetNumberOfPoints() == 0:
        raise InputError(f"{name} holds no points. Export the surface again.")
    if surface.GetNumberOfPolys() + surface.GetNumberOfStrips() == 0:
        raise InputError(f"{name} holds points but no triangles; a point cloud cannot be compared as a surface.")
    connectivity = vtk_to_numpy(surface.GetPolys().GetConnectivityArray())
    if connectivity.size and (connectivity.min() < 0 or connectivity.max() >= surface.GetNumberOfPoints()):
        raise InputError(
            f"{name} has triangles that name missing vertices: it is cut short or damaged. Export it again."
        )
    bad = int((~np.isfinite(points_of(surface)).all(axis=1)).sum())
    if bad:
        raise InputError(f"{name} has {bad} points that are not finite numbers (NaN or infinite). Export it again.")


def _space_of(path: Path, suffix: str, surface: vtkPolyData, name: str) -> str:
    with path.open("rb") as file:
        head = file.read(4096)
    text = field_text(surface, "SPACE")
    if text is None:
        match = re.search(r"SPACE\s*=\s*([A-Za-z-]+)", _HEADERS[suffix](head).decode("latin-1"))
        text = match.group(1) if match else "LPS"
    if text.lower() not in _SPACES:
        raise InputError(f'{name} is in the unknown space "{text}"; only SPACE=LPS and SPACE=RAS are understood.')
    return _SPACES[text.lower()]


# The part of a file's head that a person may have written the space into.
_HEADERS: dict[str, Callable[[bytes], bytes]] = {
    ".vtp": lambda head: b"",
    ".ply": lambda head: head.split(b"end_header")[0],
    ".stl": lambda head: head[:80].splitlines()[0],
    ".vtk": lambda head: b"".join(head.splitlines()[1:2]),
    ".obj": lambda head: b"\n".join(line for line in head.splitlines() if line.startswith(b"#")),
}


def _writer(suffix: str) -> Any:
    if suffix == ".vtp":
        return vtkXMLPolyDataWriter()
    if suffix == ".vtk":
        writer = vtkPolyDataWriter()
        writer.SetHeader("XRayTo3D SPACE=LPS")
        writer.SetFileTypeToBinary()
    elif suffix == ".stl":
        writer = vtkSTLWriter()
        writer.SetHeader("XRayTo3D SPACE=LPS")
        writer.SetFileTypeToBinary()
    elif suffix == ".ply":
        writer = vtkPLYWriter()
        writer.AddComment("SPACE=LPS")
    else:
        writer = vtkOBJWriter()
    return writer


def _require_whole_ply(path: Path) -> None:
    try:
        read_ply(path)
    except SurfaceDamaged as error:
        raise OSError(f"{path.name} was not written to its end") from error


@contextlib.contextmanager
def _listening() -> Iterator[Callable[[], str]]:
    """Collect what VTK says instead of letting it print (or open a window) behind the user's back."""
    previous, verbosity = vtkOutputWindow.GetInstance(), vtkLogger.GetCurrentVerbosityCutoff()
    window = vtkStringOutputWindow()
    vtkOutputWindow.SetInstance(window)
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    try:
        yield window.GetOutput
    finally:
        vtkLogger.SetStderrVerbosity(vtkLogger.ConvertToVerbosity(verbosity))
        vtkOutputWindow.SetInstance(previous)
