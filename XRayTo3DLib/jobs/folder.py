"""A job folder: what a worker writes and a panel, a command line or a test reads, now or after a restart.

::

    job.json         kind and configuration, written once
    start.json       the process that was started for it (by whoever started it)
    worker.json      the process that works on it; its time stamp is the heartbeat
    progress.jsonl   one JSON object a line, only appended to
    log.txt          what the worker printed
    checkpoint/      the method's own
    worker.lock      there while a process works on it, which alone holds this lock
    cancel           somebody asked it to stop
    result.json      how it ended

The configuration's absolute paths are cut to their last part and a home folder in a message is written ``~``: the
folder can be sent to somebody.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from XRayTo3DLib import __version__
from XRayTo3DLib.errors import Cancelled, InputError, XRayTo3DError
from XRayTo3DLib.explain import explained
from XRayTo3DLib.files import read_json, write_json
from XRayTo3DLib.files.disk import HARDLY_BYTES, require_room, writing_into
from XRayTo3DLib.files.links import refuse_links_out
from XRayTo3DLib.files.locks import LOOK_S, Holder, Lock
from XRayTo3DLib.files.unfinished import UNFINISHED
from XRayTo3DLib.jobs.heartbeat import STALE_S, Heartbeat, SignsOfLife
from XRayTo3DLib.jobs.process_mark import ProcessMark
from XRayTo3DLib.jobs.progress_lines import append_line, end_last_line, last_line, lines_since
from XRayTo3DLib.jobs.state import JobState, JobStatus
from XRayTo3DLib.machine import disk_free_bytes
from XRayTo3DLib.models.portable import portable, shareable_text

JOB_FORMAT = "xrayto3d.job/1"
RESULT_FORMAT = "xrayto3d.job-result/1"
LOG_END_BYTES = 20_000
LOCK = "worker.lock"
"""Name of the lock; whoever works in a folder without being a job holds it, too."""
LOCK_WAIT_S = 1.0
"""Who looks whether a lock is held, holds it for a moment."""
RUN_MARK = "---- a worker starts ----"
"""A line of log.txt, written before each start."""


class JobFolder:
    """One job's folder; see the module for what lies in it. It is also a ``Watcher`` of the training loop."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.lock = Lock(self.path / LOCK)
        self._heartbeat: Heartbeat | None = None
        self._signs: dict[Path, SignsOfLife] = {}
        self._silent_stamp: int | None = None

    @property
    def checkpoint(self) -> Path:
        """Where the work keeps its checkpoints."""
        return self.path / "checkpoint"

    @property
    def log(self) -> Path:
        """What the worker printed."""
        return self.path / "log.txt"

    @classmethod
    def create(cls, path: Path | str, kind: str, configuration: Mapping[str, Any]) -> JobFolder:
        """Make the folder; one that is there and of the same kind is taken up again, its job.json written anew.

        Args:
            path: The folder, new, empty or a job folder.
            kind: What work it is ("training", ...).
            configuration: For people and panels to show; JSON types, paths and numbers.

        Raises:
            InputError: The folder holds something else, another kind of job, or one that another process works on, or
                cannot be written to.
        """
        job = cls(path)
        if job.path.exists() and not job.path.is_dir():
            raise InputError(f"job: {job.path} is a file; choose another folder.")
        if (job.path / "job.json").exists():
            found = job.description()["kind"]
            if found != kind:
                raise InputError(f"job: {job.path} holds a job of another kind ({found}); choose another folder.")
            if job.is_taken(wait_s=LOCK_WAIT_S):
                raise job._refusal()
        elif job.path.is_dir() and not all(path.name.startswith((UNFINISHED, LOCK)) for path in job.path.iterdir()):
            raise InputError(f"job: {job.path} is not empty and no job folder; choose another folder.")
        require_room(job.path, what="job")
        content = {"format": JOB_FORMAT, "version": __version__, "kind": kind}
        write_json(job.path / "job.json", {**content, "configuration": portable(configuration, "configuration")})
        return job

    @classmethod
    def open(cls, path: Path | str) -> JobFolder:
        """Attach to a job that somebody created, whether it still runs or not.

        Raises:
            InputError: No job folder.
        """
        job = cls(path)
        job.description()
        return job

    def description(self) -> dict[str, Any]:
        """Content of job.json: kind, configuration, version.

        Raises:
            InputError: Missing or broken, or a link in the folder leads out of it.
        """
        self.require_own()
        content = read_json(self.path / "job.json", "job", JOB_FORMAT)
        if not isinstance(content.get("kind"), str) or not isinstance(content.get("configuration"), dict):
            raise InputError(f"job: {self.path / 'job.json'} lacks kind or configuration; start the job again.")
        return content

    def require_own(self) -> None:
        """Refuse a folder, perhaps from somebody else, whose log, checkpoints or locks lie elsewhere or never end.

        Raises:
            InputError: Naming the link, pipe or device.
        """
        refuse_links_out(self.path, self.path, "job")

    # ---- the worker ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def working(self) -> Iterator[JobFolder]:
        """Work on the job; however the block ends, result.json tells it (the error goes on).

        Raises:
            InputError: Another process works on it.
        """
        self.begin()
        try:
            yield self
            if not self._result_file.exists():
                self.finish({})
        except (Cancelled, KeyboardInterrupt) as error:
            self._end(JobStatus.CANCELLED, str(error) or "It was interrupted.")
            raise
        except XRayTo3DError as error:
            self.fail(str(error))
            raise
        except Exception as error:
            self.fail(_why(error))
            raise
        finally:
            self._rest()

    def begin(self) -> None:
        """Tell that this process works on the job from now on; a result from before is taken away.

        Raises:
            InputError: Another process works on it.
        """
        self.require_own()
        if not self.lock.taken and not self.lock.take(LOCK_WAIT_S):
            raise self._refusal()
        try:
            if self.is_taken():
                raise self._refusal()
            if self._worker_file.exists():
                self.clear()
            end_last_line(self._progress_file)
            ProcessMark.of(os.getpid()).save(self._worker_file)
            self._heartbeat = Heartbeat(self._worker_file)
        except BaseException:
            self.lock.free()
            raise

    def clear(self) -> None:
        """Take away how an earlier run ended and an earlier wish to cancel; progress, log and checkpoints stay."""
        for name in ("result.json", "cancel", "worker.json", "start.json"):
            (self.path / name).unlink(missing_ok=True)

    def progress(self, record: Mapping[str, Any]) -> None:
        """Append a progress record.

        Args:
            record: JSON types, numbers of NumPy or PyTorch; NaN is written as null.
        """
        append_line(self._progress_file, json.dumps(portable(record, "progress"), allow_nan=False))

    def update(self, state: Any) -> None:
        """Append a ``TrainingState`` (any dataclass or mapping) as a progress record."""
        self.progress(dataclasses.asdict(state) if dataclasses.is_dataclass(state) else state)

    def cancelled(self) -> bool:
        """Whether somebody asked the job to stop."""
        return (self.path / "cancel").exists()

    def finish(self, result: Mapping[str, Any]) -> None:
        """The work is done; ``result`` is what a watcher wants to know. Give paths relative to the job folder."""
        self._end(JobStatus.FINISHED, "", result)

    def fail(self, message: str) -> None:
        """The work cannot go on; ``message`` says why and what to do."""
        self._end(JobStatus.FAILED, message)

    # ---- whoever watches -----------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask the job to stop; the worker does at its next step. A job that has ended stays as it is."""
        self.require_own()
        if not self._result_file.exists():
            with writing_into(self.path):
                (self.path / "cancel").touch()

    def state(self) -> JobState:
        """How the job stands now.

        Raises:
            InputError: A file of the folder is broken, or lies elsewhere.
        """
        self.require_own()
        progress = last_line(self._progress_file)
        if self._result_file.exists():
            status, message, result = self._result()
            return JobState(status, message, result, progress)
        process = self._process(self._worker_file) or self._process(self.path / "start.json")
        if process is None:
            return JobState(JobStatus.WAITING, progress=progress, cancelling=self.cancelled())
        alive, silent_s = process
        if alive:
            return JobState(JobStatus.RUNNING, progress=progress, silent_s=silent_s, cancelling=self.cancelled())
        if self._result_file.exists():  # it ended between the two looks
            return self.state()
        said, asked = self._last_words(), self.cancelled()
        return JobState(JobStatus.DEAD, said, progress=progress, silent_s=silent_s, cancelling=asked)

    def is_taken(self, *, started: bool = False, wait_s: float = 0.0) -> bool:
        """Whether another process surely works on the job; where it cannot be asked for, this waits for a beat.

        Args:
            started: Also if one was started and does not work yet.
            wait_s: Seconds that one which is ending has for it.
        """
        if self._is_locked(wait_s):
            return True
        if self._result_file.exists():
            return False
        paths = [self._worker_file, *([self.path / "start.json"] if started else [])]
        return any(self._is_alive_elsewhere(path) for path in paths if path.exists())

    def tail(self, since: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Progress records after ``since`` (a place in the file, 0 at first) and the place to go on from.

        A line that is only half written is left for the next call; one that was cut by a kill is passed over.
        """
        return lines_since(self._progress_file, since)

    def log_end(self, lines: int = 20) -> str:
        """The last lines that the newest worker printed."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as stream:
            stream.seek(max(0, self.log.stat().st_size - LOG_END_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
        return "\n".join(text.rpartition(RUN_MARK)[2].strip().splitlines()[-lines:])

    # ---- inside --------------------------------------------------------------------------------------------------

    @property
    def _worker_file(self) -> Path:
        return self.path / "worker.json"

    @property
    def _progress_file(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def _result_file(self) -> Path:
        return self.path / "result.json"

    def _result(self) -> tuple[JobStatus, str, dict[str, Any]]:
        content = read_json(self._result_file, "job's result", RESULT_FORMAT)
        try:
            return JobStatus(content["status"]), str(content["message"]), dict(content["result"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"job's result: {self._result_file} is broken ({error}); start the job again.") from error

    def _process(self, path: Path) -> tuple[bool, float] | None:
        """Whether the process that ``path`` tells of lives, and for how long it gave no sign of life, in seconds."""
        try:
            mark = ProcessMark.load(path)
            silent_s = self._signs.setdefault(path, SignsOfLife(path)).silent_s()
        except (InputError, FileNotFoundError):
            if path.exists():
                raise
            return None
        alive = mark.alive()
        if not alive and path == self._worker_file and self._is_locked():
            alive = True  # not to be asked for, or killed and one of its threads still ends: it holds the folder
        return (silent_s < STALE_S if alive is None else alive), silent_s

    def _is_locked(self, wait_s: float = 0.0) -> bool:
        """Whether somebody else holds the lock, and still does after ``wait_s`` seconds."""
        until = time.monotonic() + wait_s
        while not self.lock.taken and self.lock.holder() is Holder.SOMEBODY:
            if time.monotonic() >= until:
                return True
            time.sleep(LOOK_S)
        return False

    def _is_alive_elsewhere(self, path: Path) -> bool:
        mark = ProcessMark.load(path)
        alive = mark.alive()
        if alive is None:
            alive = path == self._worker_file and self._beats()  # start.json is never renewed
        return mark.pid != os.getpid() and alive

    def _beats(self) -> bool:
        """Whether the worker's stamp changes; one that was watched in vain and is the same is not watched again."""
        try:
            stamp = self._worker_file.stat().st_mtime_ns
        except FileNotFoundError:  # it has just ended
            return False
        if stamp == self._silent_stamp:
            return False
        beats = SignsOfLife(self._worker_file).beats()
        self._silent_stamp = None if beats else stamp
        return beats

    def _refusal(self) -> InputError:
        return InputError(f"job: another process works on {self.path}; cancel it or wait for its end.")

    def _end(self, status: JobStatus, message: str, result: Mapping[str, Any] | None = None) -> None:
        content = {"format": RESULT_FORMAT, "version": __version__, "status": status.value}
        rest = {"message": shareable_text(message), "result": portable(result or {}, "result")}
        try:
            write_json(self._result_file, {**content, **rest})
        except OSError as error:  # a full disk must not hide why the work ended
            if status is JobStatus.FINISHED:
                raise
            sys.stderr.write(f"job: result.json cannot be written ({error}).\n")
        self._rest()

    def _rest(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
        self.lock.free()

    def _last_words(self) -> str:
        said, free = self.log_end(1), disk_free_bytes(self.path)
        full = " Its disk is full: free some space." if free is not None and free < HARDLY_BYTES else ""
        last = f" Its last line: {shareable_text(said)}" if said else ""
        return f"The worker ended without a result.{full}{last}"


def _why(error: Exception) -> str:
    """What result.json says of an error that nobody expected."""
    return explained(error) or f"unexpected {type(error).__name__}: {error}. log.txt has the rest."
