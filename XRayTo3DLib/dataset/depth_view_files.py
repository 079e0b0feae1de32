"""Depth views on disk: one safetensors file per case under ``<dataset>/prepared/``, made again when stale."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.depth_views import VIEW_FILES, DepthView, case_surfaces, read_depth_view, views_of
from XRayTo3DLib.dataset.lazily_read import LazilyRead
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path, require_file
from XRayTo3DLib.files.described_arrays import described_arrays, stored_key
from XRayTo3DLib.files.unfinished import remove_abandoned
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.processes import process_pool

DEPTH_FORMAT = "xrayto3d.depth-views/1"
STEP_MM = 0.02
"""Depths are kept as whole steps above the map's base: rounding costs at most half a step."""
MAPS = ("front_mm", "back_mm", "thickness_mm")
DESCRIPTION = {
    **dict.fromkeys(("case", "patient", "group"), str),
    "labels": [str],
    "camera": dict,
    "base_mm": {"*": float},
    "synthetic": bool,
    "notes": [str],
}
"""What a file says of each view."""
MEMORY_BYTES = 256e6


class DepthViews(LazilyRead[tuple[Path, str], DepthView]):
    """Depth views read when asked for; the latest stay in memory.

    Args:
        places: (file, view) of each.
        memory: Bytes that those in memory may take (four bones take 0.9 MB at 128 pixels, 55 MB at 1024).
    """

    def __init__(self, places: Sequence[tuple[Path, str]], memory: float = MEMORY_BYTES) -> None:
        super().__init__(places, lambda place: _read(*place), _bytes_of, memory)


def _bytes_of(view: DepthView) -> int:
    return view.image.nbytes + sum(getattr(view, name).nbytes for name in MAPS)


def depth_views(
    cases: Sequence[DatasetCase],
    geometry: StandardGeometry,
    workers: int = 2,
    report: Callable[[str, float], None] | None = None,
) -> DepthViews:
    """The depth views of all accepted registrations of cases, made where they are missing or stale.

    Args:
        cases: From :meth:`DatasetFolder.cases`.
        geometry: The standard geometry.
        workers: Processes; 1 works in this one.
        report: Called with (case id, share done).

    Returns:
        One view after the other, case by case.

    Raises:
        InputError: A case without accepted registration, or that cannot be used.
    """
    if cases:
        remove_abandoned(cases[0].folder.parent.parent / "prepared")
    tell = report or (lambda name, share: None)
    work = partial(depth_file, geometry=geometry)
    places: list[tuple[Path, str]] = []
    if workers <= 1:
        files = map(work, cases)
        _collect(files, cases, geometry.view, places, tell)
    else:
        with process_pool(workers) as pool:
            _collect(pool.map(work, cases), cases, geometry.view, places, tell)
    return DepthViews(places)


def _collect(files: Any, cases: Sequence[DatasetCase], view: str, places: list[tuple[Path, str]], tell: Any) -> None:
    for number, (case, path) in enumerate(zip(cases, files, strict=True), 1):
        places += [(path, name) for name in views_of(case, view)]
        tell(case.id, number / len(cases))


def depth_file(case: DatasetCase, geometry: StandardGeometry) -> Path:
    """The file of one case's depth views, made if it is missing or if case, geometry or version changed.

    Raises:
        InputError: As for :func:`depth_views`.
    """
    path = case.folder.parent.parent / "prepared" / f"{case.id}_depth_{geometry.size}.safetensors"
    names = views_of(case, geometry.view)
    key = _key(case, names, geometry)
    if stored_key(path) != key:
        surfaces = case_surfaces(case)
        _write([read_depth_view(case, name, geometry, surfaces) for name in names], path, key)
    return path


def _write(views: Sequence[DepthView], path: Path, key: str) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    about: dict[str, Any] = {"format": DEPTH_FORMAT, "unit": "mm", "frame": "LPS", "step_mm": STEP_MM, "views": {}}
    for view in views:
        told = {name: getattr(view, name) for name in ("case", "patient", "group", "labels", "synthetic", "notes")}
        told |= {"camera": view.camera.to_dict(), "base_mm": {}}
        arrays[f"{view.view}.image"] = np.ascontiguousarray(view.image)
        for name in MAPS:
            arrays[f"{view.view}.{name}"], told["base_mm"][name] = _stepped(getattr(view, name))
        about["views"][view.view] = told
    with atomic_path(path) as temporary:
        # One text: of several, safetensors writes one or another first, and no two files would be equal.
        save_file(arrays, temporary, metadata={"about": json.dumps({**about, "key": key})})


def _stepped(values: NDArray[np.floating]) -> tuple[NDArray[np.uint16], float]:
    """Whole steps above a base, 0 for NaN, and the base in mm.

    Raises:
        InputError: Depths further apart than the steps can count (1.3 m).
    """
    inside = np.isfinite(values)
    base = float(np.floor(values[inside].min())) if inside.any() else 0.0
    steps = np.zeros(values.shape, dtype=np.uint16)
    counted = np.rint((values[inside].astype(np.float64) - base) / STEP_MM) + 1
    if counted.size and counted.max() > np.iinfo(np.uint16).max:
        raise InputError("depths of one view lie more than 1.3 m apart; check its registration and its surfaces.")
    steps[inside] = counted.astype(np.uint16)
    return steps, base


def _restored(steps: NDArray[np.uint16], base: float) -> NDArray[np.float32]:
    values = base + STEP_MM * (steps.astype(np.float64) - 1)
    return np.where(steps > 0, values, np.nan).astype(np.float32)


def _read(path: Path, view: str) -> DepthView:
    """One view of a file.

    Raises:
        InputError: Missing, damaged, another format, or no such view.
    """
    again = "delete it and prepare the case again"
    with described_arrays(path, "depth views", DEPTH_FORMAT, {"views": {"*": DESCRIPTION}}, again) as (file, about):
        told = about["views"][view]
        image = file.get_tensor(f"{view}.image")
        maps = [_restored(file.get_tensor(f"{view}.{name}"), told["base_mm"][name]) for name in MAPS]
        return DepthView(
            told["case"],
            told["patient"],
            told["group"],
            view,
            tuple(told["labels"]),
            image,
            XRayCamera.from_dict(told["camera"]),
            *maps,
            told["synthetic"],
            tuple(told["notes"]),
        )


def _key(case: DatasetCase, names: Sequence[str], geometry: StandardGeometry) -> str:
    """Hash of everything the views depend on."""
    about = {"format": DEPTH_FORMAT, "geometry": geometry.to_dict(), "labels": case.labels, "views": list(names)}
    about |= {"id": case.id, "patient": case.patient, "group": case.group}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    meshes = list(case.mesh_paths().values())
    files = meshes if len(meshes) == len(case.labels) else case.files()
    files += [case.folder / "views" / name / file for name in names for file in VIEW_FILES]
    for path in files:
        digest.update(path.name.encode())
        with require_file(path, f"case {case.id}").open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
