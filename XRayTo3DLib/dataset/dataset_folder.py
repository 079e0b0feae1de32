"""A folder of cases: ``dataset.json`` says what they are, ``cases/<id>/`` hold CT, labels, landmarks and meshes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.landmarks_file import read_landmarks
from XRayTo3DLib.dataset.places import require_label_names
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_json, safe_file_name, write_text
from XRayTo3DLib.files.json_values import check_fields
from XRayTo3DLib.files.links import refuse_links_out
from XRayTo3DLib.files.plain_names import same_name
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.ct_reader import read_ct
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.surfaces import read_surface

DATASET_FORMAT = "xrayto3d.dataset/1"
SPLITS = ("train", "test")
SHAPE: dict[str, Any] = {
    **dict.fromkeys(("anatomy", "frame", "provenance", "licence"), str),
    "labels": [str],
    "landmarks?": [str],
    "synthetic": bool,
    "preparation?": dict,
    "cases": [{"id": str, "patient": str, "split?": str, "side?": str, "group?": str}],
}
"""Fields of a dataset.json, as ``json_values.check_fields`` takes them."""
LONGEST_NAME = 100
FRAMES = ("wrist", "lps")
"""Frames of reconstruction: the wrist's anatomical one, or the CT's own (bones that were aligned before)."""
CT_FILES = ("ct.nrrd", "ct.nii.gz")
LABEL_FILES = ("labels.seg.nrrd", "labels.nrrd", "labels.nii.gz")


@dataclass(frozen=True)
class CaseEntry:
    """One line of ``dataset.json``.

    Attributes:
        id: Name of the folder under ``cases/``; no patient data.
        patient: Which person; cases of one person stay on one side of every split.
        split: "train" or "test".
        side: "right", "left" or "" if not known.
        group: What results are told apart by ("healthy", "osteoarthritis"), or "".
    """

    id: str
    patient: str
    split: str = "train"
    side: str = ""
    group: str = ""


@dataclass(frozen=True)
class DatasetCase:
    """One case on disk; files are read when asked for.

    Attributes:
        id: Its name in the data set.
        folder: ``<dataset>/cases/<id>``.
        patient: Which person.
        split: "train" or "test".
        side: "right", "left" or "".
        labels: Bones in the order of their channels, by name of the label map's segments.
        frame: Frame of reconstruction, one of :data:`FRAMES`.
        synthetic: Whether no real anatomy is behind it.
        group: What results are told apart by ("healthy", "osteoarthritis"), or "".
        preparation: How the data set wants its cases prepared, see ``prepared.preparation_of``; empty for the usual.
    """

    id: str
    folder: Path
    patient: str
    split: str
    side: str
    labels: tuple[str, ...]
    frame: str
    synthetic: bool
    group: str = ""
    preparation: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def landmarks_path(self) -> Path:
        """``landmarks.mrk.json``, whether or not it is there."""
        return self.folder / "landmarks.mrk.json"

    def ct(self) -> CtVolume:
        """The CT with its label map.

        Raises:
            InputError: A file is missing or cannot be used, or a bone of the data set is not in the label map.
        """
        try:
            ct = read_ct(self._one_of(CT_FILES, "CT"), labels=self._one_of(LABEL_FILES, "label map"), name=self.id)
            for label in self.labels:
                ct.label_value(label)
        except InputError as error:
            raise self.refused(error) from error
        return ct

    def landmarks(self) -> dict[str, FloatArray]:
        """Name to point (3,), LPS mm.

        Raises:
            InputError: No landmarks yet, or not a Slicer point list.
        """
        if not self.landmarks_path.exists():
            raise InputError(
                f"case {self.id}: no landmarks; run xrayto3d dataset landmarks {self.folder}, then check them."
            )
        try:
            return read_landmarks(self.landmarks_path)
        except InputError as error:
            raise self.refused(error) from error

    def mesh_paths(self) -> dict[str, Path]:
        """Surface files by bone, of those bones that have one."""
        paths = {label: self.folder / "meshes" / f"{label}.vtp" for label in self.labels}
        return {label: path for label, path in paths.items() if path.exists()}

    def meshes(self) -> dict[str, vtkPolyData]:
        """Surfaces by bone, LPS mm, of those bones that have a file."""
        try:
            return {label: read_surface(path, what=label) for label, path in self.mesh_paths().items()}
        except InputError as error:
            raise self.refused(error) from error

    def files(self) -> list[Path]:
        """Every file that a prepared case depends on, in a fixed order."""
        files = [self._one_of(CT_FILES, "CT"), self._one_of(LABEL_FILES, "label map")]
        if self.landmarks_path.exists():
            files.append(self.landmarks_path)
        return files + list(self.mesh_paths().values())

    def refused(self, error: InputError) -> InputError:
        """The same error with the case's name in front."""
        text = str(error)
        return error if text.startswith(f"case {self.id}") else InputError(f"case {self.id}: {text}")

    def _one_of(self, names: Sequence[str], what: str) -> Path:
        for name in names:
            if (self.folder / name).exists():
                return self.folder / name
        raise InputError(f"case {self.id}: there is no {what}; {self.folder} needs {' or '.join(names)}.")


