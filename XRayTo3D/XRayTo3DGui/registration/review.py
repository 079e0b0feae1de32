"""The result: verdict, similarity per view, and a person's review. Kept on the pose node, so saved with the scene."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import qt
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, GOOD, bringIntoSight, rememberPath, showStatus
from XRayTo3DGui.registration import further
from XRayTo3DGui.registration.record import FURTHER, engineText, followedBy, newRecord, ownRecord, verdictText
from XRayTo3DGui.scene import mrml
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name, write_json, written_together
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.result import RegistrationResult, Review, record_from_text, reviewed

RECORD, VERDICT, REVIEW = "XRayTo3D.Registration", "XRayTo3D.Verdict", "XRayTo3D.Review"
SAME_POSE = 1e-4


class ReviewBox:
    """Shows the record on the pose node, and writes the review into it."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._record: dict[str, Any] | None = None
        self._text: str | None = None
        self._stale = False
        self._before: tuple[dict[str, Any] | None, bool] = (None, False)
        # ctkPathLineEdit brings the last session's folder back: a review would be saved over another case's.
        self.ui.caseFolderPath.currentPath = ""
        self.ui.acceptButton.connect("clicked(bool)", self.onAccept)
        self.ui.rejectButton.connect("clicked(bool)", self.onReject)
        self.ui.restoreButton.connect("clicked(bool)", self.onRestore)
        self.ui.saveButton.connect("clicked(bool)", self.onSave)
        self.ui.noteEdit.connect("textChanged(QString)", self._onNote)
        self.ui.caseFolderPath.connect("currentPathChanged(QString)", self._onNote)
        self.ui.caseFolderPath.connect("validInputChanged(bool)", self._onNote)  # emptied: only this is told
        self._prepareTable()
        self._display()

    # ---- the record ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A new registration begins: nothing is shown until it has ended. The node keeps what it has till then."""
        self._before = (self._record, self._isStale() and not self._isAt("initial_ct_to_world"))
        self._record = None
        self._display()

    def show(self, results: dict[str, RegistrationResult]) -> None:
        """New results by the bones' names, not yet reviewed; what a person said of the one before is kept."""
        record, moved = self._before
        self._write(newRecord(results, followedBy(record, moved, self.panel.parameters.reviewerRole.strip())))
        self.ui.noteEdit.text = ""
        self._display()
        self.bringIntoSight()

    def bringIntoSight(self) -> None:
        """Verdict and buttons to judge by lie below the fold of a small screen."""
        if self._record is not None:
            bringIntoSight(self.ui.caseWidget if self.panel.cases.open else self.ui.reviewLabel)

    def giveBack(self) -> None:
        """The new registration came to nothing: the result before is shown again."""
        self.sync()

    def limb(self) -> RigidPose | None:
        """Where the result has the rest of the CT, if it was drawn."""
        from XRayTo3DLib.registration.register import SURROUNDINGS

        found = (self._record or {}).get("others_ct_to_world", {})
        return RigidPose(np.array(found[SURROUNDINGS])) if SURROUNDINGS in found else None

    def current(self) -> dict[str, Any] | None:
        """The result, if it is about the present pose."""
        return None if self._isStale() else self._record

    def sync(self) -> None:
        """As the pose node has it (another pose was chosen, a scene was opened)."""
        if self.panel.run.running:
            return
        node = self.panel.poseNode()
        self._text = node.GetAttribute(RECORD) if node is not None else None
        try:
            record = recordOf(node)
        except InputError as error:  # a scene from elsewhere: as if there were none, and said
            record = None
            text = _("The result kept in this scene is damaged and not shown; register again. ({error})")
            showStatus(self.ui.statusLabel, text.format(error=error), BAD)
        if record != self._record:
            self._record = record
            self.ui.noteEdit.text = record["review"]["note"] if record else ""
            self._display()
            if self.panel.cases.open:  # the next case's result: to be judged
                self.bringIntoSight()
        self._display()

    def nodeChanged(self) -> None:
        """Somebody else may have written another result."""
        node = self.panel.poseNode()
        if not self.panel.run.running and node is not None and node.GetAttribute(RECORD) != self._text:
            self.sync()

    def poseChanged(self) -> None:
        """Moved by hand after the result: say so, rather than let the numbers stand for another pose."""
        if self._record is not None and self._isStale() != self._stale:
            self._display()

    def _write(self, record: dict[str, Any]) -> None:
        self._record = record
        writeRecord(self.panel.poseNode(), record)

    def _isStale(self) -> bool:
        return self._record is not None and not self._isAt("pose_ct_to_world")

    def _isAt(self, key: str) -> bool:
        """Whether the bone is where the record says."""
        try:
            now = self.panel.pose().matrix
        except InputError:
            return False
        return self._record is not None and np.allclose(now, self._record[key], atol=SAME_POSE)

    # ---- showing -------------------------------------------------------------------------------------------------

    def _prepareTable(self) -> None:
        table = self.ui.similarityTable
        headers = [_("Radiograph"), _("At start"), _("Registered")]
        table.setColumnCount(len(headers))
        table.setHorizontalHeaderLabels(headers)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)

    def _display(self) -> None:
        record = self._record
        self._stale = self._isStale()
        self.ui.resultWidget.setVisible(record is not None)
        if record is not None:
            self.ui.verdictLabel.text = verdictText(record, self._stale)
            self.ui.engineLabel.text = engineText(record)
            self._displayViews(record["views"])
            self._displayReview(record["review"])
        self.updateButtons()

    def _displayViews(self, views: list[dict[str, Any]]) -> None:
        table = self.ui.similarityTable
        table.setRowCount(len(views))
        for row, view in enumerate(views):
            texts = (view["name"], f"{view['initial_similarity']:.2f}", f"{view['similarity']:.2f}")
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(qt.Qt.AlignCenter)
                table.setItem(row, column, item)
            table.setRowHeight(row, 24)
        table.setFixedHeight(28 + 24 * len(views) + 4)

    def _displayReview(self, review: dict[str, Any]) -> None:
        colours = {Review.ACCEPTED.value: GOOD, Review.REJECTED.value: BAD}
        words = {
            Review.ACCEPTED.value: _("Accepted"),
            Review.REJECTED.value: _("Rejected"),
            Review.ADJUSTED.value: _("Adjusted by hand"),
            Review.UNREVIEWED.value: _("Not reviewed yet: look at the overlay, then accept or reject."),
        }
        by = _(" by {role}").format(role=review["by_role"]) if review["by_role"] else ""
        note = f": {review['note']}" if review["note"] else ""
        text = words[review["status"]]
        decided = review["status"] != Review.UNREVIEWED.value
        showStatus(self.ui.reviewLabel, f"{text}{by}{note}." if decided else text, colours.get(review["status"], ""))

    def updateButtons(self) -> None:
        """Reviewing needs a result that is about the present pose; rejecting needs a reason."""
        ui, running = self.ui, self.panel.run.running
        none = _("A registration is running") if running else _("Register first") if self._record is None else ""
        other = none or (_("The bone was moved since: register or refine again") if self._stale else "")
        noComment = other or ("" if ui.noteEdit.text.strip() else _("Write a comment that says why first"))
        noFolder = other or ("" if ui.caseFolderPath.currentPath.strip() else _("Choose a folder first"))
        for button, ready, missing in (
            (ui.acceptButton, _("The overlay fits: accept this pose ({key})").format(key="Alt+A"), other),
            (ui.rejectButton, _("The overlay does not fit: reject this pose ({key})").format(key="Alt+R"), noComment),
            (ui.restoreButton, _("Back to the pose the registration started from"), none),
            (ui.saveButton, _("Write pose.tfm and registration.json with the review into the folder"), noFolder),
        ):
            button.enabled = not missing
            button.toolTip = missing or ready
        judged = self._record is None or self._record["review"]["status"] != Review.UNREVIEWED.value
        self.panel.cases.updateButtons(waiting=not judged and not self._stale)

    def _onNote(self, *_: Any) -> None:
        self.updateButtons()

    # ---- a person's decision -------------------------------------------------------------------------------------

    def onAccept(self, *_args: Any) -> None:
        """The overlay fits."""
        self._review(Review.ACCEPTED)

    def onReject(self, *_args: Any) -> None:
        """It does not, and the note says why."""
        self._review(Review.REJECTED)

    def _review(self, review: Review) -> None:
        if self.current() is None or self.panel.run.running:  # a shortcut comes here too
            return
        try:
            self._record = judge(
                self.panel.poseNode(), review.value, self.ui.noteEdit.text, self.panel.parameters.reviewerRole
            )
        except InputError as error:
            showStatus(self.ui.reviewLabel, str(error), BAD)
            return
        self._display()
        self.panel.cases.save()
        if self.ui.caseFolderPath.currentPath.strip():
            self.onSave()

    def onRestore(self, *_args: Any) -> None:
        """Back to the poses the registration started from."""
        if self._record is None:
            return
        self.panel.movePose(_startOf(self._record))
        nodes = {node.GetAttribute(further.BONE): node for node in further.transforms(self.panel.parameters)}
        for each in self._record.get(FURTHER, []):
            if each["bone"] in nodes:
                mrml.setPose(nodes[each["bone"]], _startOf(each))

    def onSave(self, *_args: Any) -> None:
        """Write pose and record, review included, where a person can find them."""
        folder = Path(self.ui.caseFolderPath.currentPath.strip()).expanduser().absolute()
        try:
            saveRecordOf(self.panel.poseNode(), folder)
        except (InputError, OSError) as error:
            showStatus(self.ui.reviewLabel, _("Not saved: {error}").format(error=error), BAD)
            return
        rememberPath(self.ui.caseFolderPath)
        self._displayReview(self._record["review"])
        self.ui.reviewLabel.text += " " + _("Saved in {folder}.").format(folder=folder)


