"""What every reconstruction system takes and returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.measurements.types import Measurement
from XRayTo3DLib.refinement.quality import Finding, Quality


@dataclass(frozen=True, eq=False)
class ShapeFields:
    """Bones as values on a grid in the reconstruction frame, before they are meshed.

    Attributes:
        values: (bones, slices, rows, columns): probabilities, or minus signed distances in mm.
        level: Value at the surface; larger is inside.
        grid: Where the voxels are, mm.
    """

    values: NDArray[np.float32]
    level: float
    grid: VoxelGrid


Shapes = ShapeFields | Mapping[str, vtkPolyData]
"""Bones in the reconstruction frame: as fields on the grid, or as meshes by bone, mm; a lost bone is missing."""


@dataclass(frozen=True, eq=False)
class DepthPrediction:
    """Bones as one camera sees them: how deep each ray enters and leaves them. Bones do not hide each other.

    Attributes:
        front_mm: (bones, N, N) depth of the face towards the source, z along the detector's normal, mm from the
            source; NaN outside the bone.
        back_mm: The same of the far face; None from a single-face model.
        mask: (bones, N, N), where each bone is.
        camera: Whose pixels these are.
        labels: Names of the bones, in the order of the maps.
    """

    front_mm: NDArray[np.float32]
    back_mm: NDArray[np.float32] | None
    mask: NDArray[np.bool_]
    camera: XRayCamera
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Named bones from radiographs. RESEARCH USE ONLY.

    Attributes:
        meshes: By bone, LPS mm in the radiographs' world; open where the field of view cut the bone.
        frame_to_world: (4, 4) from the reconstruction frame to the world, mm; a left side's is a reflection.
        method: Name of the system.
        views: Names of the radiographs it came from.
        missing: Bones the system lost; their mesh is the mean shape's, and counts as a failure.
        synthetic: Whether radiographs or training data were simulated.
        notes: Sentences a reader should see.
        outside: In what the radiographs are not those that the system was made for (``methods.scope``).
        depth: Depth maps the meshes come from, of a system that makes them.
        seen: By bone, what such a system saw of it, before a shape model completed it.
        uncertainty_mm: By bone (n,), standard deviation of each vertex along its normal, mm, of a system that knows it.
        quality: How well each radiograph is explained, and what to look at; of a refined reconstruction.
        measurements: Taken on the bones, each with its uncertainty.
    """

    meshes: dict[str, vtkPolyData]
    frame_to_world: FloatArray
    method: str
    views: tuple[str, ...]
    missing: tuple[str, ...] = ()
    synthetic: bool = False
    notes: tuple[str, ...] = ()
    outside: tuple[Finding, ...] = ()
    depth: DepthPrediction | None = None
    seen: dict[str, vtkPolyData] = field(default_factory=dict)
    uncertainty_mm: dict[str, FloatArray] = field(default_factory=dict)
    quality: Quality | None = None
    measurements: tuple[Measurement, ...] = ()


class ShapePredictor(Protocol):
    """What experiments and :class:`Reconstructor` implementations are built on: images in, shapes out."""

    calibrated: bool
    """Whether it looks at where the cameras really were, or takes them for the canonical ones."""

    def predict(
        self, images: NDArray[np.float32], cameras: Sequence[Sequence[XRayCamera]] | None = None
    ) -> Sequence[Shapes]:
        """Shapes of (N, views, rows, columns) line integrals of bone.

        Args:
            images: Canonical images; of a calibrated system as ``cameras`` saw them.
            cameras: For each of the N the views' cameras, in the reconstruction frame, mm; ``None``: canonical ones.
        """
        ...


class Reconstructor(Protocol):
    """A system ready to be used."""

    def reconstruct(
        self, radiographs: Sequence[Radiograph], frame_to_world: RigidPose, mirrored: bool = False
    ) -> Reconstruction:
        """Bones of the person in the radiographs.

        Args:
            radiographs: In the order of the system's views.
            frame_to_world: Where the reconstruction frame is, LPS mm.
            mirrored: Of a left limb, which the system sees as its mirror image.

        Raises:
            InputError: Not the views it was made for.
        """
        ...
