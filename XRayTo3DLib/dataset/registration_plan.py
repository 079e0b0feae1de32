"""What is to be registered of a data set's cases, and what became of each view."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from XRayTo3DLib.dataset.case_views import FURTHER, TRUSTED, UNREGISTERED, CaseView, views_of
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.options import RegistrationOptions
from XRayTo3DLib.registration.result import Verdict

if TYPE_CHECKING:
    from XRayTo3DLib.projection.engines import Engine

WORST_FIRST = (Verdict.FAILED, Verdict.AMBIGUOUS, Verdict.CONVERGED)


@dataclass(frozen=True)
class BatchOptions:
    """How the cases of a data set are registered.

    Attributes:
        bones: Those that move by themselves, the first one first; empty: all of the data set.
        together: Whether the views of a case share one world and are registered jointly; ``None``: where each was
            given its camera as a whole (not placed by its name) and they look from different directions.
        surroundings: Draw the rest of the CT too (the limb was held in the CT about as in the radiograph).
        everywhere: Search all rotations at once, without looking near the view's usual pose first.
        redo: Register again what nobody has accepted.
        redo_accepted: Register again everything, what was accepted too.
        energy_kev: Effective energy of the radiographs; ``None``: what the data set is prepared with.
        search: The local search.
        device: "cpu" or "cuda".
        engine: Projector engine.
    """

    bones: tuple[str, ...] = ()
    together: bool | None = None
    surroundings: bool = False
    everywhere: bool = False
    redo: bool = False
    redo_accepted: bool = False
    energy_kev: float | None = None
    search: RegistrationOptions = field(default_factory=RegistrationOptions)
    device: str = "cpu"
    engine: Engine = "auto"


@dataclass(frozen=True)
class ViewOutcome:
    """What became of one view.

    Attributes:
        case_id: The case.
        view: The view; "" where the case itself cannot be used.
        action: "registered", "kept" (it was registered before), "problem", or "waiting" where the batch was stopped.
        status: As :attr:`CaseView.status`; "" with a problem.
        verdict: The worst of its bones; "" with a problem.
        similarity: Gradient correlation of the first bone in this view, -1 to 1, or ``None``.
        together: Names of the views it was registered with.
        seconds: What the registration took.
        note: The verdict's reason, or what the problem is and what to do.
    """

    case_id: str
    view: str
    action: str
    status: str = ""
    verdict: str = ""
    similarity: float | None = None
    together: tuple[str, ...] = ()
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class CasePlan:
    """What is to be done for a case: views to register, and what is known of the others."""

    case: DatasetCase
    todo: tuple[CaseView, ...]
    known: tuple[ViewOutcome, ...]


def plan_case(case: DatasetCase, options: BatchOptions) -> CasePlan:
    """Which views of a case are to be registered; reads only the registrations' small files."""
    try:
        views = views_of(case)
    except InputError as error:
        return CasePlan(case, (), (ViewOutcome(case.id, "", "problem", note=str(error)),))
    todo, known = [], []
    for view in views:
        try:
            outcome = outcome_of(view)
        except InputError as error:
            # Nobody can tell whether it was accepted: only the strongest word overwrites it.
            outcome = ViewOutcome(case.id, view.name, "problem", note=str(error))
        again = options.redo_accepted or (options.redo and outcome.action == "kept" and outcome.status not in TRUSTED)
        if outcome.status == UNREGISTERED or again:
            todo.append(view)
        else:
            known.append(outcome)
    return CasePlan(case, tuple(todo), tuple(known))


def outcome_of(view: CaseView, action: str = "kept") -> ViewOutcome:
    """A view's registration as it lies on disk.

    Raises:
        InputError: Its files are damaged or contradict each other.
    """
    record = view.registration()
    if record is None:
        return ViewOutcome(view.case_id, view.name, action, UNREGISTERED)
    records = [record, *record.get(FURTHER, ())]
    worst = min(records, key=lambda each: WORST_FIRST.index(Verdict(each["verdict"])))
    views = list(record.get("views", ()))
    # Registered by hand the pictures may have names of their own: then the first one stands for this view.
    own = next((each for each in views if each.get("name") == view.name), views[0] if views else {})
    return ViewOutcome(
        view.case_id,
        view.name,
        action,
        str(record["review"]["status"]),
        str(worst["verdict"]),
        own.get("similarity"),
        tuple(str(each.get("name", "")) for each in views if each is not own),
        float(record.get("seconds", 0.0)),
        str(record["review"].get("note") or worst.get("reason", "")),
    )
