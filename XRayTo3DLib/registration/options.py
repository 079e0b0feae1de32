"""How a registration searches, and what it says while it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose

OPTIMISERS = ("screening", "cma-es")


@dataclass(frozen=True)
class RegistrationOptions:
    """How to search.

    Attributes:
        starts: Starts at the coarsest level: the given pose and the best of the screened ones.
        screened: How many random rotations (and, in one view, depths) are screened at most to choose the starts from;
            a single body's search ends earlier where its first starts agree.
        spread_deg: Spread (standard deviation) of the screened rotations about each axis, degrees.
        reach_mm: How far from the initial pose a bone is looked for along each axis, mm.
        own_deg: With surroundings: spread of a bone's own rotation against the limb, degrees.
        own_mm: With surroundings: how far a bone may lie from its place in the limb along each axis, mm.
        pixel_mm: Pixel sizes at the bone, mm, coarse to fine.
        enough_mm: Finer pixels are left out where a bone alone is surer than this already (standard deviation of its
            points, mm); 0 for all of them.
        kept: How many of the best coarse results go on to the second level.
        optimiser: How starts are found: "screening" (random rotations, each shifted to where it fits best), or "cma-es"
            (covariance matrix adaptation from the initial pose, ``screened`` times 6 evaluations).
        similarity: What is climbed: one of ``registration.similarity.LEAST_SQUARES``. Results and verdicts tell
            gradient correlation, whatever was climbed.
        iterations: Largest number of accepted steps per start and level.
        margin_mm: How far beyond the bone's shadow pixels are compared, mm at the bone.
        seed: Seed of the random starts; the same seed gives the same result.
        threads: CPU threads. The pictures are small: one thread is within a fifth of two on a quiet machine, and
            ten times faster on a busy one, where OpenMP's threads wait for each other.

    Raises:
        InputError: A number out of range.
    """

    starts: int = 16
    screened: int = 120
    spread_deg: float = 6.0
    reach_mm: float = 20.0
    own_deg: float = 5.0
    own_mm: float = 10.0
    pixel_mm: tuple[float, ...] = (2.8, 1.4, 0.7, 0.35)
    enough_mm: float = 0.1
    kept: int = 4
    optimiser: str = "screening"
    similarity: str = "gradient-correlation"
    iterations: int = 15
    margin_mm: float = 10.0
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        if min(self.starts, self.kept, self.iterations, self.threads) < 1 or min(self.seed, self.screened) < 0:
            raise InputError(
                "registration options: starts, kept, iterations and threads must be 1 or more, the seed and "
                "screened 0 or more."
            )
        if self.optimiser not in OPTIMISERS:
            known = ", ".join(OPTIMISERS)
            raise InputError(f"registration options: optimiser {self.optimiser!r} is not one of {known}.")
        lengths = (*self.pixel_mm, self.margin_mm)
        if not self.pixel_mm or not np.isfinite(lengths).all() or min(lengths) <= 0:
            raise InputError("registration options: pixel sizes and margin must be greater than zero (mm).")
        spreads = (self.spread_deg, self.reach_mm, self.own_deg, self.own_mm, self.enough_mm)
        if not np.isfinite(spreads).all() or min(spreads) < 0:
            raise InputError("registration options: spreads and reaches must be 0 or more (degrees, mm).")


@dataclass(frozen=True)
class RegistrationState:
    """Where a running registration is: for a progress bar and a live picture. ``pose`` is the first bone's."""

    stage: str
    fraction: float
    pose: RigidPose
    similarity: float
