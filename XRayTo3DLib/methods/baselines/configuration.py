"""Configurations of the baselines: the same ``data`` as any network's, and how much of it they keep."""

from __future__ import annotations

from dataclasses import dataclass

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import FORMAT
from XRayTo3DLib.methods.data import DataConfiguration


@dataclass(frozen=True)
class BaselineConfiguration:
    """What every baseline is told; the mean shape needs no more."""

    data: DataConfiguration
    format: str = FORMAT
    method: str = "mean-shape"
    name: str = "Mean shape"
    anatomy: str = "bones"
    seed: int = 0


@dataclass(frozen=True)
class NearestConfiguration(BaselineConfiguration):
    """The nearest training shape.

    Attributes:
        exposures: Kept of every training person, each held another way.
        vertices: Of each bone's stored surface.
    """

    method: str = "nearest-shape"
    name: str = "Nearest training shape"
    exposures: int = 4
    vertices: int = 1000

    def __post_init__(self) -> None:
        if self.exposures < 1 or not 12 <= self.vertices <= 30_000:
            raise InputError("configuration: exposures must be 1 or more, vertices from 12 to 30 000.")


@dataclass(frozen=True)
class RidgeConfiguration(BaselineConfiguration):
    """Ridge regression from image to shape components.

    Attributes:
        exposures: Learnt from of every training person, each held another way; fewer where memory ends.
        image_components: How many of the images are kept.
        shape_components: How many of the shapes are kept.
    """

    method: str = "ridge"
    name: str = "Ridge regression"
    exposures: int = 4
    image_components: int = 200
    shape_components: int = 60

    def __post_init__(self) -> None:
        if min(self.exposures, self.image_components, self.shape_components) < 1:
            raise InputError("configuration: exposures, image_components and shape_components must be 1 or more.")
