"""``xrayto3d reconstruct --batch``: many people, one after the other with one model; a bad line stops nothing."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import say
from XRayTo3DLib.cli.reconstruct import loaded, reconstruct_one
from XRayTo3DLib.cli.reconstruction_files import FORMAT, RECORD
from XRayTo3DLib.cli.register import split_view
from XRayTo3DLib.errors import Cancelled, InputError, lacks_memory
from XRayTo3DLib.files import read_json, require_file, safe_file_name, write_json, write_text
from XRayTo3DLib.files.disk import require_room
from XRayTo3DLib.files.spreadsheets import as_cells

if TYPE_CHECKING:
    from XRayTo3DLib.cli.console import Progress

LOG = logging.getLogger(__name__)
BATCH_FORMAT = "xrayto3d.reconstructions/1"
REPORT = "reconstructions.json"
CASE, SIDE, POSE, VIEW, ORIGIN = "case", "side", "pose", "view_", "origin_"
"""Columns; of the last two how they begin."""
NOT_OF_ALL = ("origin", "pose", "side")
"""Options of one person."""
PERSON_BYTES = 2e6
"""What a person's results take on the disk, about."""
SAVE_S = 5.0
"""Seconds between two writings of the report while it grows."""


@dataclass(frozen=True)
class Line:
    """One person.

    Attributes:
        case: Name of the folder of the results.
        views: ``XRAY`` or ``XRAY:CAMERA``, in the model's order.
        origins: "COLUMN,ROW", one per radiograph, or none.
        side: "right", "left" or "".
        pose: A file, or "".
    """

    case: str
    views: tuple[str, ...]
    origins: tuple[str, ...] = ()
    side: str = ""
    pose: str = ""


@dataclass(frozen=True)
class LineOutcome:
    """What became of a line: "reconstructed", "kept" (it was done before), "problem", or "waiting" (stopped).

    Attributes:
        case: Name of the folder of the results.
        action: Which of these.
        missing: Bones that the model lost.
        seconds: What it took.
        note: The problem, or the result's notes.
    """

    case: str
    action: str
    missing: tuple[str, ...] = ()
    seconds: float = 0.0
    note: str = ""


def read_lines(path: Path) -> list[Line]:
    """The people of a CSV table; files are looked for from its own folder.

    Raises:
        InputError: Not a table, a column missing or not known, no line, or a case that is no folder's name or twice.
    """
    from XRayTo3DLib.dataset.case_table import table_rows

    what = "batch table"
    names, rows = table_rows(require_file(path, what), what)
    views = [name for name in names if name.startswith(VIEW)]
    known = {CASE, SIDE, POSE, *views, *(ORIGIN + name.removeprefix(VIEW) for name in views)}
    if CASE not in names or not views:
        raise InputError(f"{what}: {path.name} needs the columns case and, per radiograph, one such as view_pa.")
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"{what}: column {unknown[0]!r} of {path.name} is not known; use {', '.join(sorted(known))}.")
    if not rows:
        raise InputError(f"{what}: {path.name} has no line under its header.")
    times = Counter(cells[CASE] for _, cells in rows)
    for number, cells in rows:
        if not cells[CASE] or safe_file_name(cells[CASE]) != cells[CASE] or times[cells[CASE]] > 1:
            raise InputError(
                f"{what} {path.name}, line {number}: case {cells[CASE]!r} is there twice or is no plain folder name."
            )
    return [_line(path.parent, views, cells) for _, cells in rows]


def _line(folder: Path, views: Sequence[str], cells: dict[str, str]) -> Line:
    given = [name for name in views if cells[name]]
    origins = [cells.get(ORIGIN + name.removeprefix(VIEW), "") for name in given]
    return Line(
        cells[CASE],
        tuple(_from(folder, cells[name]) for name in given),
        tuple(",".join(origin.replace(",", " ").split()) for origin in origins if origin),
        cells.get(SIDE, "").lower(),
        str(folder / cells[POSE]) if cells.get(POSE) else "",
    )


def _from(folder: Path, text: str) -> str:
    picture, camera = split_view(text, "")
    return f"{folder / picture}" if camera is None else f"{folder / picture}:{folder / camera}"


def run_batch(args: argparse.Namespace, progress: Progress) -> int:
    """Reconstruct every person of the table; returns the exit code.

    Raises:
        InputError: A table or model that cannot be used, or nobody could be reconstructed.
    """
    own = [f"--{name}" for name in NOT_OF_ALL if getattr(args, name) is not None]
    if own:
        raise InputError(f"with --batch {' and '.join(own)} would be the same for everybody; give columns instead.")
    lines = read_lines(args.batch)
    require_room(args.output, PERSON_BYTES * len(lines), "reconstruct")
    progress.update("reading the model")
    batch = _Batch(args, progress)
    outcomes: dict[str, LineOutcome] = {line.case: LineOutcome(line.case, "waiting") for line in lines}
    saved = time.monotonic()
    try:
        for number, line in enumerate(lines):
            progress.update(f"case {number + 1} of {len(lines)}, {line.case}", number / len(lines))
            outcomes[line.case] = batch.outcome(line)
            if time.monotonic() - saved > SAVE_S:
                _save(args.output, outcomes.values())
                saved = time.monotonic()
    finally:
        _save(args.output, outcomes.values())
    progress.done()
    counts = Counter(each.action for each in outcomes.values())
    _tell(args, list(outcomes.values()), counts)
    if counts["problem"] == len(lines):
        first = next(iter(outcomes.values()))
        raise InputError(f"nobody could be reconstructed; the first, {first.case}: {first.note}")
    return 0


