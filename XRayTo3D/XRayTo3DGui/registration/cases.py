"""The case of a data set that is open: its review goes into the case's folder, and the next case is opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import StepRunner
from XRayTo3DGui.panel import BAD, GOOD, showStatus
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.result import Review

WAIT_S = 0.01
NO_REVIEW = {"status": Review.UNREVIEWED.value, "note": "", "by_role": ""}


class CaseStep:
    """Saves the review into the open case, and goes on to the next one; hidden while no case is open."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._runner = StepRunner()
        self._told, self._waiting = "", False
        """The case that the sentence is about, and whether its result waits for a person."""
        self.ui.nextCaseButton.connect("clicked(bool)", self.onNext)
        self.ui.previousCaseButton.connect("clicked(bool)", self.onPrevious)
        self.ui.caseWidget.setVisible(False)

    @property
    def open(self) -> bool:
        """Whether a case of a data set is open."""
        return self.panel.parameters is not None and bool(self.panel.parameters.caseFolder)

    def sync(self) -> None:
        """As the parameters have it."""
        self.ui.caseWidget.setVisible(self.open)
        for each in (self.ui.caseFolderPathLabel, self.ui.caseFolderPath, self.ui.saveButton):
            each.setVisible(not self.open or bool(self.ui.caseFolderPath.currentPath))  # the data set keeps the review
        if self.open and not self._runner.running and self.panel.parameters.caseFolder != self._told:
            self._say("")

    def updateButtons(self, waiting: bool) -> None:
        """``waiting``: there is a result about the present pose that nobody judged yet."""
        running = self.panel.run.running
        if waiting and not self._waiting and self.open and not self._runner.running:
            self._say("")  # a new result: what was saved is the one before
        self._waiting = waiting
        save = _("Save this review into the data set and {open} ({key})")
        if waiting:
            save = _("Not reviewed yet: save the result as it is, and {open} ({key})")
        for button, where, key in (
            (self.ui.nextCaseButton, _("open the next case that nobody has judged"), "Alt+N"),
            (self.ui.previousCaseButton, _("go back to the registered case before it"), "Alt+P"),
        ):
            button.enabled = self.open and not running
            ready = save.format(open=where, key=key)
            button.toolTip = _("A registration is running; cancel it first") if running else ready

    def save(self) -> bool:
        """The result with its review into the folder of every view that is used; says so. False if that failed."""
        record = self.panel.review.current()
        if not self.open or record is None:
            return True
        try:
            names = saveToCase(self.panel.parameters, record)
        except (InputError, OSError) as error:
            self._say(_("Not saved in the data set: {error}").format(error=error), BAD)
            return False
        if names:
            self._say(_("Saved in {views}.").format(views=", ".join(names)), GOOD)
        return True

    def onNext(self, *_args: Any) -> None:
        """Save, and open the next case; a review that cannot be saved stays in sight."""
        self._leave(self.panel.widget.dataset.openNext)

    def onPrevious(self, *_args: Any) -> None:
        """Save, and go back to the case before: to look again, and to judge otherwise."""
        self._leave(self.panel.widget.dataset.openPrevious)

    def _leave(self, openOther: Callable[[], None]) -> None:
        if self.panel.run.running or not self.save():
            return
        before, dataset = self.panel.parameters.caseFolder, self.panel.widget.dataset
        openOther()
        self._runner.start(self._opening(dataset, before))

    def _opening(self, dataset: Any, before: str) -> Iterator[None]:
        """Wait for the case; section 3, which nobody looks at now, says why where there is none."""
        while dataset.cases.opening:
            self._say(_("Opening another case…"))
            time.sleep(WAIT_S)
            yield
        if self.panel.parameters is not None:
            stayed = self.panel.parameters.caseFolder == before
            self._say(dataset.ui.openStatusLabel.text if stayed else "")

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._runner.cancel()

    def _say(self, text: str, colour: str = "") -> None:
        name, self._told = self.panel.parameters.caseName, self.panel.parameters.caseFolder
        showStatus(self.ui.caseLabel, f"{_('Open: {name}.').format(name=name)} {text}".strip(), colour)


def saveToCase(parameters: Any, record: dict[str, Any]) -> list[str]:
    """Write a result and its review into the views of the open case that are used; returns the views' names.

    Raises:
        InputError: The case or a view cannot be written.
    """
    from XRayTo3DGui.dataset.open_case import shownViews

    saved = []
    for nodeId, view in shownViews(parameters).items():
        node = slicer.mrmlScene.GetNodeByID(nodeId)
        if node in radiographs.usedRadiographNodes():
            saveToView(view, record)
            saved.append(view.name)
    return saved


def saveToView(view: Any, record: dict[str, Any]) -> None:
    """Write a result and its review into one view (``XRayTo3DLib.dataset.case_views.CaseView``).

    What the folder has already is not written again, so that earlier reviews and their dates stay.

    Raises:
        InputError: The view cannot be written.
    """
    from XRayTo3DLib.dataset.turns import changing_view

    with changing_view(view.folder):  # another Slicer may judge it, too
        _saveToView(view, record)


def _saveToView(view: Any, record: dict[str, Any]) -> None:
    from XRayTo3DLib.dataset.case_views import SAME_POSE, keeping_earlier, write_registration, write_review

    review = record["review"]
    try:
        kept = view.registration()
    except InputError:
        kept = None  # a write that was stopped half way: written anew
    matrix = record["pose_ct_to_world"]
    if kept is None or not np.allclose(kept["pose_ct_to_world"], matrix, atol=SAME_POSE):
        write_registration(view, keeping_earlier({**record, "review": NO_REVIEW}, kept), RigidPose(np.array(matrix)))
        kept = {"review": NO_REVIEW}
    before = {key: kept["review"].get(key, "") for key in NO_REVIEW}
    if review["status"] != Review.UNREVIEWED.value and before != {key: review.get(key, "") for key in NO_REVIEW}:
        write_review(view, Review(review["status"]), review["note"], review["by_role"])
