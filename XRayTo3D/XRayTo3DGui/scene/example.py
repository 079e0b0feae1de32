"""The synthetic wrist to try everything on: CT, bones and two radiographs of the CT in another pose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import slicer

from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene.mrml_radiographs import radiographToScene
from XRayTo3DLib.geometry import RigidPose

CASE_NAME = "synthetic wrist"
TRUE_ROTATION, TRUE_TRANSLATION, CENTRE = (5.0, -4.0, 6.0), (5.0, -3.0, 4.0), (0.0, 0.0, -30.0)
VIEWS = ("PA", "LAT")


def truePose() -> RigidPose:
    """Where the CT was when the radiographs were taken (CT-to-world, LPS): what a registration has to find."""
    return RigidPose.from_rotation(TRUE_ROTATION, TRUE_TRANSLATION, CENTRE)


def makeSyntheticWrist(ctSpacing: float = 0.7, pixelSpacing: float = 0.3) -> tuple[Any, list[Any]]:
    """Compute the case, without the scene: the phantom and its radiographs. Takes some seconds.

    Args:
        ctSpacing: Voxel size, mm.
        pixelSpacing: Pixel pitch on the detector, mm.
    """
    from XRayTo3DLib.dataset.phantoms import make_forearm, wrist_camera
    from XRayTo3DLib.dataset.simulate import simulate_radiograph

    case = make_forearm(spacing=ctSpacing, length_mm=90.0, mesh_spacing=2.0, name="Wrist CT")
    radiographs = [
        simulate_radiograph(
            case.ct,
            wrist_camera(view, spacing_mm=pixelSpacing),
            truePose(),
            seed=number,
            view=view,
            laterality="R",
            name=f"Wrist {view}",
        )
        for number, view in enumerate(VIEWS)
    ]
    return case, radiographs


def wristToScene(case: Any, radiographs: list[Any]) -> list[Any]:
    """The case in the scene: CT volume, segmentation, radiographs. All names say that it is synthetic."""
    ct = replace(case.ct, name="Wrist CT")
    nodes = list(mrml.ctToScene(ct))
    for each in radiographs:
        slicer.app.processEvents()  # each takes a moment: a person sees them come
        nodes.append(radiographToScene(each))
    return nodes
