"""Stand-ins for CTK's collapsible containers, drawn as Slicer draws them."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost.declare import parent_of, plain_property, with_setters
from slicerhost.pythonqt import qt

HEAD_HEIGHT = 24
UNLIMITED = 16777215
Property, Signal = QtCore.Property, QtCore.Signal


def _show_children(widget: Any, visible: bool) -> None:
    for child in widget.children():
        if isinstance(child, QtWidgets.QWidget):
            child.setVisible(visible)


@with_setters
class ctkCollapsibleButton(qt.QAbstractButton):
    """A titled section that folds away."""

    contentsCollapsed = Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._collapsed = False
        self.text = next((a for a in arguments if isinstance(a, str)), "")
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.setContentsMargins(2, HEAD_HEIGHT, 2, 2)
        self.toggled.connect(lambda checked: self.setCollapsed(not checked))

    def hitButton(self, position: QtCore.QPoint) -> bool:
        """Only the head is a button."""
        return position.y() < HEAD_HEIGHT

    def setCollapsed(self, collapsed: bool) -> None:
        """Fold or unfold."""
        collapsed = bool(collapsed)
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        _show_children(self, not collapsed)
        self.setMaximumHeight(HEAD_HEIGHT if collapsed else UNLIMITED)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    collapsed = Property(bool, lambda self: self._collapsed, setCollapsed)
    flat = plain_property(bool, "flat", False)
    contentsFrameShape = plain_property(int, "contentsFrameShape", 0)
    contentsFrameShadow = plain_property(int, "contentsFrameShadow", 16)
    contentsLineWidth = plain_property(int, "contentsLineWidth", 1)
    contentsMidLineWidth = plain_property(int, "contentsMidLineWidth", 0)
    collapsedHeight = plain_property(int, "collapsedHeight", 10)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """Keep children added later hidden while folded."""
        if event.added() and self._collapsed and isinstance(event.child(), QtWidgets.QWidget):
            event.child().setVisible(False)
        super().childEvent(event)

    def sizeHint(self) -> QtCore.QSize:
        """Head, and contents when unfolded."""
        head = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text) + 40, HEAD_HEIGHT)
        if self._collapsed or self.layout() is None:
            return head
        return head.expandedTo(self.layout().totalSizeHint())

    def minimumSizeHint(self) -> QtCore.QSize:
        """Never cut the contents."""
        if self._collapsed or self.layout() is None:
            return self.sizeHint()
        return QtCore.QSize(40, HEAD_HEIGHT).expandedTo(self.layout().totalMinimumSize())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw head, arrow, title and frame."""
        painter = QtGui.QPainter(self)
        head = QtCore.QRect(0, 0, self.width, HEAD_HEIGHT - 2)
        button = QtWidgets.QStyleOptionButton()
        button.initFrom(self)
        button.rect = head
        button.state |= QtWidgets.QStyle.State_Raised
        self.style().drawControl(QtWidgets.QStyle.CE_PushButtonBevel, button, painter, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, 6, 10, 10)
        style = QtWidgets.QStyle
        shape = style.PE_IndicatorArrowRight if self._collapsed else style.PE_IndicatorArrowDown
        self.style().drawPrimitive(shape, arrow, painter, self)
        align = QtCore.Qt.AlignVCenter | QtCore.Qt.AlignLeft
        painter.drawText(head.adjusted(22, 0, -2, 0), align, self.text)
        if not self._collapsed and not self.flat:
            painter.setPen(self.palette.color(QtGui.QPalette.Mid))
            painter.drawRect(0, HEAD_HEIGHT - 2, self.width - 1, self.height - HEAD_HEIGHT + 1)
        painter.end()


@with_setters
class ctkCollapsibleGroupBox(qt.QGroupBox):
    """A group box whose check mark folds it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self.title = next((a for a in arguments if isinstance(a, str)), "")
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._on_toggled)

    def _on_toggled(self, unfolded: bool) -> None:
        _show_children(self, unfolded)
        self.setMaximumHeight(UNLIMITED if unfolded else HEAD_HEIGHT)

    def setCollapsed(self, collapsed: bool) -> None:
        """Fold or unfold."""
        self.setChecked(not collapsed)

    collapsed = Property(bool, lambda self: not self.isChecked(), setCollapsed)
    collapsedHeight = plain_property(int, "collapsedHeight", 14)


CLASSES = [ctkCollapsibleButton, ctkCollapsibleGroupBox]
