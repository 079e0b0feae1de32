"""Files that Slicer's DICOM module hands over because their header does not say all of the X-ray geometry."""

from __future__ import annotations

from collections.abc import Callable


class WaitingFiles:
    """One after the other into the form: the next when the one before was loaded.

    Args:
        show: Puts a path into the form.
        shown: The path that is in the form now.
    """

    def __init__(self, show: Callable[[str], None], shown: Callable[[], str]) -> None:
        self._show, self._shown = show, shown
        self.paths: list[str] = []

    def add(self, path: str) -> None:
        """Show a file, or let it wait while another one of them is in the form."""
        busy = self._shown() in self.paths
        if path not in self.paths:
            self.paths.append(path)
        if not busy:
            self._show(path)

    def done(self, path: str) -> None:
        """A file was loaded: the next one, if any."""
        self.paths = [each for each in self.paths if each != path]
        if self.paths and self._shown() == path:
            self._show(self.paths[0])