def recordOf(node: Any) -> dict[str, Any] | None:
    """The result that a pose node keeps; None without one.

    Raises:
        InputError: It is damaged: the scene is from elsewhere.
    """
    text = node.GetAttribute(RECORD) if node is not None else None
    where = _("the registration kept on {name}").format(name=node.GetName()) if text else ""
    return record_from_text(text, where) if text else None


def soundRecordOf(node: Any) -> dict[str, Any] | None:
    """As :func:`recordOf`; None for a damaged one, too: as if nothing had been registered. Section 2 says so."""
    try:
        return recordOf(node)
    except InputError:
        return None


def writeRecord(node: Any, record: dict[str, Any]) -> None:
    """Keep a result on its pose node."""
    node.SetAttribute(RECORD, json.dumps(record))
    node.SetAttribute(VERDICT, record["verdict"])
    node.SetAttribute(REVIEW, record["review"]["status"])


def judge(node: Any, status: str, note: str, role: str) -> dict[str, Any]:
    """Keep a person's verdict with the result of a pose node; returns the record.

    Raises:
        InputError: Nothing registered there, another status, or a rejection without a comment.
    """
    record = recordOf(node)
    if record is None:
        raise InputError(_("There is no registration to judge: register first."))
    if status not in (Review.ACCEPTED.value, Review.REJECTED.value):
        raise InputError(_("A registration is accepted or rejected, not {status}.").format(status=status))
    if status == Review.REJECTED.value and not note.strip():
        raise InputError(_("Write a comment that says why it is rejected."))
    record = reviewed(record, Review(status), note.strip(), role.strip())
    writeRecord(node, record)
    return record


