"""The form "New data set": an empty one for a person's own cases, or a job that makes SYNTHETIC people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.dataset import work
from XRayTo3DGui.dataset.listing import readAbout
from XRayTo3DGui.panel import GOOD
from XRayTo3DGui.parameters import FRAMES, OWN_CASES, SYNTHETIC_ANATOMIES
from XRayTo3DLib.errors import InputError

NOT_STATED = "not stated"


class NewDatasetBox:
    """Controls that follow the parameter node, and the button that makes the data set."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._filling = False
        self.ui.newFolderPath.connect("currentPathChanged(QString)", self._onPath)
        self.ui.newFolderPath.connect("validInputChanged(bool)", self._onPath)
        self.ui.makeDatasetButton.connect("clicked(bool)", self.onMake)

    def _onPath(self, *_args: Any) -> None:
        if not self._filling and self.panel.parameters is not None:
            self.panel.parameters.datasetNewFolder = str(self.ui.newFolderPath.currentPath).strip()

    def sync(self) -> None:
        """As the parameters have it."""
        parameters = self.panel.parameters
        self._filling = True
        try:
            if str(self.ui.newFolderPath.currentPath).strip() != parameters.datasetNewFolder:
                self.ui.newFolderPath.currentPath = parameters.datasetNewFolder
        finally:
            self._filling = False
        own = parameters.datasetNewKind == OWN_CASES
        self.ui.newOwnWidget.setVisible(own)
        self.ui.newSyntheticWidget.setVisible(not own)

    def problem(self) -> str:
        """What is missing to make it; empty when nothing is."""
        parameters = self.panel.parameters
        if not parameters.datasetNewFolder:
            return _("Choose the new data set's folder first")
        folder, own = Path(parameters.datasetNewFolder).expanduser(), parameters.datasetNewKind == OWN_CASES
        if folder.is_file():
            return _("That is a file: choose a folder")
        if own and (folder / "dataset.json").exists():
            return _("That folder is a data set already: choose it above")
        if own and not bonesOf(parameters.datasetNewBones):
            return _("Name the bones, as the segments are named")
        return self.panel.job.busy

    def updateButton(self) -> None:
        """Greyed with what is missing."""
        button, problem = self.ui.makeDatasetButton, self.problem()
        button.enabled = not problem
        own = self.panel.parameters.datasetNewKind == OWN_CASES
        ready = _("Make the empty data set; then add cases") if own else _("Make the people in a process of its own")
        button.toolTip = problem or ready

    def onMake(self, *_args: Any) -> None:
        """Make it and show it."""
        parameters, panel = self.panel.parameters, self.panel
        with panel.explaining():
            folder = Path(parameters.datasetNewFolder).expanduser().absolute()
            if parameters.datasetNewKind == OWN_CASES:
                panel.widget.logic.makeDataset(
                    folder,
                    bones=bonesOf(parameters.datasetNewBones),
                    anatomy=parameters.datasetNewAnatomy.strip() or NOT_STATED,
                    frame=FRAMES[parameters.datasetNewFrame],
                    provenance=parameters.datasetNewProvenance.strip() or NOT_STATED,
                    licence=parameters.datasetNewLicence.strip() or NOT_STATED,
                )
                panel.openFolder(str(folder))
                panel.say(_("Made. Now add cases below."), GOOD)
                self.ui.addCasesSection.collapsed = False
            else:
                self._startPeople(folder)
            self.ui.newDatasetSection.collapsed = True

    def _startPeople(self, folder: Path) -> None:
        parameters = self.panel.parameters
        options = {
            "anatomy": SYNTHETIC_ANATOMIES[parameters.datasetNewSynthetic],
            "people": parameters.datasetNewPeople,
            "test": parameters.datasetNewTest,
            "seed": parameters.datasetNewSeed,
            "workers": parameters.datasetWorkers,
        }
        checkPeopleFolder(folder)
        self.panel.openFolder(str(folder))
        self.panel.job.start(folder, work.SYNTHETIC, options)
        self.panel.refresh()


def bonesOf(text: str) -> list[str]:
    """Names with commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def checkPeopleFolder(folder: Path) -> None:
    """SYNTHETIC people are not mixed with somebody's own cases.

    Raises:
        InputError: The folder holds a data set that is not synthetic.
    """
    if (folder / "dataset.json").exists() and not readAbout(folder).synthetic:
        raise InputError(_("{folder} holds cases of your own: choose another folder.").format(folder=folder))
