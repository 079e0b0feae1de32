"""What the tests of the reconstruct panel share: a panel ready to run, and a worker's folder made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from module_cases import bare_wrist, settle, wait_until

from XRayTo3DLib.geometry import RigidPose

ONE_VIEW = "TL-net, wrist, one PA view, small"
TWO_VIEWS = "TL-net, wrist, PA and lateral view, small"
HIPS = "Dual-face depth, hips, one AP view, small"
JOINT = (0.0, 0.0, 0.0)
"""The forearm's articular centre, LPS mm."""
MEASURED = [
    {
        "name": "radial_inclination",
        "value": 23.44,
        "sd": 0.81,
        "unit": "deg",
        "interval_95": [21.9, 25.0],
        "definition": "Angle of the joint line in the PA view",
    },
    {"name": "ulnar_variance", "value": -0.62, "sd": None, "unit": "mm", "interval_95": None, "definition": "…"},
]
QUALITY = {
    "views": [
        {"name": "Wrist PA", "before": 0.61, "after": 0.94, "moved_deg": 0.8, "moved_mm": 1.26},
        {"name": "Wrist LAT", "before": 0.55, "after": 0.41},
    ],
    "warnings": [{"code": "wrong-side", "text": "The radiographs fit a left limb better."}],
}


def load_views(pixel: float = 0.8) -> list[Any]:
    """The bare wrist's radiographs in the scene, with that pixel spacing in mm."""
    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene

    return [radiographToScene(each) for each in bare_wrist(pixel=pixel)[1]]


def choose_model(panel: Any, title: str) -> None:
    """As a person picks it from the list."""
    combo = panel.ui.bundleCombo
    combo.currentIndex = [combo.itemText(index) for index in range(combo.count)].index(title)
    settle()


def mark_joint(panel: Any, number: int) -> None:
    """Press the view's button, and click where the joint is."""
    import slicer

    from XRayTo3DGui.scene import mrml, mrml_radiographs

    getattr(panel.ui, f"placeButton{number}").click()
    node = getattr(panel.parameters, f"reconstructView{number}")
    camera = mrml_radiographs.cameraFromNode(node)
    spot = mrml.rasFromLps(camera.pixel_to_world(camera.project(np.array(JOINT))))
    node.GetNodeReference(mrml_radiographs.ORIGIN).SetNthControlPointPosition(0, *spot)
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    settle()


def finish(panel: Any) -> None:
    """Wait for the worker and for what it made to be taken in and drawn."""
    wait_until(lambda: not panel.run.running, 300)
    wait_until(lambda: not panel.outlines.drawing, 30)
    settle()


MOVED = RigidPose.from_rotation([2.0, -1.0, 1.5], [3.0, -2.0, 4.0])
"""How the made-up refinement moves cameras and bones: the pictures stay as they are."""


def worker_folder(folder: Path, refined: bool = True) -> Path:
    """A folder as ``xrayto3d reconstruct`` leaves it: the true bones; if refined moved, with SD and pictures."""
    import vtk

    from XRayTo3DLib.imaging import write_radiograph
    from XRayTo3DLib.shape.meshes import points_of, set_point_array, transformed
    from XRayTo3DLib.shape.surfaces import write_surface

    case, views = bare_wrist()
    folder.mkdir(parents=True)
    for bone in ("radius", "ulna"):
        mesh = vtk.vtkPolyData()
        mesh.ShallowCopy(case.meshes[bone])
        if refined:
            z = points_of(mesh)[:, 2]
            set_point_array(mesh, "NormalSD_mm", 0.3 + 4.0 * (z.max() - z) / np.ptp(z))
            mesh = transformed(mesh, MOVED.matrix)
        write_surface(mesh, folder / f"{bone}.vtp")
    record: dict[str, Any] = {
        "format": "xrayto3d.reconstruction/1",
        "model": "wrist-pa-lat-demo",
        "method": "tl-net",
        "views": ["Wrist PA", "Wrist LAT"],
        "side": "right",
        "synthetic": True,
        "bones": ["radius", "ulna"],
        "missing": [],
        "notes": ["Look at the outlines."],
        "seconds": 2.5,
    }
    if refined:
        record |= {"uncertainty": {"radius": {}, "ulna": {}}, "measurements": MEASURED, "quality": QUALITY}
        for view in views:
            camera = view.camera.moved(MOVED.matrix)
            for kind, values in (("drr", view.pixels), ("residual", view.pixels - view.pixels.mean())):
                path = folder / f"{kind}_{view.name.replace(' ', '_')}.nrrd"
                write_radiograph(replace(view, pixels=values, camera=camera), path)
    (folder / "reconstruction.json").write_text(json.dumps(record))
    return folder


def take_in(panel: Any, folder: Path, nodes: list[Any]) -> Any:
    """Put a worker's folder into the scene and show it, as at the end of a run."""
    from XRayTo3DGui.reconstruct.nodes import importSteps

    names = [node.GetName().removesuffix(" (synthetic)") for node in nodes]
    request = {"radiographs": [node.GetID() for node in nodes], "names": names, "case": panel.parameters.caseName}
    result = list(importSteps(folder, request))[-1]
    panel.onResult(result)
    wait_until(lambda: not panel.outlines.drawing, 30)
    settle()
    return result


def described_bundle(folder: Path, **changes: Any) -> Path:
    """A bundle's description without weights: enough to be chosen, not to be run."""
    from XRayTo3DLib.models.checksums import content_sha256

    repository = Path(__file__).resolve().parents[2]
    like = "wrist-shapes-demo" if changes.get("method") == "shape-intensity-fit" else "wrist-pa-lat-demo"
    text = (repository / "Resources" / "models" / like / "bundle.json").read_text(encoding="utf-8")
    content = {**json.loads(text), **changes}
    folder.mkdir(parents=True)
    content["checksum"] = content_sha256(content)
    (folder / "bundle.json").write_text(json.dumps(content), encoding="utf-8")
    return folder
