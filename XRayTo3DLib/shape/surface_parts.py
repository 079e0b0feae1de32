"""What a surface file holds, checked before VTK sees it: VTK trusts counts and indices, and crashes on wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk
from vtkmodules.vtkCommonCore import vtkPoints, vtkStringArray
from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.meshes import cell_array, set_point_array

IntArray = NDArray[np.int64]
Cells = tuple[IntArray, IntArray]
"""Offsets (m + 1,) into vertex numbers, and these."""


class SurfaceDamaged(InputError):
    """The file is cut short, damaged, or not of the kind it says."""


@dataclass
class SurfaceParts:
    """What was read.

    Attributes:
        points: (n, 3) vertices as in the file.
        polygons: Faces.
        strips: Strips of triangles.
        arrays: Further values by name, (n,) or (n, c).
        texts: Texts about the whole surface by name ("SPACE").
        scalars: Which of the arrays a viewer is to colour by; empty where the file says nothing.
    """

    points: NDArray[np.floating]
    polygons: list[Cells] = field(default_factory=list)
    strips: list[Cells] = field(default_factory=list)
    arrays: dict[str, NDArray] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    scalars: str = ""


def polydata_of(parts: SurfaceParts) -> vtkPolyData:
    """The parts as VTK has them.

    Raises:
        SurfaceDamaged: Vertices that are none, cells that name missing ones, arrays of another length.
    """
    surface = vtkPolyData()
    points = vtkPoints()
    values = np.ascontiguousarray(parts.points)
    if values.ndim != 2 or values.shape[1] != 3 or values.dtype.kind != "f":
        raise SurfaceDamaged("its vertices are not three numbers each")
    points.SetData(numpy_to_vtk(values.astype(values.dtype.newbyteorder("=")), deep=True))
    surface.SetPoints(points)
    if parts.polygons:
        surface.SetPolys(_vtk_cells(parts.polygons, len(values)))
    if parts.strips:
        surface.SetStrips(_vtk_cells(parts.strips, len(values)))
    for name, array in parts.arrays.items():
        if len(array) != len(values):
            raise SurfaceDamaged(f"{name!r} has {len(array)} values for {len(values)} vertices")
        set_point_array(surface, name, array.astype(array.dtype.newbyteorder("=")))
    if parts.scalars in parts.arrays:
        surface.GetPointData().SetActiveScalars(parts.scalars)
    for name, text in parts.texts.items():
        words = vtkStringArray()
        words.SetName(name)
        words.InsertNextValue(text)
        surface.GetFieldData().AddArray(words)
    return surface


def cells_of(sizes_and_numbers: IntArray) -> Cells:
    """Cells from one list: how many vertices, their numbers, how many, ... (as VTK wrote them before 9).

    Raises:
        SurfaceDamaged: It ends within a cell, or a size is negative.
    """
    offsets, at, whole = [0], 0, sizes_and_numbers.tolist()
    kept = np.ones(len(whole), dtype=bool)
    while at < len(whole):
        if whole[at] < 0:
            raise SurfaceDamaged("a triangle has a negative number of vertices")
        kept[at] = False
        offsets.append(offsets[-1] + whole[at])
        at += 1 + whole[at]
    if at != len(whole):
        raise SurfaceDamaged("its last triangle is incomplete")
    return np.array(offsets, dtype=np.int64), sizes_and_numbers[kept]


def _vtk_cells(cells: Sequence[Cells], count: int) -> vtkCellArray:
    """All cells in one array, every index looked at."""
    starts, numbers = [np.zeros(1, dtype=np.int64)], []
    for offsets, connectivity in cells:
        fits = len(offsets) and offsets[0] == 0 and offsets[-1] == len(connectivity) and np.all(np.diff(offsets) >= 0)
        if not fits:
            raise SurfaceDamaged("its triangles are incomplete")
        if connectivity.size and (connectivity.min() < 0 or connectivity.max() >= count):
            raise SurfaceDamaged("its triangles name missing vertices")
        starts.append(offsets[1:] + starts[-1][-1])
        numbers.append(connectivity)
    return cell_array(np.concatenate(starts), np.concatenate(numbers))