def saveRecordOf(node: Any, folder: Path) -> list[Path]:
    """Write the result of a pose node into a folder, made where missing; returns the files.

    Raises:
        InputError: Nothing registered there, or the bone was moved since.
    """
    record = recordOf(node)
    if record is None or not np.allclose(mrml.poseFromNode(node).matrix, record["pose_ct_to_world"], atol=SAME_POSE):
        raise InputError(_("Nothing to save: register first."))
    folder.mkdir(parents=True, exist_ok=True)
    return saveRecord(record, folder)


def saveRecord(record: dict[str, Any], folder: Path) -> list[Path]:
    """Poses and records of all bones, in files of their own, together: named as ``xrayto3d register`` names them."""
    from XRayTo3DLib.dataset.turns import changing_view

    files = []
    with changing_view(folder), written_together(folder, "registration.json") as new:
        for each in (record, *record.get(FURTHER, [])):
            mark = "" if each is record else f"_{safe_file_name(each['bone'])}"
            files += [folder / f"pose{mark}.tfm", folder / f"registration{mark}.json"]
            RigidPose(np.array(each["pose_ct_to_world"])).save(new / files[-2].name)
            write_json(new / files[-1].name, ownRecord(each))
    return files


def _startOf(record: dict[str, Any]) -> RigidPose:
    return RigidPose(np.array(record["initial_ct_to_world"]))
