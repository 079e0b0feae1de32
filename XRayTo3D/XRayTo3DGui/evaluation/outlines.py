"""Outlines of references and results on the radiographs, drawn between repaints; not saved, made again each time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import slicer

from XRayTo3DGui.jobs import StepRunner, inThread
from XRayTo3DGui.reconstruct.outlines import outlineLines
from XRayTo3DGui.scene import layouts, mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.overlays import newOutline, polylines
from XRayTo3DLib.errors import InputError

REFERENCE_COLOUR, RESULT_COLOUR = (1.0, 0.86, 0.35), (0.20, 0.85, 1.0)
"""Amber and sky blue: told apart by the colour-blind, too, and on black and white."""


def hexColour(colour: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour)


class PairOutlines:
    """A model of lines for each radiograph and surface; reference and result have a colour each."""

    def __init__(self) -> None:
        self._models: list[Any] = []
        self._runner = StepRunner(onFailed=self._onFailed)

    @property
    def drawing(self) -> bool:
        """Whether some are still to be drawn."""
        return self._runner.running

    @property
    def models(self) -> list[Any]:
        """What is drawn."""
        return [model for model in self._models if slicer.mrmlScene.IsNodePresent(model)]

    def show(self, references: list[Any], results: list[Any]) -> None:
        """Outlines of these models on every radiograph that has a view, and no others."""
        self.clear()
        self._runner.start(self._steps(references, results))

    def clear(self) -> None:
        """Stop drawing, and remove what is drawn."""
        self._runner.cancel()
        for model in self.models:
            slicer.mrmlScene.RemoveNode(model)
        self._models = []

    def _steps(self, references: list[Any], results: list[Any]) -> Iterator[Any]:
        for node in radiographs.radiographNodes():
            view = layouts.sliceNode(radiographs.viewLetter(node))
            if view is None or node.GetImageData() is None:
                continue  # never shown: an empty list of views would mean every view
            for models, colour in ((references, REFERENCE_COLOUR), (results, RESULT_COLOUR)):
                for model in models:
                    yield from self._draw(node, model, colour, view)

    def _draw(self, node: Any, model: Any, colour: tuple[float, float, float], view: Any) -> Iterator[Any]:
        camera, surface = radiographs.cameraFromNode(node), mrml.surfaceFromNode(model, world=True)
        name, lines = model.GetName(), None
        for step in inThread(partial(outlineLines, camera, surface, np.eye(4))):
            lines = step
            yield node
        outline = newOutline(node, colour)
        outline.SetName(f"{name} outline")
        self._models.append(outline)
        outline.SetAndObservePolyData(polylines(lines))
        display = outline.GetDisplayNode()
        display.SetViewNodeIDs([view.GetID()])
        display.SetVisibility(True)

    def _onFailed(self, error: Exception) -> None:
        if not isinstance(error, InputError):
            raise error  # a radiograph that lost its source is said in section 1
