"""A small scripted module in the style of Slicer's template, to test the host itself."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import slicer
import vtk
from slicer import vtkMRMLModelNode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Decimals, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Quality(enum.Enum):
    FAST = 1
    EXACT = 2

    def label(self) -> str:
        return self.name.capitalize()


@parameterNodeWrapper
class HostDemoParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    outputModel: vtkMRMLModelNode
    threshold: Annotated[float, WithinRange(-100, 500), Decimals(1)] = 100.0
    iterations: Annotated[int, WithinRange(1, 20)] = 5
    invert: bool = False
    note: str = "hello"
    quality: Quality = Quality.EXACT
    side: Annotated[str, Choice(["left", "right"])] = "left"
    folder: Path = Path("/tmp")


class HostDemo(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Host demo")
        self.parent.categories = ["Testing"]


class HostDemoWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self._parameterNode = None
        self._guiTag = None
        self.cleanedUp = False

    def setup(self):
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/HostDemo.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = HostDemoLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.setParameterNode(self.logic.getParameterNode())

    def cleanup(self):
        self.setParameterNode(None)
        self.removeObservers()
        self.cleanedUp = True

    def enter(self):
        if self._parameterNode is None:
            self.setParameterNode(self.logic.getParameterNode())

    def exit(self):
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event):
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event):
        if self.parent.isEntered:
            self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, node):
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._guiTag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
        self._parameterNode = node
        if node is not None:
            self._guiTag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self.checkCanApply)
            self.checkCanApply()

    def checkCanApply(self, caller=None, event=None):
        self.ui.applyButton.enabled = self._parameterNode.inputVolume is not None
        self.ui.applyButton.toolTip = "" if self.ui.applyButton.enabled else "Choose an input volume"

    def onApply(self):
        with slicer.util.tryWithErrorDisplay("Failed to compute", waitCursor=True):
            self.ui.statusLabel.text = f"{self.logic.count(self._parameterNode):d} voxels"


class HostDemoLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self):
        return HostDemoParameterNode(super().getParameterNode())

    def count(self, node):
        array = slicer.util.arrayFromVolume(node.inputVolume)
        return int(((array > node.threshold) != node.invert).sum())


class HostDemoTest(ScriptedLoadableModuleTest):
    hasRun = False

    def runTest(self):
        self.assertEqual(HostDemoLogic().getParameterNode().iterations, 5)
        HostDemoTest.hasRun = True
