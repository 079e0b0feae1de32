"""What is installed and on which device is computed; asks before anything is installed."""

from __future__ import annotations

from typing import Any

import slicer

from XRayTo3DGui.panel import connectGui


class SetupPanel:
    """The panel: wiring between the scene and its parts, each in a file of its own."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.parameters: Any = None
        self._guiTag: Any = None

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Setup.ui"))
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node."""
        if self.parameters is not None:
            self.parameters.disconnectGui(self._guiTag)
        self.parameters = node
        if node is not None:
            self._guiTag = connectGui(node, self.ui)

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
