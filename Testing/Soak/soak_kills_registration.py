"""Batch registration killed: alone, in two processes, and again over registrations that a person has accepted.

.venv/bin/python Testing/Soak/soak_kills_registration.py --kills 60 --fresh 4 --seed 0
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib.figure  # noqa: F401  imported before the children are forked, as all that follow
import numba  # noqa: F401
import SimpleITK  # noqa: F401
import torch  # noqa: F401
from kill_checks import differences, faults_of_files
from kill_harness import LIBRARY, Job, done_in_child
from kill_program import soak

import XRayTo3DLib.cli.dataset
import XRayTo3DLib.dataset.batch_registration
import XRayTo3DLib.evaluation.overlay  # noqa: F401
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.review import view_states

sys.path.append(str(LIBRARY / "Testing" / "Lib"))

CASES = 2
QUICK = ("--starts", "2", "--screened", "8", "--pixel-sizes", "3.2")
TIMED = ("registration.json",)
REPORTS = ("registrations.json", "registrations.csv")
"""They tell what the last run did, which is less after a kill."""


def jobs(scratch: Path) -> Sequence[Job]:
    """Registrations of one small data set."""
    done_in_child(lambda: _bones(scratch / "bones"), scratch / "bones.log")
    done_in_child(lambda: _accepted(scratch / "bones", scratch / "accepted"), scratch / "accepted.log")
    return (
        _job("register", scratch / "bones", ("--workers", "1", "--no-overlays"), 7),
        _job("register, two processes", scratch / "bones", ("--workers", "2", "--no-overlays"), 1),
        _job("register --redo-accepted", scratch / "accepted", ("--workers", "1", "--redo-accepted"), 6),
    )


def _job(name: str, before: Path, words: Sequence[str], share: float) -> Job:
    def faults(folder: Path) -> list[str]:
        found = faults_of_files(folder)
        found += [state.problem for state in view_states(DatasetFolder.open(folder / "set")) if state.problem]
        return found

    return Job(
        name,
        lambda folder: ["dataset", "register", str(folder / "set"), *QUICK, *words],
        prepare=lambda folder: shutil.copytree(before, folder / "set"),  # type: ignore[arg-type, return-value]
        faults=faults,
        differences=lambda whole, other: differences(whole, other, REPORTS, TIMED),
        share=share,
        longest_link=0.8,
    )


def _bones(folder: Path) -> None:
    from case_view_cases import bones

    bones(folder, CASES)


def _accepted(bones: Path, folder: Path) -> None:
    """The same, registered, and every registration accepted by a person."""
    from case_view_cases import QUICK as QUICKLY

    from XRayTo3DLib.dataset.batch_registration import register_dataset
    from XRayTo3DLib.dataset.case_views import views_of, write_review
    from XRayTo3DLib.dataset.registration_plan import BatchOptions
    from XRayTo3DLib.registration.result import Review

    shutil.copytree(bones, folder)
    register_dataset(folder, BatchOptions(search=QUICKLY))
    for case in DatasetFolder.open(folder).cases():
        for view in views_of(case):
            write_review(view, Review.ACCEPTED, "it fits", "radiologist")


if __name__ == "__main__":
    sys.exit(soak("Kills, batch registration", jobs))
