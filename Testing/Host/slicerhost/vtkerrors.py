"""Collects VTK error events, so that a test during which VTK complained can fail."""

from __future__ import annotations

import vtk


class VtkErrorLog:
    """The error texts VTK gave since the last ``take()``."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)  # the output window prints the same
        window = vtk.vtkOutputWindow()
        window.SetDisplayModeToNever()
        window.AddObserver(vtk.vtkCommand.ErrorEvent, self._on_error)
        vtk.vtkOutputWindow.SetInstance(window)
        self._window = window

    def _on_error(self, _caller: vtk.vtkObject, _event: str, text: str = "") -> None:
        self._texts.append(text.strip())

    _on_error.CallDataType = vtk.VTK_STRING  # type: ignore[attr-defined]

    def be_loud(self) -> None:
        """Print VTK's messages from now on; before, at boot, the wheel misses data files that it asks for."""
        self._window.SetDisplayModeToAlwaysStdErr()

    def take(self) -> list[str]:
        """The texts so far; forgets them."""
        texts, self._texts = self._texts, []
        return texts
