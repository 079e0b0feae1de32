"""Measures one method of a comparison in a process of its own: ``python -m XRayTo3DLib.cli.compare_worker FOLDER``.

The folder is a job folder with ``task.json``; ``measured.json`` grows there, condition by condition.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from XRayTo3DLib.cli.console import complain
from XRayTo3DLib.errors import XRayTo3DError
from XRayTo3DLib.evaluation.compare_results import Measured
from XRayTo3DLib.experiments.compare_files import RESULT, TASK, Task, keep_result, kept_result
from XRayTo3DLib.jobs.folder import JobFolder


class JobWatcher:
    """Tells the job folder how far it is, stops when the job is cancelled, keeps what is done."""

    def __init__(self, job: JobFolder, mark: str) -> None:
        self._job, self._mark = job, mark

    def told(self, text: str, share: float) -> None:
        """One progress record."""
        self._job.progress({"text": text, "share": share})

    def stopped(self) -> bool:
        """Whether somebody cancelled the job."""
        return self._job.cancelled()

    def keep(self, found: Measured) -> None:
        """Write what is measured so far."""
        keep_result(self._job.path / RESULT, found, self._mark, complete=False)


def work(folder: Path) -> None:
    """Measure what the folder's task says.

    Raises:
        XRayTo3DError: It cannot be done, or was cancelled; the job's result tells.
    """
    from XRayTo3DLib.experiments.compare_depth import measured_depth
    from XRayTo3DLib.experiments.compare_measure import measured
    from XRayTo3DLib.experiments.compare_methods import DEPTH
    from XRayTo3DLib.models.bundle import load_bundle

    job = JobFolder.open(folder)
    mark = str(job.description()["configuration"]["mark"])
    with job.working():
        task = Task.load(folder / TASK)
        known, _ = kept_result(folder / RESULT, mark)
        measure = measured_depth if load_bundle(task.bundle).bundle.method == DEPTH else measured
        found = measure(task, folder, JobWatcher(job, mark), known)
        keep_result(folder / RESULT, found, mark, complete=True)
        job.finish({"result": RESULT})


def main(arguments: Sequence[str]) -> int:
    """Run the worker; returns the exit code."""
    try:
        work(Path(arguments[0]))
    except XRayTo3DError as error:
        complain(str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
