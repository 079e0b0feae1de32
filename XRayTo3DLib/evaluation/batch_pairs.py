"""Which result is compared with which reference: from a table, or from two folders that are laid out alike."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.reference_surface import SURFACE_SUFFIXES, is_label_file, label_file_bones
from XRayTo3DLib.files import file_suffix, read_text
from XRayTo3DLib.plain_words import impersonal

COLUMNS = ("reference", "result", "case", "bone")
OWN_FILES = ("distance",)
"""Surfaces that an evaluation writes itself."""
NAMED = 5
"""So many cases without a result are named; the others are counted."""


@dataclass(frozen=True)
class Pair:
    """One comparison to make.

    Attributes:
        case: Whose bone it is; "" in a flat folder.
        bone: Its name; also which segment, where the reference is a label file.
        reference: Surface or label file.
        result: Surface file.
    """

    case: str
    bone: str
    reference: Path
    result: Path

    @property
    def name(self) -> str:
        """ "case bone", for people."""
        return f"{self.case} {self.bone}".strip()


def pairs_from_table(path: Path | str) -> list[Pair]:
    """The pairs of a CSV table with the columns ``reference`` and ``result``, perhaps ``case`` and ``bone``.

    Relative paths start at the table's folder. Whether the files are there is looked at when they are measured.

    Raises:
        InputError: Not a table, no such columns, or a row that lacks one.
    """
    path = Path(path)
    text = read_text(path, "table of pairs").replace("\0", "")
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(f"table of pairs: {path.name} is not a CSV file ({error}).") from error
    missing = [name for name in COLUMNS[:2] if not rows or name not in rows[0]]
    if missing:
        raise InputError(
            f"table of pairs: {path.name} needs a first line with the columns reference and result "
            f"(and, if you like, case and bone), and a line per pair; {missing[0]} is missing."
        )
    return [_row(path, number, row) for number, row in enumerate(rows, start=2) if any(row.values())]


def _row(path: Path, number: int, row: dict[str, str]) -> Pair:
    texts = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if not texts["reference"] or not texts["result"]:
        raise InputError(f"table of pairs: line {number} of {path.name} lacks its reference or its result.")
    reference, result = (path.parent / texts[name] for name in COLUMNS[:2])
    bone = texts["bone"] or impersonal(_stem(result), f"line {number}")  # a file may be named after a person
    return Pair(texts["case"], bone, reference, result)


def pairs_from_folders(references: Path | str, results: Path | str) -> tuple[list[Pair], list[str]]:
    """Every surface under ``results`` with its reference, and what has none.

    A result ``<case>/<bone>.vtp`` belongs to ``<case>/<bone>`` or ``<case>/meshes/<bone>`` with any suffix of a
    surface, or to the bone of that name in a segmentation in ``<case>/`` (a data set's ``labels.seg.nrrd``).
    Without folders for cases, both lie in the folders themselves.

    Args:
        references: Folder of true surfaces or segmentations, or a data set (its ``cases`` are taken).
        results: Folder of surfaces to judge, for instance outputs of ``xrayto3d reconstruct``, one a case.

    Returns:
        The pairs, by case and bone; a sentence for each result without a reference, and one on cases without a result.

    Raises:
        InputError: No such folder, or no surface in ``results``.
    """
    references, results = Path(references), Path(results)
    for folder, what in ((references, "references"), (results, "results")):
        if not folder.is_dir():
            raise InputError(f"evaluation: there is no folder {folder} of {what}. Check the path.")
    if (references / "dataset.json").is_file():
        references = references / "cases"
    found = sorted(_surfaces(results))
    if not found:
        raise InputError(f"evaluation: {results} holds no surface ({', '.join(SURFACE_SUFFIXES)}) to judge.")
    pairs, lonely = [], []
    for path in found:
        case, bone = path.parent.relative_to(results).as_posix(), _stem(path)
        case = "" if case == "." else case
        reference = _reference(references / case, bone)
        if reference is None:
            lonely.append(f"{path.relative_to(results)}: no reference of that name")
        else:
            pairs.append(Pair(case, bone, reference, path))
    return pairs, [*lonely, *_without_result(references, {pair.case.partition("/")[0] for pair in pairs})]


def _without_result(references: Path, judged: set[str]) -> list[str]:
    """A sentence on cases that nothing was made of: left out silently, the mean would be of the easy ones."""
    if judged <= {""}:
        return []
    left = sorted(path.name for path in references.iterdir() if path.is_dir() and path.name not in judged)
    names = ", ".join(left[:NAMED]) + (", ..." if len(left) > NAMED else "")
    cases = "1 case of the references has" if len(left) == 1 else f"{len(left)} cases of the references have"
    return [f"{cases} no result: {names}"] if left else []


def _surfaces(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SURFACE_SUFFIXES and path.stem not in OWN_FILES and path.is_file()
    )


def _reference(folder: Path, bone: str) -> Path | None:
    for place in (folder, folder / "meshes"):
        for path in _files(place):
            if path.suffix.lower() in SURFACE_SUFFIXES and _stem(path).lower() == bone.lower():
                return path
    return next((path for path in _files(folder) if is_label_file(path) and _has_bone(path, bone)), None)


def _files(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else ()


def _has_bone(path: Path, bone: str) -> bool:
    """Whether a label file has that bone; a CT beside it is no label file, and has none."""
    if path.name.lower() in ("ct.nrrd", "ct.nii.gz"):
        return False
    try:
        return bone.lower() in (name.lower() for name in label_file_bones(path))
    except InputError:
        return False


def _stem(path: Path) -> str:
    return path.name[: -len(file_suffix(path))] if file_suffix(path) else path.name
