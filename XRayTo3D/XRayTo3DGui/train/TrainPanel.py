"""Section 4: train a model, watch it, stop it and go on."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from XRayTo3DGui.binding import GuiBinding
from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import explaining, showStatus
from XRayTo3DGui.train import job as jobs
from XRayTo3DGui.train.experiment import ExperimentBox
from XRayTo3DGui.train.form import TrainForm
from XRayTo3DGui.train.run import TrainRun
from XRayTo3DGui.train.watching import TrainWatching


class TrainPanel:
    """The panel: wiring between the scene and its parts, each in a file of its own."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.parameters: Any = None
        self._binding: Any = None
        self._tag: tuple[Any, int] | None = None
        self._settingUp = True
        self._packages: dict[bool, str] = {}
        self._sync = Throttle(self.sync, 50)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Train.ui"))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.watching = TrainWatching(self)
        self.run = TrainRun(self)
        self.form = TrainForm(self)
        self.experiment = ExperimentBox(self)
        self.say("")
        self.widget.ui.trainSection.connect("contentsCollapsed(bool)", self._onCollapsed)
        self._settingUp = False
        self.sync()
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node; a worker goes on by itself, whatever becomes of the scene."""
        if self.parameters is not None:
            self._binding.disconnect()
            self._release()
        self._unobserve()
        self.parameters = node
        if node is not None:
            self._binding = GuiBinding(node, self.ui)
            event = vtk.vtkCommand.ModifiedEvent
            self._tag = (node.parameterNode, node.parameterNode.AddObserver(event, self._sync.request))
            self.watching.layout.register()
            if not node.trainJob and not node.trainFolder:  # nobody fills in the form: show what is at work
                node.trainJob = jobs.runningTraining()
            self.run.attach()
        self.sync()

    def cleanup(self) -> None:
        """Nothing of ours may run later; a worker goes on, and is found again."""
        self._release()
        self._unobserve()

    def _release(self) -> None:
        self.run.release()
        self.experiment.release()
        self.form.check.stop()

    def _unobserve(self) -> None:
        self._sync.stop()
        if self._tag is not None:
            self._tag[0].RemoveObserver(self._tag[1])
            self._tag = None

    # ---- following the scene ---------------------------------------------------------------------------------------

    def _onCollapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self._packages.clear()  # something may have been installed meanwhile
            self.sync()

    def packagesProblem(self, entry: Any) -> str:
        """Why this computer cannot train that method; looked up once for each opening of the section."""
        stepped = entry is None or entry.stepped
        if stepped not in self._packages:
            self._packages[stepped] = jobs.packagesProblem(entry)
        return self._packages[stepped]

    def sync(self) -> None:
        """Everything shown as the parameter node and the watched training have it now."""
        self._sync.stop()
        if self._settingUp or self.parameters is None or self.widget.ui.trainSection.collapsed:
            return
        self.run.attach()
        self.form.sync()
        self.run.sync()
        self.watching.sync()
        self.experiment.sync()

    def say(self, text: str, colour: str = "") -> None:
        """One sentence in the panel."""
        showStatus(self.ui.trainStatusLabel, text, colour)

    def explaining(self, say: Any = None) -> Any:
        """Context: what a person can mend is said in the panel, anything else in Slicer's error window."""
        return explaining(say or self.say)
