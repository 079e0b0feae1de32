"""What a refinement is given: bones, views, stages and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.likeness import LikenessOptions
from XRayTo3DLib.refinement.prior import JointPrior, PosePrior, pose_unknowns
from XRayTo3DLib.shape.deformable import DeformableModel

CALIBRATED = PosePrior((0.6, 0.6, 0.6), (0.5, 0.5, 6.0))
"""How far a calibrated camera may be wrong: 1 degree in all, half a millimetre, 0.6 % of the distance."""
POSITIONED = PosePrior((5.0, 5.0, 5.0), (10.0, 10.0, 20.0))
"""Two clinical views without calibration: what standard positioning leaves open."""


@dataclass(frozen=True)
class Level:
    """One stage.

    Attributes:
        pixel_mm: Pixel at the bones, mm, about: whole pixels are binned.
        window_mm: Standard deviation of the window of local comparison, mm at the bones.
        thinned: The models' parts are as many times larger.
        together: Whether all bones move as one, or each by itself.
        shape_modes: How many of each bone's shape modes may move.
        density_modes: How many of its density modes.
        views: Whether the views' poses may move.
        iterations: Steps at most.
    """

    pixel_mm: float
    window_mm: float
    thinned: int
    together: bool
    shape_modes: int
    density_modes: int
    views: bool
    iterations: int


LEVELS = (
    Level(2.0, 4.0, 2, True, 0, 0, False, 12),
    Level(2.0, 4.0, 2, False, 4, 1, False, 10),
    Level(1.5, 2.0, 1, False, 100, 100, True, 25),
)


@dataclass(frozen=True)
class RefineOptions:
    """How a refinement works.

    Attributes:
        data: Weight of the radiographs against the prior: what the mean over one view's pixels of the squared
            residuals is multiplied by.
        likeness: How pictures are compared.
        margin_mm: Pixels farther than this from the bones' shadows are left out, mm at the bones.
        levels: The stages.
        draws: People drawn from the prior before the second stage, to start from whoever is most alike; 0: none.
        candidates: How many of them are followed for some steps.
        start_iterations: Steps of each.
        search_margin_mm: As ``margin_mm``, for that search.
        start_share: Variance of a given start's errors as a share of people's variance: what the radiographs do not
            show stays as the start has it.
        poor: A view whose LNCC is below this in the end has all bones searched for again, more widely.
        tolerance: A step that lowers what is minimised by less than this share ends its stage.
    """

    data: float = 300.0
    likeness: LikenessOptions = field(default_factory=LikenessOptions)
    margin_mm: float = 8.0
    levels: tuple[Level, ...] = LEVELS
    draws: int = 100
    candidates: int = 4
    start_iterations: int = 5
    search_margin_mm: float = 15.0
    start_share: float = 0.03
    poor: float = 0.7
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        if not (0 < self.data < np.inf and self.margin_mm > 0 and self.tolerance > 0):
            raise InputError("refinement: data, margin_mm and tolerance must be above zero.")
        if not 0 < self.start_share <= 1:
            raise InputError("refinement: start_share must lie above 0 and not above 1.")
        if not self.levels:
            raise InputError("refinement: give at least one level.")


@dataclass(frozen=True, eq=False)
class View:
    """One radiograph.

    Attributes:
        image: (rows, columns) line integrals, bone bright; gain and offset do not matter.
        camera: As it is believed to be, in the reconstruction frame, mm.
        mask: (rows, columns) bool, what the beam reached; None: all.
        prior: How far the camera may be wrong.
        name: For messages.

    Raises:
        InputError: An image that does not fit its camera or is not finite, or a mask of another size.
    """

    image: Any
    camera: XRayCamera
    mask: Any = None
    prior: PosePrior = CALIBRATED
    name: str = "radiograph"

    def __post_init__(self) -> None:
        shape = self.camera.size[::-1]
        if np.shape(self.image) != shape or (self.mask is not None and np.shape(self.mask) != shape):
            found = np.shape(self.image) if np.shape(self.image) != shape else np.shape(self.mask)
            raise InputError(f"{self.name}: pixels of {found} (rows, columns) for a camera of {shape}.")
        if not np.isfinite(self.image).all():
            raise InputError(f"{self.name}: it has pixels that are not finite (NaN); read it again.")


@dataclass(frozen=True, eq=False)
class Placed:
    """One bone: pose (model to frame), shape (k,) and density (m,) coefficients, SD; missing ones are 0."""

    pose: RigidPose
    theta: FloatArray = field(default_factory=lambda: np.zeros(0))
    phi: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The bones that are refined together.

    Attributes:
        models: By name.
        usual: By name, model to frame, where such a bone usually lies.
        prior: How people differ from that.

    Raises:
        InputError: No bone, or a prior of other bones.
    """

    models: Mapping[str, DeformableModel]
    usual: Mapping[str, RigidPose]
    prior: JointPrior

    def __post_init__(self) -> None:
        if not self.models:
            raise InputError("refinement: give at least one bone's model.")
        wanted = {name: (model.size, model.density_size) for name, model in self.models.items()}
        if dict(self.prior.sizes) != wanted or list(self.prior.sizes) != list(self.models):
            raise InputError(f"refinement: the prior is of {dict(self.prior.sizes)}, the models of {wanted}.")

    def about(self, start: Mapping[str, Placed], share: float) -> Anatomy:
        """The same bones of a person of whom a method has told something, see ``JointPrior.about``.

        Raises:
            InputError: A bone that has no model here.
        """
        values = {}
        for name, placed in start.items():
            if name not in self.models:
                raise InputError(f"refinement: there is no model of {name}; the models are {', '.join(self.models)}.")
            model = self.models[name]
            theta = np.zeros(model.size)
            theta[: len(placed.theta)] = placed.theta
            values[name] = np.r_[pose_unknowns(placed.pose, self.usual[name], model.middle), theta]
        return replace(self, prior=self.prior.about(values, share))

    def mean(self) -> dict[str, Placed]:
        """Every bone as it usually is."""
        return {name: Placed(self.usual[name]) for name in self.models}
