"""Running the registration between repaints: the bone moves live, Cancel stops at once."""

from __future__ import annotations

import time
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import StepRunner, stepsInThread
from XRayTo3DGui.panel import BAD, UNSURE, showMissing, showStatus
from XRayTo3DGui.parameters import START_EVERYWHERE, START_HERE
from XRayTo3DGui.radiographs.findings import sidesDiffer
from XRayTo3DGui.registration import bone as bones
from XRayTo3DGui.registration import further
from XRayTo3DGui.registration.parts import partsReader
from XRayTo3DGui.registration.search import COMPARING, EVERYWHERE, Search, Step
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.options import RegistrationOptions

INPUTS = (
    "ctSelector",
    "segmentationSelector",
    "segmentCombo",
    "furtherList",
    "surroundingsCheckBox",
    "poseSelector",
    "radiographList",
    "startCombo",
    "adjustSection",
    "landmarksSection",
    "advancedSection",
)
START = "XRayTo3D.RegistrationStart"
"""Attribute of a pose while it is being registered: where it was. Found again after a crash."""
SLICE_SECONDS = 0.01


class RegistrationRun:
    """The Register and Refine buttons, their progress, and what comes of it."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._runner = StepRunner(
            self._onState, self._onFinished, self._onFailed, self._onCancelled, sliceSeconds=SLICE_SECONDS
        )
        self._search: Search | None = None
        self._node: Any = None
        self._further: dict[str, Any] = {}
        self._start: RigidPose | None = None
        self._began, self._moved = 0.0, False
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
            self._startHere(refine=False)

    def onRefine(self, *_args: Any) -> None:
        """Keep to the present pose and make it sharper."""
        self._startHere(refine=True)

    def _startHere(self, refine: bool) -> None:
        problem = bones.torchMissing()
        if problem:
            self.panel.say(problem, BAD)
            return
        with self.panel.explaining():
            self.begin(refine)

    def begin(self, refine: bool = False) -> None:
        """Start; what is chosen is in the parameter node.

        Raises:
            InputError: Something that was chosen cannot be used.
        """
        parameters, panel = self.panel.parameters, self.panel
        options, parts = optionsOf(parameters), partsReader(parameters)
        pictures = [radiographs.radiographFromNode(node) for node in radiographs.usedRadiographNodes()]
        start = parameters.registrationStart if not refine else START_HERE
        if start not in (START_HERE, START_EVERYWHERE):
            panel.start.place()
        self._node = panel.ensurePose()
        panel.history.remember()
        self._start = panel.pose()
        self._further = further.ensureTransforms(parameters)
        starts = [self._start, *(mrml.poseFromNode(node) for node in self._further.values())]
        limb = panel.review.limb() if refine else None
        self._search = Search(parts, pictures, starts, options, refine, limb, start == START_EVERYWHERE)
        panel.review.begin()
        panel.history.paused = True
        self._node.SetAttribute(START, mrml.poseMatrixText(self._start))
        self._began, self._moved = time.monotonic(), False
        self.ui.progressBar.setValue(0)
        self._runner.start(stepsInThread(self._search.steps))
        self._showRunning(True)
        panel.say(_("Reading the CT…"))

    def stop(self) -> None:
        """The scene closes or the module is left: back to the start."""
        self._runner.cancel()

    def restoreInterrupted(self, node: Any) -> None:
        """A pose whose registration never ended (Slicer was closed or killed meanwhile): put it back, and say so."""
        start = mrml.poseFromText(node.GetAttribute(START)) if node is not None and not self.running else None
        if start is not None:
            node.RemoveAttribute(START)
            mrml.setPose(node, start)
            self.panel.say(_("The last registration was interrupted; the bone is back where it started."), BAD)

    # ---- what the runner tells -----------------------------------------------------------------------------------

    def _onState(self, step: Step | None) -> None:
        if self._node is None or self._node.GetScene() is None or self._node is not self.panel.poseNode():
            self.stop()
            return
        if step is None:
            return
        if step.pose is not None:
            self._moved = True
            mrml.setPose(self._node, step.pose)
        self.ui.progressBar.setValue(round(100 * step.fraction))
        self.panel.say(_words(step))

    def _onFinished(self) -> None:
        found = self._search.found if self._search is not None else {}
        mrml.setPose(self._node, next(iter(found.values())).pose)
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
        if isinstance(error, (ImportError, OSError)) and bones.torchProblem():
            error = InputError(bones.torchProblem())
        if not isinstance(error, InputError):
            slicer.util.errorDisplay(_("The registration failed."), detailedText=repr(error))
        text = _("{error} The bone is back at its start.") if self._moved else "{error}"
        self.panel.say(text.format(error=error), BAD)

    def _onCancelled(self) -> None:
        self._restore()
        self._end()
        self.panel.review.giveBack()
        closing = slicer.mrmlScene.IsClosing()
        self.panel.say("" if closing else _("Cancelled; the bone is back where the registration started."))

    def _restore(self) -> None:
        if self._node is not None and self._start is not None:
            mrml.setPose(self._node, self._start)

    def _end(self) -> None:
        if self._node is not None:
            self._node.RemoveAttribute(START)
        self._search = self._node = None
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
        ready = _("Find the bone from the chosen start, and register it to the radiographs")
        button.toolTip = _("Stop and put the bone back") if self.running else problem or ready
        showMissing(self.ui.registerHint, "" if self.running else problem)
        if not problem and not self.running:
            showStatus(self.ui.registerHint, sidesDiffer(radiographs.usedRadiographNodes()), UNSURE)
        self.ui.refineButton.enabled = not self.running and not problem
        near = _("Do not search, only sharpen the present pose: for a bone that was put right by hand")
        self.ui.refineButton.toolTip = _("A registration is running") if self.running else problem or near


def _words(step: Step) -> str:
    """What a step is about, for the panel."""
    texts = {
        COMPARING: _("Comparing at {stage}: similarity {similarity:.2f}"),
        EVERYWHERE: _("Searching everywhere, {stage}: similarity {similarity:.2f}"),
    }
    text = texts.get(step.doing, _("Reading the CT…"))
    return text.format(stage=step.stage, similarity=step.similarity)


def optionsOf(parameters: Any) -> RegistrationOptions:
    """Registration options as the panel has them.

    Raises:
        InputError: Pixel sizes that are no numbers, or out of range.
    """
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
