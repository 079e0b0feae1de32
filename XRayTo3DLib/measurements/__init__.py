"""Measurements that a clinician takes on a bone, each with its uncertainty, from landmarks a shape model carries."""

from XRayTo3DLib.measurements.carried_landmarks import (
    CarriedLandmarks,
    arrays_of,
    landmarks_from,
    learn_landmarks,
)
from XRayTo3DLib.measurements.femur import femur_landmarks, femur_measures
from XRayTo3DLib.measurements.forearm import forearm_landmarks, forearm_measures
from XRayTo3DLib.measurements.measurers import (
    MEASURERS,
    Measurer,
    learn_from_people,
    measurements_of,
    person_landmarks,
)
from XRayTo3DLib.measurements.types import Measurement

__all__ = [
    "MEASURERS",
    "CarriedLandmarks",
    "Measurement",
    "Measurer",
    "arrays_of",
    "femur_landmarks",
    "femur_measures",
    "forearm_landmarks",
    "forearm_measures",
    "landmarks_from",
    "learn_from_people",
    "learn_landmarks",
    "measurements_of",
    "person_landmarks",
]
