"""SYNTHETIC anatomy: parametric distal forearms for tests, demonstrations and teaching. Not real anatomy."""

from XRayTo3DLib.dataset.phantoms.forearm import LABELS, PhantomCase, make_forearm
from XRayTo3DLib.dataset.phantoms.shape import POPULATION, ForearmShape

__all__ = ["LABELS", "POPULATION", "ForearmShape", "PhantomCase", "make_forearm"]
