"""The reconstructed bones' outlines on their radiographs: drawn between repaints, for this session, from the scene."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import slicer

from XRayTo3DGui.jobs import StepRunner, inThread
from XRayTo3DGui.reconstruct import nodes
from XRayTo3DGui.scene import layouts, mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.overlays import nearCamera, newOutline, polylines, removeStrays
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.frames import apply_matrix

PIXELS = 700
"""Along the longer side of a bone's shadow."""


class BoneOutlines:
    """A model of lines for each bone and radiograph; not saved, made again from bones and radiographs."""

    def __init__(self) -> None:
        self._models: dict[tuple[str, str], Any] = {}
        self._drawn: dict[tuple[str, str], tuple[Any, ...]] = {}
        self._runner = StepRunner(onFailed=self._onFailed)

    @property
    def drawing(self) -> bool:
        """Whether some are still to be drawn."""
        return self._runner.running

    def show(self, result: Any) -> None:
        """Those of this reconstruction, and no other; None shows none."""
        self.hide()
        if result is not None:
            self._runner.start(self._steps(result))

    def hide(self) -> None:
        """Stop drawing, and hide what is drawn; what is of bones or radiographs that left the scene leaves it, too."""
        self._runner.cancel()
        removeStrays(self._models, lambda key: all(slicer.mrmlScene.GetNodeByID(each) for each in key))
        self._drawn = {key: state for key, state in self._drawn.items() if key in self._models}
        for model in self._models.values():
            if slicer.mrmlScene.IsNodePresent(model):
                model.GetDisplayNode().SetVisibility(False)

    def clear(self) -> None:
        """Remove them all from the scene."""
        self._runner.cancel()
        for model in self._models.values():
            if slicer.mrmlScene.IsNodePresent(model):
                slicer.mrmlScene.RemoveNode(model)
        self._models, self._drawn = {}, {}

    def outlineOf(self, node: Any, bone: Any) -> Any:
        """The outline of a bone on a radiograph, None before it was drawn."""
        model = self._models.get((node.GetID(), bone.GetID()))
        return model if model is not None and slicer.mrmlScene.IsNodePresent(model) else None

    def _steps(self, result: Any) -> Iterator[Any]:
        for node in nodes.parts(result, nodes.VIEW):
            view = layouts.sliceNode(radiographs.viewLetter(node))
            if view is None or node.GetImageData() is None:
                continue  # never shown: an empty list of views would mean every view
            for number, bone in enumerate(nodes.parts(result, nodes.BONE)):
                motion, colour = nodes.motionOf(result, node), nodes.COLOURS[number % len(nodes.COLOURS)]
                yield from self._draw(node, bone, motion, colour, view)

    def _draw(
        self, node: Any, bone: Any, motion: np.ndarray, colour: tuple[float, float, float], view: Any
    ) -> Iterator[Any]:
        model = self.outlineOf(node, bone)
        if model is None:
            model = self._models[node.GetID(), bone.GetID()] = newOutline(node, colour)
            self._drawn.pop((node.GetID(), bone.GetID()), None)
        camera = radiographs.cameraFromNode(node)
        state = _state(camera, bone, motion)
        if self._drawn.get((node.GetID(), bone.GetID())) != state:
            surface, lines = mrml.surfaceFromNode(bone, world=True), None
            for step in inThread(partial(outlineLines, camera, surface, motion)):
                lines = step
                yield node
            if not slicer.mrmlScene.IsNodePresent(model):  # the scene was closed meanwhile
                return
            model.SetAndObservePolyData(polylines(lines))
            self._drawn[node.GetID(), bone.GetID()] = state
        display = model.GetDisplayNode()
        display.SetViewNodeIDs([view.GetID()])
        display.SetVisibility(True)

    def _onFailed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error  # a radiograph that lost its source is said in section 1


def outlineLines(camera: XRayCamera, surface: Any, motion: np.ndarray) -> list[np.ndarray]:
    """Outlines of a surface's shadow, each (n, 3) on the detector, LPS mm; empty where it lies beside the picture.

    It knows neither scene nor Qt, so a thread may call it.

    Args:
        camera: Of the radiograph as the scene has it.
        surface: Triangles in the world, LPS mm.
        motion: (4, 4), LPS mm: from there to where the camera truly was; the lines are drawn where the scene has it.
    """
    from XRayTo3DLib.projection.contours import drr_outline
    from XRayTo3DLib.projection.silhouette import mesh_silhouette
    from XRayTo3DLib.shape.meshes import points_of, triangles_of

    points = apply_matrix(np.linalg.inv(motion), points_of(surface))
    near = nearCamera(camera, points, PIXELS)
    if near is None:
        return []
    shadow = mesh_silhouette(near, points, triangles_of(surface))
    return [near.pixel_to_world(line) for line in drr_outline(shadow.astype(np.float32), 0.5)]


def _state(camera: XRayCamera, bone: Any, motion: np.ndarray) -> tuple[Any, ...]:
    """What an outline depends on."""
    numbers = [motion, camera.source, camera.detector_to_world, mrml.parentToWorld(bone)]
    return (bone.GetPolyData().GetMTime(), *(np.asarray(each).tobytes() for each in numbers))
