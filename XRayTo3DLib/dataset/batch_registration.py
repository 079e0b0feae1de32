"""Register the cases of a whole data set to their radiographs; what is done is kept, and a bad pair stops nothing."""

from __future__ import annotations

import contextlib
import csv
import io
import queue
import signal
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from XRayTo3DLib import __version__
from XRayTo3DLib.dataset.case_registration import Overlay, register_case
from XRayTo3DLib.dataset.case_views import view_order
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.registration_plan import BatchOptions, CasePlan, ViewOutcome, plan_case
from XRayTo3DLib.dataset.turns import registering
from XRayTo3DLib.errors import Cancelled, InputError
from XRayTo3DLib.files import write_json, write_text
from XRayTo3DLib.files.disk import require_room
from XRayTo3DLib.files.spreadsheets import as_cells
from XRayTo3DLib.files.unfinished import remove_abandoned
from XRayTo3DLib.processes import anew, end_with_parent

BATCH_FORMAT = "xrayto3d.registrations/1"
LOOK_S = 0.1
"""Seconds between two looks at the workers, and between two things that one of them tells."""
SAVE_S = 5.0
"""Seconds between two writings of the report while it grows."""
VIEW_BYTES = 5e5
"""What a view's registration and overlay take on the disk, about."""
SURE_AFTER = 0.02
"""Share of the work after which the time that is left is told."""

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class BatchReport:
    """What became of every view of a data set (or of its shard).

    Attributes:
        folder: The data set.
        outcomes: One per view, in the order of the cases.
        json_path: The report that was written, ``registrations.json``, in shards ``registrations_1of4.json``.
        synthetic: Whether the data set is.
    """

    folder: Path
    outcomes: tuple[ViewOutcome, ...]
    json_path: Path
    synthetic: bool = False

    @property
    def csv_path(self) -> Path:
        """The same as a table."""
        return self.json_path.with_suffix(".csv")

    @property
    def counts(self) -> dict[str, int]:
        """How many views were registered, kept, are a problem or wait (stopped); and how many have each verdict."""
        actions = Counter(outcome.action for outcome in self.outcomes)
        verdicts = Counter(outcome.verdict for outcome in self.outcomes)
        names = ("registered", "kept", "problem", "waiting"), ("converged", "ambiguous", "failed")
        return {name: actions[name] for name in names[0]} | {name: verdicts[name] for name in names[1]}

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return {
            "format": BATCH_FORMAT,
            "version": __version__,
            "research_use_only": True,
            "synthetic": self.synthetic,
            "counts": self.counts,
            "views": [asdict(outcome) for outcome in self.outcomes],
        }

    def save(self) -> None:
        """Write both files, each whole or not at all."""
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        names = [field.name for field in fields(ViewOutcome)]
        writer.writerow(names)
        for outcome in self.outcomes:
            cells = {**asdict(outcome), "together": " ".join(outcome.together), "seconds": round(outcome.seconds, 1)}
            writer.writerow(as_cells("" if cells[name] is None else cells[name] for name in names))
        write_text(self.csv_path, table.getvalue())
        write_json(self.json_path, self.to_dict())


def register_dataset(
    folder: Path | str,
    options: BatchOptions | None = None,
    *,
    only: Sequence[str] = (),
    workers: int = 1,
    shard: tuple[int, int] = (1, 1),
    report: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
    overlay: Overlay | None = None,
) -> BatchReport:
    """Register every case's bones to its radiographs.

    Started again it goes on where it stopped: views that are registered are kept (see :class:`BatchOptions`), those
    that were a problem are tried again. ``registrations.json`` and ``.csv`` in the data set are written now and then
    and at the end, however it ends.

    Args:
        folder: The data set.
        options: How.
        only: Ids of cases; empty: all.
        workers: Processes; 1 works in this one.
        shard: (i, n), i from 1: every n-th case only.
        report: Called with a text ("case 12 of 200, view PA: ...") and the share done.
        cancelled: Asked often whether to stop.
        overlay: Draws ``overlay.png`` of every view (``evaluation.overlay.registration_overlay``); must be picklable
            with several workers.

    Raises:
        InputError: No such data set or case, unusable numbers, somebody else registers the same cases, or a worker
            process that was killed.
        Cancelled: ``cancelled`` said so; what was done is there, nothing half written.
    """
    options, dataset = options or BatchOptions(), DatasetFolder.open(folder)
    if workers < 1 or not 1 <= shard[0] <= shard[1]:
        raise InputError(f"register: shard {shard[0]}/{shard[1]} or {workers} workers cannot be; both count from 1.")
    unknown = [bone for bone in options.bones if bone.lower() not in {label.lower() for label in dataset.labels}]
    if unknown:
        raise InputError(f"register: {unknown[0]!r} is no bone of the data set; it has {', '.join(dataset.labels)}.")
    name = "registrations" if shard[1] == 1 else f"registrations_{shard[0]}of{shard[1]}"
    with registering(dataset.folder, name):
        return _registered(dataset, options, name, only, workers, shard, report, cancelled, overlay)


