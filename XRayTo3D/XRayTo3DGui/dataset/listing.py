"""What is in a data set's folder: its description, and per case what is there and how its views stand. No scene, no Qt.

A thousand cases are thousands of files: they are read case by case (:func:`rowSteps`), and views again only when they
have changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DLib.dataset.case_views import TRUSTED, UNREGISTERED, CaseView, views_of
from XRayTo3DLib.dataset.dataset_folder import (
    CT_FILES,
    LABEL_FILES,
    DatasetCase,
    DatasetFolder,
    read_dataset_json,
)
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.registration.result import Review

BROKEN = "broken"
"""State of a view whose files cannot be read."""
TO_REVIEW, REJECTED = Review.UNREVIEWED.value, Review.REJECTED.value


@dataclass(frozen=True)
class ViewRow:
    """How one view stands: ``status`` as ``CaseView.status`` or :data:`BROKEN`; ``why`` says what is wrong then."""

    name: str
    status: str
    verdict: str = ""
    why: str = ""

    @property
    def accepted(self) -> bool:
        """Whether a person stands behind its registration."""
        return self.status in TRUSTED


@dataclass(frozen=True)
class CaseRow:
    """One case: who, and what of it is there. ``lacks`` names what is missing, in words."""

    id: str
    folder: Path
    patient: str
    side: str
    split: str
    lacks: tuple[str, ...]
    views: tuple[ViewRow, ...]

    @property
    def statuses(self) -> set[str]:
        """Of its views."""
        return {view.status for view in self.views}


@dataclass(frozen=True)
class About:
    """A data set's description; ``entries`` may be empty, unlike that of a ``DatasetFolder``."""

    folder: Path
    anatomy: str
    bones: tuple[str, ...]
    landmarks: bool
    synthetic: bool
    provenance: str
    licence: str
    dataset: DatasetFolder | None

    @property
    def cases(self) -> tuple[DatasetCase, ...]:
        """All cases; none of a data set that was only just started."""
        return self.dataset.cases() if self.dataset is not None else ()


def readAbout(folder: Path | str) -> About:
    """The description of a data set, one without cases included.

    Raises:
        InputError: No data set there, or one that contradicts itself.
    """
    folder = Path(folder)
    if not (folder / "dataset.json").is_file():
        text = _("{folder} holds no dataset.json: choose a data set's folder, or make one under 'New data set'.")
        raise InputError(text.format(folder=folder))
    content = read_dataset_json(folder)
    dataset = DatasetFolder.open(folder) if content.get("cases") else None
    return About(
        folder,
        str(content.get("anatomy", "")),
        tuple(content.get("labels", ())),
        bool(content.get("landmarks")),
        bool(content.get("synthetic")),
        str(content.get("provenance", "")),
        str(content.get("licence", "")),
        dataset,
    )


# ---- cases -----------------------------------------------------------------------------------------------------------


class Listing:
    """Reads the rows of cases; what was read of a view is kept until its files change."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, ...], ViewRow]] = {}

    def rowSteps(self, about: About) -> Iterator[CaseRow]:
        """One row per case, in the data set's order."""
        for case in about.cases:
            yield self.row(case, about.landmarks)

    def row(self, case: DatasetCase, landmarks: bool) -> CaseRow:
        """What is there of one case."""
        wanted = [(CT_FILES, _("CT")), (LABEL_FILES, _("segmentation"))]
        wanted += [((case.landmarks_path.name,), _("landmarks"))] if landmarks else []
        lacks = tuple(what for names, what in wanted if not any((case.folder / name).exists() for name in names))
        try:
            views = tuple(self._view(view) for view in views_of(case))
        except InputError as error:
            views = (ViewRow(_("views"), BROKEN, why=str(error)),)
        return CaseRow(case.id, case.folder, case.patient, case.side, case.split, lacks, views)

    def _view(self, view: CaseView) -> ViewRow:
        stamp = _stamp(view.registration_path, view.pose_path, view.radiograph_path)
        known = self._known.get(view.folder)
        if known is None or known[0] != stamp:
            known = self._known[view.folder] = (stamp, _readView(view))
        return known[1]


