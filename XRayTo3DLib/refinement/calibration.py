"""How far a refinement's posterior may be trusted, learnt from people whose bones are known.

The posterior has two numbers that no theory gives: the temperature that the radiographs' precision is divided by
(neighbouring pixels err together, and no model of bones is right), and by bone a floor for what no shape of the model
shows. Both are chosen such that intervals along vertices' normals hold the shares they state: the expected calibration
error of quantiles (Kuleshov et al., ICML 2018, section 3.3), over the levels 50, 80 and 95 % and a few between. Where
several pairs do alike, the likelihood of the errors decides. Before, from the few whose radiographs are explained
worst, it is learnt how far bones are off by the misfit: by likelihood, 0 where a misfit foretells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.posterior import Posterior, Trust, Trusts

LEVELS = (0.5, 0.65, 0.8, 0.9, 0.95)
TEMPERATURES = tuple(np.geomspace(1 / 64, 256.0, 29).tolist())
FLOORS_MM = tuple(np.r_[0.0, np.geomspace(0.03, 2.0, 43)].tolist())
SLOPES_MM = (0.0, *np.geomspace(1.0, 100.0, 21).tolist())
USUAL_SHARE = 0.85
"""Share of people whose misfit is taken as usual."""
Moves = Mapping[str, FloatArray]
"""By bone (n, 6 + k), see ``Posterior.along_normals``."""
LEAST_GAIN = 3.0
"""Nats, a person counting once per bone, that a slope must gain: a likelihood ratio of 20."""
FEWEST = 5
"""People, below which nothing can be said of 95 %."""
LIKELIHOOD = 0.02
"""Weight of the mean negative log likelihood (nats) beside the largest departure of coverage (share)."""


@dataclass(frozen=True, eq=False)
class KnownRefinement:
    """A refinement of somebody whose bones are known.

    Attributes:
        posterior: Of it; its trust does not matter.
        errors_mm: By bone (n,), where the true surface lies along each vertex's normal, mm; NaN: not to be judged.
    """

    posterior: Posterior
    errors_mm: Mapping[str, FloatArray]


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What was found for one number of views.

    Attributes:
        trust: The temperature and floors.
        views: Of how many radiographs.
        people: How many were known.
        coverage: By bone, shares of vertices inside intervals of :data:`LEVELS`.
    """

    trust: Trust
    views: int
    people: int
    coverage: dict[str, tuple[float, ...]]


def calibrated(known: Sequence[KnownRefinement]) -> Calibrated:
    """Temperature and floors for one number of views.

    Args:
        known: Refinements of at least :data:`FEWEST` people, all from as many views.

    Raises:
        InputError: Too few, of different numbers of views, or without any vertex to judge.
    """
    views = {each.posterior.views for each in known}
    if len(known) < FEWEST or len(views) != 1:
        raise InputError(
            f"calibration: {len(known)} refinements of {sorted(views)} views; give {FEWEST} or more of one number."
        )
    bones = list(known[0].errors_mm)
    errors = {bone: _errors(known, bone) for bone in bones}
    if not all(np.isfinite(each).any() for each in errors.values()):
        raise InputError("calibration: a bone has no vertex inside the field where errors are judged.")
    along = [{bone: each.posterior.along_normals(bone) for bone in bones} for each in known]
    misfits = np.array([each.posterior.misfit for each in known])
    usual = float(np.quantile(misfits, USUAL_SHARE))
    within = np.flatnonzero(misfits <= usual)
    # How far off a misfit tells bones to be is told against what is predicted of everybody else.
    base = _fitted([known[n] for n in within], [along[n] for n in within], Trust(usual_misfit=usual))
    trust = _fitted(known, along, replace(base, misfit_mm=_slope(known, along, base)))
    variances = _variances(known, along, trust)
    held = {bone: tuple(_held(errors[bone], variances[bone], trust.floor_mm[bone]).tolist()) for bone in bones}
    return Calibrated(trust, views.pop(), len(known), held)


