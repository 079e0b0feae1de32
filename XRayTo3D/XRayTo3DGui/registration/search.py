"""What a registration computes, without scene and Qt, so that a thread can do it: prepare, search, register."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from XRayTo3DGui.registration.engines import loadEngines, notCollecting
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.options import RegistrationOptions

CANDIDATES = 3
"""Poses of a search everywhere that are registered; the best result is taken (as ``xrayto3d register`` does)."""
PREPARED, SEARCHED = 0.05, 0.45
"""Shares of the progress: after reading the CT, after a search everywhere."""
READING, EVERYWHERE, COMPARING = "reading", "everywhere", "comparing"


@dataclass(frozen=True)
class Step:
    """Where it stands: what is being done, share done, and the first bone's pose where there is one."""

    doing: str
    fraction: float
    stage: str = ""
    pose: RigidPose | None = None
    similarity: float = 0.0


@dataclass(eq=False)
class Search:
    """One press of Register or Refine; iterate :meth:`steps` to its end, then take :attr:`found`.

    Attributes:
        parts: Reads and makes ready the bones (``parts.Parts``).
        radiographs: ``Radiograph`` objects, one world.
        starts: CT-to-world, one pose for each bone.
        options: How to search.
        refine: Do not search.
        limb: Refine only: where the rest of the CT is, if it is drawn; None is where the first bone is.
        everywhere: Look for the first bone at every place and rotation.
        found: Results by the bones' names.
    """

    parts: Callable[[], Any]
    radiographs: list[Any]
    starts: list[RigidPose]
    options: RegistrationOptions
    refine: bool = False
    limb: RigidPose | None = None
    everywhere: bool = False
    found: dict[str, Any] = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        """Run.

        Raises:
            InputError: What the library says of bones and radiographs.
        """
        with notCollecting():
            yield from self._steps()

    def _steps(self) -> Iterator[Step]:
        yield Step(READING, 0.0)
        loadEngines()
        from XRayTo3DLib.registration.register import Registration

        parts = self.parts()
        yield Step(READING, PREPARED)
        bones, names = list(parts.bones.values()), list(parts.bones)
        rest = parts.surroundings
        made = Registration(bones, self.radiographs, self.starts, self.options, surroundings=rest, names=names)
        runs = [made]
        if self.refine:
            limb = [] if rest is None else [self.limb or self.starts[0]]
            runs = [made.refined_on(self.radiographs, (*limb, *self.starts))]
        elif self.everywhere:
            candidates = yield from self._anywhere(bones[0])
            runs = [made.searched_on(self.radiographs, [pose] * len(bones)) for pose in candidates]
        yield from self._registered(runs, names)

    def _anywhere(self, bone: Any) -> Iterator[Step]:
        """The most promising poses of a bone, of all rotations and places."""
        from XRayTo3DLib.registration.global_search import GlobalSearch

        search = GlobalSearch(bone, self.radiographs)
        for state in search.steps():
            pose = state.best.pose if state.best is not None else None
            score = state.best.score if state.best is not None else 0.0
            yield Step(EVERYWHERE, PREPARED + (SEARCHED - PREPARED) * state.fraction, state.stage, pose, score)
        return [candidate.pose for candidate in search.candidates[:CANDIDATES]]

    def _registered(self, runs: list[Any], names: list[str]) -> Iterator[Step]:
        from XRayTo3DLib.registration.verdict import best_of

        first = SEARCHED if self.everywhere else PREPARED
        for number, run in enumerate(runs):
            for state in run.steps():
                share = first + (1 - first) * (number + state.fraction) / len(runs)
                yield Step(COMPARING, share, state.stage, state.pose, state.similarity)
        self.found = {name: best_of([run.results[place] for run in runs]) for place, name in enumerate(names)}
