"""The Qt side of the views: a coloured bar with the view's name on top, the rendered picture below."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost.declare import observe
from slicerhost.viewwidgets import PlotWidget, SliceWidget, TableWidget, ThreeDWidget

BAR_HEIGHT = 24
TABLE_COLOR, PLOT_COLOR = (0.93, 0.72, 0.35), (0.45, 0.65, 0.9)
PRESS_EVENTS = {
    QtCore.Qt.LeftButton: "LeftButton",
    QtCore.Qt.RightButton: "RightButton",
    QtCore.Qt.MiddleButton: "MiddleButton",
}


class Canvas(QtWidgets.QWidget):
    """Paints a view's picture and passes mouse events to its interactor."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._view = view
        self._picture: QtGui.QImage | None = None
        self.setMinimumSize(60, 60)
        self.setMouseTracking(True)
        observe(view.group, "UpdateEvent", self._on_change)

    def _on_change(self, *_: Any) -> None:
        self._picture = None
        if self.isVisible():
            self.update()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """The picture follows the widget's size."""
        self._view.resize(event.size().width(), event.size().height())
        self._picture = None

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw the picture, rendered anew when the view changed."""
        if self._picture is None:
            self._picture = to_qimage(self._view.image())
        painter = QtGui.QPainter(self)
        painter.drawImage(0, 0, self._picture)
        painter.end()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """To VTK."""
        self._forward(event, PRESS_EVENTS.get(event.button(), "LeftButton") + "PressEvent")

    def mouseReleaseEvent(self, event: QtGui.QMouseEvent) -> None:
        """To VTK."""
        self._forward(event, PRESS_EVENTS.get(event.button(), "LeftButton") + "ReleaseEvent")

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        """To VTK."""
        self._forward(event, "MouseMoveEvent")

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        """To VTK."""
        up = event.angleDelta().y() > 0
        self._forward(event, "MouseWheelForwardEvent" if up else "MouseWheelBackwardEvent")

    def _forward(self, event: Any, name: str) -> None:
        place, keys = event.position().toPoint(), event.modifiers()
        control = int(bool(keys & QtCore.Qt.ControlModifier))
        shift = int(bool(keys & QtCore.Qt.ShiftModifier))
        interactor = self._view.interactor
        interactor.SetEventInformationFlipY(place.x(), place.y(), control, shift, chr(0), 0, None)
        interactor.InvokeEvent(name)
        self._on_change()


def to_qimage(pixels: np.ndarray) -> QtGui.QImage:
    """A picture of its own memory from (rows, columns, 3) uint8."""
    rows, columns, _ = pixels.shape
    return QtGui.QImage(pixels.tobytes(), columns, rows, 3 * columns, QtGui.QImage.Format_RGB888).copy()


class PlotCanvas(QtWidgets.QWidget):
    """Paints a plot view's chart."""

    def __init__(self, view: Any) -> None:
        super().__init__()
        self._view = view
        self.setMinimumSize(60, 60)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw the chart as it is now."""
        painter = QtGui.QPainter(self)
        painter.drawImage(0, 0, to_qimage(self._view.image(self.width, self.height)))
        painter.end()


class SliceOffset(QtWidgets.QWidget):
    """The slice bar's slider and value; follows the slice node."""

    def __init__(self, logic: Any) -> None:
        super().__init__()
        self._logic = logic
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._value = QtWidgets.QLabel()
        self._value.setMinimumWidth(92)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider, 1)
        row.addWidget(self._value)
        self._slider.valueChanged.connect(lambda value: logic.SetSliceOffset(value / 10.0))
        node = logic.GetSliceNode()
        observe(node, "ModifiedEvent", self._follow)
        self._follow()

    def _follow(self, *_: Any) -> None:
        low, high = self._range()
        offset = self._logic.GetSliceOffset()
        self._slider.blockSignals(True)
        self._slider.setRange(round(low * 10), round(high * 10))
        self._slider.setValue(round(offset * 10))
        self._slider.blockSignals(False)
        node = self._logic.GetSliceNode()
        self._value.setText(f"{node.GetOrientation()}  {offset:.1f} mm")

    def _range(self) -> tuple[float, float]:
        bounds = [0.0] * 6
        self._logic.GetSliceBounds(bounds)
        offset = self._logic.GetSliceOffset()
        low, high = (bounds[4], bounds[5]) if bounds[5] > bounds[4] else (-100.0, 100.0)
        return min(low, offset), max(high, offset)


