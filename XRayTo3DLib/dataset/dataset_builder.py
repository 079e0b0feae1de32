"""Bring CTs and segmentations of your own into a data set folder, and propose their landmarks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from XRayTo3DLib.dataset.dataset_folder import (
    DATASET_FORMAT,
    CaseEntry,
    DatasetCase,
    DatasetFolder,
    check_entries,
    write_dataset_json,
)
from XRayTo3DLib.dataset.landmarks_file import write_landmarks
from XRayTo3DLib.dataset.wrist_landmarks import PROPOSED, propose_wrist_landmarks
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import UNFINISHED, read_json
from XRayTo3DLib.geometry.anatomical_frame import WRIST_LANDMARKS
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.types import CtVolume

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

    Only what is needed is kept: Hounsfield units, labels and their names, no header of the scanner's.

    Args:
        folder: A data set from :func:`start_dataset`.
        entry: Id (no patient data), patient, split and side.
        ct: With a label map that holds the data set's bones.

    Returns:
        The case's folder.

    Raises:
        InputError: No data set there, a bone missing from the labels, the id taken, or a patient in both splits.
    """
    folder = Path(folder)
    content = read_json(folder / "dataset.json", "dataset", DATASET_FORMAT)
    try:
        entries = (*(CaseEntry(**known) for known in content["cases"]), entry)
        bones, rest = content["labels"], {name: content[name] for name in content if name not in ("format", "cases")}
    except (KeyError, TypeError) as error:
        raise InputError(f"dataset: {folder / 'dataset.json'} lacks or misnames a field ({error}).") from error
    check_entries(entries, f"dataset {folder.name}")
    for bone in bones:
        ct.label_value(bone)
    place = folder / "cases" / entry.id
    if place.exists() and any(place.iterdir()):
        raise InputError(f"dataset: {place} holds files already; take another id or remove it.")
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=place.parent))
    try:
        write_ct(ct, beside / entry.id / "ct.nrrd")
        write_labels(ct, beside / entry.id / "labels.seg.nrrd")
        if place.exists():
            place.rmdir()  # empty: Windows does not rename onto it
        (beside / entry.id).rename(place)
    finally:
        shutil.rmtree(beside)
    write_dataset_json(folder, entries, rest)
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
