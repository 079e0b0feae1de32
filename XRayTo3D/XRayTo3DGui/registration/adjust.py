"""Bringing the bone near by hand: steps in the terms of one radiograph, and sliders along the world's axes."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.registration import pose as poses
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.geometry import RigidPose

# Button: what one step does, in mm (right, down, away) or degrees (turn about columns, rows, ray).
MOVES = {
    "leftButton": {"right": -1.0},
    "rightButton": {"right": 1.0},
    "upButton": {"down": -1.0},
    "downButton": {"down": 1.0},
    "nearerButton": {"away": -1.0},
    "fartherButton": {"away": 1.0},
}
TURNS = {
    "tiltUpButton": (1.0, 0.0, 0.0),
    "tiltDownButton": (-1.0, 0.0, 0.0),
    "rollLeftButton": (0.0, 1.0, 0.0),
    "rollRightButton": (0.0, -1.0, 0.0),
    "turnRightButton": (0.0, 0.0, 1.0),
    "turnLeftButton": (0.0, 0.0, -1.0),
}
DEPTH_FACTOR = 5.0
"""A step along the ray is this much longer: depth hardly shows in a radiograph."""


class HandAdjust:
    """Buttons and sliders; every one of them moves the pose transform and nothing else."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        ui = panel.ui
        self._moveSliders = (ui.moveLrSlider, ui.movePaSlider, ui.moveIsSlider)
        self._turnSliders = (ui.turnLrSlider, ui.turnPaSlider, ui.turnIsSlider)
        self._base: RigidPose | None = None
        self._own = False
        self._views: list[str] = []
        self._toolTips: dict[str, str] = {}
        for slider in (*self._moveSliders, *self._turnSliders):
            slider.connect("valueChanged(double)", self._onSlider)
        for name in (*MOVES, *TURNS):
            getattr(ui, name).connect("clicked()", self._makeNudge(name))

    def setViews(self, nodes: list[Any]) -> None:
        """List the radiographs; the chosen one stays chosen."""
        combo, before = self.ui.nudgeViewCombo, self._currentId()
        self._views = [node.GetID() for node in nodes]
        combo.clear()
        combo.addItems([f"{radiographs.viewLetter(node)}   {node.GetName()}" for node in nodes])
        if before in self._views:
            combo.currentIndex = self._views.index(before)

    def _currentId(self) -> str:
        index = self.ui.nudgeViewCombo.currentIndex
        return self._views[index] if 0 <= index < len(self._views) else ""

    def _makeNudge(self, name: str) -> Any:
        return lambda: self.nudge(name)

    def nudge(self, name: str) -> None:
        """One step of the button with that name."""
        node = slicer.mrmlScene.GetNodeByID(self._currentId()) if self._currentId() else None
        parameters = self.panel.parameters
        if node is None or parameters is None:
            return
        with self.panel.explaining():
            camera, centre, base = radiographs.cameraFromNode(node), self.panel.centre(), self.panel.pose()
            millimetres = parameters.nudgeMillimetres
            if name in MOVES:
                scale = {"away": millimetres * DEPTH_FACTOR}
                steps = {key: share * scale.get(key, millimetres) for key, share in MOVES[name].items()}
                moved = poses.nudged(base, centre, camera, **steps)
            else:
                turn = tuple(share * parameters.nudgeDegrees for share in TURNS[name])
                moved = poses.nudged(base, centre, camera, turn=turn)
            mrml.setPose(self.panel.ensurePose(), moved)

    def _onSlider(self, *_: Any) -> None:
        if self._own or self.panel.parameters is None or self.panel.parameters.ctVolume is None:
            return
        with self.panel.explaining():
            node = self.panel.ensurePose()
            if self._base is None:
                self._base = self.panel.pose()
            turn = [slider.value for slider in self._turnSliders]
            move = [slider.value for slider in self._moveSliders]
            moved = poses.turnedAndMoved(self._base, self.panel.centre(), turn, move)
            self._own = True
            try:
                mrml.setPose(node, moved)
            finally:
                self._own = False

    def poseChanged(self) -> None:
        """Somebody else moved the bone: the sliders start from there, at 0."""
        if self._own:
            return
        self._base = None
        self._own = True
        try:
            for slider in (*self._moveSliders, *self._turnSliders):
                slider.value = 0
        finally:
            self._own = False

    def updateButtons(self, noBone: str, noView: str) -> None:
        """Moving needs a bone; steps need a radiograph too. What is missing is said in the tooltip."""
        problem = noBone or noView or ("" if self._views else _("Load a radiograph in section 1 first"))
        for name in (*MOVES, *TURNS):
            self._enable(name, problem)
        for slider in (*self._moveSliders, *self._turnSliders):
            self._enable(slider.objectName, noBone)
        self._enable("handlesCheckBox", noBone)

    def _enable(self, name: str, problem: str) -> None:
        control = getattr(self.ui, name)
        self._toolTips.setdefault(name, control.toolTip)
        control.enabled = not problem
        control.toolTip = problem or self._toolTips[name]
