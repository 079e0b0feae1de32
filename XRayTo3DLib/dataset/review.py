"""All views of a data set with their registrations' verdicts and what people said of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from XRayTo3DLib.dataset.case_views import STATUSES, CaseView, views_of
from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.registration_plan import outcome_of
from XRayTo3DLib.errors import InputError


@dataclass(frozen=True)
class ViewState:
    """One view of a data set.

    Attributes:
        case_id: The case.
        view: Name of the view.
        split: The case's, "train" or "test".
        status: "unregistered", "unreviewed", "accepted", "rejected" or "adjusted"; "damaged" where ``problem`` says
            why nobody can tell.
        verdict: "", "converged", "ambiguous" or "failed": the worst of the case's bones.
        similarity: Gradient correlation of the first bone in this view, -1 to 1, or ``None``.
        together: Views it was registered with.
        note: The reviewer's, or the verdict's reason.
        by_role: Who reviewed it, by role.
        date: Of the review (ISO), or "".
        problem: What is wrong with its files, or "".
    """

    case_id: str
    view: str
    split: str
    status: str
    verdict: str = ""
    similarity: float | None = None
    together: tuple[str, ...] = ()
    note: str = ""
    by_role: str = ""
    date: str = ""
    problem: str = ""


DAMAGED = "damaged"


def view_states(dataset: DatasetFolder, only: Sequence[str] = ()) -> list[ViewState]:
    """The state of every view, in the order of the cases; pictures are not opened.

    Args:
        dataset: The data set.
        only: Ids of cases; empty: all.

    Raises:
        InputError: No such case.
    """
    cases = [dataset.case(name) for name in only] if only else dataset.cases()
    return [state for case in cases for state in _states(case)]


def status_counts(states: Iterable[ViewState]) -> dict[str, int]:
    """How many views have each status, those that none has too; "damaged" only where there is one."""
    found = Counter(state.status for state in states)
    return {status: found[status] for status in (*STATUSES, *([DAMAGED] if found[DAMAGED] else []))}


def _states(case: DatasetCase) -> list[ViewState]:
    try:
        return [_state(case, view) for view in views_of(case)]
    except InputError as error:
        return [ViewState(case.id, "", case.split, DAMAGED, problem=str(error))]


def _state(case: DatasetCase, view: CaseView) -> ViewState:
    missing = [path.name for path in (view.radiograph_path, view.camera_path) if not path.exists()]
    problem = str(view.refused(InputError(f"there is no {missing[0]}; add the radiograph again."))) if missing else ""
    try:
        outcome, review = outcome_of(view), (view.registration() or {}).get("review", {})
    except InputError as error:
        return ViewState(case.id, view.name, case.split, DAMAGED, problem=str(error))
    return ViewState(
        case.id,
        view.name,
        case.split,
        outcome.status,
        outcome.verdict,
        outcome.similarity,
        outcome.together,
        outcome.note,
        str(review.get("by_role", "")),
        str(review.get("date", "")),
        problem,
    )
