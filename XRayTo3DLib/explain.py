"""What to say of an error that is nobody's bug: memory that ran out, a disk that is full, a process that was ended."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from XRayTo3DLib.errors import XRayTo3DError, lacks_memory
from XRayTo3DLib.files.disk import is_full, sentence


def explained(error: BaseException) -> str:
    """One sentence that says what happened and what to do; empty where the error may well be a bug."""
    if isinstance(error, XRayTo3DError):
        return str(error)
    if is_full(error):
        return sentence(error)
    if lacks_memory(error):
        return (
            "there was not enough memory. Close other programs, or take fewer processes at once, fewer or smaller "
            "pictures, or a smaller model; what was written before is kept."
        )
    if isinstance(error, BrokenExecutor):
        return (
            "one of the worker's own processes was ended from outside, mostly because memory ran out. Close other "
            "programs or take fewer processes at once, and start it again; what was written before is kept."
        )
    if isinstance(error, OSError):
        named = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{named}. Check that it is there, and that you may read and write there."
    return ""
