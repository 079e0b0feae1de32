"""Reading OBJ files: vertices and faces. VTK's own reader crashes on damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.shape.surface_parts import SurfaceDamaged, SurfaceParts, polydata_of


def read_obj(path: Path) -> vtkPolyData:
    """Faces of an OBJ file, coordinates as written; normals, textures, groups, lines and colours are passed over.

    Raises:
        SurfaceDamaged: A vertex that is not three numbers, or a face that names none.
    """
    vertices: list[list[bytes]] = []
    offsets, numbers = [0], []
    try:
        for line in path.read_bytes().splitlines():
            kind, *words = line.split() or [b""]
            if kind == b"v":
                vertices.append(words[:3])
            elif kind == b"f":
                named = [int(word.partition(b"/")[0]) for word in words]
                if 0 in named:
                    raise SurfaceDamaged("a face counts vertices from 0; OBJ counts from 1")
                if len(named) < 3:
                    raise SurfaceDamaged("a face has fewer than three vertices")
                numbers += [number - 1 if number > 0 else len(vertices) + number for number in named]
                offsets.append(len(numbers))
        points = np.array(vertices or np.empty((0, 3)), dtype=np.float64)
        connectivity = np.array(numbers, dtype=np.int64)
    except SurfaceDamaged:
        raise
    except (ValueError, OverflowError) as error:
        raise SurfaceDamaged(f"a line is damaged ({error})") from error
    return polydata_of(SurfaceParts(points, [(np.array(offsets, dtype=np.int64), connectivity)]))