def trusts_from(found: Sequence[Calibrated]) -> Trusts:
    """What a bundle keeps: for one view, two, ...; numbers of views that were not tried take the next one's above.

    Raises:
        InputError: Nothing was calibrated.
    """
    if not found:
        raise InputError("calibration: nothing was calibrated.")
    known = {each.views: each.trust for each in found}
    most = max(known)
    return Trusts(tuple(known[min(v for v in known if v >= count)] for count in range(1, most + 1)))


def _fitted(known: Sequence[KnownRefinement], along: Sequence[Moves], wrong: Trust) -> Trust:
    """The temperature and floors that make intervals hold best, given what misfits tell."""
    best: tuple[float, Trust] = (np.inf, wrong)
    for temperature in TEMPERATURES:
        variances = _variances(known, along, replace(wrong, temperature=temperature))
        found = {bone: _floor(_errors(known, bone), each) for bone, each in variances.items()}
        cost = sum(cost for cost, _ in found.values())
        if cost < best[0]:
            floors = {bone: floor for bone, (_, floor) in found.items()}
            best = cost, replace(wrong, temperature=temperature, floor_mm=floors)
    return best[1]


def _slope(known: Sequence[KnownRefinement], along: Sequence[Moves], base: Trust) -> float:
    """The likeliest mm per misfit beyond what is usual; 0 where one or two people alone speak for any."""
    plain = _variances(known, along, base)
    unit = replace(base, misfit_mm=1.0)
    beyond = {
        bone: np.concatenate(
            [
                np.full(len(moves[bone]), unit.wrong_mm(k.posterior.misfit))
                for k, moves in zip(known, along, strict=True)
            ]
        )
        for bone in plain
    }
    costs = [
        sum(
            _surprise(_errors(known, bone), plain[bone] + (slope * beyond[bone]) ** 2, base.floor_mm[bone])
            for bone in plain
        )
        for slope in SLOPES_MM
    ]
    gain = (costs[0] - min(costs)) * len(known)
    return SLOPES_MM[int(np.argmin(costs))] if gain > LEAST_GAIN else 0.0


def _variances(known: Sequence[KnownRefinement], along: Sequence[Moves], trust: Trust) -> dict[str, FloatArray]:
    """By bone (all vertices,) along normals, mm^2, without floor."""
    found: dict[str, list[FloatArray]] = {bone: [] for bone in known[0].errors_mm}
    for each, moves in zip(known, along, strict=True):
        believed = each.posterior.trusted(trust)
        for bone, some in found.items():
            some.append(np.einsum("nu,nu->n", moves[bone] @ believed.block(bone), moves[bone]) + believed.wrong_mm**2)
    return {bone: np.concatenate(some) for bone, some in found.items()}


def _errors(known: Sequence[KnownRefinement], bone: str) -> FloatArray:
    return np.concatenate([np.asarray(each.errors_mm[bone]) for each in known])


def _floor(errors: FloatArray, variances: FloatArray) -> tuple[float, float]:
    """Cost and the floor that makes it least, mm."""
    costs = []
    for floor in FLOORS_MM:
        off = np.abs(_held(errors, variances, floor) - LEVELS)
        costs.append(float(off.max() + off.mean() + LIKELIHOOD * _surprise(errors, variances, floor)))
    best = int(np.argmin(costs))
    return costs[best], FLOORS_MM[best]


def _held(errors: FloatArray, variances: FloatArray, floor: float) -> FloatArray:
    """(levels,) shares of errors inside intervals."""
    judged = _judged(errors)
    ratio = np.abs(errors[judged]) / np.sqrt(variances[judged] + floor**2 + 1e-12)
    return np.asarray([(ratio <= norm.ppf(0.5 + level / 2)).mean() for level in LEVELS])


def _surprise(errors: FloatArray, variances: FloatArray, floor: float) -> float:
    """Mean negative log likelihood of errors, nats; single errors count at most as 4 standard deviations."""
    judged = _judged(errors)
    total = variances[judged] + floor**2 + 1e-12
    return float(np.mean(0.5 * np.log(total) + 0.5 * np.minimum(errors[judged] ** 2 / total, 16.0)))


def _judged(errors: FloatArray) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(errors))
