"""Stand-ins for the other qMRML widgets: containers, numbers with units, tables, checkable node lists."""

from __future__ import annotations

import sys
from typing import Any

import slicer
import vtk
from PySide6 import QtCore

from slicerhost.ctk_values import ctkDoubleSpinBox, ctkRangeWidget, ctkSliderWidget
from slicerhost.declare import observe, plain_property, with_setters
from slicerhost.pythonqt import qt
from slicerhost.qmrml_nodecombobox import qMRMLNodeComboBox

Signal = QtCore.Signal


class qMRMLWidget(qt.QWidget):
    """A widget that has a scene and passes it on by ``mrmlSceneChanged``."""

    mrmlSceneChanged = Signal(object)
    _scene: Any = None

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene; signals a change."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerWidget(qMRMLWidget):
    """The same in the application's library."""


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """A scripted module's panel."""

    isEntered = plain_property(bool, "isEntered", False)
    _python_widget: Any = None

    def setPythonWidget(self, widget: Any) -> None:
        """Host only: the Python class behind the panel."""
        self._python_widget = widget

    def self(self) -> Any:
        """The Python class behind the panel."""
        return self._python_widget

    def reload(self) -> None:
        """A new Python widget, of the class that the module's file has now, in this panel; entered if this is."""
        name = self.objectName.removesuffix("ModuleWidget")
        widget = getattr(sys.modules[name], f"{name}Widget")(self)
        self.setPythonWidget(widget)
        setattr(slicer.modules, f"{name}Widget", widget)
        widget.setup()
        if self.isEntered and hasattr(widget, "enter"):
            widget.enter()


class _WithQuantity:
    """Number widgets that could take their unit from the scene's unit nodes; the stand-ins keep their own suffix."""

    quantity = plain_property(str, "quantity", "")
    unitAwareProperties = plain_property(int, "unitAwareProperties", 0)
    _scene: Any = None

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene."""
        self._scene = scene


@with_setters
class qMRMLSliderWidget(ctkSliderWidget):
    """ctkSliderWidget with a quantity."""

    quantity, unitAwareProperties = _WithQuantity.quantity, _WithQuantity.unitAwareProperties
    _scene = None
    mrmlScene, setMRMLScene = _WithQuantity.mrmlScene, _WithQuantity.setMRMLScene


@with_setters
class qMRMLSpinBox(ctkDoubleSpinBox):
    """ctkDoubleSpinBox with a quantity."""

    quantity, unitAwareProperties = _WithQuantity.quantity, _WithQuantity.unitAwareProperties
    _scene = None
    mrmlScene, setMRMLScene = _WithQuantity.mrmlScene, _WithQuantity.setMRMLScene


@with_setters
class qMRMLRangeWidget(ctkRangeWidget):
    """ctkRangeWidget with a quantity."""

    quantity, unitAwareProperties = _WithQuantity.quantity, _WithQuantity.unitAwareProperties
    _scene = None
    mrmlScene, setMRMLScene = _WithQuantity.mrmlScene, _WithQuantity.setMRMLScene


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox):
    """Nodes with check marks; all checked by name here, the drop-down shows how many."""

    checkedNodesChanged = Signal()

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._checked: list[Any] = []

    def checkState(self, node: Any) -> int:
        """2 when checked, 0 when not."""
        return 2 if node in self._checked else 0

    def setCheckState(self, node: Any, state: Any) -> None:
        """Check (2) or uncheck (0) a listed node; signals a change."""
        wanted = bool(int(state))
        if node in self._nodes() and wanted != (node in self._checked):
            self._checked = [*self._checked, node] if wanted else [n for n in self._checked if n is not node]
            self.checkedNodesChanged.emit()

    def checkedNodes(self) -> list[Any]:
        """Checked nodes that are still listed."""
        return [node for node in self._nodes() if node in self._checked]

    def uncheckedNodes(self) -> list[Any]:
        """The others."""
        return [node for node in self._nodes() if node not in self._checked]


class qMRMLTableView(qt.QTableWidget):
    """Shows a vtkMRMLTableNode."""

    _node: Any = None
    _tag: int = 0
    _scene: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene."""
        self._scene = scene

    def mrmlTableNode(self) -> Any:
        """The node shown, or None."""
        return self._node

    def setMRMLTableNode(self, node: Any) -> None:
        """Show a node and follow its changes."""
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = observe(node, vtk.vtkCommand.ModifiedEvent, self._fill)
        self._fill()

    def _fill(self, *_: Any) -> None:
        table = self._node.GetTable() if self._node is not None else vtk.vtkTable()
        names = [table.GetColumnName(index) or "" for index in range(table.GetNumberOfColumns())]
        self.setRowCount(table.GetNumberOfRows())
        self.setColumnCount(len(names))
        self.setHorizontalHeaderLabels(names)
        for row in range(table.GetNumberOfRows()):
            for column in range(len(names)):
                text = table.GetValue(row, column).ToString()
                self.setItem(row, column, qt.QTableWidgetItem(text))
        self.resizeColumnsToContents()


CLASSES = [
    qMRMLWidget,
    qSlicerWidget,
    qSlicerScriptedLoadableModuleWidget,
    qMRMLSliderWidget,
    qMRMLSpinBox,
    qMRMLRangeWidget,
    qMRMLCheckableNodeComboBox,
    qMRMLTableView,
]
