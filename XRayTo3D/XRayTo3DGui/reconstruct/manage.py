"""Which models are installed, how large they are and where: added from a .zip, removed again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import StepRunner, inThread
from XRayTo3DGui.panel import BAD, GOOD
from XRayTo3DGui.reconstruct import bundles
from XRayTo3DLib.errors import InputError


class ManageModels:
    """The collapsed part below the model's card."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._installed: list[Path] = []
        self._runner = StepRunner(self._onStep, self._onInstalled, self._onFailed)
        self.ui.addZipButton.connect("clicked(bool)", self.onAddZip)
        self.ui.removeBundleButton.connect("clicked(bool)", self.onRemove)
        self.ui.manageSection.connect("contentsCollapsed(bool)", lambda _collapsed: self.update())

    @property
    def installing(self) -> bool:
        """Whether an archive is being unpacked and verified."""
        return self._runner.running

    def onAddZip(self, *_args: Any) -> None:
        """Ask for an archive and install the models in it."""
        chosen = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Model bundle"), "", "Zip (*.zip)")
        if chosen:
            self.install(Path(str(chosen)))

    def install(self, archive: Path) -> None:
        """Unpack and verify an archive in a thread, then choose the first model in it."""
        from XRayTo3DLib.models.install import install_bundles

        self.panel.say(_("Checking {name}…").format(name=archive.name))
        self._runner.start(inThread(lambda: install_bundles(archive)))
        self.update()

    def _onStep(self, item: Any) -> None:
        if item is not None:
            self._installed = item

    def _onInstalled(self) -> None:
        self.panel.inputs.choose(self._installed[0])
        names = ", ".join(path.name for path in self._installed)
        self.panel.say(_("Installed: {names}; every checksum holds.").format(names=names), GOOD)
        self.update()

    def _onFailed(self, error: Exception) -> None:
        self.update()
        if not isinstance(error, (InputError, OSError)):
            raise error
        self.panel.say(str(error), BAD)

    def onRemove(self, *_args: Any) -> None:
        """Delete the chosen model, or forget the folder that it was found in."""
        from XRayTo3DLib.models.find import user_models_folder
        from XRayTo3DLib.models.install import remove_bundle

        entry = self.panel.inputs.entry
        own = entry is not None and entry.path.parent == user_models_folder().resolve()
        if entry is None or (own and not self._sure(entry)):
            return
        try:
            if own:
                remove_bundle(entry.path)
            else:
                bundles.forgetFolderOf(entry.path)
        except (InputError, OSError) as error:
            self.panel.say(str(error), BAD)
            return
        self.panel.inputs.choose(None)
        said = _("{name} was deleted.") if own else _("{name} is no longer listed; its folder stays as it is.")
        self.panel.say(said.format(name=entry.path.name))
        self.update()

    def _sure(self, entry: bundles.BundleEntry) -> bool:
        text = _("Delete the model {name} from {folder}?").format(name=entry.title, folder=entry.path.parent)
        return bool(slicer.util.confirmOkCancelDisplay(bundles.plain(text), windowTitle=_("Remove model")))

    def update(self) -> None:
        """Sizes and folder, and what can be removed."""
        entry, button = self.panel.inputs.entry, self.ui.removeBundleButton
        problem = bundles.removalProblem(entry)
        button.enabled = not problem and not self.installing
        button.toolTip = problem or _("Delete this model from your folder, or take its folder out of the list")
        self.ui.addZipButton.enabled = not self.installing
        if not self.ui.manageSection.collapsed:
            self.ui.modelsLabel.text = bundles.inventory()
