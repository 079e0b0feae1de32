"""Pictures for the documentation: the data set panel with cases, and while a job is at work. SYNTHETIC bones.

Run: ``python Testing/Module/make_dataset_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
SIZE = (1500, 830)
SHOWN_FOLDER = "/data/wrists"


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    with tempfile.TemporaryDirectory() as place:
        cases(widget, folder, Path(place))


def cases(widget: Any, folder: Path, place: Path) -> None:
    """Four cases, one of them open, while the others are registered."""
    from dataset_cases import button, choose, dataset, ended, opened, read
    from make_reconstruct_screenshots import tidy
    from module_cases import wait_until
    from slicerhost import screenshots

    widget.ui.datasetSection.collapsed = False
    panel = widget.dataset
    choose(panel, dataset(place))
    button(panel, "openNextButton").click()
    opened(panel)
    widget.registration.onBoneModel()
    widget.ui.datasetSection.collapsed = False
    read(panel)
    button(panel, "registerAllButton").click()
    wait_until(lambda: "left" in panel.ui.jobStatusLabel.text or not panel.job.running, 120)
    tidy()
    widget.radiographs.layout.turn3D()
    name_folder(panel)
    for _ in range(2):  # the views have their sizes after the first
        screenshots.capture(folder / "panel_dataset.png", widget, size=SIZE)
    panel.ui.cancelJobButton.click()
    ended(panel)


def name_folder(panel: Any) -> None:
    """A path that says something, in place of the temporary one."""
    edit = panel.ui.datasetPath
    blocked = edit.blockSignals(True)
    edit.currentPath = SHOWN_FOLDER
    edit.blockSignals(blocked)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
