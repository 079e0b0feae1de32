"""Register one case's bones to its radiographs: which views belong together, where to start, what is written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from XRayTo3DLib.dataset.case_views import FURTHER, TRUSTED, CaseView, keeping_earlier, views_of, write_registration
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.prepared import preparation_of
from XRayTo3DLib.dataset.registration_plan import BatchOptions, CasePlan, ViewOutcome, outcome_of
from XRayTo3DLib.dataset.turns import changing_view
from XRayTo3DLib.errors import Cancelled, InputError, lacks_memory
from XRayTo3DLib.files import safe_file_name
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.surroundings import in_soft_tissue, surroundings_of
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.global_search import GlobalSearch, GlobalSearchOptions
from XRayTo3DLib.registration.register import Registration
from XRayTo3DLib.registration.result import RegistrationResult, Review, Verdict
from XRayTo3DLib.registration.verdict import best_of
from XRayTo3DLib.registration.view_position import KNOWN_VIEWS, pose_for_view

LOG = logging.getLogger(__name__)
CANDIDATES = 3
"""Poses of a search that are registered; the best result is taken."""
CONE_DEG = 40.0
"""How far from its view's usual pose a bone is looked for first, degrees."""
APART_DEG = 10.0
"""Beams closer than this are two exposures of one direction, not two views of one moment."""

Overlay = Callable[[Radiograph, Attenuation, RigidPose, RigidPose], bytes]
"""(radiograph, bone, found, initial) to a PNG: ``evaluation.overlay.registration_overlay``."""
Tell = Callable[[str, str, float], None]
"""Told (views, stage, share of the case done); may raise :class:`Cancelled`."""


def register_case(
    plan: CasePlan, options: BatchOptions, tell: Tell | None = None, overlay: Overlay | None = None
) -> list[ViewOutcome]:
    """Register the bones of a case to the views that its plan names, and write what was found.

    A view that cannot be used becomes an outcome with its problem; the others go on.

    Raises:
        Cancelled: ``tell`` did so; views that were done before are written, nothing else.
    """
    pictures: dict[CaseView, Radiograph] = {}
    outcomes: list[ViewOutcome] = []
    for view in plan.todo:
        try:
            pictures[view] = replace(view.radiograph(), name=view.name)
        except Exception as error:  # whatever a file holds: it is one of many
            outcomes.append(_problem(view, error))
    if not pictures:
        return outcomes
    try:
        bones, surroundings = _bodies(plan.case, options)
    except InputError as error:
        text = str(plan.case.refused(error))
        return outcomes + [ViewOutcome(plan.case.id, view.name, "problem", note=text) for view in pictures]
    except Exception as error:
        return outcomes + [_problem(view, error) for view in pictures]
    groups = _groups(plan, pictures, options)
    for number, group in enumerate(groups):

        def told(stage: str, share: float, number: int = number, group: dict[CaseView, Radiograph] = group) -> None:
            if tell is not None:
                tell(" and ".join(view.name.upper() for view in group), stage, (number + share) / len(groups))

        work = _GroupWork(plan.case, group, bones, surroundings, options, told)
        todo = [view for view in plan.todo if view in group]
        try:
            found, how = work.run()
            outcomes += [_written(view, group, found, how, bones, options, overlay) for view in todo]
        except (Cancelled, OSError):
            raise
        except Exception as error:
            outcomes += [_problem(view, error) for view in todo]
    return outcomes


def _problem(view: CaseView, error: Exception) -> ViewOutcome:
    """What is wrong with a view; a bug of ours is told as one, and the rest goes on."""
    if lacks_memory(error):
        error = InputError("there is not enough memory for it; take fewer --workers, or register it by itself.")
    if not isinstance(error, InputError):
        LOG.exception("case %s, view %s: unexpected error", view.case_id, view.name)
        error = InputError(f"unexpected {type(error).__name__}: {error}; a bug, please report it.")
    return ViewOutcome(view.case_id, view.name, "problem", note=str(view.refused(error)))


