"""Configuration of shape and intensity models fitted to radiographs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT
from XRayTo3DLib.methods.data import DataConfiguration
from XRayTo3DLib.shape.shape_intensity_similarity import METRICS

METHOD = "shape-intensity-fit"


@dataclass(frozen=True)
class ModelConfiguration:
    """How models are made.

    Attributes:
        people: Of the training people, evenly chosen; correspondence takes about a second each.
        vertices: Of a bone's surface.
        passes: Of correspondence: from the second on the mean is the template.
        spacing_mm: Edge of the cubes that a bone's attenuation is made of.
        shape_modes: Kept.
        density_modes: Kept.
    """

    people: int = 40
    vertices: int = 700
    passes: int = 1
    spacing_mm: float = 2.5
    shape_modes: int = 15
    density_modes: int = 3


@dataclass(frozen=True)
class FitConfiguration:
    """How models are fitted, see ``shape.shape_intensity_options``.

    Attributes:
        metric: "ncc", "ngcc" or "ssd".
        prior: Weight of the coefficients' squares (SD).
        contour: Weight of outlines, where they are given, per mm^2.
    """

    metric: str = "ncc"
    prior: float = 1e-5
    contour: float = 0.01


@dataclass(frozen=True)
class ShapeIntensityConfiguration:
    """All of it; see ``Resources/configs/knee_shape_fit_small.yaml``.

    Attributes:
        method: "shape-intensity-fit".
        name: Of the model.
        data: What to learn from.
        anatomy: For the model's card.
        model: How models are made.
        fit: How they are fitted.
        seed: Of the exposures that the model is tested on.
        format: Of the file.

    Raises:
        InputError: A value out of range.
    """

    method: str
    name: str
    data: DataConfiguration
    anatomy: str = "bones"
    model: ModelConfiguration = field(default_factory=ModelConfiguration)
    fit: FitConfiguration = field(default_factory=FitConfiguration)
    seed: int = 0
    format: str = FORMAT

    def __post_init__(self) -> None:
        if self.fit.metric not in METRICS:
            raise InputError(f"configuration: fit.metric must be {', '.join(METRICS)}, not {self.fit.metric!r}.")
        if not (0 <= self.fit.prior < math.inf and 0 <= self.fit.contour < math.inf):
            raise InputError("configuration: fit.prior and fit.contour must be 0 or more.")
        model = self.model
        least = {"people": 3, "vertices": 50, "passes": 1, "shape_modes": 1, "density_modes": 0}
        for name, count in least.items():
            if getattr(model, name) < count:
                raise InputError(f"configuration: model.{name} must be {count} or more, not {getattr(model, name)}.")
        if not model.spacing_mm > 0:
            raise InputError(f"configuration: model.spacing_mm must be above 0, not {model.spacing_mm}.")
