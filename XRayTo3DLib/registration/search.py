"""The search for one body among others: starts are screened and climbed from, and the best are refined."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.bodies import Body
from XRayTo3DLib.registration.cmaes import cmaes
from XRayTo3DLib.registration.levels import Level, Poses
from XRayTo3DLib.registration.levenberg import Leash, climb
from XRayTo3DLib.registration.motion import CentredMotion
from XRayTo3DLib.registration.options import RegistrationOptions, RegistrationState
from XRayTo3DLib.registration.result import TracePoint
from XRayTo3DLib.registration.screening import Screen
from XRayTo3DLib.registration.similarity import least_squares_similarity

SAME_POSE_DEG = 2.0
SAME_POSE_MM = 1.0
SCREENED_PER_STEP = 8
AGREED, CLEAR = 4, 0.6
"""So many starts at one and the same highest top, of at least this similarity, and no more are climbed from."""
FIRST_LOOK, FIRST_STARTS = 40, 6
"""After so many screened poses the best few are climbed from: where they agree, nothing more is screened."""
CHANCE = 0.6
"""A coarse candidate below this share of the best one's similarity never wins later."""
POPULATION = 24
"""Candidates of one generation of CMA-ES."""
LEASH = 1.5
"""How far a body may get from where it is looked for, as a multiple of the search's reach."""
TOLERANCE_PER_PIXEL = 0.05
"""A level ends when no parameter (mm, degrees) moves by more than this share of its pixel size."""
LAST_TOLERANCE = 0.01
"""The same for the last level: depth converges slowly."""


@dataclass(frozen=True)
class Candidate:
    """Poses of all bodies on their way through the levels.

    Attributes:
        poses: One per body.
        similarity: At the last level.
        trace: Accepted steps so far.
        coarse: Where the looked-for body stood after the coarsest level.
        settled: Whether the last level came to rest within its steps.
        leash: How far the bodies may go.
    """

    poses: Poses
    similarity: float
    trace: tuple[TracePoint, ...] = ()
    coarse: RigidPose | None = None
    settled: bool = False
    leash: Leash | None = None


@dataclass(frozen=True)
class Found:
    """Candidates best first, as they stand after the second level, and all of them after the first."""

    best: list[Candidate]
    coarse: list[Candidate]


