"""User-facing errors: one sentence that says what is wrong, where, and what to do."""

from __future__ import annotations


class XRayTo3DError(ValueError):
    """Base of every error whose message is meant for the person at the screen."""


class InputError(XRayTo3DError):
    """A file, option or value that cannot be used (command line exit code 2)."""


class MissingInformationError(InputError):
    """Something the data does not say and the user has to (for instance the pixel spacing).

    ``missing`` names what is asked for (``"spacing"``, ``"sdd"``, ...), so that a panel can show the field.
    """

    def __init__(self, message: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing


class Cancelled(XRayTo3DError):
    """The user stopped a running computation; nothing was written."""


NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "bad_alloc", "defaultcpuallocator")
"""Words by which PyTorch, SimpleITK and VTK tell that memory ran out: they have no class of their own for it."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy, PyTorch, SimpleITK or VTK says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)
