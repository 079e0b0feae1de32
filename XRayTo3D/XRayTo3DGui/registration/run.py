"""Running the registration between repaints: the bone moves live, Cancel stops at once."""

from __future__ import annotations

import time
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import StepRunner
from XRayTo3DGui.panel import BAD
from XRayTo3DGui.registration import bone as bones
from XRayTo3DGui.registration import further
from XRayTo3DGui.registration.parts import Parts, partsOf
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose

INPUTS = (
    "ctSelector",
    "segmentationSelector",
    "segmentCombo",
    "furtherList",
    "surroundingsCheckBox",
    "poseSelector",
    "radiographList",
    "adjustSection",
    "landmarksSection",
    "advancedSection",
)


class RegistrationRun:
    """The Register and Refine buttons, their progress, and what comes of it."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._runner = StepRunner(self._onState, self._onFinished, self._onFailed, self._onCancelled)
        self._registration: Any = None
        self._names: list[str] = []
        self._further: dict[str, Any] = {}
        self._start: RigidPose | None = None
        self._began = 0.0
        self.ui.progressBar.setVisible(False)
        self.ui.registerButton.connect("clicked(bool)", self.onButton)
        self.ui.refineButton.connect("clicked(bool)", self.onRefine)

    @property
    def running(self) -> bool:
        return self._runner.running

    def onButton(self, *_args: Any) -> None:
        """Register, or Cancel while it runs."""
        if self.running:
            self._runner.cancel()
        else:
            self._startHere(search=True)

    def onRefine(self, *_args: Any) -> None:
        """Keep to the present pose and make it sharper."""
        self._startHere(search=False)

    def _startHere(self, search: bool) -> None:
        problem = bones.torchProblem()
        if problem:
            self.panel.say(problem, BAD)
            return
        with self.panel.explaining(), slicer.util.WaitCursor():
            self._begin(search)

    def _begin(self, search: bool) -> None:
        parameters, panel = self.panel.parameters, self.panel
        options = optionsOf(parameters)
        panel.say(_("Preparing…"))
        parts = partsOf(parameters)
        panel.ensurePose()
        panel.history.remember()
        self._start = panel.pose()
        self._names, self._further = list(parts.bones), further.ensureTransforms(parameters)
        self._registration = self._prepared(parts, options, search)
        panel.review.begin()
        panel.history.paused = True
        self._began = time.monotonic()
        self.ui.progressBar.setValue(0)
        self._runner.start(self._registration.steps())
        self._showRunning(True)

    def _prepared(self, parts: Parts, options: Any, search: bool) -> Any:
        """The registration from where the bones are; without a search it climbs from there only."""
        from XRayTo3DLib.registration.register import SURROUNDINGS, Registration

        pictures = [radiographs.radiographFromNode(node) for node in radiographs.usedRadiographNodes()]
        starts = [self._start, *(mrml.poseFromNode(node) for node in self._further.values())]
        bodies = list(parts.bones.values())
        made = Registration(bodies, pictures, starts, options, surroundings=parts.surroundings, names=self._names)
        if search:
            return made
        limb = [] if parts.surroundings is None else [self.panel.review.others.get(SURROUNDINGS, self._start)]
        return made.refined_on(pictures, (*limb, *starts))

    def stop(self) -> None:
        """The scene closes or the module is left: back to the start."""
        self._runner.cancel()

    # ---- what the runner tells -----------------------------------------------------------------------------------

    def _onState(self, state: Any) -> None:
        node = self.panel.poseNode()
        if node is None or node.GetScene() is None:
            self.stop()
            return
        mrml.setPose(node, state.pose)
        self.ui.progressBar.setValue(round(100 * state.fraction))
        text = _("Comparing at {stage}: similarity {similarity:.2f}")
        self.panel.say(text.format(stage=state.stage, similarity=state.similarity))

    def _onFinished(self) -> None:
        found = dict(zip(self._names, self._registration.results, strict=True))
        mrml.setPose(self.panel.poseNode(), found[self._names[0]].pose)
        for name, node in self._further.items():
            mrml.setPose(node, found[name].pose)  # after the first: they lie under its transform
        self._end()
        self.panel.overlay.poseChanged()
        self.panel.say(_("Registered in {seconds:.0f} s.").format(seconds=time.monotonic() - self._began))
        self.panel.review.show(found)

    def _onFailed(self, error: Exception) -> None:
        self._restore()
        self._end()
        self.panel.review.giveBack()
        if not isinstance(error, InputError):
            slicer.util.errorDisplay(_("The registration failed."), detailedText=repr(error))
        self.panel.say(_("{error} The bone is back at its start.").format(error=error), BAD)

    def _onCancelled(self) -> None:
        self._restore()
        self._end()
        self.panel.review.giveBack()
        closing = slicer.mrmlScene.IsClosing()
        self.panel.say("" if closing else _("Cancelled; the bone is back where the registration started."))

    def _restore(self) -> None:
        node = self.panel.poseNode()
        if node is not None and self._start is not None:
            mrml.setPose(node, self._start)

    def _end(self) -> None:
        self._registration = None
        self.panel.history.paused = False
        self.panel.history.remember()
        self._showRunning(False)

    def _showRunning(self, running: bool) -> None:
        self.ui.progressBar.setVisible(running)
        for name in INPUTS:
            getattr(self.ui, name).enabled = not running
        self.panel.updateButtons()

    def updateButton(self, problem: str) -> None:
        """Register, Cancel, or greyed with what is missing."""
        button = self.ui.registerButton
        button.text = _("Cancel") if self.running else _("Register")
        button.enabled = self.running or not problem
        ready = _("Look for the bone round its present pose, and register it to the radiographs")
        button.toolTip = _("Stop and put the bone back") if self.running else problem or ready
        self.ui.refineButton.enabled = not self.running and not problem
        near = _("Do not search, only sharpen the present pose: for a bone that was put right by hand")
        self.ui.refineButton.toolTip = problem or near


def optionsOf(parameters: Any) -> Any:
    """Registration options as the panel has them.

    Raises:
        InputError: Pixel sizes that are no numbers, or out of range.
    """
    from XRayTo3DLib.registration.register import RegistrationOptions

    try:
        sizes = tuple(float(text) for text in parameters.pixelSizes.replace(";", ",").split(",") if text.strip())
    except ValueError as error:
        text = _("Pixel sizes must be numbers in mm, separated by commas, not '{text}'.")
        raise InputError(text.format(text=parameters.pixelSizes)) from error
    return RegistrationOptions(
        starts=parameters.starts,
        spread_deg=parameters.spreadDegrees,
        reach_mm=parameters.reachMillimetres,
        pixel_mm=sizes,
        margin_mm=parameters.marginMillimetres,
        seed=parameters.seed,
    )
