"""The upper half of section 1: choose a file, several, or a volume of the scene; answer what it does not say; load."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, GOOD, UNSURE
from XRayTo3DGui.radiographs.calls import openDicomBrowser
from XRayTo3DGui.radiographs.form import RadiographForm, keptAnswers
from XRayTo3DGui.radiographs.sources import FileSource, Source, VolumeSource, volumeCandidates
from XRayTo3DGui.radiographs.table import inPanelWords
from XRayTo3DLib.errors import InputError, MissingInformationError

FILTERS = "*.dcm *.dicom *.ima *.png *.tif *.tiff *.jpg *.jpeg *.nrrd *.nhdr *.mha *.mhd *.nii *.nii.gz"


class LoadPart:
    """Form, queue of files that wait for answers, and the buttons that load.

    Args:
        panel: The radiographs panel: its ``ui``, ``widget``, ``parameters`` and ``say``.
        onLoaded: Called with the node of each radiograph that was loaded.
    """

    def __init__(self, panel: Any, onLoaded: Callable[[Any], None]) -> None:
        self._panel, self._onLoaded = panel, onLoaded
        self.ui = ui = panel.ui
        self.form = RadiographForm(ui)
        self.waiting: list[str] = []
        self._volumes: list[str] = []
        self._busy = self._restoring = False
        self._done = ""
        """The file that was loaded last."""
        ui.moreBox.collapsed = True
        # ctkPathLineEdit brings the last session's path back; a file and its camera are chosen anew.
        ui.radiographPath.currentPath = ui.cameraPath.currentPath = ""
        for spinBox in (ui.spacingColumnSpinBox, ui.spacingRowSpinBox, ui.sddSpinBox, ui.magnificationSpinBox):
            spinBox.connect("valueChanged(double)", self._onAnswer)
        ui.sourceIsocentreSpinBox.connect("valueChanged(double)", self._onAnswer)
        for combo in (ui.viewCombo, ui.spacingKindCombo, ui.intensityCombo):
            combo.connect("currentIndexChanged(int)", self._onAnswer)
        ui.frameSpinBox.connect("valueChanged(int)", self._onAnswer)
        ui.nameEdit.connect("textChanged(QString)", self._onAnswer)
        ui.radiographPath.connect("currentPathChanged(QString)", self.onPath)
        ui.cameraPath.connect("currentPathChanged(QString)", self._onAnswer)
        # A real ctkPathLineEdit tells of paths that may be right, and of an emptied one only thus.
        ui.radiographPath.connect("validInputChanged(bool)", self._onPathValid)
        ui.cameraPath.connect("validInputChanged(bool)", self._onAnswer)
        ui.volumeCombo.connect("currentIndexChanged(int)", self._onVolume)
        ui.loadButton.connect("clicked(bool)", self.onLoad)
        ui.skipButton.connect("clicked(bool)", self.onSkip)
        ui.severalButton.connect("clicked(bool)", self.onSeveral)
        ui.dicomButton.connect("clicked(bool)", self.onDicom)
        self.form.inspect(None)
        self.updateVolumes()
        self.updateButtons()

    # ---- what is chosen ------------------------------------------------------------------------------------------

    def volume(self) -> Any:
        """The chosen volume of the scene, or None."""
        index = self.ui.volumeCombo.currentIndex - 1
        return slicer.mrmlScene.GetNodeByID(self._volumes[index]) if 0 <= index < len(self._volumes) else None

    def _source(self) -> Source | None:
        """Raises an InputError where the volume is none."""
        node, path = self.volume(), self.ui.radiographPath.currentPath.strip()
        if node is not None:
            return VolumeSource(node)
        return FileSource(path) if path else None

    def onPath(self, _path: str, keepExposure: bool = False) -> None:
        """Another file: its facts, and fields for what it does not say."""
        if self._restoring:
            return
        if _path.strip():
            self._chooseVolume(None)
        self.form.clear(keepExposure)
        self._inspect()

    def _onPathValid(self, valid: bool) -> None:
        if not valid and not self._restoring and self.volume() is None:
            self.onPath("")

    def _onVolume(self, _index: int) -> None:
        if self._restoring:
            return
        self._restoring = True
        try:
            if self.volume() is not None:
                self.ui.radiographPath.currentPath = ""
        finally:
            self._restoring = False
        if self._panel.parameters is not None:
            self._panel.parameters.radiographVolume = self.volume()
        self.form.clear()
        self._inspect()

    def _inspect(self) -> None:
        try:
            current = self.form.inspect(self._source())
        except InputError as error:
            current = self.form.inspect(None)
            self.form.problem = str(error)
        if current:
            self._panel.say(self.form.problem, BAD)
            self.updateButtons()
            self.keep()

    def updateVolumes(self) -> None:
        """The scene has other volumes: offer those that may be radiographs; the row is hidden without any."""
        chosen = self._panel.parameters.radiographVolume if self._panel.parameters is not None else None
        nodes = volumeCandidates() if self._panel.parameters is not None else []
        combo, self._restoring = self.ui.volumeCombo, True
        try:
            self._volumes = [node.GetID() for node in nodes]
            combo.clear()
            combo.addItem("–")
            for node in nodes:
                combo.addItem(node.GetName())
            combo.currentIndex = 1 + nodes.index(chosen) if chosen in nodes else 0
        finally:
            self._restoring = False
        for each in (combo, self.ui.volumeComboLabel):
            each.setVisible(bool(nodes))

    def _chooseVolume(self, node: Any) -> None:
        if self._panel.parameters is not None:
            self._panel.parameters.radiographVolume = node
        self.updateVolumes()

    # ---- kept with the scene -------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Into the parameter node: a half answered form is back with the scene."""
        if self._panel.parameters is None or self._restoring:
            return
        self._panel.parameters.radiographForm = json.dumps(self._state())

    def _state(self) -> dict[str, Any]:
        """What is half answered; of a file that has been loaded, nothing."""
        path = self.ui.radiographPath.currentPath
        state = {"path": path, "waiting": self.waiting, **self.form.state()}
        return {**state, "path": "", "cameraPath": ""} if path == self._done else state

    def restore(self) -> None:
        """What the parameter node holds; an empty one empties the form."""
        try:
            self._restore(keptAnswers(self._panel.parameters.radiographForm))
        except InputError as error:  # a scene from elsewhere
            self._restore({})
            self._panel.say(str(error), BAD)

    def _restore(self, state: dict[str, Any]) -> None:
        now = self._state()
        self.updateVolumes()
        if state == now and self.volume() is None:
            return
        self._restoring = True
        try:
            self.ui.radiographPath.currentPath = state.get("path", "")
            self.waiting = list(state.get("waiting", []))
            self.form.clear()
            self._inspectQuietly()
            self.form.restore(state)
        finally:
            self._restoring = False
        self.updateButtons()

    def _inspectQuietly(self) -> None:
        try:
            self.form.inspect(self._source())
        except InputError as error:
            self.form.inspect(None)
            self.form.problem = str(error)
        self._panel.say(self.form.problem, BAD)

    # ---- buttons -------------------------------------------------------------------------------------------------

    def _onAnswer(self, *_args: Any) -> None:
        if not self._restoring:
            self.updateButtons()
            self.keep()

    def updateButtons(self) -> None:
        """Greyed with the reason while something is missing."""
        missing = self.form.missing()
        self.form.markMissing()
        button = self.ui.loadButton
        button.enabled = self.form.info is not None and not missing and not self._busy
        self.ui.skipButton.setVisible(bool(self.waiting))
        if self._busy:
            button.toolTip = _("Loading")
        elif self.form.info is None:
            button.toolTip = inPanelWords(self.form.problem) or _("Choose a radiograph file first")
        elif missing:
            button.toolTip = _("Still needed: {fields}").format(fields=", ".join(missing))
            self._panel.say(_("Still needed: {fields}.").format(fields=", ".join(missing)) + self._more())
        else:
            button.toolTip = _("Load the radiograph into the scene, where its detector was")
            self._panel.say("")

    def _more(self) -> str:
        return " " + _("{count} more after it.").format(count=len(self.waiting)) if self.waiting else ""

    def onLoad(self, *_args: Any) -> None:
        """Read and place it in the scene; what a person can mend is said in the panel."""
        if self._busy:
            return
        volume, path = self.volume(), self.ui.radiographPath.currentPath
        with slicer.util.tryWithErrorDisplay(_("The radiograph could not be loaded."), waitCursor=True):
            self._busy = True
            self.updateButtons()
            try:
                logic, answers = self._panel.widget.logic, self.form.arguments()
                if volume is not None:
                    node = logic.radiographFromVolume(volume, **answers)
                else:
                    node = logic.loadRadiograph(Path(path).expanduser(), **answers)
                slicer.app.processEvents()  # placing and showing a large picture: two short pauses
            except InputError as error:
                self._panel.say(str(error), BAD)
                return
            finally:
                self._busy = False
                self._updateLoadEnabled()
            self._done = path  # the settings and a saved scene do not keep it: files are named after people
            self._panel.say(_("{name} loaded.").format(name=node.GetName()), GOOD)
            self._onLoaded(node)
            self._next()

    def _updateLoadEnabled(self) -> None:
        """Without a word: what was just said stays."""
        self.ui.loadButton.enabled = self.form.info is not None and not self.form.missing()

    def onSeveral(self, *_args: Any) -> None:
        """Load what says everything; ask about the others one after the other."""
        chosen = qt.QFileDialog.getOpenFileNames(
            slicer.util.mainWindow(),
            _("Radiographs"),
            "",
            _("Radiographs ({patterns});;All files (*)").format(patterns=FILTERS),
        )
        if not chosen or self._busy:
            return
        with slicer.util.tryWithErrorDisplay(_("The radiographs could not be loaded."), waitCursor=True):
            self._busy = True
            try:
                nodes, problems = self._panel.widget.logic.loadRadiographs(chosen)
            finally:
                self._busy = False
            for node in nodes:
                self._onLoaded(node)
            asked = [str(path) for path, error in problems.items() if isinstance(error, MissingInformationError)]
            broken = [str(error) for error in problems.values() if not isinstance(error, MissingInformationError)]
            self.waiting = asked
            self._next()
            loaded = _("{count} loaded.").format(count=len(nodes))
            if broken:
                self._panel.say(" ".join([loaded, *broken]), UNSURE if nodes else BAD)
            elif not asked:
                self._panel.say(loaded, GOOD)

    def _next(self, keepExposure: bool = True) -> None:
        """The next file that waits for answers, with what was answered about the apparatus."""
        if not self.waiting:
            self.ui.skipButton.setVisible(False)
            self.keep()
            return
        path = self.waiting.pop(0)
        self._restoring = True
        try:
            self.ui.radiographPath.currentPath = path
        finally:
            self._restoring = False
        self.onPath(path, keepExposure)

    def onSkip(self, *_args: Any) -> None:
        """Leave this file out."""
        self._next()

    def askFor(self, path: str) -> None:
        """Show the form of a file, or let it wait while another one is being answered."""
        self.waiting.append(path)
        if self.form.info is not None and self.form.missing():
            self.updateButtons()
            self.keep()
        else:
            self._next(keepExposure=False)

    def onDicom(self, *_args: Any) -> None:
        """Slicer's DICOM browser; what it loads appears in the table by itself."""
        if not openDicomBrowser():
            self._panel.say(_("Slicer's DICOM module is not there; choose the file above."), UNSURE)
