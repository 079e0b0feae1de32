"""Registration of one CT bone to one or more radiographs, coarse to fine, as an iterator of short steps."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.engines import Engine, engine_note, make_projector
from XRayTo3DLib.projection.threads import torch_threads
from XRayTo3DLib.registration.levels import Level
from XRayTo3DLib.registration.levenberg import climb
from XRayTo3DLib.registration.motion import CentredMotion
from XRayTo3DLib.registration.result import RegistrationResult, TracePoint
from XRayTo3DLib.registration.verdict import Evidence, judge

SAME_POSE_DEG = 2.0
SAME_POSE_MM = 1.0
SCREENED_PER_STEP = 8
REACH = 4.0
"""A result farther from the start than this many spreads of the starts is outside what was searched."""
TOLERANCE_PER_PIXEL = 0.05
"""A level ends when no parameter (mm, degrees) moves by more than this share of its pixel size."""


@dataclass(frozen=True)
class RegistrationOptions:
    """How to search.

    Attributes:
        starts: Starts at the coarsest level: the given pose and the best of the screened random ones round it.
        screened: How many random poses are scored (without climbing) to choose the starts from.
        spread_deg: Spread (standard deviation) of the extra starts' rotation about each axis, degrees.
        spread_mm: Spread (standard deviation) of the extra starts' translation along each axis, mm.
        pixel_mm: Pixel sizes at the bone, mm, coarse to fine.
        kept: How many of the best coarse results go on to the second level.
        iterations: Largest number of accepted steps per start and level.
        margin_mm: How far beyond the bone's shadow pixels are compared, mm at the bone, per level.
        seed: Seed of the random starts; the same seed gives the same result.
        threads: CPU threads. The pictures are small: one thread is within a fifth of two on a quiet machine, and
            ten times faster on a busy one, where OpenMP's threads wait for each other.

    Raises:
        InputError: A number out of range.
    """

    starts: int = 16
    screened: int = 160
    spread_deg: float = 6.0
    spread_mm: float = 5.0
    pixel_mm: tuple[float, ...] = (1.4, 0.7, 0.35)
    kept: int = 3
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
        lengths = (*self.pixel_mm, self.margin_mm)
        if not self.pixel_mm or not np.isfinite(lengths).all() or min(lengths) <= 0:
            raise InputError("registration options: pixel sizes and margin must be greater than zero (mm).")
        if not np.isfinite([self.spread_deg, self.spread_mm]).all() or min(self.spread_deg, self.spread_mm) < 0:
            raise InputError("registration options: the spreads of the starts must be 0 or more (degrees, mm).")


@dataclass(frozen=True)
class RegistrationState:
    """Where a running registration is: for a progress bar and a live picture."""

    stage: str
    fraction: float
    pose: RigidPose
    similarity: float


@dataclass(frozen=True)
class _Candidate:
    """A pose on its way through the levels; ``coarse`` is where it stood after the first one."""

    pose: RigidPose
    similarity: float
    trace: tuple[TracePoint, ...] = ()
    coarse: RigidPose | None = None
    settled: bool = False


class Registration:
    """Registers one bone; drive it with :meth:`steps` and take :attr:`result` at the end.

    Stop iterating to cancel: nothing is written and no thread runs.

    Args:
        bone: Attenuation of the bone in CT coordinates.
        radiographs: One or more views, all in the same world frame.
        initial: Rough CT-to-world pose.
        options: How to search.
        device: "cpu" or "cuda".
        engine: Projector engine, "auto" (compiled where numba is installed), "torch" or "numba".

    Raises:
        InputError: No radiograph, or the bone's shadow misses one.
    """

    def __init__(
        self,
        bone: Attenuation,
        radiographs: Sequence[Radiograph],
        initial: RigidPose,
        options: RegistrationOptions | None = None,
        device: str = "cpu",
        engine: Engine = "auto",
    ) -> None:
        if not radiographs:
            raise InputError("registration needs at least one radiograph.")
        self.options = options or RegistrationOptions()
        self._bone, self._radiographs, self._initial = bone, list(radiographs), initial
        self._centre = np.asarray(bone.centre_lps, dtype=np.float64)
        self._projector = make_projector(bone.mu, bone.voxel_to_lps, device, engine)
        self._engine = engine_note(device, engine)
        self._fields = [exposed_field(radiograph) for radiograph in self._radiographs]
        self._result: RegistrationResult | None = None

    @property
    def result(self) -> RegistrationResult:
        """The outcome; only after :meth:`steps` ran to its end."""
        if self._result is None:
            raise InputError("the registration has not ended; iterate steps() to its end first.")
        return self._result

    def steps(self) -> Iterator[RegistrationState]:
        """Run, yielding after every short step (tens of milliseconds)."""
        steps = self._run()
        while True:
            with torch_threads(self.options.threads):
                state = next(steps, None)
            if state is None:
                return
            yield state

    def _run(self) -> Iterator[RegistrationState]:
        self._began = time.monotonic()
        level = self._level(self._initial, self.options.pixel_mm[0])
        pool = yield from self._screen(level)
        coarse, contest = pool, pool
        for number, pixel_mm in enumerate(self.options.pixel_mm):
            if number:
                pool = self._best_distinct(pool, self.options.kept if number == 1 else 1)
                level = self._level(pool[0].pose, pixel_mm)
            refined = []
            for index, candidate in enumerate(pool):
                share = (number + index / len(pool)) / len(self.options.pixel_mm)
                refined.append((yield from self._refine(level, candidate, pixel_mm, share)))
            pool = sorted(refined, key=lambda c: -c.similarity)
            if number == 0:
                pool = coarse = [replace(candidate, coarse=candidate.pose) for candidate in pool]
            contest = pool if number == 0 or len(pool) > 1 else contest
        self._result = self._finish(level, pool[0], coarse, contest)
        yield RegistrationState("done", 1.0, pool[0].pose, pool[0].similarity)

    # ---- stages -------------------------------------------------------------------------------------------

    def _refine(
        self, level: Level, candidate: _Candidate, pixel_mm: float, share: float
    ) -> Generator[RegistrationState, None, _Candidate]:
        stage = f"{pixel_mm:g} mm pixels"
        pose, similarity = candidate.pose, level.similarity(candidate.pose)
        trace = [*candidate.trace, self._trace_point(stage, similarity)]
        yield RegistrationState(stage, share, pose, similarity)
        tolerance, steps, last = TOLERANCE_PER_PIXEL * pixel_mm, 0, 0.0
        for iterate in climb(level, pose, self.options.iterations, tolerance):
            pose, similarity, last = iterate
            steps += 1
            trace.append(self._trace_point(stage, similarity))
            yield RegistrationState(stage, share, pose, similarity)
        settled = steps < self.options.iterations or last < tolerance
        return _Candidate(pose, similarity, tuple(trace), candidate.coarse, settled)

    def _level(self, pose: RigidPose, pixel_mm: float) -> Level:
        return Level(
            self._projector, self._radiographs, self._fields, pose, self._centre, pixel_mm, self.options.margin_mm
        )

    def _screen(self, level: Level) -> Generator[RegistrationState, None, list[_Candidate]]:
        """The starts: the given pose, and of many random ones round it those that already look best."""
        scored = []
        for pose in self._random_poses(max(self.options.screened, self.options.starts - 1)):
            scored.append(_Candidate(pose, level.similarity(pose)))
            if len(scored) % SCREENED_PER_STEP == 0:
                yield RegistrationState("choosing starts", 0.0, self._initial, scored[-1].similarity)
        scored.sort(key=lambda candidate: -candidate.similarity)
        given = _Candidate(self._initial, level.similarity(self._initial))
        return [given, *scored[: self.options.starts - 1]]

    def _random_poses(self, count: int) -> Iterator[RigidPose]:
        generator = np.random.default_rng(self.options.seed)
        motion = CentredMotion(self._initial.apply(self._centre))
        for _ in range(count if self.options.starts > 1 else 0):
            turn = generator.normal(scale=self.options.spread_deg, size=3)
            shift = generator.normal(scale=self.options.spread_mm, size=3)
            yield motion.pose(np.concatenate([turn, shift]), self._initial)

    def _best_distinct(self, pool: list[_Candidate], count: int) -> list[_Candidate]:
        """The best ``count`` candidates that are not the same pose twice; ``pool`` is sorted."""
        chosen: list[_Candidate] = []
        for candidate in pool:
            if not any(self._same(candidate.pose, other.pose) for other in chosen):
                chosen.append(candidate)
            if len(chosen) == count:
                break
        return chosen

    def _same(self, first: RigidPose, second: RigidPose) -> bool:
        degrees, millimetres = first.distance_to(second, self._centre)
        return degrees <= SAME_POSE_DEG and millimetres <= SAME_POSE_MM

    def _finish(
        self, level: Level, best: _Candidate, coarse: list[_Candidate], contest: list[_Candidate]
    ) -> RegistrationResult:
        """``coarse`` says how many starts agree, ``contest`` (the last level with rivals) how close the second is.

        Poses are compared within one level: between levels a solution moves, in one view mostly along the beam.
        """
        similarity = level.similarities(best.pose)
        start = level.similarities(self._initial)
        agreeing = sum(self._near(c.pose, best.coarse or best.pose) for c in coarse)
        winner = contest[0]
        rivals = [c.similarity for c in contest[1:] if not self._near(c.pose, winner.pose)]
        degrees, millimetres = self._initial.distance_to(best.pose, self._centre)
        verdict, reason = judge(
            Evidence(
                similarity=tuple(similarity),
                initial=tuple(start),
                lead=winner.similarity - max(rivals, default=-1.0),
                agreeing=agreeing,
                starts=len(coarse),
                settled=best.settled,
                moved_deg=degrees,
                moved_mm=millimetres,
                reach_deg=REACH * self.options.spread_deg,
                reach_mm=REACH * self.options.spread_mm,
                assumed_placement=any(r.assumed_placement for r in self._radiographs),
            )
        )
        return RegistrationResult(
            pose=best.pose,
            initial=self._initial,
            centre=self._centre,
            view_names=tuple(r.name for r in self._radiographs),
            similarity=tuple(similarity),
            initial_similarity=tuple(start),
            verdict=verdict,
            reason=reason,
            trace=best.trace,
            starts=len(coarse),
            agreeing=agreeing,
            seconds=time.monotonic() - self._began,
            settings={**asdict(self.options), "engine": self._engine},
            synthetic=self._bone.synthetic or any(r.synthetic for r in self._radiographs),
        )

    def _near(self, first: RigidPose, second: RigidPose) -> bool:
        """Same basin at a coarse level, whose own precision is a few degrees about a long bone's shaft.

        From one view only the displacement across the beam counts.
        """
        degrees, _ = first.distance_to(second, self._centre)
        shift = first.apply(self._centre) - second.apply(self._centre)
        if len(self._radiographs) == 1:
            beam = self._radiographs[0].camera.view_direction
            shift = shift - (shift @ beam) * beam
        return degrees <= 4 * SAME_POSE_DEG and float(np.linalg.norm(shift)) <= 2 * SAME_POSE_MM

    def _trace_point(self, stage: str, similarity: float) -> TracePoint:
        return TracePoint(stage, similarity, time.monotonic() - self._began)


def register(
    bone: Attenuation,
    radiographs: Sequence[Radiograph],
    initial: RigidPose,
    options: RegistrationOptions | None = None,
    device: str = "cpu",
    on_state: Any = None,
    engine: Engine = "auto",
) -> RegistrationResult:
    """Run a :class:`Registration` to its end; ``on_state`` is called with every :class:`RegistrationState`."""
    registration = Registration(bone, radiographs, initial, options, device, engine)
    for state in registration.steps():
        if on_state is not None:
            on_state(state)
    return registration.result
