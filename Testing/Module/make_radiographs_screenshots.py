"""Pictures for the documentation: section 1 with two collimated radiographs. SYNTHETIC bones.

Run: ``python Testing/Module/make_radiographs_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
SIZE = (1600, 1000)


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    widget.ui.radiographsSection.collapsed = False
    geometry(widget, folder)


def geometry(widget: Any, folder: Path) -> None:
    """A collimated view: its geometry edited, a box drawn for the crop."""
    panel = widget.radiographs
    for node in collimated_views():
        panel._onLoaded(node)
    panel.ui.loadedTable.selectRow(0)
    panel.ui.geometrySddSpin.value = 1020.0
    panel.ui.geometrySideCombo.currentIndex = 2
    panel.ui.applyGeometryButton.click()
    panel.ui.showLayoutButton.click()
    panel.ui.cropGroup.collapsed = False
    panel.ui.exposedButton.click()
    panel.ui.drawBoxButton.click()
    panel.ui.showBeamsCheckBox.click()
    panel.say("")
    shoot(folder / "panel_geometry.png", widget, SIZE)


def collimated_views() -> list[Any]:
    """The synthetic wrist as two files say it that know little: no side, a spacing with no plane, blades in sight."""
    from dataclasses import replace

    import numpy as np
    from module_cases import bare_wrist

    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene
    from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts

    nodes = []
    for radiograph in bare_wrist(0.7, 0.3)[1]:
        pixels = radiograph.pixels.copy()
        rows, columns = pixels.shape
        blades = np.ones(pixels.shape, dtype=bool)
        blades[int(0.06 * rows) : int(0.95 * rows), int(0.16 * columns) : int(0.84 * columns)] = False
        noise = np.random.default_rng(0).normal(0, 0.02, pixels.shape)
        pixels[blades] = 1.35 * pixels.max() + noise[blades]
        facts = RadiographFacts(
            spacing_from="file: ImagerPixelSpacing (0018,1164)",
            spacing_kind="detector",
            sdd_from="you",
            isocentre_mm=950.0,
            isocentre_from="you",
            principal_from="assumed: the middle of the picture",
            view_from="file: ViewPosition (0018,5101)",
        )
        nodes.append(
            radiographToScene(replace(radiograph, pixels=pixels, facts=facts, laterality="", assumed_placement=True))
        )
    return nodes


def shoot(path: Path, panel: Any, size: tuple[int, int]) -> None:
    """Twice: the views have their sizes after the first, and the 3D camera is turned for those."""
    import slicer
    from module_cases import settle
    from slicerhost import screenshots

    for _ in range(2):
        settle(0.4)
        for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
            view.SetBoxVisible(False)
            view.SetAxisLabelsVisible(False)
        slicer.modules.XRayTo3DWidget.radiographs.layout.turn3D()
        screenshots.capture(path, panel, size=size)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
