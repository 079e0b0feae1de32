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
