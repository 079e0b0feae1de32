"""Bring CTs and segmentations of your own into a data set folder, and propose their landmarks."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from filecmp import cmp
from pathlib import Path
from typing import Any

from XRayTo3DLib.dataset.dataset_folder import (
    CaseEntry,
    DatasetCase,
    DatasetFolder,
    check_entries,
    entries_in,
    read_dataset_json,
    require_own_folders,
    write_dataset_json,
)
from XRayTo3DLib.dataset.landmarks_file import write_landmarks
from XRayTo3DLib.dataset.turns import changing_list
from XRayTo3DLib.dataset.wrist_landmarks import PROPOSED, propose_wrist_landmarks
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.unfinished import unfinished_folder
from XRayTo3DLib.geometry.anatomical_frame import WRIST_LANDMARKS
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.types import CtVolume

CT, LABELS = "ct.nrrd", "labels.seg.nrrd"
WRIST_BONES = ("radius", "ulna")


def start_dataset(
    folder: Path | str,
    *,
    bones: Sequence[str] = WRIST_BONES,
    anatomy: str = "distal forearm",
    frame: str = "wrist",
    provenance: str = "not stated",
    licence: str = "not stated",
) -> Path:
    """Write the ``dataset.json`` of a data set without cases yet; :func:`add_case` adds them.

    Raises:
        InputError: There is one already, or no bone is named.
    """
    folder = Path(folder)
    if (folder / "dataset.json").exists():
        raise InputError(f"dataset: {folder} has a dataset.json already; add cases to it.")
    if not bones:
        raise InputError("dataset: name at least one bone, as the label maps do.")
    return write_dataset_json(
        folder,
        (),
        {
            "anatomy": anatomy,
            "labels": list(bones),
            "landmarks": list(WRIST_LANDMARKS) if frame == "wrist" else [],
            "frame": frame,
            "synthetic": False,
            "provenance": provenance,
            "licence": licence,
        },
    )


def add_case(folder: Path | str, entry: CaseEntry, ct: CtVolume) -> Path:
    """Write one case's CT and labels and its line in ``dataset.json``; all of it or, if stopped, nothing.

    Only what is needed is kept: Hounsfield units, labels and their names, no header of the scanner's. Where an earlier
    call was killed just before it could name the case in ``dataset.json``, the same call finishes it.

    Args:
        folder: A data set from :func:`start_dataset`.
        entry: Id (no patient data), patient, split and side.
        ct: With a label map that holds the data set's bones.

    Returns:
        The case's folder.

    Raises:
        InputError: No data set there, a bone missing from the labels, the id taken, or a patient in both splits.
    """
    return GrowingDataset(folder).add(entry, ct)


class GrowingDataset:
    """A data set that cases are added to one after the other: what is there is read and checked once, not every time.

    Args:
        folder: A data set from :func:`start_dataset`.

    Raises:
        InputError: No data set there, or one that contradicts itself.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        self._read()

    def _read(self) -> None:
        path = self.folder / "dataset.json"
        require_own_folders(self.folder)
        content = read_dataset_json(self.folder)
        entries, self._bones = entries_in(self.folder, content), tuple(content["labels"])
        del content["cases"]
        check_entries(entries, f"dataset {self.folder.name}")
        self._entries = {entry.id: entry for entry in entries}
        self._description = {name: content[name] for name in content if name != "format"}
        self._seen = _stamp(path)

    def _follow(self) -> None:
        """Read it again where somebody else has changed it meanwhile."""
        if _stamp(self.folder / "dataset.json") != self._seen:
            self._read()

    def entry(self, case_id: str) -> CaseEntry | None:
        """What is known of a case; ``None`` of one that is not there."""
        self._follow()
        return self._entries.get(case_id)

    def add(self, entry: CaseEntry, ct: CtVolume) -> Path:
        """Add a case, see :func:`add_case`."""
        with changing_list(self.folder):
            return self._add(entry, ct)

    def _add(self, entry: CaseEntry, ct: CtVolume) -> Path:
        self._follow()
        alike = [each for each in self._entries.values() if entry.id == each.id or entry.patient == each.patient]
        check_entries([*alike, entry], f"dataset {self.folder.name}")
        for bone in self._bones:
            ct.label_value(bone)
        place = _written(self.folder / "cases" / entry.id, ct)
        self._entries[entry.id] = entry
        self._seen = _stamp(write_dataset_json(self.folder, tuple(self._entries.values()), self._description))
        return place

    def case(self, case_id: str) -> DatasetCase:
        """A case that is there.

        Raises:
            InputError: A frame that is not known.
        """
        known = self._description
        return DatasetFolder.of(self.folder, known, (self._entries[case_id],)).case(case_id)


