"""Section 2: choose bone and radiographs, bring the bone near, register, judge the result."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.binding import GuiBinding
from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import explaining, showStatus
from XRayTo3DGui.registration import bone as bones
from XRayTo3DGui.registration import further, pose, script
from XRayTo3DGui.registration.adjust import HandAdjust
from XRayTo3DGui.registration.cases import CaseStep
from XRayTo3DGui.registration.inputs import RegistrationInputs
from XRayTo3DGui.registration.landmarks import LandmarkFit
from XRayTo3DGui.registration.overlay import LiveOverlay
from XRayTo3DGui.registration.review import ReviewBox
from XRayTo3DGui.registration.run import RegistrationRun
from XRayTo3DGui.registration.start import StartChoice
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.geometry import RigidPose


class RegistrationPanel:
    """The panel: wiring between the scene, the overlay and its parts, each in a file of its own."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.parameters: Any = None
        self.bone = bones.BoneCache(onTissue=self._onTissue)
        self.overlay = LiveOverlay(self)
        self.history = pose.PoseHistory(self.updateButtons)
        self._binding: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._poseTag: tuple[Any, int, int] | None = None
        self._settingUp = True
        self._making = False
        self._sync = Throttle(self.sync, 50)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Registration.ui"))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.inputs = RegistrationInputs(self)
        self.adjust = HandAdjust(self)
        self.landmarks = LandmarkFit(self)
        self.start = StartChoice(self)
        self.run = RegistrationRun(self)
        self.cases = CaseStep(self)
        self.review = ReviewBox(self)
        self.ui.centreButton.connect("clicked(bool)", self.onCentre)
        self.ui.undoButton.connect("clicked(bool)", self.onUndo)
        self.ui.resetButton.connect("clicked(bool)", self.onReset)
        self.ui.zoomButton.connect("clicked(bool)", self.overlay.onZoom)
        self.ui.boneModelButton.connect("clicked(bool)", self.onBoneModel)
        self.say("")
        self._settingUp = False
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node; what runs is stopped."""
        self.run.stop()
        if self.parameters is not None:
            self._binding.disconnect()
        self._unobserve()
        if node is None:
            self.overlay.drawn.hideAll()  # nobody would move it along any more
        if slicer.mrmlScene.IsClosing():
            self.say("")  # it was about that scene
        self.parameters = node
        if node is not None:
            if node.ctVolume is None:
                node.ctVolume = bones.firstCtVolume()
            self._binding = GuiBinding(node, self.ui)
            self._observe(node)
        self.sync()

    def cleanup(self) -> None:
        """Nothing of ours may run later, and the overlay goes with the panel."""
        self.run.stop()
        self.overlay.stop()
        self._sync.stop()
        self._unobserve()
        self.overlay.clear()
        self.bone.clear()

    def _observe(self, node: Any) -> None:
        scene = slicer.mrmlScene
        watched = [(node.parameterNode, vtk.vtkCommand.ModifiedEvent, self._sync.request)]
        watched += [(scene, event, self._sync.request) for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent)]
        self._tags = [(subject, subject.AddObserver(event, slot)) for subject, event, slot in watched]

    def _unobserve(self) -> None:
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags = []
        self.overlay.stop()
        self._sync.stop()
        self.start.stop()
        self.cases.stop()
        self._followPose(None)

    # ---- following the scene -------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Everything shown as parameters and scene have it now."""
        self._sync.stop()
        if self._settingUp:
            return
        if self.parameters is not None:
            self.inputs.sync()
            self._followPose(self.poseNode())
            self.run.restoreInterrupted(self.poseNode())
            self.landmarks.sync()
            self.start.sync()
            self._syncHandles()
        self.cases.sync()
        self.review.sync()
        self.updateButtons()
        self.overlay.request()

    def _onTissue(self, inTissue: bool) -> None:
        self.inputs.inTissue = inTissue
        self.inputs.showHint()

    def boneReady(self) -> None:
        """Another bone was read: what had to wait for it."""
        if self.parameters is not None:
            self._syncHandles()

    def _followPose(self, node: Any) -> None:
        if self._poseTag is not None and self._poseTag[0] is node:
            return
        for tag in self._poseTag[1:] if self._poseTag is not None else ():
            self._poseTag[0].RemoveObserver(tag)
        self._poseTag = None
        if node is not None:
            moved = node.AddObserver(slicer.vtkMRMLTransformNode.TransformModifiedEvent, self._onPoseModified)
            changed = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onPoseNode)
            self._poseTag = (node, moved, changed)
        self.history.follow(node)

    def _onPoseModified(self, _caller: Any, _event: str) -> None:
        self.adjust.poseChanged()
        self.review.poseChanged()
        self.overlay.poseChanged()

    def _onPoseNode(self, _caller: Any, _event: str) -> None:
        """A script may have registered or judged."""
        self.review.nodeChanged()

    def _syncHandles(self) -> None:
        node = self.parameters.poseTransform
        if self.parameters.showHandles and self.parameters.ctVolume is not None:
            node = self.ensurePose()
        if node is not None and (self.parameters.showHandles or node.GetDisplayNode() is not None):
            bone = self.bone.ready(bones.boneOf(self.parameters))
            centre = bone.attenuation.centre_lps if bone is not None else None
            pose.showHandles(self.parameters, centre, self.parameters.showHandles)

    # ---- pose ----------------------------------------------------------------------------------------------------

    def poseNode(self) -> Any:
        """The pose transform: the chosen one, else the one the CT hangs under, else None."""
        if self.parameters is None:
            return None
        volume = self.parameters.ctVolume
        return self.parameters.poseTransform or (volume.GetParentTransformNode() if volume is not None else None)

    def pose(self) -> RigidPose:
        """CT-to-world as the scene has it."""
        node = self.poseNode()
        return mrml.poseFromNode(node) if node is not None else RigidPose.identity()

    def ensurePose(self) -> Any:
        """The pose transform with everything under it, made where missing."""
        node = pose.ensurePose(self.parameters)
        self._followPose(node)
        return node

    def movePose(self, newPose: RigidPose) -> None:
        """Put the bone there; one change for 'Previous pose'."""
        node = self.ensurePose()
        if node is not None:
            self.history.remember()
            mrml.setPose(node, newPose)
            self.history.remember()

    def centre(self) -> Any:
        """(3,) the bone's centre in CT coordinates, LPS mm."""
        return self.bone.centreLps(self.parameters)

    def onCentre(self, *_args: Any) -> None:
        """To where the beams meet."""
        with self.explaining():
            cameras = [radiographs.cameraFromNode(node) for node in radiographs.usedRadiographNodes()]
            self.movePose(pose.centredInBeams(self.pose(), self.centre(), cameras))

    def onUndo(self, *_args: Any) -> None:
        """Back by one change."""
        self.history.undo()

    def onReset(self, *_args: Any) -> None:
        """To the CT's own position, all bones as they lie in the CT."""
        with self.explaining():
            self.movePose(RigidPose.identity())
            further.resetTransforms(self.parameters)

    def onBoneModel(self, *_args: Any) -> None:
        """Make the surfaces and hang them under their poses."""
        from XRayTo3DGui.scene import folders

        if self._making or self.run.running:
            return
        self._making = True
        try:
            with self.explaining(), slicer.util.WaitCursor():
                models = script.boneModels(self.parameters)
                for each in models:
                    folders.fileNode(each, self.parameters.caseName)
                self.say(_("{names} made.").format(names=", ".join(each.GetName() for each in models)))
        finally:
            self._making = False

    # ---- saying --------------------------------------------------------------------------------------------------

    def say(self, text: str, colour: str = "") -> None:
        """One sentence in the panel."""
        showStatus(self.ui.statusLabel, text, colour)

    def explaining(self) -> Any:
        """Context: what a person can mend is said in the panel, anything else in Slicer's error window."""
        return explaining(self.say)

    def updateButtons(self) -> None:
        """Enable what can be done; the tooltip of what cannot says what is missing."""
        if self._settingUp:
            return
        chosen = self.parameters is not None and self.parameters.ctVolume is not None
        used = bool(radiographs.usedRadiographNodes()) if self.parameters is not None else False
        idle = not self.run.running
        running = "" if idle else _("A registration is running; cancel it first")
        noCt = running or ("" if chosen else _("Choose the CT volume first"))
        noView = noCt or ("" if used else _("Load a radiograph in section 1 and tick it first"))
        changed = self.history.canUndo
        for button, ready, missing in (
            (self.ui.boneModelButton, _("Make a surface of the bone that moves with the pose"), noCt),
            (self.ui.centreButton, _("Move the bone to where the beams of the radiographs meet"), noView),
            (self.ui.resetButton, _("Back to the CT's own position"), noCt),
            (self.ui.zoomButton, _("Show the bone large in every radiograph's view"), noView if idle else ""),
            (
                self.ui.undoButton,
                _("Back to the pose before the last change"),
                running or ("" if changed else _("The bone was not moved yet")),
            ),
        ):
            button.enabled = not missing
            button.toolTip = missing or ready
        self.adjust.updateButtons(noCt, noView)
        self.landmarks.updateButtons(not noView, noView)
        self.start.updateButtons(not noView, noView)
        self.run.updateButton(self.inputs.problem())
        self.review.updateButtons()
