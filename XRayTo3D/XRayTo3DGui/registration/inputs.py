"""Which bones, and which radiographs: the segment's combo box, the check lists of further bones and radiographs."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import QUIET, showStatus
from XRayTo3DGui.registration import further
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs

ROW_HEIGHT, MOST_ROWS = 22, 4
BELONGING = ("poseTransform", "boneModel", "ctLandmarks", "segmentation")
"""Parameters that another CT has others of."""


class RegistrationInputs:
    """Keeps the lists in step with the scene; what is chosen lives in the scene."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._segments: list[str] = []
        self._listed: list[str] = []
        self._others: list[tuple[str, str]] = []
        self._shown: Any = None
        self._ctId = self._labelsId = self._further = ""
        self._belonging: dict[str, str] = {}
        self._labelMap: tuple[Any, list[tuple[str, str]]] = (None, [])
        self._filling = False
        self.inTissue = False
        """Whether the bone that was read last lies in soft tissue."""
        self.ui.segmentCombo.connect("currentIndexChanged(int)", self._onSegment)
        self.ui.furtherList.connect("itemChanged(QListWidgetItem*)", self._onFurther)
        self.ui.radiographList.connect("itemChanged(QListWidgetItem*)", self._onTick)

    def sync(self) -> None:
        """As parameters and scene have it now."""
        self._followCt()
        self._filling = True
        try:
            self._syncSegments()
            self._syncFurther()
            self._syncRadiographs()
        finally:
            self._filling = False
        self.showHint()

    def _followCt(self) -> None:
        """Another CT has another pose, model and segmentation; the first CT after opening a scene keeps its own."""
        parameters = self.panel.parameters
        ctId = parameters.ctVolume.GetID() if parameters.ctVolume is not None else ""
        if ctId and self._ctId and ctId != self._ctId:
            for name in BELONGING:  # what was chosen along with it stays
                if _idOf(getattr(parameters, name)) == self._belonging.get(name, ""):
                    setattr(parameters, name, None)
        self._belonging = {name: _idOf(getattr(parameters, name)) for name in BELONGING}
        if ctId and parameters.segmentation is None and ctId != self._ctId:
            parameters.segmentation = _segmentationOf(parameters.ctVolume)
        self._ctId = ctId

    def _syncSegments(self) -> None:
        parameters = self.panel.parameters
        choices = [("", _("the whole CT")), *self._choices(parameters.segmentation)]
        labelsId = parameters.segmentation.GetID() if parameters.segmentation is not None else ""
        known = [identifier for identifier, _name in choices]
        changed = labelsId and self._labelsId and labelsId != self._labelsId
        if changed and parameters.furtherSegments == self._further:
            parameters.furtherSegments = ""
        self._further = parameters.furtherSegments
        if parameters.segmentId not in known or (labelsId and not self._labelsId and not parameters.segmentId):
            parameters.segmentId = known[1] if len(known) > 1 else ""
        self._labelsId = labelsId
        if choices != self._shown:
            self._shown, self._segments = choices, known
            self.ui.segmentCombo.clear()
            self.ui.segmentCombo.addItems([name for _identifier, name in choices])
        self.ui.segmentCombo.currentIndex = known.index(parameters.segmentId)
        self.ui.segmentCombo.enabled = len(choices) > 1

    def _choices(self, labels: Any) -> list[tuple[str, str]]:
        """:func:`mrml.segmentChoices`; a label map, whose voxels must all be read for it, is read once."""
        image = labels.GetImageData() if labels is not None and labels.IsA("vtkMRMLLabelMapVolumeNode") else None
        if image is None:
            return mrml.segmentChoices(labels)
        key = (labels.GetID(), image.GetMTime())
        if self._labelMap[0] != key:
            self._labelMap = (key, mrml.segmentChoices(labels))
        return self._labelMap[1]

    def _onSegment(self, index: int) -> None:
        parameters = self.panel.parameters
        if not self._filling and parameters is not None and 0 <= index < len(self._segments):
            parameters.segmentId = self._segments[index]

    def _syncFurther(self) -> None:
        """The other segments, where one moves by itself; a whole CT has everything in it already."""
        parameters, widget = self.panel.parameters, self.ui.furtherList
        others = [each for each in self._shown if each[0] and each[0] != parameters.segmentId]
        others = others if parameters.segmentId else []
        ticked = further.chosen(parameters)
        if others != self._others:  # else ticking the fiftieth would scroll back to the first
            self._others = others
            widget.clear()
            for _identifier, name in others:
                widget.addItem(name)
        for row, (identifier, _name) in enumerate(others):
            widget.item(row).setCheckState(qt.Qt.Checked if identifier in ticked else qt.Qt.Unchecked)
        widget.setFixedHeight(ROW_HEIGHT * min(MOST_ROWS, max(1, len(others))) + 6)
        for each in (widget, self.ui.furtherListLabel):
            each.setVisible(bool(others))
        self.ui.surroundingsCheckBox.setVisible(bool(parameters.segmentId))

    def _onFurther(self, item: Any) -> None:
        row = self.ui.furtherList.row(item)
        if not self._filling and 0 <= row < len(self._others):
            further.tick(self.panel.parameters, self._others[row][0], item.checkState() == qt.Qt.Checked)

    def showHint(self) -> None:
        """Say that the rest of the CT would help, where it could."""
        parameters = self.panel.parameters
        chosen = parameters is not None and parameters.ctVolume is not None and parameters.segmentId
        helps = chosen and self.inTissue and not parameters.drawRest
        text = _("This CT shows the soft tissue too: drawing it makes the result surer, if the limb was held alike.")
        showStatus(self.ui.surroundingsHint, text if helps else "", QUIET)

    def _syncRadiographs(self) -> None:
        listed, widget = radiographs.radiographNodes(), self.ui.radiographList
        self._listed = [node.GetID() for node in listed]
        widget.clear()
        for row, node in enumerate(listed):
            # Not QListWidgetItem(...): PythonQt for Qt 5 would delete it with the Python variable.
            widget.addItem(f"{radiographs.viewLetter(node)}   {node.GetName()}")
            item = widget.item(row)
            red, green, blue = (round(255 * value) for value in radiographs.colourOf(node))
            swatch = qt.QPixmap(12, 12)
            swatch.fill(qt.QColor(red, green, blue))
            item.setIcon(qt.QIcon(swatch))
            item.setCheckState(qt.Qt.Unchecked if node.GetAttribute(radiographs.USED) == "0" else qt.Qt.Checked)
        widget.setFixedHeight(ROW_HEIGHT * max(2, len(listed)) + 6)
        self.panel.adjust.setViews(listed)

    def _onTick(self, item: Any) -> None:
        row = self.ui.radiographList.row(item)
        if self._filling or not 0 <= row < len(self._listed):
            return
        node = slicer.mrmlScene.GetNodeByID(self._listed[row])
        node.SetAttribute(radiographs.USED, "1" if item.checkState() == qt.Qt.Checked else "0")
        self.panel.updateButtons()
        self.panel.overlay.request()

    def problem(self) -> str:
        """What is missing to register, empty when nothing is."""
        parameters = self.panel.parameters
        if parameters is None or parameters.ctVolume is None:
            return _("Choose the CT volume first")
        if parameters.ctVolume.GetAttribute(mrml.ROLE) == mrml.ROLE_RADIOGRAPH:
            return _("{name} is a radiograph; choose the CT volume").format(name=parameters.ctVolume.GetName())
        if not radiographs.radiographNodes():
            return _("Load a radiograph in section 1 first")
        if not radiographs.usedRadiographNodes():
            return _("Tick at least one radiograph")
        return ""


def _idOf(node: Any) -> str:
    return node.GetID() if node is not None else ""


def _segmentationOf(volume: Any) -> Any:
    """The segmentation that was drawn on a volume, or None."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        role = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
        if node.GetNodeReference(role) is volume:
            return node
    return None
