"""A data set of a few voxels, with a registered view: for tests of what becomes of its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.case_views import CaseView, add_view, view_of, write_registration
from XRayTo3DLib.dataset.dataset_builder import add_case, start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.registration.result import RegistrationResult, Verdict

POSE, OTHER = RigidPose.from_rotation((10, 20, 30), (1, 2, 3)), RigidPose.from_rotation((1, 2, 3), (10, 20, 30))


def ct() -> CtVolume:
    """Two bones of a few voxels."""
    labels = np.zeros((6, 6, 6), dtype=np.uint8)
    labels[1:3, 1:5, 1:5], labels[3:5, 1:5, 1:5] = 1, 2
    hu = np.random.default_rng(0).integers(-50, 1500, labels.shape).astype(np.float32)
    return CtVolume(hu, np.eye(4), labels, {"radius": 1, "ulna": 2}, "made up")


def radiograph(shade: float = 0.0) -> Radiograph:
    """Noise of 6 x 8 pixels."""
    camera = standard_camera(1000.0, (0.5, 0.7), (8, 6), source_isocentre=900.0, view="PA")
    pixels = np.random.default_rng(0).random((6, 8), dtype=np.float32) + np.float32(shade)
    note = IntensityNote("line-integral", None, True, "made up")
    return Radiograph(pixels, camera, note, SpacingSource.DETECTOR, "PA", "", "made up")


def record(pose: RigidPose, **more: object) -> dict[str, object]:
    """A registration's, as ``xrayto3d register`` writes it."""
    still = (pose, RigidPose.identity(), np.zeros(3), ("PA",), (0.7,), (0.2,), Verdict.CONVERGED, "It fits.", (), 4, 3)
    return {**RegistrationResult(*still, 1.5).to_dict(), **more}


def small_dataset(folder: Path) -> Path:
    """Cases "one" and "two"; the first has the view "pa", registered."""
    start_dataset(folder, frame="lps")
    for name in ("one", "two"):
        add_case(folder, CaseEntry(name, name, "train", ""), ct())
    view = add_view(DatasetFolder.open(folder).case("one"), "pa", radiograph())
    write_registration(view, record(POSE, further=[record(POSE, bone="ulna")]), POSE, {"overlay.png": b"a picture"})
    return folder


def view_in(folder: Path) -> CaseView:
    """The registered view."""
    return view_of(DatasetFolder.open(folder).case("one"), "pa")
