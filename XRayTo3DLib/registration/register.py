"""Registration of CT bones to one or more radiographs, coarse to fine, as an iterator of short steps.

1. With surroundings: the whole limb, as one body, finds its place.
2. Bone after bone finds its own; what was found before is drawn too, so that one explains the other's shadow.
3. All of them are refined together, finer and finer; those that gain nothing by moving rest in the limb.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.imaging.radiograph_edit import exposed_field
from XRayTo3DLib.imaging.surroundings import joined
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.engines import Engine, engine_note
from XRayTo3DLib.projection.precision import full_precision
from XRayTo3DLib.projection.threads import torch_threads
from XRayTo3DLib.registration.bodies import Body
from XRayTo3DLib.registration.curvature import WIDENED, WIDENED_ALONE, pose_uncertainties
from XRayTo3DLib.registration.levels import Level, Poses
from XRayTo3DLib.registration.options import RegistrationOptions, RegistrationState
from XRayTo3DLib.registration.result import RegistrationResult
from XRayTo3DLib.registration.search import Candidate, Found, Search
from XRayTo3DLib.registration.uncertainty import PoseUncertainty
from XRayTo3DLib.registration.verdict import Evidence, judge

__all__ = ["Registration", "RegistrationOptions", "RegistrationState", "register"]

SURROUNDINGS = "surroundings"
WORTH_MOVING, WORTH_MOVING_ONE_VIEW = 0.002, 0.006
"""Least gain of similarity for which bones are let move by themselves in their surroundings."""
REACH, REACH_MM = 4.0, 3.0
"""A result turned by more than this many spreads, or moved by this many reaches, lies outside what was searched."""


class Registration:
    """Registers bones; drive it with :meth:`steps` and take :attr:`result` (or :attr:`results`) at the end.

    Stop iterating to cancel: nothing is written and no thread runs.

    Args:
        bones: Attenuation of the bone in CT coordinates, or of several that move by themselves.
        radiographs: One or more views, all in the same world frame.
        initial: Rough CT-to-world pose, or one for each bone.
        options: How to search.
        device: "cpu" or "cuda".
        engine: Projector engine, "auto" (compiled where numba is installed), "torch" or "numba".
        surroundings: The rest of the same CT (``imaging.surroundings.surroundings_of``), if its soft tissue and other
            bones are about where they were in the CT; the bones then are excesses over soft tissue.
        names: Of the bones, in their order, for stages and results; "bone 1", "bone 2", ... where none is given.

    Raises:
        InputError: No radiograph or bone, too many or equal names, not one initial pose for each bone, surroundings of
            another CT, an empty volume, or an engine that cannot be used. From :meth:`steps`: a bone's shadow misses a
            radiograph, or a similarity that cannot be climbed.
    """

    def __init__(
        self,
        bones: Attenuation | Sequence[Attenuation],
        radiographs: Sequence[Radiograph],
        initial: RigidPose | Sequence[RigidPose],
        options: RegistrationOptions | None = None,
        device: str = "cpu",
        engine: Engine = "auto",
        surroundings: Attenuation | None = None,
        names: Sequence[str] = (),
    ) -> None:
        parts = [bones] if isinstance(bones, Attenuation) else list(bones)
        self._initial = [initial] * len(parts) if isinstance(initial, RigidPose) else list(initial)
        self._radiographs = list(radiographs)
        if not self._radiographs or not parts:
            raise InputError("registration needs at least one bone and one radiograph.")
        if len(names) > len(parts):
            raise InputError(f"{len(names)} names were given for {len(parts)} bones.")
        if SURROUNDINGS in names or len(set(names)) < len(names):
            raise InputError(f"bones need different names, and none may be {SURROUNDINGS!r}; rename the segment.")
        if len(self._initial) != len(parts):
            raise InputError(f"{len(parts)} bones need one initial pose each, not {len(self._initial)}.")
        self.options = options or RegistrationOptions()
        self._names = [*names, *(f"bone {number + 1}" for number in range(len(names), len(parts)))]
        self._bones = [Body(part, device, engine) for part in parts]
        self._limb = None if surroundings is None else Body(joined([surroundings, *parts]), device, engine)
        self._rest = None if surroundings is None else Body(surroundings, device, engine)
        # Where everything in the beam is drawn, line integrals are those of the picture.
        self._absolute = self._rest is not None or all(part.whole for part in parts)
        self._engine, self._device = engine_note(device, engine), device
        self._fields = [exposed_field(radiograph) for radiograph in self._radiographs]
        self._known: Poses | None = None
        self._results: list[RegistrationResult] = []

    @property
    def result(self) -> RegistrationResult:
        """The outcome of the first bone; only after :meth:`steps` ran to its end."""
        return self.results[0]

    @property
    def results(self) -> list[RegistrationResult]:
        """The outcome of every bone, in the order given; only after :meth:`steps` ran to its end."""
        if not self._results:
            raise InputError("the registration has not ended; iterate steps() to its end first.")
        return self._results

    def steps(self) -> Iterator[RegistrationState]:
        """Run, yielding after every short step (tens of milliseconds)."""
        steps = self._run()
        while True:
            with torch_threads(self.options.threads), full_precision(self._device):
                state = next(steps, None)
            if state is None:
                return
            yield state

    @property
    def poses(self) -> Poses:
        """Where all bodies were found: the surroundings first, if there are any, then the bones."""
        result = self.result
        found = {**result.others, self._names[0]: result.pose}
        return tuple(found[name] for name in self._body_names)

    def refined_on(
        self, radiographs: Sequence[Radiograph], poses: Poses, options: RegistrationOptions | None = None
    ) -> Registration:
        """The same bodies on other radiographs, refined from ``poses`` (as :attr:`poses`) without a search.

        For the next frame of a sequence, or after a correction by hand; nothing is set up anew.

        Args:
            radiographs: The views, as at first.
            poses: One for each body.
            options: How to refine, at the pixel sizes they name (``enough_mm`` ends it sooner); as at first, without
                the size of the search, if ``None``.

        Raises:
            InputError: Not one pose for each body.
        """
        if len(poses) != len(self._body_names):
            raise InputError(f"{len(self._body_names)} bodies need one pose each, not {len(poses)}.")
        sizes = self.options.pixel_mm
        other = self.searched_on(radiographs, poses[-len(self._bones) :])
        other.options = options or replace(self.options, pixel_mm=sizes[1:] or sizes)
        other._known = tuple(poses)
        return other

    def searched_on(self, radiographs: Sequence[Radiograph], initial: Sequence[RigidPose]) -> Registration:
        """The same bodies searched on other radiographs, from one rough pose for each bone; nothing is set up anew."""
        other = copy.copy(self)
        other._radiographs, other._initial = list(radiographs), list(initial)
        other._known, other._results = None, []
        other._fields = [exposed_field(radiograph) for radiograph in radiographs]
        return other

    @property
    def _finer(self) -> tuple[float, ...]:
        """Pixel sizes at which everything is refined: those after the search's, if there was one and there are any.

        The search ends at the second size; with nothing but one bone there is nothing to do together at that size.
        """
        sizes = self.options.pixel_mm
        if self._known is not None:
            return sizes
        searched = 2 if len(self._bodies) == 1 else 1
        return sizes[searched:] or sizes[-1:]

    @property
    def _bodies(self) -> tuple[Body, ...]:
        return (*([] if self._rest is None else [self._rest]), *self._bones)

    @property
    def _body_names(self) -> list[str]:
        return [*([] if self._rest is None else [SURROUNDINGS]), *self._names]

    def _run(self) -> Iterator[RegistrationState]:
        search = Search(self._radiographs, self._fields, self.options)
        limb: Candidate | None = None
        if self._known is None:
            found, limb = yield from self._found(search)
        else:
            given = [search.given(self._known)]
            found = [Found(given, given)] * len(self._bones)
            search.plan(len(self._finer))
        best, contest, level, spread = yield from self._together(search, found[-1].best)
        found = [*found[:-1], Found(contest, found[-1].coarse)]
        if limb is not None:
            best, spread = yield from self._at_rest_in_limb(search, limb, level, best, spread)
        self._results = [
            self._finish(search, level, best, number, found[number], spread[number]) for number in range(len(found))
        ]
        yield RegistrationState("done", 1.0, self._results[0].pose, best.similarity)

    def _at_rest_in_limb(
        self, search: Search, limb: Candidate, level: Level, best: Candidate, spread: list[PoseUncertainty]
    ) -> Generator[RegistrationState, None, tuple[Candidate, list[PoseUncertainty]]]:
        """``best``, or the whole limb moved as one where letting the bones move gains next to nothing; and how sure.

        Six numbers fitted to everything are surer than six for each part, in one view above all: its depth.
        """
        assert self._limb is not None
        free = level.similarity(best.poses)
        pool = [limb]
        for pixel_mm in self._finer:
            whole = search.level((self._limb,), pool[0].poses, pixel_mm, (0,))
            whole.fit_responses(pool[0].poses)
            pool = yield from search.refined(whole, pool, (0,), "limb")
            search.done()
        together = pool[0].poses * len(self._bodies)
        level.fit_responses(together)
        similarity = level.similarity(together)
        worth = WORTH_MOVING_ONE_VIEW if len(self._radiographs) == 1 else WORTH_MOVING
        if free - similarity > worth:
            level.fit_responses(best.poses)
            return best, spread
        pose, centre = pool[0].poses[0], self._limb.centre
        of_limb = pose_uncertainties(whole, pool[0].poses, (0,), WIDENED)[0]
        spread = [of_limb.about(pose.apply(bone.centre) - pose.apply(centre)) for bone in self._bones]
        limb = pool[0]
        return replace(best, poses=together, similarity=similarity, trace=limb.trace, settled=limb.settled), spread

    def _found(self, search: Search) -> Generator[RegistrationState, None, tuple[list[Found], Candidate | None]]:
        """The limb, then bone after bone; of each what was found, and the limb's best if it was looked for."""
        options = self.options
        levels = len(self._finer)
        search.plan(len(self._bones) + levels if self._limb is None else 1 + len(self._bones) + 2 * levels)
        bodies: tuple[Body, ...] = ()
        poses: Poses = ()
        whole: Candidate | None = None
        starts, spread, reach = self._initial, options.spread_deg, options.reach_mm
        if self._limb is not None and self._rest is not None:
            limb = yield from search.find([self._limb], (self._initial[0],), 0, spread, reach, "limb")
            whole = limb.best[0]
            bodies, poses = (self._rest,), whole.poses
            starts, spread, reach = [poses[0]] * len(self._bones), options.own_deg, options.own_mm
        found: list[Found] = []
        for bone, start, name in zip(self._bones, starts, self._names, strict=True):
            bodies, poses = (*bodies, bone), (*poses, start)
            found.append((yield from search.find(bodies, poses, len(bodies) - 1, spread, reach, name)))
            poses = found[-1].best[0].poses
        return found, whole

    def _together(
        self, search: Search, pool: list[Candidate]
    ) -> Generator[RegistrationState, None, tuple[Candidate, list[Candidate], Level, list[PoseUncertainty]]]:
        """All bodies refined, finer and finer: the best, it and its rivals at the first level, the last, how sure.

        Rivals are dropped when the first of them is done: many have met the best by then.
        """
        bodies = self._bodies
        everything = range(len(bodies))
        focus = everything[-len(self._bones) :]
        contest = pool
        for pixel_mm in self._finer:
            level = search.level(bodies, pool[0].poses, pixel_mm, focus)
            if self._absolute:
                level.fit_responses(pool[0].poses)
            pool = yield from search.refined(
                level, pool, everything, "together" if len(bodies) > 1 else f"{self._names[0]} refined"
            )
            contest, pool = pool if len(pool) > 1 else contest, pool[:1]
            search.done()
            last = pixel_mm == self._finer[-1]
            if last or self._limb is None:
                spread = self._spread(level, pool[0].poses)
                if last or self._enough(pool[0].poses, spread):
                    break
        return pool[0], contest, level, spread

    def _enough(self, poses: Poses, spread: list[PoseUncertainty]) -> bool:
        """Whether every bone's place is so sure already that finer pixels would gain nothing."""
        return all(
            uncertainty.target_deviation(pose.apply(bone.sample()), pose.apply(bone.centre)) < self.options.enough_mm
            for bone, pose, uncertainty in zip(self._bones, poses[-len(self._bones) :], spread, strict=True)
        )

    def _spread(self, level: Level, poses: Poses) -> list[PoseUncertainty]:
        """How sure the pose of each bone is."""
        widened = WIDENED if self._absolute else WIDENED_ALONE
        return pose_uncertainties(level, poses, range(len(poses)), widened)[-len(self._bones) :]

    def _finish(
        self,
        search: Search,
        level: Level,
        best: Candidate,
        number: int,
        found: Found,
        uncertainty: PoseUncertainty,
    ) -> RegistrationResult:
        """The result of one bone: ``found`` says how many starts agree, and how close the second comes.

        Poses are compared within one level: between levels a solution moves, in one view mostly along the beam.
        """
        index = len(best.poses) - len(self._bones) + number
        body, initial, pose = self._bones[number], self._initial[number], best.poses[index]
        similarity = level.gradient_correlations(best.poses)
        start = level.gradient_correlations((*best.poses[:index], initial, *best.poses[index + 1 :]))
        winner = found.best[0]
        agreeing = sum(search.near(c.poses[index], winner.coarse or pose, body) for c in found.coarse)
        rivals = [c.similarity for c in found.best[1:] if not search.near(c.poses[index], winner.poses[index], body)]
        degrees, millimetres = initial.distance_to(pose, body.centre)
        verdict, reason = judge(
            Evidence(
                similarity=tuple(similarity),
                initial=tuple(start),
                lead=winner.similarity - max(rivals, default=-1.0),
                agreeing=agreeing,
                starts=len(found.coarse),
                settled=best.settled,
                moved_deg=degrees,
                moved_mm=millimetres,
                reach_deg=REACH * self.options.spread_deg,
                reach_mm=REACH_MM * self.options.reach_mm,
                assumed_placement=any(r.assumed_placement for r in self._radiographs),
                uncertain_mm=uncertainty.target_deviation(
                    pose.apply(body.sample()), pose.apply(body.centre), across=len(self._radiographs) == 1
                ),
                depth_mm=float(uncertainty.deviations[-1]),
            )
        )
        return RegistrationResult(
            pose=pose,
            initial=initial,
            centre=body.centre,
            view_names=tuple(r.name for r in self._radiographs),
            similarity=tuple(similarity),
            initial_similarity=tuple(start),
            verdict=verdict,
            reason=reason,
            trace=best.trace,
            starts=len(found.coarse),
            agreeing=agreeing,
            seconds=search.seconds,
            settings={**asdict(self.options), "engine": self._engine},
            synthetic=body.part.synthetic or any(r.synthetic for r in self._radiographs),
            uncertainty=uncertainty,
            others={name: best.poses[place] for place, name in enumerate(self._body_names) if place != index},
        )


def register(
    bones: Attenuation | Sequence[Attenuation],
    radiographs: Sequence[Radiograph],
    initial: RigidPose | Sequence[RigidPose],
    options: RegistrationOptions | None = None,
    device: str = "cpu",
    on_state: Any = None,
    engine: Engine = "auto",
    surroundings: Attenuation | None = None,
) -> RegistrationResult:
    """Run a :class:`Registration` to its end; ``on_state`` is called with every :class:`RegistrationState`.

    Raises:
        InputError: As :class:`Registration`.
    """
    registration = Registration(bones, radiographs, initial, options, device, engine, surroundings)
    for state in registration.steps():
        if on_state is not None:
            on_state(state)
    return registration.result
