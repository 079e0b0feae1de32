"""SYNTHETIC anatomy: parametric forearms, knees and hips for tests, demonstrations and teaching. Not real anatomy."""

from XRayTo3DLib.dataset.phantoms.exposures import hip_camera, knee_camera, pelvis_camera, wrist_camera
from XRayTo3DLib.dataset.phantoms.forearm import PhantomCase, make_forearm
from XRayTo3DLib.dataset.phantoms.hips import HIPS_LABELS, make_hips
from XRayTo3DLib.dataset.phantoms.hips_shape import HipsShape
from XRayTo3DLib.dataset.phantoms.leg_morphometry import measure_hip, measure_knee
from XRayTo3DLib.dataset.phantoms.leg_shapes import HIP_POPULATION, KNEE_POPULATION, HipShape, KneeShape
from XRayTo3DLib.dataset.phantoms.limb import HIP_LABELS, KNEE_LABELS, make_hip, make_knee
from XRayTo3DLib.dataset.phantoms.morphometry import measure_forearm
from XRayTo3DLib.dataset.phantoms.render import LABELS
from XRayTo3DLib.dataset.phantoms.shape import POPULATION, ForearmShape, PersonShape

__all__ = [
    "HIPS_LABELS",
    "HIP_LABELS",
    "HIP_POPULATION",
    "KNEE_LABELS",
    "KNEE_POPULATION",
    "LABELS",
    "POPULATION",
    "ForearmShape",
    "HipShape",
    "HipsShape",
    "KneeShape",
    "PersonShape",
    "PhantomCase",
    "hip_camera",
    "knee_camera",
    "make_forearm",
    "make_hip",
    "make_hips",
    "make_knee",
    "measure_forearm",
    "measure_hip",
    "measure_knee",
    "pelvis_camera",
    "wrist_camera",
]