def _stamp(path: Path) -> tuple[int, int, int]:
    """Changes when the file does."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _written(place: Path, ct: CtVolume) -> Path:
    """A case's folder, whole or not at all; one that is there is taken if it holds just this."""
    there = sorted(path.name for path in place.iterdir()) if place.exists() else []
    taken = InputError(f"dataset: {place} holds files already; take another id or remove it.")
    if there not in ([], [CT, LABELS]):
        raise taken
    beside = unfinished_folder(place.parent)
    try:
        write_ct(ct, beside / place.name / CT)
        write_labels(ct, beside / place.name / LABELS)
        if not there:
            if place.exists():
                place.rmdir()  # empty: Windows does not rename onto it
            (beside / place.name).rename(place)
        elif not all(cmp(place / name, beside / place.name / name, shallow=False) for name in there):
            raise taken
    finally:
        shutil.rmtree(beside)
    return place


def case_of(folder: Path | str, side: str = "") -> DatasetCase:
    """The case in a folder, as its data set knows it, or on its own.

    Args:
        folder: ``<dataset>/cases/<id>``, or any folder with a CT and its labels.
        side: Overrules the data set's.

    Raises:
        InputError: No such folder.
    """
    folder = Path(folder).resolve()
    if not folder.is_dir():
        raise InputError(f"case: there is no folder {folder}.")
    known: dict[str, Any] = {"patient": folder.name, "split": "train", "side": side, "synthetic": False}
    labels, frame = ("radius",), "wrist"
    above = folder.parent.parent
    if folder.parent.name == "cases" and (above / "dataset.json").exists():
        case = DatasetFolder.open(above).case(folder.name)
        known = {"patient": case.patient, "split": case.split, "side": side or case.side, "synthetic": case.synthetic}
        labels, frame = case.labels, case.frame
    return DatasetCase(id=folder.name, folder=folder, labels=labels, frame=frame, **known)


def propose_landmarks(case: DatasetCase, *, replace: bool = False) -> Path:
    """Write a wrist's proposed ``landmarks.mrk.json``, unlocked so that a person can drag the points in Slicer.

    Args:
        case: With CT and labels.
        replace: Overwrite landmarks that are there; they may be a person's.

    Raises:
        InputError: Landmarks are there already, or nothing can be proposed; the message names the case.
    """
    if case.frame != "wrist":
        raise InputError(f"case {case.id}: only wrists have a proposal; its data set needs no landmarks.")
    if case.landmarks_path.exists() and not replace:
        raise InputError(f"case {case.id} has landmarks, perhaps corrected by a person; replace them with --replace.")
    try:
        found = propose_wrist_landmarks(case.ct(), case.side, case.labels[0])
    except InputError as error:
        raise case.refused(error) from error
    return write_landmarks(found, case.landmarks_path, PROPOSED, locked=False)


def propose_missing(
    dataset: DatasetFolder, *, replace: bool = False, report: Callable[[str, float], None] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Propose the landmarks of all cases that have none; a case for which nothing can be proposed stops nothing.

    Args:
        dataset: Of wrists.
        replace: Also of the cases that have landmarks; they may be a person's.
        report: Called with ("case 3 of 20, ID", share done).

    Returns:
        Ids of the cases that have proposals now, and by id why a case has none.
    """
    todo = [case for case in dataset.cases() if replace or not case.landmarks_path.exists()]
    done, refused = [], {}
    for number, case in enumerate(todo, 1):
        try:
            propose_landmarks(case, replace=replace)
            done.append(case.id)
        except InputError as error:
            refused[case.id] = str(error)
        if report is not None:
            report(f"case {number} of {len(todo)}, {case.id}", number / len(todo))
    return done, refused
