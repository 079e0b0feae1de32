"""Configuration of shape and intensity models fitted to radiographs."""

from __future__ import annotations

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
        model = self.model
        if model.people < 2 or model.vertices < 50 or model.shape_modes < 1 or model.density_modes < 0:
            raise InputError(
                "configuration: model needs 2 people, 50 vertices and 1 shape mode or more, and no negative number."
            )
        if not model.spacing_mm > 0:
            raise InputError(f"configuration: model.spacing_mm must be above 0, not {model.spacing_mm}.")