def _bodies(case: DatasetCase, options: BatchOptions) -> tuple[dict[str, Attenuation], Attenuation | None]:
    """The bones that move by themselves, by name, and the rest of the CT if it is to be drawn."""
    names, ct = options.bones or case.labels, case.ct()
    if len({ct.label_value(name) for name in names}) < len(names):
        raise InputError("a bone is named twice; name every bone once.")
    energy = preparation_of(case).energy_kev if options.energy_kev is None else options.energy_kev
    around = surroundings_of(ct, names, energy_kev=energy) if options.surroundings else None
    tissue = {name: in_soft_tissue(ct, name) for name in names}
    return {name: attenuation_of(ct, name, energy_kev=energy, in_tissue=tissue[name]) for name in names}, around


def _groups(
    plan: CasePlan, pictures: dict[CaseView, Radiograph], options: BatchOptions
) -> list[dict[CaseView, Radiograph]]:
    """Views that are registered jointly: all of the case, those that are registered already as evidence, or each."""
    evidence = dict(pictures)
    for view in views_of(plan.case):
        known = [each for each in plan.known if each.view == view.name]
        if known and known[0].action == "kept" and known[0].status != Review.REJECTED.value:
            try:
                evidence[view] = replace(view.radiograph(), name=view.name)
            except InputError:
                continue  # its registration is kept as it is; only its picture cannot help the others
    together = _one_world(list(evidence.values())) if options.together is None else options.together
    if together:
        return [{view: evidence[view] for view in views_of(plan.case) if view in evidence}]
    return [{view: picture} for view, picture in pictures.items()]


def _one_world(radiographs: Sequence[Radiograph]) -> bool:
    """Whether views may have been taken at one moment in one world; see :attr:`BatchOptions.together`."""
    beams = [radiograph.camera.view_direction for radiograph in radiographs]
    apart = all(abs(float(a @ b)) < np.cos(np.deg2rad(APART_DEG)) for a, b in combinations(beams, 2))
    return len(beams) > 1 and apart and not any(radiograph.assumed_placement for radiograph in radiographs)


class _GroupWork:
    """One joint registration of one or more views: tries starts from the surest to the widest."""

    def __init__(
        self,
        case: DatasetCase,
        group: dict[CaseView, Radiograph],
        bones: dict[str, Attenuation],
        surroundings: Attenuation | None,
        options: BatchOptions,
        told: Callable[[str, float], None],
    ) -> None:
        self._case, self._group, self._bones, self._around = case, group, bones, surroundings
        self._options, self._told = options, told
        self._radiographs = list(group.values())

    def run(self) -> tuple[dict[str, RegistrationResult], str]:
        """Results by bone, and in words where they started.

        Raises:
            InputError: A start cannot be read, or misses the pictures.
            Cancelled: Whoever is told wants it.
        """
        given = self._given()
        if given:
            return self._best(list(self._registered(given, 0.0, 1.0))), "a pose that was given"
        runs: list[list[RegistrationResult]] = []
        usual = None if self._options.everywhere else self._usual()
        if usual is not None:
            found = self._searched(usual, 0.0, 0.15)
            runs += self._registered(found, 0.15, 0.4)
            if runs and self._best(runs)[self._first].verdict is Verdict.CONVERGED:
                return self._best(runs), "a search near the view's usual pose"
        begin = 0.4 if usual is not None else 0.0
        runs += self._registered(self._searched(None, begin, begin + 0.3), begin + 0.3, 1.0)
        if not runs:
            raise InputError("no pose was found in which the bone throws a shadow on the picture; put an initial.tfm.")
        return self._best(runs), "a search everywhere"

    @property
    def _first(self) -> str:
        return next(iter(self._bones))

    def _best(self, runs: Sequence[Sequence[RegistrationResult]]) -> dict[str, RegistrationResult]:
        return {name: best_of([run[number] for run in runs]) for number, name in enumerate(self._bones)}

    def _given(self) -> list[RigidPose]:
        """Poses to start from that somebody stands behind: accepted in this world before, or put there."""
        given = [pose for pose in map(_accepted_pose, self._group) if pose is not None]
        given = given or [pose for pose in (view.initial() for view in self._group) if pose is not None]
        path = self._case.folder / "initial.tfm"
        if not given and path.exists():
            given = [RigidPose.load(path)]
        centre = self._bones[self._first].centre_lps
        return [p for n, p in enumerate(given) if all(max(p.distance_to(q, centre)) > 1e-3 for q in given[:n])]

    def _usual(self) -> RigidPose | None:
        """The pose that a view with a known name is usually taken in, or ``None``; AP and PA need no side."""
        cameras = {view: radiograph.camera for view, radiograph in self._group.items()}
        side, part = self._case.side[:1].upper(), "WRIST" if self._case.frame == "wrist" else ""
        named = {v: r.view.upper() or v.name.partition("-")[0].upper() for v, r in self._group.items()}
        for view, name in sorted(named.items(), key=lambda item: item[1] not in ("AP", "PA")):
            if name not in KNOWN_VIEWS or (name in ("ML", "LM") and not side):
                continue
            ordered = [cameras[view], *(camera for other, camera in cameras.items() if other != view)]
            centre = self._bones[self._first].centre_lps
            return pose_for_view(ordered, centre, view=name, laterality=side, body_part=part)
        return None

    def _searched(self, about: RigidPose | None, begin: float, end: float) -> list[RigidPose]:
        """The most promising poses of the first bone, near a pose or of all rotations."""
        cone = GlobalSearchOptions() if about is None else GlobalSearchOptions(cone_deg=CONE_DEG)
        device, engine = self._options.device, self._options.engine
        first = self._bones[self._first]
        search = GlobalSearch(first, self._radiographs, cone, about=about, device=device, engine=engine)
        for state in search.steps():
            where = "searching everywhere" if about is None else "searching near the usual pose"
            self._told(f"{where}, {state.stage}", begin + (end - begin) * state.fraction)
        return [candidate.pose for candidate in search.candidates[:CANDIDATES]]

    def _registered(self, starts: Sequence[RigidPose], begin: float, end: float) -> Iterator[list[RegistrationResult]]:
        """What a registration from each start found of every bone; starts that miss the pictures lead to nothing.

        Raises:
            InputError: All of them do.
        """
        parts, names, options = list(self._bones.values()), list(self._bones), self._options
        ended, missed = 0, None
        for number, start in enumerate(starts):
            work = Registration(
                parts, self._radiographs, start, options.search, options.device, options.engine, self._around, names
            )
            try:
                for state in work.steps():
                    self._told(state.stage, begin + (end - begin) * (number + state.fraction) / len(starts))
            except InputError as error:
                missed = error
                continue
            ended += 1
            yield work.results
        if missed is not None and not ended:
            raise missed


