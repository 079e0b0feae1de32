"""Pictures for the documentation: the evaluation panel and its colour map. SYNTHETIC bones.

Run: ``python Testing/Module/make_evaluation_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE = (1600, 1000)
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent)]


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    widget.ui.evaluationSection.collapsed = False
    case(widget, folder)
    one_bone(widget, folder)


def case(widget: Any, folder: Path) -> None:
    """A reconstruction of two bones against a CT's segmentation, with outlines on the radiographs."""
    import slicer
    from make_reconstruct_screenshots import tidy
    from module_cases import bare_wrist, settle
    from reconstruct_cases import JOINT
    from slicerhost import screenshots

    from XRayTo3DGui.scene import layouts, mrml
    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene

    panel = widget.evaluation
    views = [radiographToScene(each) for each in bare_wrist(0.7, 0.3)[1]]
    segmentation = mrml.ctToScene(bare_wrist(0.7, 0.3)[0].ct)[1]
    segmentation.SetDisplayVisibility(False)
    origin = bare_wrist(0.7, 0.3)[1][0].camera.project(np.array(JOINT))
    result = widget.logic.reconstruct("wrist-pa-demo", views[:1], side="right", origins=[tuple(origin)], refine=False)
    widget.reconstruct.parameters.reconstructOverlay = "Nothing"
    choose(panel, segmentation, result)
    panel.ui.evaluationOutlinesCheckBox.click()
    panel.ui.evaluationIgnoreBoundaryCheckBox.click()
    press(panel)
    tidy()
    for _ in range(2):  # the views have their sizes after the first
        screenshots.capture(folder / "panel_evaluation.png", widget, size=SIZE)
        bounds = [0.0] * 6
        for node, outline in zip(views, panel.outlines.models[::4], strict=True):
            outline.GetRASBounds(bounds)
            layouts.zoomTo(node, bounds)
        look(slicer)
        settle()
    slicer.mrmlScene.Clear(False)
    settle()


def one_bone(widget: Any, folder: Path) -> None:
    """Signed distances of one bone beside its reference."""
    import slicer
    from slicerhost import screenshots

    panel = widget.evaluation
    choose(panel, *add_bones())
    panel.ui.evaluationPreset2Button.click()
    prepare_view(slicer)
    press(panel)
    panel.ui.evaluationTablesButton.click()
    look(slicer)
    screenshots.capture(folder / "panel_evaluation_bone.png", widget, size=SIZE)
    panel.ui.evaluationSignedCheckBox.click()
    panel.ui.evaluationReferenceView.setCurrentIndex(2)
    prepare_view(slicer)
    look(slicer)
    screenshots.capture(folder / "scene_distance.png", None, size=(1200, 900))


def choose(panel: Any, reference: Any, result: Any) -> None:
    from module_cases import settle

    panel.ui.evaluationReferenceSelector.setCurrentNode(reference)
    panel.ui.evaluationResultSelector.setCurrentNode(result)
    settle()


def press(panel: Any) -> None:
    from module_cases import settle, wait_until

    panel.ui.evaluationMeasureButton.click()
    wait_until(lambda: not panel.run.running)
    wait_until(lambda: not panel.outlines.drawing)
    settle()


def add_bones() -> tuple[Any, Any]:
    """The radius of the synthetic wrist, and a smooth guess of it as a reconstruction would give."""
    from XRayTo3DGui.scene import mrml
    from XRayTo3DLib.dataset.phantoms.forearm import make_forearm
    from XRayTo3DLib.evaluation.scene_colours import BONE, RESULT
    from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of

    truth = make_forearm(spacing=3.0, length_mm=90.0, soft_tissue=False, carpals=False, mesh_spacing=0.8).meshes[
        "radius"
    ]
    points, triangles = points_of(truth), triangles_of(truth)
    local = points - points.mean(axis=0)
    x, y, z = local.T
    wave = 0.7 * np.sin(z / 9 + 1) * np.cos(x / 7) + 0.5 * np.cos(y / 6 + z / 15)
    radial = local * [1, 1, 0]
    radial /= np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1)
    guess = make_surface(points + radial * (0.2 + wave)[:, None] * np.clip(1 + z / 90, 0.4, 1.6)[:, None], triangles)
    nodes = [
        mrml.surfaceToScene(surface, name)
        for surface, name in ((truth, "Radius, CT (synthetic)"), (guess, "Radius, reconstructed (synthetic)"))
    ]
    for node, rgb in zip(nodes, (BONE, RESULT), strict=True):
        node.SetAttribute(mrml.SYNTHETIC, "1")
        node.GetDisplayNode().SetColor(*rgb)
    return nodes[0], nodes[1]


def prepare_view(slicer: Any) -> None:
    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
        view.SetOrientationMarkerType(view.OrientationMarkerTypeAxes)


def look(slicer: Any) -> None:
    """All 3D views from the same side, filled by the bone."""
    slicer.app.processEvents()
    for number in range(slicer.app.layoutManager().threeDViewCount):
        view = slicer.app.layoutManager().threeDWidget(number).threeDView()
        view.resetFocalPoint()
        view.resetCamera()
        camera = view.cameraNode().GetCamera()
        camera.Azimuth(-35)
        camera.Elevation(12)
        camera.Dolly(0.98)
        camera.OrthogonalizeViewUp()
        view.renderer().ResetCameraClippingRange()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
