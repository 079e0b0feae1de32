"""What a worker prints goes into its job's log.txt, without the name of the person's home folder, as all of a job."""

from __future__ import annotations

import sys
from typing import Any

from XRayTo3DLib.models.portable import shareable_text


class HomelessStream:
    """A text stream in which the home folder is written ``~``; everything else is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write; returns how much of ``text`` that was: all."""
        self._stream.write(shareable_text(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def share_output() -> None:
    """For the rest of this process, standard output and standard error name no home folder."""
    sys.stdout, sys.stderr = HomelessStream(sys.stdout), HomelessStream(sys.stderr)
