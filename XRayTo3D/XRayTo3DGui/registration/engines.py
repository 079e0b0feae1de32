"""What draws DRRs (PyTorch, and numba where it is installed), imported from a thread without stopping Slicer."""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIBRARIES = (("torch", "lib/libtorch_cpu"), ("llvmlite", "binding/libllvmlite"))
LAST = "XRayTo3DLib.registration.register"


def loadEngines() -> None:
    """Import all that projecting and registering need; at once where it was done before.

    Two things of an import stop every other thread, a tenth of a second and more each: the system loading a large
    library, and the collection of garbage among the half a million objects that are made.

    Raises:
        ImportError, OSError: PyTorch is not installed, or broken.
    """
    if LAST in sys.modules:
        return
    with notCollecting():
        for package, library in LIBRARIES if os.name == "posix" else ():  # on Windows PyTorch does so by itself
            _load(package, library)
        import torch  # noqa: F401

        from XRayTo3DLib.projection.engines import engine_note

        engine_note()
        importlib.import_module(LAST)


def _load(package: str, library: str) -> None:
    """Python's own call holds its lock meanwhile, a foreign call does not; the import finds the library loaded.

    What fails here is told by the import.
    """
    spec = importlib.util.find_spec(package) if package not in sys.modules else None
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        path = Path(folder) / f"{library}{'.dylib' if sys.platform == 'darwin' else '.so'}"
        if path.is_file():
            load = ctypes.CDLL(None).dlopen
            load.argtypes, load.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
            load(os.fsencode(path), os.RTLD_LAZY | os.RTLD_LOCAL)


@contextmanager
def notCollecting() -> Iterator[None]:
    """No collection of all garbage inside: with PyTorch's objects in it, it stops every thread for 0.1 s and more.

    For seconds, not for hours. What was made inside counts as old afterwards: it does not bring one about at once.
    Objects that somebody else has frozen stay frozen.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if collecting:
            gc.enable()
