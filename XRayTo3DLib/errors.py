"""User-facing errors: one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

LONGEST = 1000
"""Characters of a message; what a damaged file says of itself could fill the screen."""


class XRayTo3DError(ValueError):
    """Base of every error whose message is meant for the person at the screen.

    Names and texts out of a file are part of many messages: what would break the line or steer a terminal is shown as
    ``?``, and what is longer than :data:`LONGEST` is cut.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(_one_line(str(message)))


class InputError(XRayTo3DError):
    """A file, option or value that cannot be used (command line exit code 2)."""


class MissingInformationError(InputError):
    """Something the data does not say and the user has to (for instance the pixel spacing).

    ``missing`` names what is asked for (``"spacing"``, ``"sdd"``, ...), so that a panel can show the field.
    """

    def __init__(self, message: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing


@contextlib.contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Errors for the person at the screen that come from inside name the file: in front, where they do not already."""
    try:
        yield
    except XRayTo3DError as error:
        name = Path(path).name
        if name not in str(error):
            error.args = (_one_line(f"{name}: {error}"),)
        raise


class Cancelled(XRayTo3DError):
    """The user stopped a running computation; nothing was written."""


def _one_line(text: str) -> str:
    text = " ".join(text.splitlines())
    shown = text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 4]} ..."


NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "bad_alloc", "defaultcpuallocator")
"""Words by which PyTorch, SimpleITK and VTK tell that memory ran out: they have no class of their own for it."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy, PyTorch, SimpleITK or VTK says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)
