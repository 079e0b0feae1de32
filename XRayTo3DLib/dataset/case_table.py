"""Many cases at once: a table, a line each, read and added to a data set."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from XRayTo3DLib.dataset.case_views import add_view, views_of
from XRayTo3DLib.dataset.dataset_builder import GrowingDataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetCase, check_entries
from XRayTo3DLib.errors import Cancelled, InputError
from XRayTo3DLib.files import read_text, require_file
from XRayTo3DLib.files.disk import require_room
from XRayTo3DLib.files.unfinished import remove_abandoned
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import VIEWS
from XRayTo3DLib.imaging.burned_in_text import WHY
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.registration.view_position import KNOWN_VIEWS

LOG = logging.getLogger(__name__)
NEEDED = ("id", "ct", "labels")
OPTIONAL = ("side", "patient", "split", "group", "label_names", "ct_values", "ct_series")
VIEW = "view_"
"""How the columns of radiographs begin: ``view_pa``, ``view_lat``, ``view_ap-1``."""


@dataclass(frozen=True)
class CaseLine:
    """One line of a table.

    Attributes:
        entry: What ``dataset.json`` will say.
        ct: File or DICOM folder.
        labels: Its label map or segmentation.
        reading: Further arguments of ``read_ct``.
        views: Radiograph and camera file (or ``None``) by view.
    """

    entry: CaseEntry
    ct: Path
    labels: Path
    reading: Mapping[str, Any]
    views: Mapping[str, tuple[Path, Path | None]]


@dataclass(frozen=True)
class LineOutcome:
    """What became of one line: "added", "kept" (it was there, whole) or "problem", which the note tells.

    Attributes:
        case_id: The case.
        action: See above.
        views: Those that were added.
        note: The problem.
        warnings: What to look at although all went well: pictures with text that may name the patient.
    """

    case_id: str
    action: str
    views: tuple[str, ...] = ()
    note: str = ""
    warnings: tuple[str, ...] = ()


def read_case_table(path: Path | str) -> list[CaseLine]:
    """Read a CSV with a header line; commas or semicolons; paths from the table's own folder.

    Columns ``id``, ``ct`` and ``labels`` are needed; ``side``, ``patient``, ``split``, ``group``, ``label_names``,
    ``ct_values``, ``ct_series`` and one per radiograph (``view_pa``: file, or file:camera.json) may be there.

    Raises:
        InputError: Not a table, an unknown or missing column, an empty cell that is needed, or cases that cannot be in
            one data set (an id twice, a patient in both splits).
    """
    path = require_file(path, "case table")
    names, rows = table_rows(path, "case table")
    known = (*NEEDED, *OPTIONAL)
    if missing := [name for name in NEEDED if name not in names]:
        raise InputError(f"case table: {path.name} has no column {missing[0]!r}; it needs {', '.join(NEEDED)}.")
    if unknown := [name for name in names if name not in known and not name.removeprefix(VIEW) != name]:
        raise InputError(
            f"case table: {path.name}: column {unknown[0]!r} is not known; use {', '.join(known)} or {VIEW}pa."
        )
    lines = [_line(path, number, row) for number, row in rows]
    if not lines:
        raise InputError(f"case table: {path.name} has no case under its header.")
    check_entries([line.entry for line in lines], f"case table {path.name}")
    return lines


def table_rows(path: Path, what: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Names of the columns in lower case, and the rows that are not empty with their numbers in the file.

    Args:
        path: A CSV file with a header line; commas or semicolons.
        what: What it is, for the message ("case table").

    Raises:
        InputError: No UTF-8 text, or a row with more cells than the header.
    """
    text = read_text(path, what).replace("\0", "")
    try:
        return _rows(text, f"{what} {path.name}")
    except csv.Error as error:  # a cell without end
        raise InputError(f"{what}: {path.name} is not a CSV file ({error}).") from error


