"""Widgets bound to the parameter node: through Slicer's connectors, but for line edits."""

from __future__ import annotations

from functools import partial
from typing import Any

import vtk

TEXT_CHANGED = "textChanged(QString)"


class GuiBinding:
    """The widgets of one ``.ui`` file that have a ``SlicerParameterName``, until :meth:`disconnect`.

    Slicer's connectors write a text back whenever the node changes, and the cursor jumps to its end: nobody could type
    in the middle of a word. Line edits are bound here, and written only where the text differs.

    Not ``node.connectGui``: some versions of Slicer keep its tag to themselves, so that nothing is ever disconnected.
    """

    def __init__(self, node: Any, ui: Any) -> None:
        self._node = node
        named = {widget.property("SlicerParameterName"): widget for widget in vars(ui).values()}
        named = {name: widget for name, widget in named.items() if name}
        self._lines = {name: widget for name, widget in named.items() if widget.className() == "QLineEdit"}
        others = {name: widget for name, widget in named.items() if name not in self._lines}
        self._tag = node.connectParametersToGui(others)
        self._slots = {name: partial(self._onText, name) for name in self._lines}
        self._observer = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onNode)
        self._onNode()
        for name, line in self._lines.items():
            line.connect(TEXT_CHANGED, self._slots[name])

    def disconnect(self) -> None:
        """Undo it: neither side follows the other any more."""
        self._node.disconnectGui(self._tag)
        self._node.RemoveObserver(self._observer)
        for name, line in self._lines.items():
            line.disconnect(TEXT_CHANGED, self._slots[name])

    def _onText(self, name: str, text: str) -> None:
        if getattr(self._node, name) != text:
            setattr(self._node, name, text)

    def _onNode(self, *_: Any) -> None:
        for name, line in self._lines.items():
            text = getattr(self._node, name)
            if line.text != text:
                line.text = text
