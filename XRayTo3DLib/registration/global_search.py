"""Where is the bone? A search over all rotations (or a cone of them) and all places in the pictures.

Every rotation of an even grid is drawn once per view with large pixels; Fourier transforms compare the small picture
with the radiograph at all shifts at once (``template_match``). With one view the best shift is the place; with several
the maps are added up over a grid of points in space. The best poses are then turned a little and matched again, at the
end with finer pixels, and the best distinct ones are the candidates for a local search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, vector3
from XRayTo3DLib.imaging.attenuation import Attenuation
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.engines import Engine, Projector, make_projector
from XRayTo3DLib.projection.precision import full_precision
from XRayTo3DLib.projection.threads import torch_threads
from XRayTo3DLib.registration.place_scan import PlaceScan
from XRayTo3DLib.registration.rotation_grid import neighbours, rotation_grid, top_of_parabola
from XRayTo3DLib.registration.template_match import CoarseView, coarse_volume, reach_of
from XRayTo3DLib.registration.view_position import meeting_point, point_at, principal_axes

VOXEL_SHARE = 0.7
"""Coarse voxels in coarse pixels."""
FINER = 0.5
"""Pixels of the last stage in pixels of the first."""
ROTATIONS_PER_STEP = 16
CANDIDATES_PER_STEP = 2
FAVOURITES, FAVOURITE_ROUNDS = 5, 4
"""The best candidates are refined that much further, so that loose turns about a shaft have time to settle."""
RIVAL_DEG = 90.0
LOCAL_PIXELS = 4
"""How far a refined candidate may shift, coarse pixels."""


@dataclass(frozen=True)
class GlobalSearchOptions:
    """How widely and finely to search.

    Attributes:
        spacing_deg: Distance between neighbouring rotations of the grid, degrees.
        cone_deg: Largest angle from the rough orientation, degrees; 180 is every rotation.
        pixel_mm: Pixel size at the bone, mm.
        depths: Depths tried in a single view, as shares of the rough one; none behind the detector.
        refined: How many of the grid's best poses are refined.
        kept: How many candidates are returned at most.
        distinct_deg: Candidates differ by more than this angle,
        distinct_mm: or by more than this distance.
        seed: Turns the grid of rotations; the same seed gives the same result.

    Raises:
        InputError: A number out of range.
    """

    spacing_deg: float = 20.0
    cone_deg: float = 180.0
    pixel_mm: float = 2.0
    depths: tuple[float, ...] = (0.9, 1.0, 1.1)
    refined: int = 60
    kept: int = 20
    distinct_deg: float = 10.0
    distinct_mm: float = 8.0
    seed: int = 0

    def __post_init__(self) -> None:
        lengths = (self.cone_deg, self.pixel_mm, *self.depths)
        if not self.depths or not np.isfinite(lengths).all() or min(lengths) <= 0:
            raise InputError("global search options: cone, pixel size and depths must be greater than zero.")
        if min(self.refined, self.kept) < 1 or min(self.seed, self.distinct_deg, self.distinct_mm) < 0:
            raise InputError("global search options: refined and kept must be 1 or more, seed and distances 0 or more.")


@dataclass(frozen=True, eq=False)
class Candidate:
    """A pose worth a local search.

    Attributes:
        pose: CT-to-world.
        score: Mean over the views of the gradients' correlation, at most 1.
    """

    pose: RigidPose
    score: float


@dataclass(frozen=True, eq=False)
class Rival:
    """The best candidate that shows the bone quite otherwise: a shaft looks much the same turned round.

    Attributes:
        candidate: The other pose.
        turn_deg: How far it is turned from the best one, degrees.
        turned: "about its long axis", "end for end" or "about an oblique axis".
        lead: By how much the best one scores higher; a small lead says that the picture hardly tells them apart.
    """

    candidate: Candidate
    turn_deg: float
    turned: str
    lead: float


@dataclass(frozen=True, eq=False)
class SearchState:
    """Where a running search is, for a progress bar: stage in words, share done, best so far."""

    stage: str
    fraction: float
    best: Candidate | None


@dataclass(frozen=True, eq=False)
class _Level:
    """The pictures and the bone at one resolution."""

    views: list[CoarseView]
    projector: Projector
    pixel_mm: float


class GlobalSearch:
    """Searches one bone in one or more radiographs; drive it with :meth:`steps`, then take :attr:`candidates`.

    Stop iterating to cancel.

    Args:
        bone: Attenuation of the bone in CT coordinates.
        radiographs: One or more views, all in the same world frame.
        options: How to search.
        about: A rough CT-to-world pose: its orientation is the axis of the cone of rotations
            (``pose_for_view``), its place the start where ``place`` is not given.
        place: (3,) world point near the bone's centre, LPS mm; ``None`` is where the middles of the pictures meet.
        reach_mm: How far from ``place`` to look, mm in the picture or in space; ``None`` is everywhere in the pictures.
        device: "cpu" or "cuda".
        engine: Projector engine.

    Raises:
        InputError: No radiograph, a flat one, or a place that no picture sees.
    """

    def __init__(
        self,
        bone: Attenuation,
        radiographs: Sequence[Radiograph],
        options: GlobalSearchOptions | None = None,
        *,
        about: RigidPose | None = None,
        place: Any = None,
        reach_mm: float | None = None,
        device: str = "cpu",
        engine: Engine = "auto",
    ) -> None:
        if not radiographs:
            raise InputError("a global search needs at least one radiograph.")
        self.options = options or GlobalSearchOptions()
        self._centre = np.asarray(bone.centre_lps, dtype=np.float64)
        self._about = about or RigidPose.identity()
        self._place = _first_place([r.camera for r in radiographs], place, about, self._centre)
        self._reach_mm, self._long_axis = reach_mm, principal_axes(bone)[:, 2]
        pixel_mm = self.options.pixel_mm
        self._size_mm = reach_of(bone) + 2 * pixel_mm
        self._coarse, self._fine = (
            _Level(
                [CoarseView.of(radiograph, self._place, size) for radiograph in radiographs],
                make_projector(*coarse_volume(bone, VOXEL_SHARE * size), device, engine),
                size,
            )
            for size in (pixel_mm, FINER * pixel_mm)
        )
        self._candidates: list[Candidate] | None = None

    @property
    def candidates(self) -> list[Candidate]:
        """The best distinct poses, best first; only after :meth:`steps` ran to its end."""
        if self._candidates is None:
            raise InputError("the search has not ended; iterate steps() to its end first.")
        return self._candidates

    @property
    def rival(self) -> Rival | None:
        """The best candidate turned by more than :data:`RIVAL_DEG` from the first; ``None`` if there is none."""
        best = self.candidates[0]
        for other in self.candidates[1:]:
            turn = Rotation.from_matrix(best.pose.rotation.T @ other.pose.rotation).as_rotvec(degrees=True)
            degrees = float(np.linalg.norm(turn))
            if degrees > RIVAL_DEG:
                along = abs(float(turn @ self._long_axis)) / degrees
                turned = "about its long axis" if along > 0.9 else "end for end"
                turned = "about an oblique axis" if 0.4 < along <= 0.9 else turned
                return Rival(other, degrees, turned, best.score - other.score)
        return None

    def steps(self) -> Iterator[SearchState]:
        """Run, yielding after every short step."""
        steps = self._run()
        while True:
            with torch_threads(1), full_precision(self._coarse.projector.device):
                state = next(steps, None)
            if state is None:
                return
            yield state

    def _run(self) -> Iterator[SearchState]:
        options = self.options
        found: list[Candidate] = []
        rotations = rotation_grid(options.spacing_deg, options.seed, options.cone_deg)
        places = self._start_places()
        scans = [PlaceScan(self._coarse.views, place, self._size_mm, self._reach_mm) for place in places]
        for number, turn in enumerate(rotations):
            for scan in scans:
                found.append(self._matched(self._coarse, scan, turn @ self._about.rotation))
            if number % ROTATIONS_PER_STEP == 0:
                yield SearchState("all rotations", 0.6 * number / len(rotations), max(found, key=_score))
        pool = self._distinct(found, options.refined, 0.5)
        # Wide to narrow: how many candidates, and how many rounds each.
        stages = ((self._coarse, options.refined, 1), (self._fine, 2 * options.kept, 1), (self._fine, options.kept, 2))
        stages += ((self._fine, FAVOURITES, FAVOURITE_ROUNDS),)
        for stage, (level, count, rounds) in enumerate(stages):
            refined: list[Candidate] = []
            for number, candidate in enumerate(pool[:count]):
                refined.append(self._refined(level, candidate, rounds))
                if number % CANDIDATES_PER_STEP == 0:
                    share = (stage + number / len(pool[:count])) / len(stages)
                    yield SearchState("best rotations", 0.6 + 0.4 * share, max(refined, key=_score))
            # At the end the others stay candidates as they are.
            rest = pool[count:] if stage == len(stages) - 1 else []
            pool = self._distinct(refined + rest, max(count, len(refined + rest)), 1.0)
        self._candidates = pool[: options.kept]
        yield SearchState("done", 1.0, self._candidates[0])

    def _start_places(self) -> list[FloatArray]:
        """The rough place; with one view at several depths."""
        if len(self._coarse.views) > 1:
            return [self._place]
        camera = self._coarse.views[0].camera
        shares = [s for s in self.options.depths if s < camera.magnification(self._place)] or [1.0]
        return [camera.source + share * (self._place - camera.source) for share in shares]

    def _matched(self, level: _Level, scan: PlaceScan, rotation: FloatArray) -> Candidate:
        """The best place for a rotation as seen at the scan's place, as a pose."""
        pose = _pose_at(rotation, scan.place, self._centre)
        score, place = scan([level.projector(camera, pose).cpu().numpy() for camera in scan.cameras])
        return Candidate(_pose_at(scan.turn_towards(place) @ rotation, place, self._centre), score)

    def _refined(self, level: _Level, candidate: Candidate, rounds: int) -> Candidate:
        """The best of a pose, small turns of it and the top of the parabola through them, each at its own best place.

        Again from there; turns are half the grid's spacing, and half of that again once the best is near.
        """
        radius = 0.5 * self.options.spacing_deg
        for _ in range(rounds):
            base = candidate.pose
            scan = PlaceScan(level.views, base.apply(self._centre), self._size_mm, LOCAL_PIXELS * level.pixel_mm)
            turns = neighbours(radius)
            matched = [self._matched(level, scan, turn @ base.rotation) for turn in turns]
            top = top_of_parabola(turns, [one.score for one in matched], 2 * radius)
            candidate = max([*matched, self._matched(level, scan, top @ base.rotation)], key=_score)
            if candidate.pose.distance_to(base, self._centre)[0] < 0.9 * radius:
                radius /= 2
        return candidate

    def _distinct(self, pool: list[Candidate], count: int, share: float) -> list[Candidate]:
        """The best ``count`` poses, none within ``share`` of the distinct distances of a better one."""
        degrees, millimetres = share * self.options.distinct_deg, share * self.options.distinct_mm
        chosen: list[Candidate] = []
        rotations, places = np.empty((count, 3, 3)), np.empty((count, 3))
        for candidate in sorted(pool, key=_score, reverse=True):
            rotation, place, last = candidate.pose.rotation, candidate.pose.apply(self._centre), len(chosen)
            traces = np.einsum("nij,ij->n", rotations[:last], rotation)
            turned = np.rad2deg(np.arccos(np.clip((traces - 1) / 2, -1, 1)))
            moved = np.linalg.norm(places[:last] - place, axis=1)
            if np.any((turned <= degrees) & (moved <= millimetres)):
                continue
            rotations[last], places[last] = rotation, place
            chosen.append(candidate)
            if len(chosen) == count:
                break
        return chosen


def global_search(
    bone: Attenuation, radiographs: Sequence[Radiograph], options: GlobalSearchOptions | None = None, **arguments: Any
) -> list[Candidate]:
    """Run a :class:`GlobalSearch` (same arguments) to its end: the best distinct poses, best first."""
    search = GlobalSearch(bone, radiographs, options, **arguments)
    for _ in search.steps():
        pass
    return search.candidates


def _score(candidate: Candidate) -> float:
    return candidate.score


def _pose_at(rotation: FloatArray, place: FloatArray, centre: FloatArray) -> RigidPose:
    result = np.eye(4)
    result[:3, :3], result[:3, 3] = rotation, place - rotation @ centre
    return RigidPose(result)


def _first_place(cameras: Sequence[XRayCamera], place: Any, about: RigidPose | None, centre: FloatArray) -> FloatArray:
    if place is not None:
        return vector3(place, "place of the bone")
    if about is not None:
        return about.apply(centre)
    middles = [(np.array(camera.size) - 1) / 2 for camera in cameras]
    return point_at(cameras[0], middles[0]) if len(cameras) == 1 else meeting_point(cameras, middles)
