"""Picture for the documentation: the reconstruct panel with a reconstruction. SYNTHETIC bones.

Run: ``python Testing/Module/make_reconstruct_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]
SIZE = (1600, 1130)


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    reconstructed(widget, folder)


def reconstructed(widget: Any, folder: Path) -> None:
    """Two views of bones alone, marked and reconstructed."""
    from module_cases import bare_wrist
    from reconstruct_cases import TWO_VIEWS, choose_model, finish, mark_joint
    from slicerhost import screenshots

    from XRayTo3DGui.scene.mrml_radiographs import radiographNodes, radiographToScene

    for radiograph in bare_wrist(0.7, 0.3)[1]:
        radiographToScene(radiograph)
    widget.ui.radiographsSection.collapsed = True
    widget.ui.reconstructSection.collapsed = False
    panel = widget.reconstruct
    choose_model(panel, TWO_VIEWS)
    for number in (1, 2):
        mark_joint(panel, number)
    panel.ui.reconstructButton.click()
    finish(panel)
    if panel.parameters.reconstructResult is None:
        raise SystemExit(panel.ui.reconstructStatusLabel.text)
    tidy()
    zoom(radiographNodes())
    for _ in range(2):  # the views have their sizes after the first
        screenshots.capture(folder / "panel_reconstruct.png", widget, size=SIZE)
        zoom(radiographNodes())
        look(panel)


def tidy() -> None:
    """Without the box that Slicer draws round a 3D scene, and the radiographs out of the bones' view."""
    import slicer
    from module_cases import settle

    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
        view.SetOrientationMarkerType(view.OrientationMarkerTypeAxes)
    settle()


def zoom(nodes: list[Any]) -> None:
    """Let the bones fill the radiographs' views."""
    import slicer

    from XRayTo3DGui.reconstruct import nodes as reconstruct_nodes
    from XRayTo3DGui.scene import layouts

    (result,) = reconstruct_nodes.resultNodes()
    panel = slicer.modules.XRayTo3DWidget.reconstruct
    for node in nodes:
        outline = panel.outlines.outlineOf(node, reconstruct_nodes.parts(result, reconstruct_nodes.BONE)[0])
        bounds = [0.0] * 6
        outline.GetRASBounds(bounds)
        layouts.zoomTo(node, bounds)


def look(panel: Any) -> None:
    """At the bones from the sources' side."""
    from module_cases import settle

    from XRayTo3DGui.reconstruct import nodes as reconstruct_nodes
    from XRayTo3DGui.scene import layouts

    panel.widget.radiographs.layout.turn3D()
    layouts.lookAt(reconstruct_nodes.parts(panel.parameters.reconstructResult, reconstruct_nodes.BONE))
    settle()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
