"""SYNTHETIC anatomy: parametric distal forearms for tests, demonstrations and teaching. Not real anatomy."""

from XRayTo3DLib.dataset.phantoms.exposures import wrist_camera
from XRayTo3DLib.dataset.phantoms.forearm import PhantomCase, make_forearm
from XRayTo3DLib.dataset.phantoms.morphometry import measure_forearm
from XRayTo3DLib.dataset.phantoms.render import LABELS
from XRayTo3DLib.dataset.phantoms.shape import POPULATION, ForearmShape

__all__ = ["LABELS", "POPULATION", "ForearmShape", "PhantomCase", "make_forearm", "measure_forearm", "wrist_camera"]
