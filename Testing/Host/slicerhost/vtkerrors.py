"""Collects VTK error events, so that a test during which VTK complained can fail."""

from __future__ import annotations

import vtk


class VtkErrorLog:
    """The error texts VTK gave since the last ``take()``."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        window = vtk.vtkOutputWindow()
        window.SetDisplayModeToAlwaysStdErr()
        window.AddObserver(vtk.vtkCommand.ErrorEvent, self._on_error)
        vtk.vtkOutputWindow.SetInstance(window)
        self._window = window

    def _on_error(self, _caller: vtk.vtkObject, _event: str, text: str = "") -> None:
        self._texts.append(text.strip())

    _on_error.CallDataType = vtk.VTK_STRING  # type: ignore[attr-defined]

    def take(self) -> list[str]:
        """The texts so far; forgets them."""
        texts, self._texts = self._texts, []
        return texts
