"""Prepared cases on disk: one safetensors file per case under ``<dataset>/prepared/``, made again when stale."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors.numpy import save_file

from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.lazily_read import LazilyRead
from XRayTo3DLib.dataset.prepared import Preparation, PreparedCase, describe, preparation_of, prepare
from XRayTo3DLib.files import atomic_path
from XRayTo3DLib.files.described_arrays import described_arrays, stored_key
from XRayTo3DLib.files.disk import require_room
from XRayTo3DLib.files.unfinished import remove_abandoned
from XRayTo3DLib.geometry.anatomical_frame import AnatomicalFrame
from XRayTo3DLib.processes import process_pool

PREPARED_FORMAT = "xrayto3d.prepared/1"
MEMORY_BYTES = 1e9
PREPARED_BYTES = 4e6
"""What a prepared case takes on the disk, about (a wrist 2 MB, a knee 3 MB)."""
DESCRIPTION = {
    **dict.fromkeys(("id", "patient"), str),
    "labels": [str],
    **dict.fromkeys(("spacing_mm", "clip_mm"), float),
    **dict.fromkeys(("synthetic", "mirrored"), bool),
}
Found = TypeVar("Found")


class PreparedCases(LazilyRead[Path, PreparedCase]):
    """Prepared cases read when asked for; the latest stay in memory.

    Args:
        paths: Files from :func:`prepare_all`.
        memory: Bytes that those in memory may take (a wrist about 2 MB, whole bones of a knee at 1 mm 30 MB).
    """

    def __init__(self, paths: Sequence[Path], memory: float = MEMORY_BYTES) -> None:
        super().__init__(paths, read_prepared, lambda case: case.mu.nbytes + case.distances.nbytes, memory)

    @property
    def synthetic(self) -> bool:
        """Whether any of them is made up; reads the heads of the files alone.

        Raises:
            InputError: A file is missing, damaged, or not a prepared case.
        """
        return any(_opened(path, lambda file, about: bool(about["synthetic"])) for path in self.places)


def prepare_all(
    folder: Path | str,
    workers: int = 2,
    *,
    split: str | None = None,
    options: Preparation | None = None,
    shard: tuple[int, int] = (1, 1),
    report: Callable[[str, float], None] | None = None,
) -> PreparedCases:
    """Prepare the cases of a data set; files that are up to date are kept.

    Args:
        folder: The data set.
        workers: Processes; 1 works in this one.
        split: "train" or "test"; ``None`` takes all.
        options: How; ``None`` takes what the data set asks for.
        shard: (i, n), i from 1: every n-th case only.
        report: Called with (case id, share done).

    Raises:
        InputError: The data set or a case cannot be used.
    """
    remove_abandoned(Path(folder) / "prepared")
    cases = DatasetFolder.open(folder).cases(split)[shard[0] - 1 :: shard[1]]
    missing = [case for case in cases if not _place(case).exists()]
    if missing:
        require_room(_place(missing[0]).parent, PREPARED_BYTES * len(missing), "prepare")
    work = partial(prepared_file, options=options)
    tell = report or (lambda name, share: None)
    paths = []
    if workers <= 1:
        for number, case in enumerate(cases, 1):
            paths.append(work(case))
            tell(case.id, number / len(cases))
    else:
        with process_pool(workers) as pool:
            for number, path in enumerate(pool.map(work, cases), 1):
                paths.append(path)
                tell(path.stem, number / len(cases))
    return PreparedCases(paths)


def prepared_file(case: DatasetCase, options: Preparation | None = None) -> Path:
    """The prepared file of one case, made if it is missing or if case, options or version changed.

    Raises:
        InputError: As for :func:`prepare`.
    """
    options = preparation_of(case) if options is None else options
    path = _place(case)
    key = _key(case, options)
    if stored_key(path) != key:
        _write(prepare(case, options), path, key)
    return path


def _place(case: DatasetCase) -> Path:
    return case.folder.parent.parent / "prepared" / f"{case.id}.safetensors"


def read_prepared(path: Path | str) -> PreparedCase:
    """Read one prepared case.

    Raises:
        InputError: Missing, damaged, or not a prepared case.
    """
    return _opened(path, _case)


def _case(file: Any, about: dict[str, Any]) -> PreparedCase:
    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return PreparedCase(
        about["id"],
        arrays["mu"],
        arrays["distances"],
        about["spacing_mm"],
        arrays["origin"],
        tuple(about["labels"]),
        about["synthetic"],
        about["patient"],
        AnatomicalFrame(arrays["to_lps"], about["mirrored"]),
        about["clip_mm"],
    )


def _opened(path: Path | str, read: Callable[[Any, dict[str, Any]], Found]) -> Found:
    """What ``read`` takes from a prepared case's file and its description.

    Raises:
        InputError: Missing, damaged, or not a prepared case.
    """
    again = "delete it and prepare the case again"
    with described_arrays(path, "prepared case", PREPARED_FORMAT, DESCRIPTION, again) as (file, about):
        return read(file, about)


def _write(case: PreparedCase, path: Path, key: str) -> None:
    about = {
        "format": PREPARED_FORMAT,
        "id": case.id,
        "patient": case.patient,
        "labels": list(case.labels),
        "spacing_mm": case.spacing_mm,
        "clip_mm": case.clip_mm,
        "synthetic": case.synthetic,
        "mirrored": case.frame.mirrored,
        "unit": "mm",
    }
    arrays = {
        "mu": case.mu,
        "distances": case.distances,
        "origin": np.ascontiguousarray(case.origin),
        "to_lps": np.ascontiguousarray(case.frame.to_lps),
    }
    with atomic_path(path) as temporary:
        # One text: of several, safetensors writes one or another first, and no two files would be equal.
        save_file(arrays, temporary, metadata={"about": json.dumps({**about, "key": key})})


def _key(case: DatasetCase, options: Preparation) -> str:
    """Hash of everything the prepared case depends on."""
    about = {"options": describe(options), "labels": case.labels, "frame": case.frame, "patient": case.patient}
    about |= {"side": case.side, "synthetic": case.synthetic, "id": case.id}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for file in case.files():
        digest.update(file.name.encode())
        with file.open("rb") as stream:  # piece by piece: a CT may be larger than what memory is left
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
