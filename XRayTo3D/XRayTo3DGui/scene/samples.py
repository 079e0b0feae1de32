"""Further SYNTHETIC samples: a knee to reconstruct with its true bones, and a pair of surfaces to compare."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk

from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs

KNEE_CASE, PAIR_CASE = "synthetic knee", "synthetic radius"
KNEE_SEED, KNEE_VIEWS, KNEE_ENERGY_KEV = 7, ("AP", "LAT"), 45.0
KNEE_REACH_MM = 62.0
"""The truth is cut where the model's field ends, so far above and below the joint line."""
JOINT_LPS = (0.0, 0.0, 0.0)
"""Middle of the phantom's knee, LPS mm."""
TRUTH_COLOUR, RESULT_COLOUR = (0.93, 0.87, 0.74), (0.30, 0.62, 0.85)


# ---- a knee to reconstruct -------------------------------------------------------------------------------------------


def makeSyntheticKnee(ctSpacing: float = 1.0, pixelSpacing: float = 0.4) -> tuple[list[Any], dict[str, Any]]:
    """Compute a right knee without soft tissue, which the demonstration model has learnt; without the scene.

    Args:
        ctSpacing: Voxel size of the CT that the radiographs are computed from, mm.
        pixelSpacing: Pixel pitch on the detector, mm.

    Returns:
        Its radiographs (AP, lateral), and its true bones by name (surfaces, LPS mm, cut at the model's ends).
    """
    from XRayTo3DLib.dataset.phantoms import KneeShape, knee_camera, make_knee
    from XRayTo3DLib.dataset.simulate import simulate_radiograph

    shape = KneeShape.sample(np.random.default_rng([KNEE_SEED, 0]), None, "right")
    case = make_knee(shape, spacing=ctSpacing, seed=KNEE_SEED, soft_tissue=False, mesh_spacing=1.0)
    pictures = [
        simulate_radiograph(
            case.ct,
            knee_camera(view, side="right", spacing_mm=pixelSpacing),
            energy_kev=KNEE_ENERGY_KEV,
            seed=(KNEE_SEED, number),
            view=view,
            laterality="R",
            name=f"Knee {view}",
        )
        for number, view in enumerate(KNEE_VIEWS)
    ]
    return pictures, {name: _cut(mesh) for name, mesh in case.meshes.items()}


def _cut(surface: vtk.vtkPolyData) -> vtk.vtkPolyData:
    """What lies within the model's reach of the joint line, open where it is cut, as the model's own bones are."""
    box = vtk.vtkPlanes()
    box.SetBounds(-1e3, 1e3, -1e3, 1e3, -KNEE_REACH_MM, KNEE_REACH_MM)
    clip = vtk.vtkClipPolyData()
    clip.SetInputData(surface)
    clip.SetClipFunction(box)
    clip.InsideOutOn()
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputConnection(clip.GetOutputPort())
    triangles.PassLinesOff()
    triangles.PassVertsOff()
    triangles.Update()
    return triangles.GetOutput()


def kneeToScene(pictures: list[Any], bones: dict[str, Any]) -> list[Any]:
    """Put the knee into the scene: radiographs with the joint marked on them, then the true bones, hidden."""
    nodes = []
    for each in pictures:
        nodes.append(radiographs.radiographToScene(each))
        markJoint(nodes[-1])
        slicer.app.processEvents()  # each takes a moment: a person sees them come
    for name, surface in bones.items():
        node = boneToScene(surface, f"{name.capitalize()}, truth", TRUTH_COLOUR)
        node.GetDisplayNode().SetVisibility(False)
        nodes.append(node)
        slicer.app.processEvents()
    return nodes


def markJoint(node: Any, jointLps: tuple[float, float, float] = JOINT_LPS) -> Any:
    """Mark where a radiograph shows the joint's middle; returns the point list, which section 5 uses.

    Args:
        node: The radiograph's volume node.
        jointLps: The joint's middle, LPS mm in the world.
    """
    from XRayTo3DGui.reconstruct.inputs import originList

    marks = originList(node, KNEE_CASE)
    camera = radiographs.cameraFromNode(node)
    spot = mrml.rasFromLps(camera.pixel_to_world(camera.project(np.array(jointLps))))
    marks.SetNthControlPointPosition(0, *spot)
    return marks


# ---- a pair to compare -----------------------------------------------------------------------------------------------


def makeBonePair(spacing: float = 2.0) -> tuple[vtk.vtkPolyData, vtk.vtkPolyData]:
    """A radius, and the same with errors as a reconstruction has; without the scene.

    Args:
        spacing: Voxel size of the phantom, mm.

    Returns:
        The reference and the result, surfaces in LPS mm; the error is a smooth wave of some tenths of a mm to 2 mm.
    """
    from XRayTo3DLib.dataset.phantoms import make_forearm
    from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of

    case = make_forearm(spacing=spacing, length_mm=90.0, soft_tissue=False, carpals=False, mesh_spacing=0.8)
    truth = case.meshes["radius"]
    vertices = points_of(truth)
    local = vertices - vertices.mean(axis=0)
    x, y, z = local.T
    wave = 0.7 * np.sin(z / 9 + 1) * np.cos(x / 7) + 0.5 * np.cos(y / 6 + z / 15)
    outward = local * [1, 1, 0]
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1)
    moved = vertices + outward * (0.2 + wave)[:, None] * np.clip(1 + z / 90, 0.4, 1.6)[:, None]
    return truth, make_surface(moved, triangles_of(truth))


def boneToScene(surface: vtk.vtkPolyData, name: str, colour: tuple[float, float, float]) -> Any:
    """A bone's surface (LPS mm) as a model that says that it is synthetic."""
    node = mrml.surfaceToScene(surface, f"{name}{mrml.SYNTHETIC_MARK}")
    node.SetAttribute(mrml.SYNTHETIC, "1")
    node.GetDisplayNode().SetColor(*colour)
    return node
