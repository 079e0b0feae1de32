"""What is installed and on which device is computed; asks before anything is installed."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import JobWatch
from XRayTo3DGui.panel import BAD, GOOD, QUIET, explaining, showStatus
from XRayTo3DGui.setup import device
from XRayTo3DGui.setup.install import install
from XRayTo3DGui.setup.packages import torchProblem
from XRayTo3DGui.setup.table import PackageTable
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.state import JobState


class SetupPanel:
    """Looks when the section is opened, not when the module is: a worker tells what PyTorch computes on."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.found: dict[str, Any] | None = None
        self._job: Any = None
        self._watch = JobWatch(lambda _state: None, lambda _records: None, self._onEnded)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Setup.ui"))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        self.table = PackageTable(self.ui.setupTable)
        self.ui.setupTable.connect("itemChanged(QTableWidgetItem*)", lambda _item: self.updateButtons())
        self.ui.setupInstallButton.connect("clicked(bool)", self.onInstall)
        self.ui.setupAgainButton.connect("clicked(bool)", self.look)
        self.widget.ui.setupSection.connect("contentsCollapsed(bool)", self._onCollapsed)
        showStatus(self.ui.setupRoomLabel, "")
        self.fill()
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Nothing of this section belongs to a scene."""

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
        self._stop()

    def _stop(self) -> None:
        self._watch.letGo()
        job, self._job = self._job, None
        if job is not None:
            device.discard(job)

    # ---- looking -------------------------------------------------------------------------------------------------

    def _onCollapsed(self, collapsed: bool) -> None:
        if not collapsed:
            self.look()

    def look(self, *_args: Any) -> None:
        """Packages now, the device as soon as the worker has answered."""
        self._stop()
        self.fill()
        with explaining(self._sayRoom):
            self._job = device.startDoctor()
            self._sayRoom(_("Looking which device computes…"), QUIET)
            self._watch.watch(self._job)
        self.updateButtons()

    def fill(self) -> None:
        """Table and status line, by what is installed."""
        self.table.fill()
        problem = torchProblem(here=True) or self._missingSentence()
        showStatus(self.ui.setupStatusLabel, problem or _("Everything that everyday work needs is there."), GOOD)
        if problem:
            showStatus(self.ui.setupStatusLabel, problem, BAD)
        self.updateButtons()

    def _missingSentence(self) -> str:
        lacking = [row for row in self.table.rows if row.needed and not row.ready]
        names = ", ".join(each.package.name for row in lacking for each in row.lacking)
        return _("Missing or too old: {names}.").format(names=names) if names else ""

    def _onEnded(self, _state: JobState) -> None:
        try:
            self.found = device.answerOf(self._job)
        except InputError as error:
            self._sayRoom(str(error), BAD)
        else:
            sentences = [device.deviceSentence(self.found), device.roomSentence(self.found)]
            self._sayRoom(" ".join(each for each in sentences if each))
            problem = self.found["device"]["problem"]
            if problem and not torchProblem():  # there by its metadata, and cannot be loaded
                showStatus(self.ui.setupStatusLabel, problem, BAD)
            self._stop()
        self.updateButtons()

    def _sayRoom(self, text: str, colour: str = "") -> None:
        showStatus(self.ui.setupRoomLabel, text, colour)

    # ---- installing ----------------------------------------------------------------------------------------------

    def updateButtons(self) -> None:
        """Enable what can be done; the tooltip of what cannot says why."""
        button, installable = self.ui.setupInstallButton, [row for row in self.table.rows if row.installable]
        button.enabled = bool(self.table.chosen())
        ready = _("Ask, then install what is ticked: PyTorch by its extension, the rest from PyPI by Slicer's pip")
        nothing = _("Nothing to install: every package is there") if not installable else _("Tick a row first")
        button.toolTip = ready if button.enabled else nothing
        again = self.ui.setupAgainButton
        again.enabled = not self._watch.watching
        again.toolTip = _("Look again what is installed and free") if again.enabled else _("Looking; wait a moment")

    def onInstall(self, *_args: Any) -> None:
        """Install what is ticked, after asking."""
        said = ""
        with (
            slicer.util.tryWithErrorDisplay(_("The packages could not be installed.")),
            explaining(self._sayStatus),
        ):
            said = install(self.table.chosen())
        failed = self.ui.setupStatusLabel.text
        self.fill()
        if said or failed:
            self._sayStatus(said or failed, QUIET if said else BAD)

    def _sayStatus(self, text: str, colour: str = "") -> None:
        showStatus(self.ui.setupStatusLabel, text, colour)