class Pane(QtWidgets.QFrame):
    """One view of the layout: bar and content."""

    def __init__(self, label: str, color: tuple[float, float, float], content: Any, extra: Any = None) -> None:
        super().__init__()
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(_bar(label, color, extra))
        column.addWidget(content, 1)


def _bar(label: str, color: tuple[float, float, float], extra: Any) -> QtWidgets.QWidget:
    bar = QtWidgets.QFrame()
    bar.setFixedHeight(BAR_HEIGHT)
    bar.setObjectName("bar")
    red, green, blue = (round(255 * value) for value in color)
    bar.setStyleSheet(f"QFrame#bar {{ background: rgb({red},{green},{blue}); }} QLabel {{ color: black; }}")
    row = QtWidgets.QHBoxLayout(bar)
    row.setContentsMargins(6, 0, 6, 0)
    text = QtWidgets.QLabel(label)
    font = text.font
    font.setBold(True)
    text.setFont(font)
    row.addWidget(text)
    if extra is not None:
        row.addWidget(extra, 1)
    else:
        row.addStretch(1)
    return bar


def make_pane(widget: Any) -> Pane:
    """The pane of one view widget of the layout manager."""
    if isinstance(widget, SliceWidget):
        node = widget.mrmlSliceNode()
        content, extra = Canvas(widget.view), SliceOffset(widget.sliceLogic())
        return Pane(_label(node), node.GetLayoutColor(), content, extra)
    if isinstance(widget, ThreeDWidget):
        node = widget.mrmlViewNode()
        return Pane(_label(node), node.GetLayoutColor(), Canvas(widget.view))
    if isinstance(widget, TableWidget):
        return Pane(_table_label(widget.node), TABLE_COLOR, widget.tableView())
    if isinstance(widget, PlotWidget):
        return Pane(_label(widget.mrmlPlotViewNode()), PLOT_COLOR, PlotCanvas(widget.view))
    raise TypeError(f"no pane for {type(widget).__name__}")


def _label(node: Any) -> str:
    return node.GetLayoutLabel() or node.GetLayoutName()


def _table_label(node: Any) -> str:
    table = node.GetTableNode()
    return f"{_label(node)}  {table.GetName()}" if table is not None else _label(node)


def layout_widget() -> QtWidgets.QWidget:
    """The current layout as a widget tree, from the layout node's XML."""
    manager = slicer.app.layoutManager()
    return _element_widget(manager, manager.layout_root())


def _element_widget(manager: Any, element: Any) -> QtWidgets.QWidget:
    if element.GetName() == "view":
        return make_pane(manager.widget_for(element))
    kind = element.GetAttribute("type") or "horizontal"
    items = [element.GetNestedElement(index) for index in range(element.GetNumberOfNestedElements())]
    items = [item for item in items if item.GetName() == "item" and item.GetNumberOfNestedElements()]
    parts = [(item, _element_widget(manager, item.GetNestedElement(0))) for item in items]
    if kind == "tab":
        return _tabs(parts)
    return _grid(parts) if kind == "grid" else _splitter(parts, kind)


def _tabs(parts: list[tuple[Any, QtWidgets.QWidget]]) -> QtWidgets.QWidget:
    tabs = QtWidgets.QTabWidget()
    for number, (item, widget) in enumerate(parts, 1):
        tabs.addTab(widget, item.GetAttribute("name") or str(number))
    return tabs


def _grid(parts: list[tuple[Any, QtWidgets.QWidget]]) -> QtWidgets.QWidget:
    holder = QtWidgets.QWidget()
    grid = QtWidgets.QGridLayout(holder)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setSpacing(2)
    for item, widget in parts:
        row, column = int(item.GetAttribute("row") or 0), int(item.GetAttribute("column") or 0)
        grid.addWidget(widget, row, column)
        grid.setRowStretch(row, 1)
        grid.setColumnStretch(column, 1)
    return holder


def _splitter(parts: list[tuple[Any, QtWidgets.QWidget]], kind: str) -> QtWidgets.QWidget:
    orientation = QtCore.Qt.Horizontal if kind == "horizontal" else QtCore.Qt.Vertical
    splitter = QtWidgets.QSplitter(orientation)
    splitter.setHandleWidth(3)
    for index, (_, widget) in enumerate(parts):
        splitter.addWidget(widget)
        splitter.setStretchFactor(index, 1)
        widget.setSizePolicy(QtWidgets.QSizePolicy.Ignored, QtWidgets.QSizePolicy.Ignored)
    sizes = [int(item.GetAttribute("splitSize") or 500) for item, _ in parts]
    splitter.setSizes(sizes)
    return splitter