def _accepted_pose(view: CaseView) -> RigidPose | None:
    """The pose that a person accepted, or ``None``; also where it was registered again since.

    So a batch that does accepted ones again, and is killed, goes on from what it would have gone on from.
    """
    try:
        record = view.registration()
    except InputError:
        return None  # damaged: nobody can tell what was accepted, and it is registered anew
    known = [*record.get("earlier_results", ()), record] if record is not None else []
    accepted = [each for each in known if (each.get("review") or {}).get("status") in TRUSTED]
    return RigidPose(np.array(accepted[-1]["pose_ct_to_world"])) if accepted else None


def _written(
    view: CaseView,
    group: dict[CaseView, Radiograph],
    found: dict[str, RegistrationResult],
    how: str,
    bones: dict[str, Attenuation],
    options: BatchOptions,
    overlay: Overlay | None,
) -> ViewOutcome:
    """Write a view's registration, unless a person has accepted another one meanwhile."""
    pictures = {}
    if overlay is not None and not _is_settled(_earlier(view), options):
        for place, (bone, result) in enumerate(found.items()):
            mark = f"_{safe_file_name(bone)}" if place else ""
            pictures[f"overlay{mark}.png"] = overlay(group[view], bones[bone], result.pose, result.initial)
    with changing_view(view.folder):
        before = _earlier(view)
        if _is_settled(before, options):
            return outcome_of(view)
        write_registration(view, _record(found, how, before), next(iter(found.values())).pose, pictures)
    return outcome_of(view, "registered")


def _earlier(view: CaseView) -> dict[str, Any] | None:
    """The registration that is there."""
    try:
        return view.registration()
    except InputError:
        return None  # damaged, and told so when it was planned


def _is_settled(before: dict[str, Any] | None, options: BatchOptions) -> bool:
    """Whether a person stands behind it."""
    return before is not None and before["review"]["status"] in TRUSTED and not options.redo_accepted


def _record(found: dict[str, RegistrationResult], how: str, before: dict[str, Any] | None) -> dict[str, Any]:
    """What is written about a view; what a person said of the one before stays."""
    first, *further = ({"bone": bone, **result.to_dict()} for bone, result in found.items())
    return keeping_earlier({**first, "started_from": how, FURTHER: further}, before)
