"""Posteriors of toys whose distribution is known: an egg of the shape and intensity model, precisions by hand."""

from __future__ import annotations

import numpy as np
from shape_intensity_cases import egg

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.refinement.options import Anatomy, Placed
from XRayTo3DLib.refinement.posterior import Posterior, Trust
from XRayTo3DLib.refinement.prior import PosePrior, independent
from XRayTo3DLib.refinement.scene import State

BONE = "egg"


def toy_posterior(
    data: np.ndarray,
    prior: np.ndarray,
    trust: Trust | None = None,
    views: int = 2,
    pose: RigidPose | None = None,
    misfit: float = 0.0,
) -> Posterior:
    """Of one egg: six of its pose, its shape and density; no cameras.

    Args:
        data: (u, u) precision.
        prior: (u, u) precision.
        trust: As given to the posterior.
        views: Of how many radiographs.
        pose: Where it lies.
        misfit: Of the view that is explained worst.
    """
    model = egg()
    sizes = {BONE: (model.size, model.density_size)}
    usual = RigidPose.identity()
    anatomy = Anatomy({BONE: model}, {BONE: usual}, independent(sizes, {BONE: PosePrior()}))
    placed = Placed(pose or usual, np.zeros(model.size), np.zeros(model.density_size))
    return Posterior(anatomy, State({BONE: placed}, ()), sizes, data, prior, trust or Trust(), views, misfit)


def unknowns() -> int:
    """How many unknowns an egg has."""
    return 6 + egg().size + egg().density_size


def random_precision(rng: np.random.Generator, scale: float, directions: int | None = None) -> np.ndarray:
    """(u, u) of random directions; fewer than unknowns leave some unknown."""
    rows = rng.normal(size=(directions or 2 * unknowns(), unknowns())) * scale
    return rows.T @ rows