class Search:
    """Finds and refines bodies on some radiographs.

    Args:
        radiographs: The views.
        fields: Per view what the beam reached (rows, columns).
        options: How to search.
    """

    def __init__(
        self, radiographs: Sequence[Radiograph], fields: Sequence[NDArray[np.bool_]], options: RegistrationOptions
    ) -> None:
        self._radiographs, self._fields, self.options = list(radiographs), list(fields), options
        self._began = time.monotonic()
        self._stage, self._stages = 0, 1

    @property
    def seconds(self) -> float:
        """Since the search was made."""
        return time.monotonic() - self._began

    def plan(self, stages: int) -> None:
        """How many stages (a find, or a level of refining) there will be, for the progress."""
        self._stages = stages

    def given(self, poses: Poses) -> Candidate:
        """Poses to start refining from, on a leash of the search's reach."""
        return Candidate(poses, 0.0, leash=Leash(poses, tuple(LEASH * self.options.reach_mm for _ in poses)))

    def level(
        self, bodies: Sequence[Body], poses: Poses, pixel_mm: float, focus: Sequence[int], reach_mm: float = 0.0
    ) -> Level:
        """One resolution of every view, ``reach_mm`` wider than it is compared."""
        margin, measure = self.options.margin_mm + reach_mm, least_squares_similarity(self.options.similarity)
        return Level(bodies, self._radiographs, self._fields, poses, pixel_mm, margin, focus, measure)

    def find(
        self, bodies: Sequence[Body], poses: Poses, index: int, spread_deg: float, reach_mm: float, name: str
    ) -> Generator[RegistrationState, None, Found]:
        """Look for body ``index`` round its pose, the others staying where they are."""
        first, *finer = self.options.pixel_mm
        level = self.level(bodies, poses, first, (index,))
        begin = self._screened if self.options.optimiser == "screening" else self._evolved
        given = Candidate(poses, 0.0, leash=Leash(poses, tuple(LEASH * reach_mm for _ in poses)))
        rounds = begin(bodies, given, index, spread_deg, reach_mm, name) if self.options.starts > 1 else iter([[given]])
        coarse: list[Candidate] = []
        for starts in rounds:
            if isinstance(starts, RegistrationState):
                yield starts
                continue
            coarse = yield from self.refined(level, starts, (index,), name, until_agreed=True, climbed=coarse)
            if self._agreed(coarse, bodies[index], index):
                break
        coarse = [replace(candidate, coarse=candidate.poses[index]) for candidate in coarse]
        best = coarse
        if finer:
            kept = self._distinct(coarse, index, bodies[index], self.options.kept)
            level = self.level(bodies, kept[0].poses, finer[0], (index,))
            best = yield from self.refined(level, kept, (index,), name)
        self._stage += 1
        return Found(best, coarse)

    def refined(
        self,
        level: Level,
        pool: Sequence[Candidate],
        active: Sequence[int],
        name: str,
        until_agreed: bool = False,
        climbed: Sequence[Candidate] = (),
    ) -> Generator[RegistrationState, None, list[Candidate]]:
        """All candidates climbed at one level, best first; or only until :data:`AGREED` of them meet at the top.

        Those ``climbed`` before stand among them.
        """
        result = list(climbed)
        for candidate in pool:
            result.append((yield from self._climbed(level, candidate, active, name)))
            result.sort(key=lambda each: -each.similarity)
            if until_agreed and self._agreed(result, level.bodies[active[-1]], active[-1]):
                break
        return result

    def _agreed(self, pool: Sequence[Candidate], body: Body, index: int) -> bool:
        top = pool[0].poses[index]
        return (
            pool[0].similarity > CLEAR and sum(same(candidate.poses[index], top, body) for candidate in pool) >= AGREED
        )

    def done(self) -> None:
        """A stage of refining has ended."""
        self._stage += 1

    def _climbed(
        self, level: Level, candidate: Candidate, active: Sequence[int], name: str
    ) -> Generator[RegistrationState, None, Candidate]:
        stage = f"{name}, {level.pixel_mm:g} mm pixels"
        poses, similarity = candidate.poses, level.similarity(candidate.poses)
        trace = [*candidate.trace, TracePoint(stage, similarity, self.seconds)]
        yield self._state(stage, poses[active[-1]], similarity)
        share = LAST_TOLERANCE if level.pixel_mm == self.options.pixel_mm[-1] else TOLERANCE_PER_PIXEL
        tolerance, steps, last = share * level.pixel_mm, 0, 0.0
        for iterate in climb(level, poses, self.options.iterations, tolerance, active, candidate.leash):
            poses, similarity, last = iterate
            steps += 1
            trace.append(TracePoint(stage, similarity, self.seconds))
            yield self._state(stage, poses[active[-1]], similarity)
        settled = steps < self.options.iterations or last < TOLERANCE_PER_PIXEL * level.pixel_mm
        return replace(candidate, poses=poses, similarity=similarity, trace=tuple(trace), settled=settled)

    def _screened(
        self, bodies: Sequence[Body], given: Candidate, index: int, spread_deg: float, reach_mm: float, name: str
    ) -> Iterator[RegistrationState | list[Candidate]]:
        """The starts: the pose as given, and of many turned ones, each where it fits best, those that fit best.

        A single body's come twice: the best of a few, and then, if more are asked for, those of all that did not come
        before. Where others are drawn, most of the similarity is theirs, and a few starts may agree on a wrong place.
        """
        poses, room = given.poses, self.options.starts - 1
        count = max(self.options.screened, room)
        level = self.level(bodies, poses, self.options.pixel_mm[0], (index,), reach_mm)
        screen = Screen(level, index, poses, reach_mm, reach_mm)
        scored: list[Candidate] = []
        early: list[Candidate] = []
        for pose in self._turned(poses[index], bodies[index], spread_deg, reach_mm, count):
            placed, score = screen.place(pose)
            scored.append(replace(given, poses=(*poses[:index], placed, *poses[index + 1 :]), similarity=score))
            if len(scored) == FIRST_LOOK < count and len(bodies) == 1:
                early = _best(scored, min(room, FIRST_STARTS))
                yield [given, *early]
            elif len(scored) % SCREENED_PER_STEP == 0:
                yield self._state(f"{name}, choosing starts", poses[index], score)
        yield [start for start in _best(scored, room) if start not in early] + ([] if early else [given])

    def _evolved(
        self, bodies: Sequence[Body], given: Candidate, index: int, spread_deg: float, reach_mm: float, name: str
    ) -> Iterator[RegistrationState | list[Candidate]]:
        """The starts: the pose as given, and where CMA-ES stood after each generation, the best last ones."""
        poses = given.poses
        level = self.level(bodies, poses, self.options.pixel_mm[0], (index,), reach_mm)
        motion = CentredMotion(poses[index].apply(bodies[index].centre))

        def moved(parameters: NDArray[np.float64]) -> Poses:
            return (*poses[:index], motion.pose(parameters, poses[index]), *poses[index + 1 :])

        generations = cmaes(
            lambda batch: level.similarities_of([moved(parameters) for parameters in batch]),
            np.zeros(6),
            [spread_deg] * 3 + [0.5 * reach_mm] * 3,
            population=POPULATION,
            evaluations=6 * max(self.options.screened, POPULATION),
            seed=self.options.seed,
        )
        path: list[Candidate] = []
        for best in generations:
            path.append(replace(given, poses=moved(best.parameters), similarity=best.value))
            yield self._state(f"{name}, CMA-ES", path[-1].poses[index], best.value)
        yield [given, *path[: -self.options.starts : -1]]

    def _turned(
        self, pose: RigidPose, body: Body, spread_deg: float, reach_mm: float, count: int
    ) -> Iterator[RigidPose]:
        """The pose, then turned at random; in one view also moved along the beam, which a picture's shift is not."""
        generator = np.random.default_rng(self.options.seed)
        motion = CentredMotion(pose.apply(body.centre))
        beam = self._radiographs[0].camera.view_direction
        yield pose
        for _ in range(count - 1):
            turn = generator.normal(scale=spread_deg, size=3)
            depth = generator.normal(scale=0.5 * reach_mm) if len(self._radiographs) == 1 else 0.0
            yield motion.pose(np.concatenate([turn, depth * beam]), pose)

    def _distinct(self, pool: Sequence[Candidate], index: int, body: Body, count: int) -> list[Candidate]:
        """The best ``count`` candidates with a chance that are not the same pose twice; ``pool`` is sorted."""
        chosen: list[Candidate] = []
        for candidate in pool:
            if candidate.similarity < CHANCE * pool[0].similarity:
                break
            pose = candidate.poses[index]
            if not any(same(pose, other.poses[index], body) for other in chosen):
                chosen.append(candidate)
            if len(chosen) == count:
                break
        return chosen

    def near(self, first: RigidPose, second: RigidPose, body: Body) -> bool:
        """Same basin at a coarse level, whose own precision is a few degrees about a long bone's shaft.

        From one view only the displacement across the beam counts.
        """
        degrees, _ = first.distance_to(second, body.centre)
        shift = first.apply(body.centre) - second.apply(body.centre)
        if len(self._radiographs) == 1:
            beam = self._radiographs[0].camera.view_direction
            shift = shift - (shift @ beam) * beam
        return degrees <= 4 * SAME_POSE_DEG and float(np.linalg.norm(shift)) <= 2 * SAME_POSE_MM

    def _state(self, stage: str, pose: RigidPose, similarity: float) -> RegistrationState:
        return RegistrationState(stage, min(1.0, self._stage / self._stages), pose, similarity)


def _best(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: -candidate.similarity)[:count]


def same(first: RigidPose, second: RigidPose, body: Body) -> bool:
    """Whether two poses of a body are one and the same result."""
    degrees, millimetres = first.distance_to(second, body.centre)
    return degrees <= SAME_POSE_DEG and millimetres <= SAME_POSE_MM
