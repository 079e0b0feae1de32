"""Pictures for the documentation: the radiographs panel, its scene, a real registration.

Run: ``python Testing/Module/make_screenshots.py [folder]`` (default: Resources/Screenshots). The synthetic wrist needs
nothing; ``registration.png`` shows the real wrist and is left out where XRAYTO3D_DATA has none.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("XRAYTO3D_DATA", REPOSITORY.parent / "shared" / "data"))
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
SIZE, WIDE = (1600, 1000), (1600, 560)
GEOMETRY_HALF_HEIGHT_MM = 250.0


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    synthetic_wrist(widget, folder)
    if DATA.is_dir():
        real_wrist_registered(widget, folder)
    else:
        print(f"registration.png left out: no real anatomy at {DATA}")


def synthetic_wrist(widget: Any, folder: Path) -> None:
    """Loaded, with sources and beams; then two bones registered in their surroundings."""
    import qt

    first, second = widget.radiographs, widget.registration
    first.ui.exampleButton.click()
    first.ui.showBeamsCheckBox.click()
    first.ui.loadedTable.selectRow(0)
    widget.ui.radiographsSection.collapsed = True
    widget.ui.registrationSection.collapsed = False
    second.ui.furtherList.item(0).setCheckState(qt.Qt.Checked)
    second.ui.surroundingsCheckBox.click()
    second.ui.boneModelButton.click()
    tidy()
    second.ui.registerButton.click()
    finish(second)
    second.ui.zoomButton.click()
    second.ui.overlay3DCheckBox.click()
    show_whole_geometry()
    shoot(folder / "scene_radiographs.png", None, WIDE, turn=False)


def real_wrist_registered(widget: Any, folder: Path) -> None:
    """The real wrist from a start that is 4 degrees and 3 mm off."""
    import real_wrist
    import slicer

    slicer.mrmlScene.Clear()
    tidy()
    truth = real_wrist.load(widget, DATA)
    widget.registration.ui.adjustSection.collapsed = True
    widget.registration.movePose(real_wrist.wrong(truth, widget.registration.centre()))
    widget.registration.ui.boneModelButton.click()
    widget.radiographs.ui.showLayoutButton.click()
    tidy()
    widget.registration.ui.registerButton.click()
    finish(widget.registration)
    widget.registration.ui.roleEdit.text = "radiographer"
    widget.registration.ui.acceptButton.click()
    widget.registration.ui.zoomButton.click()
    shoot(folder / "registration.png", widget, SIZE)


def finish(panel: Any) -> None:
    from module_cases import wait_until

    wait_until(lambda: not panel.run.running, 300)
    tidy()


def tidy() -> None:
    """Let updates happen; without the box that Slicer draws round a 3D scene."""
    import slicer
    from module_cases import settle

    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
    settle(0.3)


def shoot(path: Path, panel: Any, size: tuple[int, int], turn: bool = True) -> None:
    """Twice: the views have their sizes after the first, and the 3D camera is turned for those."""
    import slicer
    from slicerhost import screenshots

    tidy()
    screenshots.capture(path, panel, size=size)
    if turn:
        slicer.modules.XRayTo3DWidget.radiographs.layout.turn3D()
    tidy()
    screenshots.capture(path, panel, size=size)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def show_whole_geometry() -> None:
    """3D alone, seen from between the two sources and from a little above, without perspective."""
    import slicer

    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    camera = slicer.modules.cameras.logic().GetViewActiveCameraNode(manager.threeDWidget(0).mrmlViewNode())
    focus = [120.0, -120.0, -24.0]  # RAS; the sources are near (955, 0, -30) and (0, -955, -30)
    camera.SetFocalPoint(focus)
    camera.SetPosition(focus[0] + 2000, focus[1] - 2000, focus[2] + 600)
    camera.SetViewUp(0, 0, 1)
    camera.SetParallelProjection(True)
    camera.SetParallelScale(GEOMETRY_HALF_HEIGHT_MM)
    tidy()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