@dataclass(frozen=True)
class DatasetFolder:
    """A data set.

    Attributes:
        folder: Where ``dataset.json`` lies.
        anatomy: What it shows ("distal forearm").
        labels: Bones, in the order of their channels; class 0 is the background.
        landmarks: Names of the landmarks that every case has.
        frame: Frame of reconstruction, one of :data:`FRAMES`.
        synthetic: Whether no real anatomy is behind it.
        provenance: Where it comes from, one sentence.
        licence: Its licence.
        entries: The cases.
        preparation: How its cases are prepared for training where that is not the usual way: fields of
            ``prepared.Preparation``.
    """

    folder: Path
    anatomy: str
    labels: tuple[str, ...]
    landmarks: tuple[str, ...]
    frame: str
    synthetic: bool
    provenance: str
    licence: str
    entries: tuple[CaseEntry, ...]
    preparation: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path | str) -> DatasetFolder:
        """Read ``dataset.json``.

        Raises:
            InputError: Missing, another format, a field missing or wrong, no cases, two cases of one id, one patient
                in both splits, or a case whose folder is not there.
        """
        folder = Path(folder)
        content = read_dataset_json(folder)
        return cls.of(folder, content, entries_in(folder, content))

    @classmethod
    def of(cls, folder: Path, content: Mapping[str, Any], entries: tuple[CaseEntry, ...]) -> DatasetFolder:
        """Some cases of a data set whose ``dataset.json`` was read.

        Raises:
            InputError: As :meth:`open`.
        """
        check_fields({**content, "cases": []}, SHAPE, f"dataset: {folder / 'dataset.json'}")
        anatomy, provenance, licence = (" ".join(content[key].split()) for key in ("anatomy", "provenance", "licence"))
        opened = cls(
            folder,
            anatomy,
            tuple(content["labels"]),
            tuple(content.get("landmarks", ())),
            content["frame"],
            content["synthetic"],
            provenance,
            licence,
            entries,
            dict(content.get("preparation", {})),
        )
        opened._check()
        return opened

    def cases(self, split: str | None = None) -> tuple[DatasetCase, ...]:
        """Cases of a split ("train", "test"), or all.

        Raises:
            InputError: No such split, or no case in it.
        """
        if split is not None and split not in SPLITS:
            raise InputError(f"dataset: split {split!r} is not known; use {' or '.join(SPLITS)}.")
        found = tuple(self._case(entry) for entry in self.entries if split in (None, entry.split))
        if not found:
            raise InputError(f"dataset {self.folder.name} has no case in split {split!r}; give a case that split.")
        return found

    def case(self, case_id: str) -> DatasetCase:
        """One case.

        Raises:
            InputError: There is none of that id.
        """
        for entry in self.entries:
            if entry.id == case_id:
                return self._case(entry)
        raise InputError(f"dataset {self.folder.name} has no case {case_id!r}.")

    def _case(self, entry: CaseEntry) -> DatasetCase:
        place = self.folder / "cases" / entry.id
        for each in (place, place / "meshes"):
            refuse_links_out(each, self.folder, f"dataset {self.folder.name}")
        return DatasetCase(
            entry.id,
            place,
            entry.patient,
            entry.split,
            entry.side,
            self.labels,
            self.frame,
            self.synthetic,
            entry.group,
            self.preparation,
        )

    def _check(self) -> None:
        where = f"dataset {self.folder.name}"
        if not self.entries or not self.labels:
            raise InputError(f"{where} is empty: dataset.json names no {'label' if self.entries else 'case'}.")
        if self.frame not in FRAMES:
            raise InputError(f"{where}: frame {self.frame!r} is not known; use {' or '.join(FRAMES)}.")
        check_entries(self.entries, where)
        require_label_names(self.labels, where)
        require_own_folders(self.folder)
        missing = [entry.id for entry in self.entries if not (self.folder / "cases" / entry.id).is_dir()]
        if missing:
            raise InputError(
                f"{where}: case {missing[0]} ({len(missing)} in all) has no folder; "
                f"finish making the data set, or take it out of dataset.json."
            )