class _Batch:
    """The model, loaded once, and what results depend on besides the radiographs."""

    def __init__(self, args: argparse.Namespace, progress: Progress) -> None:
        self._args, self._progress = args, progress
        self._model, self._translators = loaded(args)
        left_out = ("batch", "output", "views", "json", "run", "debug", *NOT_OF_ALL)
        options = {name: str(value) for name, value in sorted(vars(args).items()) if name not in left_out}
        self._about = {"options": options, "bundles": [_bundle_mark(name) for name in _bundles(args)]}

    def outcome(self, line: Line) -> LineOutcome:
        """Reconstruct one person unless that was done before; what is wrong with it is told, and the rest goes on."""
        try:
            return self._done(line)
        except (Cancelled, OSError):
            raise
        except Exception as error:
            if lacks_memory(error):
                error = InputError("not enough memory for this person; take a smaller picture, or more memory.")
            elif not isinstance(error, InputError):
                LOG.exception("case %s: unexpected error", line.case)
                error = InputError(f"unexpected {type(error).__name__}: {error}; a bug, please report it.")
            return LineOutcome(line.case, "problem", note=str(error))

    def _done(self, line: Line) -> LineOutcome:
        began, folder = time.monotonic(), self._args.output / line.case
        if not line.views:
            raise InputError("no radiograph is named; fill one of the view columns.")
        if line.side not in ("", "right", "left"):
            raise InputError(f"side {line.side!r} is not known; use right or left.")
        made_from = self._made_from(line)
        earlier = _earlier(folder, made_from)
        if earlier is None:
            own = {
                "views": list(line.views),
                "origin": list(line.origins) or None,
                "side": line.side or None,
                "pose": Path(line.pose) if line.pose else None,
                "output": folder,
            }
            person = argparse.Namespace(**{**vars(self._args), **own})
            parts = (self._model, self._translators, self._progress, began)
            content = reconstruct_one(person, *parts, made_from=made_from)[1]
        else:
            content = earlier
        action = "reconstructed" if earlier is None else "kept"
        told = (*(each["text"] for each in content.get("outside", ())), *content["notes"])
        missing, notes = tuple(content["missing"]), " ".join(told)
        return LineOutcome(line.case, action, missing, float(content["seconds"]), notes)

    def _made_from(self, line: Line) -> str:
        """Changes when the result would."""
        files = [path for text in line.views for path in split_view(text, "") if path is not None]
        files += [Path(line.pose)] if line.pose else []
        about = {**self._about, "origins": line.origins, "side": line.side}
        about |= {"files": [_sha256(path) for path in files], "names": [path.name for path in files]}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _bundles(args: argparse.Namespace) -> list[str]:
    return [name for name in (args.model, *(args.translation or ()), args.refine) if name]


def _bundle_mark(name: str) -> str:
    """Of a bundle's description, which holds the checksums of all the rest; of "none" and "auto" the word."""
    from XRayTo3DLib.models.find import bundle_path

    return name if name in ("none", "auto") else _sha256(bundle_path(name) / "bundle.json")


def _sha256(path: Path) -> str:
    with require_file(path, "radiograph or camera").open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _earlier(folder: Path, made_from: str) -> dict[str, Any] | None:
    """The record of what was reconstructed before from the same files with the same options, if all of it is there."""
    try:
        content = read_json(folder / RECORD, "reconstruction", FORMAT)
    except InputError:  # none, or damaged: made anew
        return None
    whole = all((folder / name).is_file() for name in content.get("files", ()))
    return content if whole and content.get("made_from") == made_from else None


def _save(folder: Path, outcomes: Any) -> None:
    """``reconstructions.json`` and the same as a table, each whole or not at all."""
    outcomes, table = list(outcomes), io.StringIO()
    names = [field.name for field in fields(LineOutcome)]
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(names)
    for each in outcomes:
        cells = {**asdict(each), "missing": " ".join(each.missing)}
        writer.writerow(as_cells(cells[name] for name in names))
    write_text((folder / REPORT).with_suffix(".csv"), table.getvalue())
    cases = [asdict(each) for each in outcomes]
    write_json(folder / REPORT, {"format": BATCH_FORMAT, "research_use_only": True, "cases": cases})


def _tell(args: argparse.Namespace, outcomes: Sequence[LineOutcome], counts: Counter[str]) -> None:
    if args.json:
        named = {name: counts[name] for name in ("reconstructed", "kept", "problem")}
        say(json.dumps({"counts": named, "cases": [asdict(each) for each in outcomes], "folder": str(args.output)}))
        return
    lost = [each for each in outcomes if each.missing]
    problems = [each for each in outcomes if each.action == "problem"]
    for title, listed in (("Look at these first, bones were lost:", lost), ("Not reconstructed:", problems)):
        if listed:
            say(title)
        for each in listed:
            say(f"  {each.case}: {each.note}")
    say(f"{counts['reconstructed']} reconstructed, {counts['kept']} kept, {counts['problem']} not.")
    say(f"wrote {args.output / REPORT}")
    say("RESEARCH USE ONLY. Look at the overlays: outlines that miss the bones tell of a wrong reconstruction.")
