"""Bringing the bone near by landmarks: the same named points on the CT and on the radiographs."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import BAD, GOOD, showStatus
from XRayTo3DGui.scene import folders, mrml, points
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.plain_words import impersonal

CT_COLOUR = (0.95, 0.95, 0.95)
ROW_HEIGHT, HEADER_HEIGHT, MOST_HEIGHT = 26, 28, 220
PLACED, OPEN = "✓", "–"


class LandmarkFit:
    """One point list on the CT and one on each radiograph, filled cell by cell, and the fit."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._tags: list[tuple[Any, int]] = []
        self._columns: list[Any] = []
        self._refresh = Throttle(self._fill, 50)
        self.ui.landmarkListsButton.connect("clicked(bool)", self.onMakeLists)
        self.ui.fitLandmarksButton.connect("clicked(bool)", self.onFit)
        self.ui.landmarkTable.connect("cellClicked(int,int)", self.onCell)
        self._say("")

    # ---- lists ---------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """The names asked for, without doubles."""
        texts = [text.strip() for text in self.panel.parameters.landmarkNames.split(",")]
        return list(dict.fromkeys(text for text in texts if text))

    def onMakeLists(self, *_args: Any) -> None:
        """Make the lists with their points still to be placed; points that are there stay."""
        parameters = self.panel.parameters
        names = self.names()
        if parameters is None or not names:
            self._say(_("Write the landmarks' names first, separated by commas."), BAD)
            return
        if parameters.ctLandmarks is None:
            name = impersonal(parameters.ctVolume.GetName(), "CT")
            parameters.ctLandmarks = points.newList(f"{name} landmarks", CT_COLOUR)
            folders.fileNode(parameters.ctLandmarks, parameters.caseName)
        self.panel.ensurePose()
        points.addUnset(parameters.ctLandmarks, names)
        for node in radiographs.usedRadiographNodes():
            onRadiograph = node.GetNodeReference(radiographs.LANDMARKS)
            if onRadiograph is None:
                onRadiograph = points.newList(f"{node.GetName()} landmarks", radiographs.colourOf(node))
                node.SetNodeReferenceID(radiographs.LANDMARKS, onRadiograph.GetID())
                folders.fileNode(onRadiograph, parameters.caseName)
            points.addUnset(onRadiograph, names)
        self.sync()
        self._say(_("Click a cell of the table, then that point in its view."))

    def sync(self) -> None:
        """Follow the lists of the scene."""
        self._unobserve()
        self._columns = []
        if self.panel.parameters is not None:
            self._columns = [self.panel.parameters.ctLandmarks]
            self._columns += [node.GetNodeReference(radiographs.LANDMARKS) for node in radiographs.radiographNodes()]
        events = (slicer.vtkMRMLMarkupsNode.PointModifiedEvent, slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent)
        for node in self._columns:
            if node is not None:
                self._tags += [(node, node.AddObserver(event, self._refresh.request)) for event in events]
        self._fill()

    def _unobserve(self) -> None:
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []
        self._refresh.stop()

    def _fill(self) -> None:
        table = self.ui.landmarkTable
        made = any(node is not None for node in self._columns)
        names = self.names() if made and self.panel.parameters is not None else []
        letters = [radiographs.viewLetter(node) for node in radiographs.radiographNodes()]
        headers = [_("Landmark"), _("CT"), *letters]
        table.setVisible(bool(names))
        table.setColumnCount(len(headers))
        table.setHorizontalHeaderLabels(headers)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        table.setRowCount(len(names))
        table.setFixedHeight(min(MOST_HEIGHT, HEADER_HEIGHT + ROW_HEIGHT * max(2, len(names)) + 4))
        placed = [mrml.landmarks(node) if node is not None else {} for node in self._columns]
        for row, name in enumerate(names):
            table.setRowHeight(row, ROW_HEIGHT)
            texts = [name, *(PLACED if name in found else OPEN for found in placed)]
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(qt.Qt.AlignCenter)
                table.setItem(row, column, item)
        self.panel.updateButtons()

    def onCell(self, row: int, column: int) -> None:
        """Ask Slicer to place that point next; one that is placed is placed anew."""
        names = self.names()
        node = self._columns[column - 1] if 0 < column <= len(self._columns) else None
        if node is None or row >= len(names):
            return
        if not points.placeNext(node, names[row]):
            return
        where = (
            _("on the bone")
            if column == 1
            else _("in view {letter}").format(letter=radiographs.viewLetter(radiographs.radiographNodes()[column - 2]))
        )
        self._say(_("Click landmark {name} {where}.").format(name=names[row], where=where))

    # ---- fit -----------------------------------------------------------------------------------------------------

    def onFit(self, *_args: Any) -> None:
        """Fit, move the bone, and say how far the landmarks miss."""
        try:
            self.place()
        except InputError as error:
            self._say(str(error), BAD)

    def place(self) -> None:
        """Fit, move the bone, and say how far the landmarks miss.

        Raises:
            InputError: Too few landmarks are placed.
        """
        fit = self._fit()
        self.panel.movePose(fit.pose)
        millimetres, pixels = float(np.nanmean(fit.residual_mm)), float(np.nanmean(fit.residual_px))
        text = _("Bone placed; the landmarks miss by {mm:.1f} mm on average ({px:.1f} pixels).")
        self._say(text.format(mm=millimetres, px=pixels), GOOD)

    def _fit(self) -> Any:
        return fitLandmarks(self.panel.parameters.ctLandmarks, self.panel.pose())

    def _say(self, text: str, colour: str = "") -> None:
        showStatus(self.ui.landmarkStatusLabel, text, colour)

    def updateButtons(self, enabled: bool, problem: str) -> None:
        """Lists need a CT and a radiograph, the fit needs lists."""
        lists = _("Make a point list on the CT and one on each radiograph, with these names to be placed")
        self.ui.landmarkListsButton.enabled = enabled
        self.ui.landmarkListsButton.toolTip = lists if enabled else problem
        made = self.panel.parameters is not None and self.panel.parameters.ctLandmarks is not None
        fit = _("Move the bone so that its landmarks project onto those of the radiographs")
        self.ui.fitLandmarksButton.enabled = enabled and made
        missing = problem or _("Make the lists and place their points first")
        self.ui.fitLandmarksButton.toolTip = fit if enabled and made else missing


def fitLandmarks(ctLandmarks: Any, start: RigidPose) -> Any:
    """The pose (``LandmarkFit`` of the library) at which CT landmarks project onto those of the used radiographs.

    Args:
        ctLandmarks: Point list on the CT.
        start: CT-to-world where nothing is known yet.

    Raises:
        InputError: Too few landmarks are placed.
    """
    from XRayTo3DLib.registration.landmarks import pose_from_landmarks

    onCt = mrml.landmarks(ctLandmarks)
    seen = []
    for node in radiographs.usedRadiographNodes():
        placed = mrml.landmarks(node.GetNodeReference(radiographs.LANDMARKS), world=True)
        seen.append((node, {name: point for name, point in placed.items() if name in onCt}))
    names = [name for name in onCt if any(name in placed for _node, placed in seen)]
    if not names:
        raise InputError(_("Place landmarks on the CT and the same ones on a radiograph first."))
    nowhere = np.full(2, np.nan)
    observations = [
        (
            radiographs.cameraFromNode(node),
            np.array([radiographs.pixelOf(node, placed[name]) if name in placed else nowhere for name in names]),
        )
        for node, placed in seen
        if placed
    ]
    return pose_from_landmarks(np.array([onCt[name] for name in names]), observations, start)