def _registered(
    dataset: DatasetFolder,
    options: BatchOptions,
    name: str,
    only: Sequence[str],
    workers: int,
    shard: tuple[int, int],
    report: Report | None,
    cancelled: Callable[[], bool] | None,
    overlay: Overlay | None,
) -> BatchReport:
    """:func:`register_dataset`, by the one who does it now."""
    remove_abandoned(dataset.folder, below=True)
    cases = [dataset.case(name) for name in only] if only else list(dataset.cases())
    plans = [plan_case(case, options) for case in cases[shard[0] - 1 :: shard[1]]]
    done: dict[int, list[ViewOutcome]] = {}

    def so_far() -> BatchReport:
        found = [each for number, plan in enumerate(plans) for each in _in_order(plan, done.get(number))]
        return BatchReport(dataset.folder, tuple(found), dataset.folder / f"{name}.json", dataset.synthetic)

    todo = {number: plan for number, plan in enumerate(plans) if plan.todo}
    require_room(dataset.folder, VIEW_BYTES * sum(len(plan.todo) for plan in todo.values()), "register")
    told = _Told(list(todo), report, cancelled)
    saved = time.monotonic()
    try:
        with contextlib.closing(_outcomes(todo, options, min(workers, max(1, len(todo))), told, overlay)) as ending:
            for number, outcomes in ending:
                done[number] = outcomes
                told.ended(number)
                if time.monotonic() - saved > SAVE_S:
                    so_far().save()
                    saved = time.monotonic()
    finally:
        result = so_far()
        result.save()
    return result


def _in_order(plan: CasePlan, found: Sequence[ViewOutcome] | None) -> list[ViewOutcome]:
    """Outcomes of a case by view, those that were known before among them; its turn has not come where ``None``."""
    if found is None:
        found = [ViewOutcome(plan.case.id, view.name, "waiting") for view in plan.todo]
    return sorted([*plan.known, *found], key=lambda outcome: view_order(outcome.view))


class _Told:
    """What is done of the whole, in words and as a share; asks at every step whether to stop."""

    def __init__(self, numbers: list[int], report: Report | None, cancelled: Callable[[], bool] | None) -> None:
        self._shares = dict.fromkeys(numbers, 0.0)
        self._places = {number: place for place, number in enumerate(numbers, 1)}
        self._report, self._cancelled = report, cancelled
        self._begin, self._last = time.monotonic(), 0.0

    def check(self) -> None:
        """Raise Cancelled if somebody wants to stop."""
        if self._cancelled is not None and self._cancelled():
            raise Cancelled("registering was stopped; what was done is kept, start again to go on.")

    def step(self, number: int, views: str, stage: str, share: float) -> None:
        """A case went on."""
        self.check()
        self._shares[number] = max(share, self._shares[number])  # workers' news may come late
        if time.monotonic() - self._last < LOOK_S:
            return
        self._last = time.monotonic()
        where = f"case {self._places[number]} of {len(self._places)}, view {views}"
        self._tell(f"{where}: {stage}")

    def ended(self, number: int) -> None:
        """A case is done."""
        self._shares[number] = 1.0
        self._tell(f"case {self._places[number]} of {len(self._places)} is done")

    def _tell(self, text: str) -> None:
        if self._report is None:
            return
        share = sum(self._shares.values()) / len(self._shares)
        left = "" if share < SURE_AFTER else _left((time.monotonic() - self._begin) * (1 - share) / share)
        self._report(text + left, share)


def _left(seconds: float) -> str:
    """The time that is left, in words."""
    if seconds < 1:
        return ""
    number, unit = (seconds, "s") if seconds < 90 else (seconds / 60, "min")
    number, unit = (number, unit) if seconds < 5400 else (seconds / 3600, "h")
    return f", about {number:.0f} {unit} left" if unit != "h" else f", about {number:.1f} h left"


def _outcomes(
    todo: dict[int, CasePlan], options: BatchOptions, workers: int, told: _Told, overlay: Overlay | None
) -> Generator[tuple[int, list[ViewOutcome]], None, None]:
    """(number, outcomes) of every plan, as they end."""
    if workers > 1:
        yield from _in_processes(todo, options, workers, told, overlay)
        return
    for number, plan in todo.items():

        def tell(views: str, stage: str, share: float, number: int = number) -> None:
            told.step(number, views, stage, share)

        told.check()
        yield number, register_case(plan, options, tell, overlay)


# ---- several processes -----------------------------------------------------------------------------------------------


def _in_processes(
    todo: dict[int, CasePlan], options: BatchOptions, workers: int, told: _Told, overlay: Overlay | None
) -> Generator[tuple[int, list[ViewOutcome]], None, None]:
    context = anew()
    stop, news = context.Event(), context.Queue()
    pool = ProcessPoolExecutor(workers, context, _begin_worker, (stop, news))
    try:
        running: dict[Future[list[ViewOutcome]], int] = {
            pool.submit(_work, number, plan, options, overlay): number for number, plan in todo.items()
        }
        while running:
            told.check()
            ended, _ = wait(running, LOOK_S, FIRST_COMPLETED)
            _pass_on(news, told)
            for future in ended:
                yield running.pop(future), future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "register: a worker process ended by itself (out of memory?); what was done is kept, start again with "
            "--workers 1."
        ) from error
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
        news.close()


def _pass_on(news: Any, told: _Told) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            told.step(*news.get_nowait())


_STOP: Any = None
_NEWS: Any = None


def _begin_worker(stop: Any, news: Any) -> None:
    """In a worker: Ctrl-C is for the main process, which says stop; without it nobody works on."""
    global _STOP, _NEWS
    _STOP, _NEWS = stop, news
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def _work(number: int, plan: CasePlan, options: BatchOptions, overlay: Overlay | None) -> list[ViewOutcome]:
    last = 0.0

    def tell(views: str, stage: str, share: float) -> None:
        nonlocal last
        if _STOP.is_set():
            raise Cancelled("stopped.")
        if time.monotonic() - last > LOOK_S:
            last = time.monotonic()
            _NEWS.put((number, views, stage, share))

    return register_case(plan, options, tell, overlay)
