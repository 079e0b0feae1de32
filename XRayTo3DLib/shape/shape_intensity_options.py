"""What a fit of shape and intensity models is given: bones, stages and weights."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.shape.model_fitting_contours import Outline
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel
from XRayTo3DLib.shape.shape_intensity_similarity import Metric


@dataclass(frozen=True)
class Level:
    """One stage of a fit.

    Attributes:
        binned: Pixels along each axis that become one; the bones' parts are as many times larger.
        together: Whether all bones move as one, or each by itself.
        shape_modes: How many of each bone's shape modes may move.
        density_modes: How many of its density modes.
        iterations: Steps at most.
    """

    binned: int
    together: bool
    shape_modes: int
    density_modes: int
    iterations: int


LEVELS = (
    Level(2, True, 0, 0, 15),
    Level(2, False, 0, 1, 10),
    Level(2, False, 4, 2, 15),
    Level(1, False, 50, 50, 20),
)


@dataclass(frozen=True)
class IntensityFitOptions:
    """How models are fitted.

    Attributes:
        metric: See ``shape_intensity_similarity``.
        prior: Weight of the sum of squared coefficients (SD) against the sum over views of squared residuals.
        contour: Weight of the outlines' mean squared distance, per mm^2.
        levels: The stages, in their order.
        tolerance: A step that lowers what is minimised by less than this share ends its level.
    """

    metric: Metric = "ncc"
    prior: float = 1e-5
    contour: float = 0.01
    levels: tuple[Level, ...] = LEVELS
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not (self.prior >= 0 and self.contour >= 0 and np.isfinite(self.prior + self.contour)):
            raise InputError("fit: the weights of prior and outlines must be 0 or more.")
        if not self.levels:
            raise InputError("fit: give at least one level.")


@dataclass(frozen=True, eq=False)
class Bone:
    """A bone to be fitted.

    Attributes:
        model: Its model.
        usual: Model to world, where such a bone usually lies.
        rotation_sd_deg: How far it may be turned from there (per axis, SD).
        translation_sd_mm: How far shifted.
        outlines: Of this bone, in any of the radiographs.
    """

    model: ShapeIntensityModel
    usual: RigidPose = field(default_factory=RigidPose.identity)
    rotation_sd_deg: float = 10.0
    translation_sd_mm: float = 10.0
    outlines: tuple[Outline, ...] = ()

    @property
    def middle(self) -> FloatArray:
        """(3,) middle of the mean surface's vertices, model's frame, mm."""
        return np.asarray(self.model.shape.mean.mean(axis=0))
