"""The form "Train and test": who is kept out of training, dealt by person, seen before it is written."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.panel import GOOD, QUIET, showStatus
from XRayTo3DLib.dataset.resplit import planned_split
from XRayTo3DLib.errors import InputError


class SplitBox:
    """Share and seed, what they would give, and the button that writes it."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._problem = ""
        self._shown: tuple[Any, ...] = ()
        self.ui.splitButton.connect("clicked(bool)", self.onSplit)

    def sync(self) -> None:
        """What the share and the seed of now would give."""
        parameters, about = self.panel.parameters, self.panel.about
        dataset = about.dataset if about is not None else None
        entries = dataset.entries if dataset is not None else ()
        shown = (entries, parameters.datasetTestShare, parameters.datasetSplitSeed)
        if shown == self._shown:
            return
        self._shown, self._problem, text = shown, "", ""
        if dataset is None:
            self._problem = _("Choose or make a data set with cases first")
        else:
            try:
                split = planned_split(
                    dataset, share=parameters.datasetTestShare / 100, seed=parameters.datasetSplitSeed
                )
                text = _("Then {words}").format(words=split.in_words())
            except InputError as error:
                self._problem = str(error)
        showStatus(self.ui.splitLabel, text or (self._problem if dataset is not None else ""), QUIET)

    def updateButton(self) -> None:
        """Greyed with what is missing."""
        problem = self._problem or self.panel.job.busy
        self.ui.splitButton.enabled = not problem
        ready = _("Write it into the data set: all cases of a person stay together")
        self.ui.splitButton.toolTip = problem or ready

    def onSplit(self, *_args: Any) -> None:
        """Write it."""
        parameters = self.panel.parameters
        with self.panel.explaining():
            split = self.panel.widget.logic.splitDataset(
                parameters.datasetFolder, parameters.datasetTestShare / 100, parameters.datasetSplitSeed
            )
            self._shown = ()
            self.panel.refresh()
            self.panel.say(_("Now {words}").format(words=split.in_words()), GOOD)