def _rows(text: str, where: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    header = text.splitlines()[0] if text.strip() else ""
    reader = csv.DictReader(text.splitlines(), delimiter=";" if header.count(";") > header.count(",") else ",")
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if double := [name for name in names if name and names.count(name) > 1]:
        raise InputError(f"{where}: there are two columns {double[0]!r}; leave out one.")
    reader.fieldnames = names
    rows = []
    for number, row in enumerate(reader, 2):
        cells = {name: (value or "").strip() for name, value in row.items() if name is not None}
        if None in row:
            raise InputError(
                f"{where}, line {number}: more cells than the header has columns; a comma inside a cell needs quotes."
            )
        if any(cells.values()):
            rows.append((number, cells))
    return names, rows


def _line(path: Path, number: int, cells: Mapping[str, str]) -> CaseLine:
    where = f"case table {path.name}, line {number}"
    if empty := [name for name in NEEDED if not cells[name]]:
        raise InputError(f"{where}: column {empty[0]!r} is empty.")
    reading: dict[str, Any] = {}
    if cells.get("ct_values"):
        reading["values"] = cells["ct_values"]
    if cells.get("label_names"):
        reading["label_names"] = path.parent / cells["label_names"]
    if cells.get("ct_series"):
        if not cells["ct_series"].isdecimal():
            raise InputError(f"{where}: ct_series {cells['ct_series']!r} is no number.")
        reading["series"] = int(cells["ct_series"])
    views = {n.removeprefix(VIEW): _view(path.parent, text) for n, text in cells.items() if n.startswith(VIEW) and text}
    case_id, split = cells["id"], cells.get("split") or "train"
    entry = CaseEntry(
        case_id, cells.get("patient") or case_id, split, cells.get("side", "").lower(), cells.get("group", "")
    )
    return CaseLine(entry, path.parent / cells["ct"], path.parent / cells["labels"], reading, views)


def _view(folder: Path, text: str) -> tuple[Path, Path | None]:
    """Radiograph and camera of ``file`` or ``file:camera.json`` (a drive's colon stays)."""
    picture, colon, camera = text.rpartition(":")
    if colon and picture and camera.lower().endswith(".json"):
        return folder / picture, folder / camera
    return folder / text, None


def import_cases(
    folder: Path | str,
    lines: list[CaseLine],
    reading: Mapping[str, Any] | None = None,
    report: Callable[[str, float], None] | None = None,
) -> list[LineOutcome]:
    """Add the cases of a table to a data set; cases and views that are there are kept, a bad line stops nothing.

    Args:
        folder: A data set that was started.
        lines: From :func:`read_case_table`.
        reading: Further arguments of ``read_radiograph`` for every radiograph (``sdd``, ``spacing``, ...).
        report: Called with ("case 3 of 20", share done).

    Raises:
        InputError: No data set there.
    """
    folder, outcomes = Path(folder), []
    dataset = GrowingDataset(folder)
    remove_abandoned(folder, below=True)
    require_room(folder, sum(_bytes_of(line) for line in lines if dataset.entry(line.entry.id) is None), "import")
    for number, line in enumerate(lines, 1):
        if report is not None:
            report(f"case {number} of {len(lines)}, {line.entry.id}", (number - 1) / len(lines))
        outcomes.append(_imported(dataset, line, reading or {}))
    if report is not None:
        report(f"{len(lines)} cases", 1.0)
    return outcomes


def _bytes_of(line: CaseLine) -> int:
    """About what a case takes on the disk: what its files take now; a missing one is told in its turn."""
    files = [line.ct, line.labels, *(picture for picture, _ in line.views.values())]
    inside = [each for path in files for each in (path.iterdir() if path.is_dir() else [path])]
    return sum(path.stat().st_size for path in inside if path.is_file())


def read_for_view(
    case_id: str, view: str, picture: Path, camera: Path | None = None, reading: Mapping[str, Any] | None = None
) -> Radiograph:
    """A radiograph to be added to a case: named after case and view; what nobody else tells, the view's name does.

    Args:
        case_id: The case.
        view: Name of the view ("pa", "ap-2").
        picture: The file.
        camera: Its camera.json, or ``None``: header and ``reading`` tell the geometry.
        reading: Further arguments of ``read_radiograph``.

    Raises:
        InputError: As ``read_radiograph``, or an unusable camera.
    """
    arguments = {"name": f"{case_id} {view.upper()}", **(reading or {})}
    if camera is not None:
        arguments["camera"] = XRayCamera.load(camera)
    radiograph, named = read_radiograph(picture, **arguments), view.upper().partition("-")[0]
    if radiograph.view or named not in KNOWN_VIEWS:
        return radiograph
    if camera is None and named in VIEWS and radiograph.assumed_placement:
        return read_radiograph(picture, **arguments | {"view": named})
    return replace(radiograph, view=named)


def _known_case(dataset: GrowingDataset, entry: CaseEntry) -> DatasetCase | None:
    """The case, if the data set has it already.

    Raises:
        InputError: It is there as somebody else's, or of the other side.
    """
    if dataset.entry(entry.id) is None:
        return None
    case = dataset.case(entry.id)
    if (case.patient, case.side or entry.side) != (entry.patient, entry.side or case.side):
        raise InputError(
            f"is in the data set as patient {case.patient!r}, side {case.side or 'unknown'}, not {entry.patient!r}, "
            f"{entry.side or 'unknown'}; take another id or mend the table."
        )
    return case


def _imported(dataset: GrowingDataset, line: CaseLine, reading: Mapping[str, Any]) -> LineOutcome:
    name, added, warned = line.entry.id, [], []
    try:
        known = _known_case(dataset, line.entry)
        if known is None:
            ct = read_ct(line.ct, labels=line.labels, name=name, **line.reading)
            dataset.add(line.entry, ct)
        case = known or dataset.case(name)
        there = {view.name for view in views_of(case)}
        for view, (picture, camera) in line.views.items():
            if view not in there:
                radiograph = read_for_view(name, view, picture, camera, reading)
                add_view(case, view, radiograph)
                added.append(view)
                warned += [f"case {name}, view {view}: {note}" for note in radiograph.notes if note.endswith(WHY)]
    except (Cancelled, OSError):
        raise
    except Exception as error:
        if not isinstance(error, InputError):
            LOG.exception("case %s: unexpected error", name)
            error = InputError(f"unexpected {type(error).__name__}: {error}; a bug, please report it.")
        text = str(error) if str(error).startswith(f"case {name}") else f"case {name}: {error}"
        return LineOutcome(name, "problem", tuple(added), text, tuple(warned))
    action = "kept" if known is not None and not added else "added"
    return LineOutcome(name, action, tuple(added), warnings=tuple(warned))
