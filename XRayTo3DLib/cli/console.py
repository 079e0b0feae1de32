"""What a person or a script sees: lines on standard output, progress only on a terminal, errors on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

LISTENERS: list[Callable[[str, float | None], None]] = []
"""Told every progress, whatever is printed of it: what is done, and the share of it (0..1) where that is known."""


def say(text: str = "") -> None:
    """Write one line to standard output at once (also into a pipe)."""
    sys.stdout.write(_shown(text) + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write one line to standard error."""
    sys.stderr.write(_shown(text) + "\n")
    sys.stderr.flush()


def _shown(text: str) -> str:
    """Names out of files are in many texts: what would steer a terminal or forge a line of a log is shown as ``?``."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)


class Progress:
    """A self-overwriting line on a terminal, a plain line now and then in a pipe, nothing when ``quiet``.

    Always on standard error, so that ``--json`` output stays clean.
    """

    def __init__(self, title: str, quiet: bool = False, every_s: float = 5.0) -> None:
        self._title, self._quiet, self._every = title, quiet, every_s
        self._terminal = sys.stderr.isatty()
        self._last = -every_s
        self._width = 0

    def update(self, text: str, fraction: float | None = None) -> None:
        """Show ``text`` and, when known, how much is done (0..1)."""
        for listener in LISTENERS:
            listener(text, fraction)
        now = time.monotonic()
        if self._quiet or (not self._terminal and now - self._last < self._every):
            return
        percent = "" if fraction is None else f" {100 * fraction:3.0f} %"
        line = f"{self._title}{percent}  {_shown(text)}"
        if self._terminal:
            sys.stderr.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()
        self._last = now

    def done(self) -> None:
        """End the line on a terminal."""
        if self._terminal and self._width and not self._quiet:
            sys.stderr.write("\r" + " " * self._width + "\r")
            sys.stderr.flush()
