"""Start a worker that outlives whoever started it, and follow it; anybody can attach later by ``JobFolder.open``."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import XRayTo3DLib
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import require_file
from XRayTo3DLib.files.disk import writing_into
from XRayTo3DLib.files.locks import only_one
from XRayTo3DLib.jobs.folder import LOCK_WAIT_S, RUN_MARK, JobFolder
from XRayTo3DLib.jobs.process_mark import CHILDREN, ProcessMark

KILL_WAIT_S = 5.0
START_WAIT_S = 10.0
"""Whoever starts a worker has done so long before."""


def start_training(
    config: Path | str, folder: Path | str, options: Sequence[str] = (), python: Path | str | None = None
) -> JobFolder:
    """Train in a process of its own: ``xrayto3d train CONFIG --job FOLDER``; goes on from a checkpoint in FOLDER.

    Args:
        config: The training configuration (YAML).
        folder: The job folder; new, empty, or an earlier training that ended, whatever way.
        options: Further options of ``xrayto3d train``.
        python: The Python program to run; default this process's own (in Slicer: PythonSlicer).

    Returns:
        The job folder, to watch.

    Raises:
        InputError: No such configuration, the folder holds something else, or a training runs in it.
    """
    config = require_file(config, "training configuration").absolute()
    job = JobFolder.create(Path(folder).absolute(), "training", {"config": config, "options": list(options)})
    # Options may come from a folder that somebody else has made: the last --job counts.
    program = ["-m", "XRayTo3DLib.cli.main", "train", *options, str(config), "--job", str(job.path)]
    start_worker(job, program, python)
    return job


def start_worker(job: JobFolder, arguments: Sequence[str], python: Path | str | None = None) -> None:
    """Run ``python ARGUMENTS`` detached from this process, what it prints going to the job's log.txt.

    Args:
        job: The job it works on; must not be running.
        arguments: What Python runs; the program must call ``JobFolder(...).working()``.
        python: See :func:`start_training`.

    Raises:
        InputError: A worker runs in the folder, or Python cannot be started.
        CannotWrite: No room or no right to write in the folder.
    """
    CHILDREN[:] = [process for process in CHILDREN if process.poll() is None]
    job.require_own()
    running = f"job: a worker runs in {job.path}; watch it, or cancel it before you start another."
    with writing_into(job.path), only_one(job.path / "start.lock", running, START_WAIT_S):
        if not job.lock.take(LOCK_WAIT_S):
            raise InputError(running)
        try:
            if job.is_taken(started=True):
                raise InputError(running)
            job.clear()
        finally:
            job.lock.free()
        process = _started(job, [str(python or sys.executable), *arguments])
        CHILDREN.append(process)
        ProcessMark.of(process.pid).save(job.path / "start.json")


def _started(job: JobFolder, command: list[str]) -> subprocess.Popen[bytes]:
    with job.log.open("ab", buffering=0) as log:
        log.write(f"{RUN_MARK}\n".encode())
        try:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment(), **_detached()
            )
        except OSError as error:
            raise InputError(f"job: {command[0]} cannot be started ({error.strerror}).") from error


def kill_worker(job: JobFolder) -> None:
    """End the job's worker and its children at once, for one that does not heed ``job.cancel()``; it is DEAD then.

    A process of another machine, or one that cannot be told from a later one with its number, is left alone.
    """
    for name in ("worker.json", "start.json"):
        if not (job.path / name).exists():
            continue
        pid, own = ProcessMark.load(job.path / name).pid, [process.pid for process in CHILDREN]
        if pid in own or ProcessMark.load(job.path / name).alive():
            _kill_group(pid)
            _wait_for(pid)
            break
    CHILDREN[:] = [process for process in CHILDREN if process.poll() is None]


def _wait_for(pid: int) -> None:
    """Until a worker that this process started has ended: it writes nothing any more."""
    for process in CHILDREN:
        if process.pid == pid:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(KILL_WAIT_S)


def _kill_group(pid: int) -> None:
    if os.name == "nt":
        subprocess.run(["taskkill", "/PID", str(pid), "/T", "/F"], capture_output=True, check=False)
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # it leads a group of its own, see _detached


def follow(job: JobFolder, since: int = 0, every_s: float = 0.2) -> Iterator[dict[str, Any]]:
    """Yield progress records as they come, until the job has ended; ``job.state()`` then tells how.

    Args:
        job: Any job, started by whomever.
        since: Place in the progress file to begin at (from ``job.tail``).
        every_s: Seconds between two looks.
    """
    ended = False
    while not ended:
        ended = job.state().status.ended  # looked at before reading, so that the last records are not missed
        records, since = job.tail(since)
        yield from records
        if not ended:
            time.sleep(every_s)


def _environment() -> dict[str, str]:
    """This process's, with the folder of this very library: Slicer's own Python does not know it."""
    library = str(Path(XRayTo3DLib.__file__).resolve().parents[1])
    paths = [library, *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", "XRAYTO3D_WORKER": "1"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **own}


def _detached() -> dict[str, Any]:
    """Options that keep the worker alive when the terminal or Slicer closes, and Ctrl-C there from reaching it."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}
