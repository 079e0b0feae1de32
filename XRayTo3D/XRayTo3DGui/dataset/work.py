"""Jobs on a data set: their folders inside it, the commands they run, and how they stand, in words. No Qt.

A job lies in ``<data set>/jobs/<kind>-<number>``: it is found again wherever the data set is, after any restart, and by
somebody else's Slicer too. What it runs follows from the folder and from numbers in job.json: it can always go on.
"""

from __future__ import annotations

import csv
import re
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import startCommand
from XRayTo3DLib.dataset.case_table import read_case_table
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import safe_file_name, write_text
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.state import JobState, JobStatus

SYNTHETIC, IMPORT, LANDMARKS, REGISTER, PREPARE = "synthetic", "import", "landmarks", "register", "prepare"
KINDS = (SYNTHETIC, IMPORT, LANDMARKS, REGISTER, PREPARE)
TABLE, TABLE_PATH = "cases.csv", "table.txt"
"""Of an import, in the job's folder: its lines, or where the table lies. Removed when it is done: they name files."""
MOST_RATES, LOG_LINES = 30, 60
PROGRESS = re.compile(r"\w+ +\d+ %  ")
"""How lines of progress begin, in a log."""
AFTERWORDS = ("wrote ", "These are proposals")
"""How lines begin that follow what came of it."""


def titles() -> dict[str, str]:
    """What each kind does, for people."""
    return {
        SYNTHETIC: _("Making SYNTHETIC people"),
        IMPORT: _("Importing cases"),
        LANDMARKS: _("Proposing landmarks"),
        REGISTER: _("Registering"),
        PREPARE: _("Preparing for training"),
    }


def jobsOf(dataset: Path | str) -> list[JobFolder]:
    """All jobs of a data set, the newest first."""
    found = [path.parent for path in Path(dataset).glob("jobs/*-*/job.json") if _kindOf(path.parent) in KINDS]
    return [JobFolder(path) for path in sorted(found, key=lambda path: (path / "job.json").stat().st_mtime)[::-1]]


def newestJob(dataset: Path | str) -> JobFolder | None:
    """The one that runs, else the newest; None where there was none."""
    jobs = jobsOf(dataset)
    return next((job for job in jobs if not stateOf(job).status.ended), jobs[0] if jobs else None)


def isJobOf(path: Path, dataset: Path | str) -> bool:
    """Whether a folder is a job of that data set, by its place and name; a scene may name any folder.

    What is taken for a job of ours is looked at, resumed, and tidied up in its end.
    """
    inside = path.parent.resolve() == (Path(dataset) / "jobs").resolve()
    return inside and _kindOf(path) in KINDS and not path.is_symlink()


def datasetOf(job: JobFolder) -> Path:
    """The data set that a job works on."""
    return job.path.parent.parent


def _kindOf(path: Path) -> str:
    return path.name.rpartition("-")[0]


def stateOf(job: JobFolder) -> JobState:
    """How it stands; a broken folder is told as FAILED, one whose worker was never started as DEAD."""
    try:
        state = job.state()
    except InputError as error:
        return JobState(JobStatus.FAILED, str(error))
    begun = (job.path / "start.json").exists() or (job.path / "worker.json").exists()
    return JobState(JobStatus.DEAD) if state.status is JobStatus.WAITING and not begun else state


def start(dataset: Path | str, kind: str, options: Mapping[str, Any]) -> JobFolder:
    """Start a new job of a data set.

    Args:
        dataset: Its folder; made where missing for :data:`SYNTHETIC`.
        kind: One of :data:`KINDS`.
        options: For :func:`commandOf`: numbers and words; of an import :func:`importOptions`.

    Raises:
        InputError: Another job runs there, or Python cannot be started.
    """
    folder = Path(dataset).absolute()
    running = newestJob(folder)
    if running is not None and not stateOf(running).status.ended:
        raise InputError(
            _("{job} runs in this data set: wait for its end, or cancel it.").format(job=running.path.name)
        )
    numbers = [int(path.name.rpartition("-")[2]) for path in folder.glob(f"jobs/{kind}-*") if _numbered(path)]
    told = {name: value for name, value in options.items() if name not in ("rows", "table")}
    job = JobFolder.create(folder / "jobs" / f"{kind}-{max(numbers, default=0) + 1}", f"dataset-{kind}", told)
    if "rows" in options:
        _writeTable(job.path / TABLE, options["rows"])
    if "table" in options:
        write_text(job.path / TABLE_PATH, options["table"])
    resume(job)
    return job


def _numbered(path: Path) -> bool:
    return path.name.rpartition("-")[2].isdecimal()


def resume(job: JobFolder) -> None:
    """Start a job, or go on with one that ended: what is done already is kept.

    Raises:
        InputError: It runs, or Python cannot be started.
    """
    startCommand(job, commandOf(job))


