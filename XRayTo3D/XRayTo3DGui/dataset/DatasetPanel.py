"""Section 3: make a data set, register its cases in one go, review them, split them."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from XRayTo3DGui.binding import GuiBinding
from XRayTo3DGui.dataset import listing, work
from XRayTo3DGui.dataset.adding import AddCasesBox
from XRayTo3DGui.dataset.cases_box import CasesBox
from XRayTo3DGui.dataset.job_box import JobBox, recentDataset
from XRayTo3DGui.dataset.making import NewDatasetBox
from XRayTo3DGui.dataset.split_box import SplitBox
from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import BAD, UNSURE, explaining, plain, rememberPath, showStatus
from XRayTo3DLib.errors import InputError

REFRESH_MS = 3000
"""How often the table follows a job that is at work."""


class DatasetPanel:
    """The panel: wiring between a data set on disk, the scene and its parts, each in a file of its own."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.parameters: Any = None
        self.about: listing.About | None = None
        self._folder: str | None = None
        """The data set that is shown; None before anything was."""
        self._binding: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._filling = False
        self._settingUp = True
        self._sync = Throttle(self.sync, 50)
        self._follow = Throttle(self.refresh, REFRESH_MS)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Dataset.ui"))
        self.ui = ui = slicer.util.childWidgetVariables(uiWidget)
        for name in ("datasetPath", "newFolderPath", "ctPath", "labelsPath", "tablePath"):
            getattr(ui, name).currentPath = ""  # ctkPathLineEdit brings the last session's path back
        self.job = JobBox(self, self._follow.request, self.refresh)
        self.cases = CasesBox(self)
        self.new = NewDatasetBox(self)
        self.adding = AddCasesBox(self)
        self.split = SplitBox(self)
        ui.datasetPath.connect("currentPathChanged(QString)", self._onPath)
        ui.datasetPath.connect("validInputChanged(bool)", self._onPath)
        ui.registerAllButton.connect("clicked(bool)", self.onRegisterAll)
        ui.landmarksButton.connect("clicked(bool)", self.onLandmarks)
        ui.prepareButton.connect("clicked(bool)", self.onPrepare)
        self.widget.ui.datasetSection.connect("contentsCollapsed(bool)", self._onSection)
        for label in (ui.summaryLabel, ui.splitLabel):
            showStatus(label, "")
        self.say("")
        self._settingUp = False
        self.updateButtons()
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node; a worker that runs is left to run."""
        self.cases.stop()
        self.adding.stop()
        self.job.leave()
        if self.parameters is not None:
            self._binding.disconnect()
        self._unobserve()
        self.parameters, self._folder, self.about = node, None, None
        if node is not None:
            self._binding = GuiBinding(node, self.ui)
            scene = slicer.mrmlScene
            watched = [(node.parameterNode, vtk.vtkCommand.ModifiedEvent)]
            watched += [(scene, event) for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent)]
            self._tags = [(subject, subject.AddObserver(event, self._sync.request)) for subject, event in watched]
            if not node.datasetFolder:
                node.datasetFolder, node.datasetJob = recentDataset()
        self.sync()

    def cleanup(self) -> None:
        """Nothing of ours may run later; a worker goes on, and is found again by its data set."""
        self.cases.stop()
        self.adding.stop()
        self.job.leave()
        self._unobserve()

    def _unobserve(self) -> None:
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags = []
        self._sync.stop()
        self._follow.stop()

    @property
    def rows(self) -> list[listing.CaseRow]:
        """The cases as they were read last."""
        return self.cases.rows

    @property
    def bones(self) -> tuple[str, ...]:
        """Of the data set; none where none is chosen."""
        return self.about.bones if self.about is not None else ()

    # ---- following the scene -------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Everything shown as parameters and scene have it now."""
        self._sync.stop()
        if self._settingUp or self.parameters is None:
            return
        if self.parameters.datasetFolder != self._folder:
            self._open()
        self.new.sync()
        self.adding.sync()
        self.split.sync()
        self.cases.sync()
        self.updateButtons()

    def _onPath(self, *_args: Any) -> None:
        """A person chose, typed or emptied the path."""
        if not self._filling and self.parameters is not None:
            path = str(self.ui.datasetPath.currentPath).strip()
            self.openFolder(str(Path(path).expanduser().absolute()) if path else "")

    def _onSection(self, collapsed: bool) -> None:
        """Opened again: section 2 may have reviewed, a worker may have written."""
        if not collapsed and self._folder:
            self.refresh()

    def openFolder(self, folder: str) -> None:
        """Show this data set from now on; "" shows none."""
        if self.parameters.datasetFolder != folder:
            self.parameters.datasetFolder, self.parameters.datasetJob = folder, ""
        self._open()
        self.sync()

    def _open(self) -> None:
        self._folder = folder = self.parameters.datasetFolder
        self._filling = True
        try:
            if str(self.ui.datasetPath.currentPath).strip() != folder:
                self.ui.datasetPath.currentPath = folder
        finally:
            self._filling = False
        for say in (self.say, self.cases.say, self.adding.say):
            say("")
        self.job.attach(folder)
        self.refresh()
        if self.about is not None:
            rememberPath(self.ui.datasetPath)

    def refresh(self) -> None:
        """Read the data set anew: its description now, its cases in slices."""
        self._follow.stop()
        if self.parameters is None:
            return
        self.about, problem = None, ""
        try:
            self.about = listing.readAbout(self._folder) if self._folder else None
        except InputError as error:
            problem = "" if self.job.running else str(error)
        showStatus(self.ui.summaryLabel, plain(problem), BAD)
        self.cases.read(self.about)

    def onRows(self) -> None:
        """The cases have been read."""
        if self.about is not None:
            showStatus(self.ui.summaryLabel, summaryText(self.about, self.rows))
        self.adding.sync()
        self.split.sync()
        self.updateButtons()

    def updateButtons(self) -> None:
        """Enable what can be done; the tooltip of what cannot says what is missing."""
        if self._settingUp or self.parameters is None:
            return
        self.cases.updateButtons()
        self.new.updateButton()
        self.adding.updateButtons()
        self.split.updateButton()
        ready = {
            "registerAllButton": _(
                "Find the bones in all radiographs, in a process of its own; accepted ones are kept"
            ),
            "landmarksButton": _("Propose landmarks for cases that have none; then open each case and look"),
            "prepareButton": _("Bring all cases into the form that networks learn from, and hear what cannot be used"),
        }
        for name, text in ready.items():
            button, problem = getattr(self.ui, name), self._workProblem(name)
            button.enabled, button.toolTip = not problem, problem or text

    def _workProblem(self, name: str) -> str:
        if self.about is None or not self.rows:
            return _("Choose or make a data set with cases first")
        if name == "registerAllButton" and not any(row.views for row in self.rows):
            return _("No case has a radiograph: add cases with radiographs from the scene")
        if name == "landmarksButton" and not self.about.landmarks:
            return _("This data set needs no landmarks")
        return self.job.busy

    # ---- jobs ----------------------------------------------------------------------------------------------------

    def onRegisterAll(self, *_args: Any) -> None:
        """Batch registration."""
        self._start(work.REGISTER, redo=self.parameters.datasetRedo, workers=self.parameters.datasetWorkers)

    def onLandmarks(self, *_args: Any) -> None:
        """Landmarks of the cases that have none."""
        self._start(work.LANDMARKS)

    def onPrepare(self, *_args: Any) -> None:
        """What networks learn from."""
        self._start(work.PREPARE, workers=self.parameters.datasetWorkers)

    def _start(self, kind: str, **options: Any) -> None:
        with self.explaining():
            self.job.start(self.parameters.datasetFolder, kind, options)

    # ---- the open case -------------------------------------------------------------------------------------------

    def openNext(self) -> None:
        """Open the next case to review; also for section 2."""
        self.cases.openNext()

    def openPrevious(self) -> None:
        """Open the registered case before the open one, for section 2."""
        self.cases.openPrevious()

    def showOpenCase(self) -> None:
        """Its radiographs in the layout, and section 2 to judge it."""
        self.widget.radiographs.layout.show()
        self.widget.radiographs.refresh()
        self.widget.ui.registrationSection.collapsed = False

    # ---- saying --------------------------------------------------------------------------------------------------

    def say(self, text: str, colour: str = "") -> None:
        """One sentence in the panel."""
        showStatus(self.ui.datasetStatusLabel, text, colour)

    def explaining(self) -> Any:
        """Context: what a person can mend is said in the panel, anything else in Slicer's error window."""
        return explaining(self.say)


def summaryText(about: listing.About, rows: list[listing.CaseRow]) -> str:
    """What the data set is and what it lacks, as rich text."""
    told = listing.summary(about, rows)
    title = f"<b>{escape(about.anatomy)}</b>: {escape(', '.join(about.bones))}"
    if about.synthetic:
        title = f'<b><span style="color:{UNSURE}">SYNTHETIC</span></b> {title}'
    if not rows:
        return f"{title}<br>{_('No cases yet: add some below.')}"
    text = _("{cases} cases of {people} people: {train} to train on, {test} to test on.").format(**told)
    lacking = listing.lackingText(rows)
    mark = f'<br><span style="color:{UNSURE}">{escape(lacking[:1].upper() + lacking[1:])}.</span>' if lacking else ""
    return f"{title}<br>{text}{mark}"
