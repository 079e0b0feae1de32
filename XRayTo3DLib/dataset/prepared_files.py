"""Prepared cases on disk: one safetensors file per case under ``<dataset>/prepared/``, made again when stale."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from XRayTo3DLib.dataset.dataset_folder import DatasetCase, DatasetFolder
from XRayTo3DLib.dataset.lazily_read import LazilyRead
from XRayTo3DLib.dataset.prepared import Preparation, PreparedCase, describe, preparation_of, prepare
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path, require_file
from XRayTo3DLib.geometry.anatomical_frame import AnatomicalFrame

PREPARED_FORMAT = "xrayto3d.prepared/1"


class PreparedCases(LazilyRead[Path, PreparedCase]):
    """Prepared cases read when asked for; the latest stay in memory.

    Args:
        paths: Files from :func:`prepare_all`.
        keep: How many stay in memory (a wrist takes about 2 MB).
    """

    def __init__(self, paths: Sequence[Path], keep: int = 512) -> None:
        super().__init__(paths, read_prepared, keep)


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
    cases = DatasetFolder.open(folder).cases(split)[shard[0] - 1 :: shard[1]]
    work = partial(prepared_file, options=options)
    tell = report or (lambda name, share: None)
    paths = []
    if workers <= 1:
        for number, case in enumerate(cases, 1):
            paths.append(work(case))
            tell(case.id, number / len(cases))
    else:
        with ProcessPoolExecutor(workers) as pool:
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
    path = case.folder.parent.parent / "prepared" / f"{case.id}.safetensors"
    key = _key(case, options)
    if not path.exists() or _stored_key(path) != key:
        _write(prepare(case, options), path, key)
    return path


def read_prepared(path: Path | str) -> PreparedCase:
    """Read one prepared case.

    Raises:
        InputError: Missing, damaged, or not a prepared case.
    """
    path = require_file(path, "prepared case")
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("format") != PREPARED_FORMAT:
            raise InputError(f"prepared case: {path.name} has another format; delete it and prepare the case again.")
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
    except (SafetensorError, json.JSONDecodeError, KeyError) as error:
        raise InputError(f"prepared case: {path.name} is damaged ({error}); delete it and prepare again.") from error


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
        save_file(arrays, temporary, metadata={"about": json.dumps(about), "key": key})


def _key(case: DatasetCase, options: Preparation) -> str:
    """Hash of everything the prepared case depends on."""
    about = {"options": describe(options), "labels": case.labels, "frame": case.frame, "patient": case.patient}
    about |= {"side": case.side, "synthetic": case.synthetic, "id": case.id}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for file in case.files():
        digest.update(file.name.encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _stored_key(path: Path) -> str:
    """Key of a prepared file, or "" where it cannot be read: then it is made again."""
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get("key", "")
    except SafetensorError:
        return ""