def commandOf(job: JobFolder) -> list[str]:
    """The ``xrayto3d`` command of a job, from its folder and what job.json tells."""
    kind, dataset, told = _kindOf(job.path), str(datasetOf(job)), job.description()["configuration"]
    if kind == SYNTHETIC:
        words = ["dataset", "synthetic", "-o", dataset]
        return words + _options(told, ("anatomy", "people", "test", "seed", "spacing", "workers"))
    if kind == IMPORT:
        return ["dataset", "import", dataset, str(_tableOf(job))]
    if kind == LANDMARKS:
        return ["dataset", "landmarks", dataset]
    if kind == REGISTER:
        redo = ["--redo"] if told.get("redo") else []
        return ["dataset", "register", dataset, *redo, *_options(told, ("workers",))]
    return ["dataset", "prepare", dataset, *_options(told, ("workers",))]


def _options(told: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    return [word for name in names if told.get(name) not in (None, "") for word in (f"--{name}", str(told[name]))]


# ---- the table of an import ------------------------------------------------------------------------------------------

COLUMNS = ("id", "ct", "labels", "side", "split", "patient")


def importOptions(table: str | Path | list[dict[str, str]]) -> dict[str, Any]:
    """Options of an import: of a table's file, which is looked through first, or of lines.

    Raises:
        InputError: Not a table of cases.
    """
    if isinstance(table, list):
        return {"cases": len(table), "rows": table}
    path = Path(table).expanduser().absolute()
    return {"cases": len(read_case_table(path)), "table": str(path)}


def _writeTable(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows([{name: row.get(name, "") for name in COLUMNS} for row in rows])


def _tableOf(job: JobFolder) -> Path:
    where = job.path / TABLE_PATH
    return Path(where.read_text(encoding="utf-8")) if where.exists() else job.path / TABLE


def tidy(job: JobFolder, state: JobState) -> None:
    """What a finished import has named is forgotten."""
    if state.status is JobStatus.FINISHED:
        for name in (TABLE, TABLE_PATH):
            (job.path / name).unlink(missing_ok=True)


def requireFinished(job: JobFolder) -> None:
    """Raise an InputError that says why a job did not come to its end."""
    state = stateOf(job)
    tidy(job, state)
    if state.status is not JobStatus.FINISHED:
        raise InputError(endText(job, state))


def suggestedId(taken: list[str], name: str = "") -> str:
    """A free id: from a name where that is a plain one, else ``case-001``, ``case-002`` ..."""
    known = {each.lower() for each in taken}
    if name and safe_file_name(name) == name and name.lower() not in known:
        return name
    return next(each for each in (f"case-{number:03d}" for number in range(1, 10**6)) if each not in known)


# ---- in words --------------------------------------------------------------------------------------------------------


class Remaining:
    """How long a job still takes, from how its share of work grew lately."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=MOST_RATES)

    def note(self, fraction: Any, now: float | None = None) -> None:
        """A record told this share (0..1)."""
        if isinstance(fraction, int | float) and (not self._seen or fraction != self._seen[-1][1]):
            self._seen.append((time.monotonic() if now is None else now, float(fraction)))

    def seconds(self, now: float | None = None) -> float | None:
        """None while that is not known."""
        if len(self._seen) < 2:
            return None
        (began, first), (latest, share) = self._seen[0], self._seen[-1]
        if share <= first or latest <= began:
            return None
        gone = (time.monotonic() if now is None else now) - latest
        return max(0.0, (1.0 - share) * (latest - began) / (share - first) - gone)


def durationText(seconds: float) -> str:
    """ "12 s", "3 min", "2 h 5 min"."""
    if seconds < 60:
        return _("{seconds:.0f} s").format(seconds=max(1.0, seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{minutes} min").format(minutes=minutes)
    return _("{hours} h {minutes} min").format(hours=minutes // 60, minutes=minutes % 60)


def runningText(job: JobFolder, state: JobState, remaining: float | None) -> str:
    """What a running job is doing."""
    title, doing = titles()[_kindOf(job.path)], str((state.progress or {}).get("text", ""))
    if state.cancelling:
        return _("{title}: stopping…").format(title=title)
    if not doing:
        return _("{title}: starting…").format(title=title)
    timed = remaining is not None and not doing.endswith("left")  # batch registration tells its own
    left = _(", about {time} left").format(time=durationText(remaining or 0.0)) if timed else ""
    return _("{title}: {doing}{left}").format(title=title, doing=doing, left=left)


def printed(job: JobFolder) -> str:
    """What the command printed last, without the progress that was told already."""
    return "\n".join(line for line in job.log_end(LOG_LINES).splitlines() if not PROGRESS.match(line)).strip()


def endText(job: JobFolder, state: JobState) -> str:
    """How a job ended, and what to do."""
    title = titles()[_kindOf(job.path)]
    if state.status is JobStatus.FINISHED:
        said = [line for line in printed(job).splitlines() if not line.startswith(AFTERWORDS)]
        return _("{title}: done. {said}").format(title=title, said=said[-1] if said else "")
    if state.stopped:
        return _("{title}: stopped. What is done is kept; 'Resume' goes on.").format(title=title)
    if state.status is JobStatus.DEAD:
        text = _("{title}: its process ended unexpectedly (killed, or too little memory?). What is done is kept; ")
        return text.format(title=title) + _("'Resume' goes on.")
    return _("{title} failed: {why}").format(title=title, why=state.message)
