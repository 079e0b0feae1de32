"""Metal knee implants, known as surfaces, on real fluoroscopy: the published poses are found again (JTML).

``Testing/Benchmarks/bench_implant_registration.py`` does all frames, views and many starts.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from XRayTo3DLib.evaluation.registration_trials import errors_of
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import opencv_camera
from XRayTo3DLib.imaging import read_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.mesh_attenuation import mesh_attenuation
from XRayTo3DLib.registration.register import RegistrationOptions, register
from XRayTo3DLib.shape.meshes import points_of, triangles_of
from XRayTo3DLib.shape.surfaces import read_surface

pytestmark = pytest.mark.data

OPTIONS = RegistrationOptions(starts=3, screened=16)


@pytest.fixture(scope="module")
def folder(data_dir: Path) -> Path:
    return data_dir / "knee_tka_fluoro_jtml"


def camera_of(values: dict) -> XRayCamera:
    rotation = values.get("R_world_to_camera", np.eye(3))
    translation = values.get("t_world_to_camera_mm", np.zeros(3))
    # The calibration does not say where the detector is; it has to stand behind the knee.
    size = tuple(values["image_size"])
    return opencv_camera(values["K"], rotation, translation, size, sdd=1800.0, from_corner=True)


def check_found(surface: Path, views: list[Radiograph], published: RigidPose, seed: int) -> None:
    """From 5 degrees and 5 mm off, within 1 mm in the first view's plane and 1.5 degrees."""
    mesh = read_surface(surface)
    points = points_of(mesh)
    implant = mesh_attenuation(points, triangles_of(mesh))
    axis, direction = (v / np.linalg.norm(v) for v in np.random.default_rng(seed).normal(size=(2, 3)))
    begin = RigidPose.from_rotation(5 * axis, 5 * direction, published.apply(implant.centre_lps)) @ published
    assert begin.distance_to(published, implant.centre_lps) == pytest.approx((5, 5), abs=1e-6)
    errors = errors_of(register(implant, views, begin, OPTIONS).pose, published, points, views[0].camera)
    assert errors.plane_mm <= 1.0 and errors.rotation_deg <= 1.5


def test_the_femoral_component_is_found_in_two_views(folder: Path) -> None:
    biplane = folder / "biplane"
    geometry = json.loads((biplane / "geometry.json").read_text())
    views = [
        read_radiograph(biplane / f"{name}_frame140.png", camera=camera_of(values))
        for name, values in geometry["cameras"].items()
    ]
    published = RigidPose(geometry["frames"]["140"]["world_from_femur_component"])
    check_found(biplane / "femur_component.ply", views, published, seed=1)


@pytest.mark.parametrize("bone", ["femur", "tibia"])
def test_both_components_are_found_in_one_view(folder: Path, bone: str) -> None:
    kneeling = folder / "mono_kneel"
    geometry = json.loads((kneeling / "geometry.json").read_text())
    view = read_radiograph(kneeling / "frame000.png", camera=camera_of(geometry))
    published = RigidPose(geometry["frames"]["000"][bone]["camera_from_component"])
    check_found(kneeling / f"{bone}_component.ply", [view], published, seed=2)
