"""Picture of the section Set-up, as on a new computer: what training needs is missing.

Run: ``python Testing/Module/make_setup_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
MISSING = ("numba", "lightning", "monai", "tensorboard")
ROOM = {"memory_bytes": 32e9, "memory_free_bytes": 21e9, "disk_free_bytes": 240e9, "cores": 8}
"""Of no computer in particular."""


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules, screenshots

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    pretend()
    from module_cases import settle, wait_until

    widget.ui.setupSection.collapsed = False
    wait_until(lambda: widget.setupPanel.found is not None)
    settle()
    screenshots.capture(folder / "panel_setup.png", widget, size=(1366, 600), panel_width=400, views=False)


def pretend() -> None:
    """Some packages are missing, and the computer is anybody's."""
    from XRayTo3DGui.setup import device
    from XRayTo3DLib import packages

    version, answer = packages.metadata.version, device.answerOf

    def believed(name: str) -> str:
        if name in MISSING:
            raise packages.metadata.PackageNotFoundError(name)
        return version(name)

    def anybody(job: Any) -> dict[str, Any]:
        found = answer(job)
        return {**found, "machine": {**found["machine"], **ROOM}}

    packages.metadata.version, device.answerOf = believed, anybody
    packages.importable = lambda name: name not in MISSING


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
