"""The real wrist (calibrated biplane radiographs and CT of the radius) put into the module as a person would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = "wrist_biplane_autoscoper"
CAMERAS = ("cam01", "cam02")
SDD_MM = 1200.0


def load(widget: Any, data: Path) -> Any:
    """Radiographs with their calibrations through the form, the CT, and the published pose; returns that pose."""
    import slicer

    from XRayTo3DLib.geometry import RigidPose

    folder = data / FOLDER
    panel = widget.radiographs
    for name in CAMERAS:
        panel.ui.radiographPath.currentPath = str(folder / f"wrist_{name}_frame0099.png")
        panel.ui.cameraPath.currentPath = str(folder / f"xr_calib_wrist_{name}.txt")
        panel.ui.sddSpinBox.value = SDD_MM
        panel.ui.nameEdit.text = f"Wrist {name}"
        panel.ui.loadButton.click()
    volume = slicer.util.loadVolume(str(folder / "rad_ct.nii.gz"), {"name": "Radius CT"})
    widget.parameters.caseName = "wrist"
    widget.parameters.ctVolume = volume
    poses = json.loads((folder / "radius_reference_poses.json").read_text())
    return RigidPose(np.array(poses["frames"]["0099"]["world_from_volume"]))


def wrong(pose: Any, centre: Any, degrees: float = 4.0, millimetres: float = 3.0) -> Any:
    """A start a person could have set by hand."""
    from XRayTo3DLib.geometry import RigidPose

    turn, shift = np.array([0.6, -0.5, 0.6]) * degrees, np.array([0.5, 0.7, -0.5]) * millimetres
    return RigidPose.from_rotation(turn, shift, pose.apply(centre)) @ pose
