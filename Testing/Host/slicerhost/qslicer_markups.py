"""Stand-ins for Slicer's markups widgets: the place button and the simple list of points."""

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore

from slicerhost.declare import flat_row, observe, parent_of, plain_property, with_setters
from slicerhost.pythonqt import qt
from slicerhost.qmrml_nodecombobox import qMRMLNodeComboBox

COLUMNS = ("Label", "R", "A", "S")
Property, Signal = QtCore.Property, QtCore.Signal


@with_setters
class qSlicerMarkupsPlaceWidget(qt.QWidget):
    """Turns the scene's place mode on for one markups node, through the real interaction and selection nodes."""

    activeMarkupsPlaceModeChanged = Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._scene, self._node = None, None
        self._button = qt.QToolButton()
        self._button.text = "Place"
        self._button.setCheckable(True)
        self._button.toggled.connect(self.setPlaceModeEnabled)
        flat_row(self, self._button)
        self.setEnabled(False)

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene."""
        self._scene = scene

    def currentNode(self) -> Any:
        """The node that points go to."""
        return self._node

    def setCurrentNode(self, node: Any) -> None:
        """Choose the node that points go to."""
        self._node = node
        self.setEnabled(node is not None and self._scene is not None)

    def _is_placing(self) -> bool:
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        selection = slicer.app.applicationLogic().GetSelectionNode()
        mine = self._node is not None and selection.GetActivePlaceNodeID() == self._node.GetID()
        return mine and interaction.GetCurrentInteractionMode() == interaction.Place

    def setPlaceModeEnabled(self, enabled: bool) -> None:
        """Start or end placing points."""
        if self._node is None or bool(enabled) == self._is_placing():
            return
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if enabled:
            slicer.modules.markups.logic().SetActiveList(self._node)
        interaction.SetCurrentInteractionMode(interaction.Place if enabled else interaction.ViewTransform)
        self._button.setChecked(bool(enabled))
        self.activeMarkupsPlaceModeChanged.emit(bool(enabled))

    placeModeEnabled = Property(bool, _is_placing, setPlaceModeEnabled)
    placeModePersistency = plain_property(bool, "placeModePersistency", False)
    placeMultipleMarkups = plain_property(int, "placeMultipleMarkups", 0)
    buttonsVisible = plain_property(bool, "buttonsVisible", True)
    deleteAllControlPointsOptionVisible = plain_property(bool, "deleteAllControlPointsOptionVisible", True)

    def placeButton(self) -> Any:
        """The button."""
        return self._button


@with_setters
class qSlicerSimpleMarkupsWidget(qt.QWidget):
    """Selector, place button and table of the points of one markups node."""

    markupsNodeChanged = Signal()
    updateFinished = Signal()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._scene, self._tag, self._observed = None, 0, None
        self._selector, self._place = qMRMLNodeComboBox(), qSlicerMarkupsPlaceWidget()
        self._selector.nodeTypes = ["vtkMRMLMarkupsFiducialNode"]
        self._selector.noneEnabled = True
        self._selector.objectName = "MarkupsNodeComboBox"
        self._selector.currentNodeChanged.connect(self._on_node)
        self._table = qt.QTableWidget(0, len(COLUMNS))
        self._table.setHorizontalHeaderLabels(COLUMNS)
        row = qt.QWidget()
        flat_row(row, self._selector, self._place)
        layout = qt.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row)
        layout.addWidget(self._table)

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene."""
        self._scene = scene
        self._place.setMRMLScene(scene)
        self._selector.setMRMLScene(scene)

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def currentNode(self) -> Any:
        """The markups node shown, or None."""
        return self._selector.currentNode()

    def setCurrentNode(self, node: Any) -> None:
        """Show a markups node."""
        self._selector.setCurrentNode(node)

    def markupsPlaceWidget(self) -> Any:
        """The place button."""
        return self._place

    def markupsSelectorComboBox(self) -> Any:
        """The node selector."""
        return self._selector

    def tableWidget(self) -> Any:
        """The table of points."""
        return self._table

    def _on_node(self, node: Any) -> None:
        if self._observed is not None:
            self._observed.RemoveObserver(self._tag)
        self._observed = node
        if node is not None:
            self._tag = observe(node, vtk.vtkCommand.AnyEvent, self._fill)
        self._place.setCurrentNode(node)
        self._fill()
        self.markupsNodeChanged.emit()

    def _fill(self, *_: Any) -> None:
        node = self._observed
        count = node.GetNumberOfControlPoints() if node is not None else 0
        self._table.setRowCount(count)
        for index in range(count):
            position = node.GetNthControlPointPositionWorld(index)
            texts = [node.GetNthControlPointLabel(index), *(f"{value:.3f}" for value in position)]
            for column, text in enumerate(texts):
                self._table.setItem(index, column, qt.QTableWidgetItem(text))
        self.updateFinished.emit()

    nodeSelectorVisible = plain_property(bool, "nodeSelectorVisible", True)
    optionsVisible = plain_property(bool, "optionsVisible", True)
    enterPlaceModeOnNodeChange = plain_property(bool, "enterPlaceModeOnNodeChange", True)
    jumpToSliceEnabled = plain_property(bool, "jumpToSliceEnabled", False)
    nodeBaseName = plain_property(str, "nodeBaseName", "")
    defaultNodeColor = plain_property(object, "defaultNodeColor", None)
    viewGroup = plain_property(int, "viewGroup", -1)


CLASSES = [qSlicerMarkupsPlaceWidget, qSlicerSimpleMarkupsWidget]
