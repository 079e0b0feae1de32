"""A comparison step by step: train what is not there, render the pictures, measure each method in its own process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_results import Row
from XRayTo3DLib.experiments.compare_files import RESULT, TASK, Task, fingerprint, kept_result
from XRayTo3DLib.experiments.compare_methods import Candidate
from XRayTo3DLib.files import read_json, safe_file_name, write_json, write_text
from XRayTo3DLib.jobs import JobFolder, JobStatus
from XRayTo3DLib.jobs.run import follow, start_training, start_worker
from XRayTo3DLib.models.bundle_folder import BUNDLE_FILE
from XRayTo3DLib.models.checksums import file_sha256

BUNDLE = "bundle"
TIME_FORMAT = "xrayto3d.comparison-training/1"
STOP_S = 120.0
"""How long a worker may take to write its checkpoint when the comparison is interrupted."""
Told = Callable[[str, float, float | None], None]
"""What is done, the share done of it, and seconds left of it if known."""


@dataclass(frozen=True)
class Training:
    """How models are trained.

    Attributes:
        dataset: The data set.
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads; ``None`` leaves them.
    """

    dataset: Path
    device: str = "auto"
    threads: int | None = None

    @property
    def options(self) -> list[str]:
        """Of ``xrayto3d train``."""
        threads = [] if self.threads is None else ["--threads", str(self.threads)]
        return ["--data", str(self.dataset.absolute()), "--device", self.device, *threads]


class MethodFailed(Exception):
    """One method could not be trained or measured; the others go on."""


def trained(candidate: Candidate, folder: Path, training: Training, told: Told) -> tuple[Path, float]:
    """The bundle of a candidate, and the seconds its training took (all attempts); trained now if need be.

    Args:
        candidate: With a configuration.
        folder: Of the row; holds the configuration, the training job and its bundle.
        training: How.
        told: Told how far it is.

    Raises:
        InputError: The folder holds a training with other settings.
        MethodFailed: The training ended without a bundle.
    """
    config = folder / "config.yaml"
    text = yaml.safe_dump(dict(candidate.configuration), sort_keys=False)
    if config.exists() and config.read_text(encoding="utf-8") != text:
        raise InputError(
            f"{folder} was trained with other settings than this comparison's; delete that folder, or compare into "
            f"another one."
        )
    write_text(config, text)
    job = JobFolder(folder / "training")
    bundle, clock, what = job.path / BUNDLE, folder / "training.json", f"{candidate.name}: training"
    runs = _runs(job, what, told)
    _count(job, clock)
    if not (bundle.is_dir() and job.state().status is JobStatus.FINISHED):
        told(what, 0.0, None)
        try:
            if not runs:
                job = start_training(config, job.path, training.options)
            _followed(job, lambda record: told(*_training_state(what, record)))
        finally:
            _count(job, clock)
    return bundle, _seconds(clock)


def _runs(job: JobFolder, what: str, told: Told) -> bool:
    """Whether a worker that an earlier comparison started still works; one that was told to stop is waited for."""
    if not (job.path / "job.json").exists():
        return False
    state = job.state()
    while state.status is JobStatus.RUNNING and state.cancelling:
        told(f"{what}: an earlier run is stopping", 0.0, None)
        time.sleep(0.2)
        state = job.state()
    return state.status is JobStatus.RUNNING


def _count(job: JobFolder, clock: Path) -> None:
    """Add to ``clock`` what a job's last attempt took since it was written, also if nobody watched the attempt.

    Time ends with the job's result or with its worker's last sign of life.
    """
    start, *signs = (_changed(job.path / name) for name in ("start.json", "worker.json", "result.json"))
    passed = max(signs) - max(start, _changed(clock))
    if start and passed > 0:
        write_json(clock, {"format": TIME_FORMAT, "seconds": round(_seconds(clock) + passed, 2)})


def _changed(path: Path) -> float:
    """When a file was written, s; 0 if it is not there."""
    return path.stat().st_mtime if path.exists() else 0.0


def _seconds(clock: Path) -> float:
    return float(read_json(clock, "training time", TIME_FORMAT)["seconds"]) if clock.exists() else 0.0


def _training_state(name: str, record: Mapping[str, Any]) -> tuple[str, float, float | None]:
    stages, steps = int(record.get("stages", 1)), int(record.get("steps", 1))
    share = (int(record.get("stage_number", 1)) - 1 + int(record.get("step", 0)) / max(steps, 1)) / max(stages, 1)
    eta = record.get("eta_s")
    return f"{name}, {record.get('stage', '')} {record.get('step', '')}/{steps}", share, eta


def measured(task: Task, method: str, folder: Path, told: Told) -> Row:
    """The row of a method; measured now unless an earlier run did.

    Args:
        task: What to measure.
        method: Name in the registry.
        folder: Of the measurement.
        told: Told how far it is.

    Raises:
        MethodFailed: The worker ended without a result.
    """
    mark = _mark(task)
    found, complete = kept_result(folder / RESULT, mark)
    if not complete:
        job = JobFolder(folder)
        if not _runs(job, task.name, told):
            job = JobFolder.create(folder, "comparison", {"name": task.name, "mark": mark})
            task.save(folder / TASK)
            start_worker(job, ["-m", "XRayTo3DLib.cli.compare_worker", str(folder.absolute())])
        began = time.monotonic()
        _followed(job, lambda record: told(*_measuring_state(record, time.monotonic() - began)))
        found, complete = kept_result(folder / RESULT, mark)
    (folder / TASK).unlink(missing_ok=True)  # it names a person's folders; who measures again writes it again
    if found is None or not complete:
        raise MethodFailed(f"its measurement in {folder} has no result; compare again.")
    return Row(task.name, method, found)


def _measuring_state(record: Mapping[str, Any], passed_s: float) -> tuple[str, float, float | None]:
    share = float(record.get("share", 0.0))
    return str(record.get("text", "")), share, passed_s * (1 - share) / share if share > 0 else None


def _mark(task: Task) -> str:
    """What the result depends on."""
    about = {
        "bundle": file_sha256(task.bundle / BUNDLE_FILE),
        "pictures": task.pictures.name,
        "dataset": file_sha256(task.dataset / "dataset.json"),
        "grid": task.grid.to_dict(),
        "numbers": [task.samples, task.people, task.hard, task.seed],
        "shown": task.shown,
    }
    if task.refine is not None:
        about["refine"] = file_sha256(task.refine / BUNDLE_FILE)
    return fingerprint(about)


def _followed(job: JobFolder, told: Callable[[dict[str, Any]], None]) -> None:
    """Wait for a job and pass its progress on; an interrupt reaches it, and it keeps what is done.

    Raises:
        MethodFailed: It did not finish.
    """
    try:
        for record in follow(job, job.tail()[1]):
            told(record)
    except KeyboardInterrupt:
        job.cancel()
        with contextlib.suppress(KeyboardInterrupt):
            ends = time.monotonic() + STOP_S
            while not job.state().status.ended and time.monotonic() < ends:
                time.sleep(0.2)
        raise
    state = job.state()
    if state.status is not JobStatus.FINISHED:
        raise MethodFailed(state.message or f"its process ended {state.status.value}; {job.path / 'log.txt'} has more.")


def row_folder(output: Path, name: str) -> Path:
    """Folder of a row."""
    return output / safe_file_name(name)


def same_settings(output: Path, content: Mapping[str, Any]) -> None:
    """Remember what is compared in ``output``, and refuse to mix it with something else.

    Raises:
        InputError: The folder holds another comparison.
    """
    path, kind = output / "compare.json", "xrayto3d.comparison/1"
    if path.exists():
        before = read_json(path, "comparison", kind)
        differing = [key for key, value in content.items() if before.get(key) != value]
        if differing:
            raise InputError(
                f"{output} holds a comparison with another {' and '.join(differing)}; name another folder with -o."
            )
    write_json(path, {"format": kind, **content})
