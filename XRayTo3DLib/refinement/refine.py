"""The refinement itself: Levenberg-Marquardt over all unknowns, coarse to fine, as steps that can be watched.

After Klima et al. (2015) in what moves, and Van Houtte et al. (IJCARS 2022) in that views are calibrated ones; the data
term, the joint prior and the views' own unknowns are ours. Stop whenever you like: every step's state is whole.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.refinement.options import Anatomy, Level, Placed, RefineOptions, View
from XRayTo3DLib.refinement.scene import Linearised, Scene, State

LONGEST_DEG, LONGEST_MM, LONGEST_SD = 5.0, 8.0, 1.5
"""Of one step: beyond, the straight line that it follows means little."""
WIDER = 1.6
"""Drawn people differ by so much more than people do: one in twenty lies two SD out, and should be met as well."""
SEARCHED_AGAIN, BETTER = 3, 0.02
"""Times as many draws where a view is explained poorly; what LNCC must gain for the second search to be believed."""
LOOSE_DEG = 2.0
"""Views known less well than this are moved from the second stage on, not in the last alone."""
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
        start: What another method says of the bones (``start.start_from``): they start there, and what the radiographs
            do not show stays so. By default they are searched for among people.

    Yields:
        Every step. The last one's scene and state are what ``posterior`` and ``result`` start from.

    Raises:
        InputError: No radiograph, one that shows nothing where the bones should be, or a bone beside a source.
    """
    options = options or RefineOptions()
    if not views:
        raise InputError("refinement: give at least one radiograph.")
    if start:
        known = anatomy.about(start, options.start_share)
        end = yield from _run(known, views, options, {**anatomy.mean(), **start}, first=min(1, len(options.levels) - 1))
    else:
        end = yield from _run(anatomy, views, options, anatomy.mean())
    if options.draws > 0 and min(_likenesses(end)) < options.poor:
        wider = replace(options, draws=SEARCHED_AGAIN * options.draws)
        other = yield from _run(anatomy, views, wider, anatomy.mean(), seed=1)
        if np.mean(_likenesses(other)) > np.mean(_likenesses(end)) + BETTER:
            end = other
        yield end


def _run(
    anatomy: Anatomy,
    views: Sequence[View],
    options: RefineOptions,
    bones: Mapping[str, Placed],
    first: int = 0,
    seed: int = 0,
) -> Generator[Step, None, Step]:
    """All stages from the ``first`` on; where that is the first of all, bones are searched for before the second."""
    state = State(dict(bones), tuple(RigidPose.identity() for _ in views))
    loose = any(max(view.prior.rotation_deg) > LOOSE_DEG for view in views)
    for number, level in list(enumerate(options.levels))[first:]:
        level = replace(level, views=level.views or (loose and number > 0))
        if number == 1 and first == 0 and options.draws > 0:
            for step in _best_start(anatomy, views, level, options, state, seed):
                yield step
                state = step.state
        scene = Scene(anatomy, views, level, options, state)
        for reached, cost in _minimised(scene, scene.fitting(state), options):
            step = Step(number, reached, cost, scene)
            yield step
            state = reached
    return step


def _likenesses(step: Step) -> list[float]:
    """LNCC per view."""
    pictures = step.scene.pictures(step.state)
    return [each.value(picture) for each, picture in zip(step.scene.likeness, pictures, strict=True)]


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
    anatomy: Anatomy, views: Sequence[View], level: Level, options: RefineOptions, state: State, seed: int
) -> Iterator[Step]:
    """The best of where the bones stand and of people drawn from the prior, after a few steps each."""
    wide = replace(options, margin_mm=options.search_margin_mm)
    scene = Scene(anatomy, views, replace(level, iterations=options.start_iterations), wide, state)
    best, lowest = scene.fitting(state), math.inf
    # All bones first; then, with the others where they are, each by itself: a thin one easily hides behind another.
    for moving in (tuple(anatomy.models), *((name,) for name in anatomy.models if len(anatomy.models) > 1)):
        drawn = [_settled(scene, each) for each in (best, *_draws(anatomy, scene, best, moving, options.draws, seed))]
        order = [int(number) for number in np.argsort([cost for cost, _ in drawn], kind="stable")]
        for number in dict.fromkeys([0, *order[: options.candidates]]):
            end = drawn[number][1]
            for reached, cost in _minimised(scene, end, wide) if math.isfinite(drawn[number][0]) else ():
                yield Step(1, best, cost, scene)
                end = reached
            settled, _ = _settled(scene, end)
            if settled < lowest:
                best, lowest = end, settled
    yield Step(1, best, lowest, scene)


def _settled(scene: Scene, state: State) -> tuple[float, State]:
    """How well a state does; infinitely badly where it lies beside a source or in none of the pictures."""
    try:
        return scene.settled(state), state
    except InputError:
        return math.inf, state


def _draws(anatomy: Anatomy, scene: Scene, stands: State, moving: Sequence[str], count: int, seed: int) -> list[State]:
    """Some bones of people from the prior, every other one about where they stand now; always the same people."""
    rng = np.random.default_rng(seed)
    mean, whitening = anatomy.prior.whitened(scene.sizes)
    lower = np.linalg.inv(whitening)
    found = []
    for number in range(count):
        values = mean + WIDER * lower @ rng.normal(size=len(mean))
        bones = dict(stands.bones)
        for name in moving:
            own, k = values[scene.parts[name]], scene.sizes[name][0]
            base = stands.bones[name].pose if number % 2 else anatomy.usual[name]
            turn = RigidPose.from_rotation(own[:3], own[3:6], base.apply(anatomy.models[name].middle))
            bones[name] = Placed(turn @ base, own[6 : 6 + k], own[6 + k :])
        found.append(State(bones, stands.motions))
    return found
