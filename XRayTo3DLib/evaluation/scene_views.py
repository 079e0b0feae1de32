"""What a Slicer scene shows when it opens: radiographs in the slice views, everything in the 3D view."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from XRayTo3DLib.evaluation.scene_nodes import NodeList, numbers, references
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import LPS_TO_RAS, FloatArray, apply_matrix, unit

SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
FOUR_UP, ONLY_3D = 3, 4  # vtkMRMLLayoutNode's numbers
_VIEW_ANGLE = 30.0
_MARGIN = 1.0
_DIRECTION = unit([0.5, 1.0, 0.35])  # RAS: from the right, in front and a little above, without radiographs
# Right, up and normal of Slicer's own orientations, RAS (the axial one is left-handed there, too).
_PRESETS = {
    "Axial": ((-1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "Sagittal": ((0, -1, 0), (0, 0, 1), (-1, 0, 0)),
    "Coronal": ((-1, 0, 0), (0, 0, 1), (0, 1, 0)),
}


@dataclass
class SceneViews:
    """Collects what is in the scene; places it when the file is written.

    Attributes:
        radiographs: Volume node ID and camera, in the order of the slice views.
        volumes: Volume node ID and its centre (3,) and size in mm, LPS; the first fills the remaining slice views.
        labels: Label map node IDs; the first lies over the volume.
        points: LPS points (n, 3) that the 3D view should show.
    """

    radiographs: list[tuple[str, XRayCamera]] = field(default_factory=list)
    volumes: list[tuple[str, FloatArray, float]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    points: list[FloatArray] = field(default_factory=list)

    def add_nodes(self, nodes: NodeList) -> None:
        """Append layout, camera, 3D view and slice nodes."""
        shown = bool(self.radiographs or self.volumes)
        layout = str(FOUR_UP if shown else ONLY_3D)
        nodes.add_singleton("Layout", "Layout", "vtkMRMLLayoutNode", currentViewArrangement=layout)
        view = {"layoutLabel": "1", "layoutName": "1", "boxVisible": "false", "axisLabelsVisible": "false"}
        nodes.add_singleton("View", "View1", "1", **view, orientationMarkerType="axes", useDepthPeeling="1")
        if self.points:
            self._add_camera(nodes)
        for number, (name, orientation) in enumerate(SLICE_VIEWS.items()):
            if number < len(self.radiographs):
                self._add_radiograph_slice(nodes, name, *self.radiographs[number])
            elif self.volumes:
                self._add_volume_slice(nodes, name, orientation)

    def _add_camera(self, nodes: NodeList) -> None:
        points = apply_matrix(LPS_TO_RAS, np.concatenate(self.points))
        low, high = points.min(axis=0), points.max(axis=0)
        centre = (low + high) / 2
        distance = _MARGIN * float(np.linalg.norm(high - low)) / 2 / np.sin(np.deg2rad(_VIEW_ANGLE / 2))
        nodes.add_singleton(
            "Camera",
            "Camera",
            "1",
            layoutName="1",
            position=numbers(centre + distance * self._from_where()),
            focalPoint=numbers(centre),
            viewUp="0 0 1",
            viewAngle=numbers([_VIEW_ANGLE]),
        )

    def _from_where(self) -> FloatArray:
        """(3,) direction to look from, RAS: from the side of the X-ray sources, so that the bone is in front."""
        towards = [unit(camera.source - camera.centre) * LPS_TO_RAS.diagonal()[:3] for _, camera in self.radiographs]
        mean = np.sum(towards, axis=0) if towards else np.zeros(3)
        if np.linalg.norm(mean) < 0.5:  # none, or opposite each other
            return _DIRECTION
        return unit(unit(mean) + [0.0, 0.0, 0.35])

    def _add_radiograph_slice(self, nodes: NodeList, name: str, volume: str, camera: XRayCamera) -> None:
        """The slice plane lies on the detector and shows the picture upright; it is visible in 3D."""
        axes = np.stack([camera.column_direction, -camera.row_direction, -camera.normal])
        corners = camera.pixel_to_world([[-0.5, -0.5], [camera.size[0] - 0.5, camera.size[1] - 0.5]])
        centre = apply_matrix(LPS_TO_RAS, corners.mean(axis=0))
        extent = max(camera.size[0] * camera.spacing[0], camera.size[1] * camera.spacing[1])
        self._add_slice(nodes, name, apply_matrix(LPS_TO_RAS, axes), centre, extent, in_3d=True)
        self._add_composite(nodes, name, background=volume)

    def _add_volume_slice(self, nodes: NodeList, name: str, orientation: str) -> None:
        volume, centre, extent = self.volumes[0]
        axes = np.asarray(_PRESETS[orientation], dtype=np.float64)
        self._add_slice(nodes, name, axes, apply_matrix(LPS_TO_RAS, centre), extent, in_3d=False)
        self._add_composite(nodes, name, background=volume, label=self.labels[0] if self.labels else None)

    def _add_slice(
        self, nodes: NodeList, name: str, axes: FloatArray, centre: FloatArray, extent: float, in_3d: bool
    ) -> None:
        """``axes``: right, up and normal of the view in its rows, RAS; its name (Axial, Reformat) follows from them."""
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = axes.T, centre
        field_of_view = numbers([1.05 * extent, 1.05 * extent, 1.0])
        nodes.add_singleton(
            "Slice",
            name,
            name,
            layoutName=name,
            layoutLabel=name[0],
            sliceToRAS=numbers(matrix),
            fieldOfView=field_of_view,
            uvwExtents=field_of_view,
            dimensions="400 400 1",
            uvwDimensions="400 400 1",
            sliceVisibility=str(in_3d).lower(),
        )

    def _add_composite(self, nodes: NodeList, name: str, background: str, label: str | None = None) -> None:
        nodes.add_singleton(
            "SliceComposite",
            f"SliceComposite {name}",
            name,
            layoutName=name,
            references=references(backgroundVolume=background, labelVolume=label),
            labelOpacity="0.5",
        )