def _readView(view: CaseView) -> ViewRow:
    if not view.radiograph_path.exists():
        return ViewRow(view.name, BROKEN, why=_("its radiograph is missing"))
    try:
        record = view.registration()
    except InputError as error:
        return ViewRow(view.name, BROKEN, why=str(error))
    if record is None:
        return ViewRow(view.name, UNREGISTERED)
    return ViewRow(view.name, str(record["review"]["status"]), str(record["verdict"]))


def _stamp(*paths: Path) -> tuple[int, ...]:
    """Changes when one of the files does."""
    stamp: list[int] = []
    for path in paths:
        try:
            found = path.stat()
        except OSError:
            stamp += [0, 0]
        else:
            stamp += [found.st_mtime_ns, found.st_size]
    return tuple(stamp)


def matches(row: CaseRow, wanted: str) -> bool:
    """Whether a row is shown under that filter, one of ``parameters.CASE_FILTERS``."""
    if wanted == "Lacking something":
        return bool(row.lacks) or not row.views or BROKEN in row.statuses
    states = {
        "Not registered": {UNREGISTERED},
        "To review": {TO_REVIEW},
        "Accepted": set(TRUSTED),
        "Rejected": {REJECTED},
    }
    return wanted not in states or bool(row.statuses & states[wanted])


def nextToReview(rows: Iterable[CaseRow], after: str = "") -> CaseRow | None:
    """The first case after ``after`` (an id; round the end to the beginning) with a view that nobody has judged.

    ``after`` itself comes last: another of its views may wait.
    """
    listed = list(rows)
    place = next((number for number, row in enumerate(listed) if row.id == after), -1)
    return next((row for row in listed[place + 1 :] + listed[: place + 1] if TO_REVIEW in row.statuses), None)


def registeredBefore(rows: Iterable[CaseRow], before: str) -> CaseRow | None:
    """The case next before ``before`` (an id) that is registered, judged or not; none before the first."""
    listed = list(rows)
    place = next((number for number, row in enumerate(listed) if row.id == before), 0)
    return next((row for row in listed[:place][::-1] if row.statuses - {UNREGISTERED, BROKEN}), None)


# ---- in words --------------------------------------------------------------------------------------------------------


def counts(rows: Iterable[CaseRow]) -> Counter[str]:
    """How many views are in which state; accepted and adjusted count as accepted."""
    states = (view.status for row in rows for view in row.views)
    return Counter(Review.ACCEPTED.value if state in TRUSTED else state for state in states)


def lackingText(rows: list[CaseRow]) -> str:
    """What the cases still lack, in one sentence; empty when nothing."""
    missing = Counter(what for row in rows for what in row.lacks)
    found = counts(rows)
    parts = [_("{count} without {what}").format(count=count, what=what) for what, count in missing.items()]
    for state, one, more in (
        (UNREGISTERED, _("1 view not registered"), _("{count} views not registered")),
        (TO_REVIEW, _("1 view to review"), _("{count} views to review")),
        (BROKEN, _("1 view that cannot be read"), _("{count} views that cannot be read")),
    ):
        parts += [one if found[state] == 1 else more.format(count=found[state])] if found[state] else []
    return ", ".join(parts)


def summary(about: About, rows: list[CaseRow]) -> dict[str, Any]:
    """Numbers of a data set: cases, people, train, test, views by state, what is missing."""
    return {
        "anatomy": about.anatomy,
        "bones": list(about.bones),
        "synthetic": about.synthetic,
        "cases": len(rows),
        "people": len({row.patient for row in rows}),
        "train": sum(row.split == "train" for row in rows),
        "test": sum(row.split == "test" for row in rows),
        "views": dict(counts(rows)),
        "lacking": dict(Counter(what for row in rows for what in row.lacks)),
    }
