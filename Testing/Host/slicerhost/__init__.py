"""Test host: the real module on the real MRML scene, without the Slicer desktop.

``slicerhost.boot()`` fills the ``slicer`` namespace the way the Slicer application does, on PyPI's ``slicer-core``
wheel and PySide6. Nothing heavy is imported before it is called. See ``Testing/Host/README.md``.
"""

from __future__ import annotations

from typing import Any


def boot(testing: bool = True) -> Any:
    """Start the host once per process and return ``slicer.app``; later calls return the same object."""
    from slicerhost.boot_sequence import boot_application

    return boot_application(testing=testing)
