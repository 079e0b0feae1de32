"""What the tests of the data set panel share: small data sets of the synthetic wrist, made once."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from module_cases import settle, wait_until, wrist

from XRayTo3DLib.dataset.case_views import add_view, write_registration
from XRayTo3DLib.dataset.dataset_builder import add_case, start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetFolder
from XRayTo3DLib.dataset.landmarks_file import write_landmarks
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.registration.result import RegistrationResult, Review, TracePoint, Verdict

STATES = (None, Review.UNREVIEWED, Review.ACCEPTED, Review.REJECTED)
"""Of the views of case-001 to case-004."""


def result(pose: RigidPose, synthetic: bool = True) -> RegistrationResult:
    """A registration that found that pose."""
    return RegistrationResult(
        pose=pose,
        initial=RigidPose.identity(),
        centre=(0.0, 0.0, -30.0),
        view_names=("pa", "lat"),
        similarity=(0.9, 0.8),
        initial_similarity=(0.3, 0.2),
        verdict=Verdict.CONVERGED,
        reason="Made for a test.",
        trace=(TracePoint("first", 0.9, 0.1),),
        starts=4,
        agreeing=4,
        seconds=1.0,
        settings={"engine": "test"},
        synthetic=synthetic,
    )


@cache
def _made() -> Path:
    """Four cases of two views each, not registered, to review, accepted, rejected; the last one without landmarks."""
    from XRayTo3DGui.dataset.collect import markSynthetic
    from XRayTo3DGui.scene.example import truePose

    folder = Path(tempfile.mkdtemp(prefix="xrayto3d-test-")) / "wrists"
    case, pictures = wrist()
    start_dataset(folder, provenance="SYNTHETIC, made for a test", licence="Apache-2.0")
    for number, state in enumerate(STATES, start=1):
        entry = CaseEntry(f"case-{number:03d}", f"person-{(number + 1) // 2}", "train", "right")
        place = add_case(folder, entry, case.ct)
        if number < len(STATES):
            write_landmarks(case.landmarks, place / "landmarks.mrk.json", "synthetic phantom", locked=False)
        known = DatasetFolder.open(folder).case(entry.id)
        for picture in pictures:
            view = add_view(known, picture.view, picture)
            if state is not None:
                note = "does not fit" if state is Review.REJECTED else ""
                write_registration(view, result(truePose()).to_dict(state, note), truePose())
    markSynthetic(folder)
    return folder


def dataset(folder: Path) -> Path:
    """A copy of its own, in ``folder``; returns the data set."""
    shutil.copytree(_made(), folder / "wrists")
    return folder / "wrists"


def choose(panel: Any, folder: Path | str) -> None:
    """As a person types the path; waits until all cases are shown."""
    panel.ui.datasetPath.currentPath = str(folder)
    read(panel)


def read(panel: Any) -> None:
    """Let the table be read and filled."""
    settle(0.1)
    wait_until(lambda: not panel.cases._reading.running)


def opened(panel: Any) -> None:
    """Wait until the case that is being opened is there."""
    wait_until(lambda: not panel.cases.opening)
    read(panel)


def rows(panel: Any) -> list[tuple[str, ...]]:
    """The table's texts."""
    table = panel.ui.caseTable
    return [tuple(table.item(row, column).text() for column in range(5)) for row in range(table.rowCount)]


def ended(panel: Any, seconds: float = 300) -> None:
    """Wait for the job's end, and the table."""
    wait_until(lambda: not panel.job.running, seconds)
    read(panel)


def button(panel: Any, name: str) -> Any:
    """A button of the panel, which must be enabled."""
    found = getattr(panel.ui, name)
    assert found.enabled, f"{name}: {found.toolTip}"
    return found