def require_own_folders(folder: Path) -> None:
    """Refuse a data set in which ``cases``, a case, ``prepared`` or a file lies elsewhere.

    Raises:
        InputError: Naming the link.
    """
    for each in (folder, folder / "cases", folder / "prepared"):
        refuse_links_out(each, folder, f"dataset {folder.name}")


def read_dataset_json(folder: Path | str) -> dict[str, Any]:
    """Content of a data set's ``dataset.json``, its fields checked; what they say is for the caller to judge.

    Raises:
        InputError: Missing, not JSON, another format, a field missing or of another kind.
    """
    return read_json(Path(folder) / "dataset.json", f"dataset {Path(folder).name}", DATASET_FORMAT, SHAPE)


def entries_in(folder: Path, content: Mapping[str, Any]) -> tuple[CaseEntry, ...]:
    """The cases that :func:`read_dataset_json` found.

    Raises:
        InputError: A case with a field that there is not.
    """
    try:
        return tuple(CaseEntry(**entry) for entry in content["cases"])
    except TypeError as error:
        raise InputError(f"dataset: {folder / 'dataset.json'} misnames a field of a case ({error}).") from error


def check_entries(entries: Sequence[CaseEntry], where: str) -> None:
    """Refuse cases that cannot be in one data set.

    Raises:
        InputError: An id used twice (capital letters do not count) or no folder name, an unknown split or side, a
            patient in both splits.
    """
    splits: dict[str, str] = {}
    used = Counter(same_name(entry.id) for entry in entries)
    for entry in entries:
        plain = safe_file_name(entry.id) == entry.id and len(entry.id) <= LONGEST_NAME
        if not entry.id or not plain or used[same_name(entry.id)] > 1:
            raise InputError(f"{where}: case id {entry.id!r} is used twice or is no plain folder name; rename it.")
        if entry.split not in SPLITS:
            raise InputError(f"{where}: case {entry.id} has split {entry.split!r}; use {' or '.join(SPLITS)}.")
        if entry.side not in ("right", "left", ""):
            raise InputError(f"{where}: case {entry.id} has side {entry.side!r}; use right, left or leave it empty.")
        if splits.setdefault(entry.patient, entry.split) != entry.split:
            raise InputError(f"{where}: patient {entry.patient!r} is in both splits; a test needs other people.")


def write_dataset_json(folder: Path | str, cases: Sequence[CaseEntry], description: Mapping[str, Any]) -> Path:
    """Write ``dataset.json``, a line per case.

    Args:
        folder: The data set.
        cases: Its cases.
        description: ``anatomy``, ``labels``, ``landmarks``, ``frame``, ``synthetic``, ``provenance``, ``licence`` and
            whatever else should be remembered (how it was made).

    Returns:
        The file.
    """
    path = Path(folder) / "dataset.json"
    head = json.dumps({"format": DATASET_FORMAT, **description}, indent=2, allow_nan=False).removesuffix("\n}")
    lines = ",\n".join(f"    {json.dumps(vars(entry))}" for entry in cases)  # indented ones take four times as long
    write_text(path, f'{head},\n  "cases": [\n{lines}\n  ]\n}}\n')
    return path
