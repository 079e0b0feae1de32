"""The refinement itself: Levenberg-Marquardt over all unknowns, coarse to fine, as steps that can be watched.

After Klima et al. (2015) in what moves, and Van Houtte et al. (IJCARS 2022) in that views are calibrated ones; the data
term, the joint prior and the views' own unknowns are ours. Stop whenever you like: every step's state is whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.options import Anatomy, Level, Placed, RefineOptions, View
from XRayTo3DLib.refinement.scene import Linearised, Scene, State

LONGEST_DEG, LONGEST_MM, LONGEST_SD = 5.0, 8.0, 1.5
"""Of one step: beyond, the straight line that it follows means little."""
TRIALS = 6
"""Of damping, before a level is taken to have ended."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step taken.

    Attributes:
        level: Which stage, from 0.
        state: Where it led.
        cost: What is minimised, with the weights of the step before; infinite before the first.
        scene: What it was taken in.
    """

    level: int
    state: State
    cost: float
    scene: Scene


def refine_steps(
    anatomy: Anatomy,
    views: Sequence[View],
    options: RefineOptions | None = None,
    start: Mapping[str, Placed] | None = None,
) -> Iterator[Step]:
    """Refine bones against radiographs.

    Args:
        anatomy: The bones' models and what is usual.
        views: One radiograph or more, at any angle.
        options: How.
        start: Where the bones start; as they usually are by default.

    Yields:
        Every step. The last one's scene and state are what ``posterior`` and ``result`` start from.

    Raises:
        InputError: No radiograph, one that shows nothing where the bones should be, or a bone beside a source.
    """
    options = options or RefineOptions()
    if not views:
        raise InputError("refinement: give at least one radiograph.")
    state = State({**anatomy.mean(), **(start or {})}, tuple(RigidPose.identity() for _ in views))
    for number, level in enumerate(options.levels):
        if number == 1 and options.starts_sd > 0:
            for step in _best_start(anatomy, views, level, options, state):
                yield step
                state = step.state
        scene = Scene(anatomy, views, level, options, state)
        for reached, cost in _minimised(scene, scene.fitting(state), options):
            yield Step(number, reached, cost, scene)
            state = reached


def _minimised(scene: Scene, state: State, options: RefineOptions) -> Iterator[tuple[State, float]]:
    """Levenberg-Marquardt with robust weights that are found anew for every step."""
    damping = 1e-3
    yield state, math.inf
    for _ in range(scene.level.iterations):
        about = scene.linearised(state)
        for _ in range(TRIALS):
            candidate = scene.moved(state, _step(about, damping, scene))
            lower = _cost(scene, candidate, about)
            if lower < about.cost:
                break
            damping = max(damping, 1e-4) * 8.0
        else:
            return
        state, damping = candidate, damping * 0.2
        yield state, lower
        if about.cost - lower < options.tolerance * about.cost:
            return


def _cost(scene: Scene, candidate: State, about: Linearised) -> float:
    """What is minimised, after a step that is only tried: infinite where it leaves a picture or passes a source."""
    try:
        return scene.cost(candidate, about.weights)
    except InputError:
        return math.inf


def _step(about: Linearised, damping: float, scene: Scene) -> FloatArray:
    """Solve (H + damping diag H) step = -g, shortened to the longest step that is trusted."""
    square = about.data + about.prior
    scale = np.diag(square) + 1e-9 * np.trace(square) / len(square)
    step = -np.linalg.solve(square + damping * np.diag(scale), about.gradient)
    longest = np.abs(step) / scene.longest(LONGEST_DEG, LONGEST_MM, LONGEST_SD)
    return step / max(1.0, float(longest.max()))


def _best_start(
    anatomy: Anatomy, views: Sequence[View], level: Level, options: RefineOptions, state: State
) -> Iterator[Step]:
    """Each bone shifted along each axis from where it stands, a few steps from each; ends with the best of all."""
    scene = Scene(anatomy, views, replace(level, iterations=options.start_iterations), options, state)
    best = scene.fitting(state)
    lowest = math.inf
    for name in anatomy.models:
        shifts = [np.zeros(3), *_shifts(anatomy, name, options.starts_sd)]
        base = best
        for shift in shifts[1:] if math.isfinite(lowest) else shifts:
            end = first = _shifted(base, name, shift)
            try:
                for reached, cost in _minimised(scene, first, options):
                    yield Step(1, best, cost, scene)
                    end = reached
                settled = scene.settled(end)
            except InputError:  # That start left a picture: it is none.
                continue
            if settled < lowest:
                best, lowest = end, settled
    yield Step(1, best, lowest, scene)


def _shifts(anatomy: Anatomy, name: str, starts_sd: float) -> list[FloatArray]:
    """Six shifts (3,), mm, along the frame's axes, in SD of where people's bones lie."""
    first = anatomy.prior.parts[name].start
    spread = np.sqrt(np.diag(anatomy.prior.covariance))[first + 3 : first + 6]
    return [sign * starts_sd * spread[axis] * np.eye(3)[axis] for axis in range(3) for sign in (-1.0, 1.0)]


def _shifted(state: State, name: str, shift: FloatArray) -> State:
    placed = state.bones[name]
    pose = RigidPose.from_rotation(np.zeros(3), shift) @ placed.pose
    return State({**state.bones, name: replace(placed, pose=pose)}, state.motions)
