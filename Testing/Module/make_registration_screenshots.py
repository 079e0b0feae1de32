"""Pictures of section 2 for the documentation, on the synthetic wrist: the panel, and what the overlays look like.

Run: ``python Testing/Module/make_registration_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
SIZE, SMALL, OVERLAYS = (1600, 1000), (1366, 768), (900, 560)


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    widget = modules.make_module_widget(modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py"))
    modules.enter_module(widget)
    synthetic_wrist(widget, folder)


def synthetic_wrist(widget: Any, folder: Path) -> None:
    """Placed by the views' names, registered with the ulna in the limb; then each overlay on a pose a little off."""
    import qt

    panel = widget.registration
    widget.logic.loadExample()
    widget.ui.registrationSection.collapsed = False
    idle(panel)
    widget.radiographs.ui.showLayoutButton.click()
    panel.ui.furtherList.item(0).setCheckState(qt.Qt.Checked)
    panel.ui.surroundingsCheckBox.click()
    panel.ui.startCombo.currentText = "By the views' names"
    panel.ui.boneModelButton.click()
    idle(panel)
    panel.ui.placeButton.click()
    shoot(folder / "panel_registration_start.png", panel, size=SMALL, panel_width=380)
    panel.ui.registerButton.click()
    idle(panel)
    panel.ui.roleEdit.text = "radiographer"
    panel.ui.noteEdit.text = "edges fit"
    panel.ui.acceptButton.click()
    panel.ui.zoomButton.click()
    shoot(folder / "panel_registration.png", panel, full_height=True)
    panel.ui.moveLrSlider.value = 2.0
    for mode, name in (("Edges", "overlay_edges"), ("DRR", "scene_drr"), ("Difference", "overlay_difference")):
        panel.ui.overlayModeCombo.currentText = mode
        panel.ui.overlayOpacitySlider.value = 0.75
        idle(panel)
        shoot(folder / f"{name}.png", panel, size=OVERLAYS, views_only=True)


def idle(panel: Any) -> None:
    """Until everything is drawn."""
    import slicer
    from module_cases import settle, wait_until

    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
    settle(0.4)
    wait_until(lambda: not panel.run.running and not panel.overlay.busy, 300)


def shoot(path: Path, panel: Any, size: tuple[int, int] = SIZE, views_only: bool = False, **options: Any) -> None:
    """Twice: the views have their sizes after the first, and the 3D camera is turned for those."""
    from slicerhost import screenshots

    for _ in range(2):
        idle(panel)
        screenshots.capture(path, None if views_only else panel.widget, size=size, **options)
        panel.widget.radiographs.layout.turn3D()
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
