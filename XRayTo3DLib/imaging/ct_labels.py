"""Label maps and Slicer segmentations on the grid of their CT, with names."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix, read_json_values, read_text, require_file
from XRayTo3DLib.files.json_values import check_fields
from XRayTo3DLib.imaging.itk_images import header_values, image_to_lps, is_synthetic, lps_image, one_line, read_image
from XRayTo3DLib.imaging.types import CtVolume

SAME_PLACE_MM = 0.01
MAX_LABEL = 65535


def read_labels(path: Path | str, ct: CtVolume, *, names: Path | str | None = None) -> CtVolume:
    """``ct`` with the label map or segmentation of a file, resampled (nearest) where the grid differs.

    Args:
        path: NRRD, NIfTI or MetaImage label map, or Slicer segmentation (``.seg.nrrd``).
        ct: The CT it belongs to.
        names: JSON ``{"radius": 1}`` or Slicer colour table ``.ctbl``; without it the file's own names or "label 1".

    Raises:
        InputError: Unreadable, empty, not whole numbers, or it does not overlap the CT.
    """

    path = require_file(path, "label map")
    image = read_image(path, "label map")
    values, own_names, notes = _merged(image, path)
    on_grid, moved = _on_grid(values, _grid(image), ct, path)
    label_names = named_labels(on_grid, _names_file(names) if names is not None else own_names)
    synthetic = ct.synthetic or is_synthetic(image)
    return replace(ct, labels=on_grid, label_names=label_names, notes=ct.notes + notes + moved, synthetic=synthetic)


class LabelMap(NamedTuple):
    """A label map without a CT.

    Attributes:
        values: ``(slices, rows, columns)``.
        names: Value by name, those that occur.
        voxel_to_lps: ``(4, 4)``, takes (column, row, slice, 1) to LPS mm.
        synthetic: Made up, not a person.
    """

    values: NDArray[np.int32]
    names: dict[str, int]
    voxel_to_lps: NDArray[np.float64]
    synthetic: bool


def read_label_map(path: Path | str) -> LabelMap:
    """A label map or Slicer segmentation on its own grid, with the names it brings or "label 1".

    Raises:
        InputError: Unreadable, empty or not whole numbers.
    """
    path = require_file(path, "label map")
    image = read_image(path, "label map")
    values, own_names, _ = _merged(image, path)
    return LabelMap(values, named_labels(values, own_names), image_to_lps(image), is_synthetic(image))


def named_labels(labels: NDArray[Any], names: dict[str, int]) -> dict[str, int]:
    """Names of the values that occur, in order of value: the given ones, else "label 1"."""
    by_value = {value: name for name, value in names.items()}
    present = [int(value) for value in np.unique(labels) if value != 0]
    return {by_value.get(value, f"label {value}"): value for value in present}


def _merged(image: Any, path: Path) -> tuple[NDArray[np.int32], dict[str, int], tuple[str, ...]]:
    """(slices, rows, columns) label values, names from a segmentation header, notes. Layers are merged in order."""
    import SimpleITK as sitk

    layers = image.GetNumberOfComponentsPerPixel()
    if image.GetDimension() != 3 or min(image.GetSize()) < 1:
        raise InputError(f"label map: {path.name} has {image.GetDimension()} dimensions, three are needed.")
    values = sitk.GetArrayFromImage(image)
    if values.dtype.kind == "f" and (not np.all(np.isfinite(values)) or np.any(values != np.round(values))):
        raise InputError(f"label map: {path.name} holds values that are not whole numbers; export it as labels.")
    if values.min() < 0 or values.max() > MAX_LABEL:
        raise InputError(f"label map: {path.name} holds values outside 0..{MAX_LABEL}; it is an image, not labels.")
    segments, notes = _with_unique_names(segments_of(image, path))
    if layers == 1:
        merged = values.astype(np.int32)
        names = {name: value for name, _, value in segments}
    else:
        merged, names = _flattened(values, segments)
        notes += (f"The segmentation has {layers} layers: where segments overlap, the later one was kept.",)
    if not merged.any():
        raise InputError(f"label map: {path.name} is empty: every voxel is 0.")
    return merged, names, notes


def segments_of(image: Any, path: Path, what: str = "label map") -> list[tuple[str, int, int]]:
    """(name, layer, label value) of a Slicer segmentation header, in order.

    Raises:
        InputError: A layer or label value that is no number, or a layer that the image does not have.
    """
    header = header_values(image)
    matches = [match for match in (re.fullmatch(r"Segment(\d{1,6})_ID", key, re.ASCII) for key in header) if match]
    found = []
    for number in sorted(int(match[1]) for match in matches):
        key = f"Segment{number}_"
        name = one_line(header.get(f"{key}Name", "")) or one_line(header.get(f"{key}ID", "")) or f"segment {number}"
        layer, value = header.get(f"{key}Layer", "").strip() or "0", header.get(f"{key}LabelValue", "").strip() or "1"
        whole = all(re.fullmatch(r"\d{1,9}", text, re.ASCII) for text in (layer, value))
        if not whole or int(value) == 0 or int(layer) >= image.GetNumberOfComponentsPerPixel():
            raise InputError(
                f"{what}: {path.name} names a layer or label value for segment {number} that it does not have; save "
                f"the segmentation again."
            )
        found.append((name, int(layer), int(value)))
    return found


def _with_unique_names(
    segments: list[tuple[str, int, int]],
) -> tuple[list[tuple[str, int, int]], tuple[str, ...]]:
    """Segments that share a name (case ignored) are numbered: "Bone", "Bone (2)"; with a note."""
    taken: set[str] = set()
    unique = []
    for name, layer, value in segments:
        number, new = 1, name
        while new.lower() in taken:
            number += 1
            new = f"{name} ({number})"
        taken.add(new.lower())
        unique.append((new, layer, value))
    renamed = [new for (new, *_), (old, *_) in zip(unique, segments, strict=True) if new != old]
    if not renamed:
        return unique, ()
    return unique, (f"Several segments share a name; they are called {', '.join(renamed)} here.",)


def _flattened(values: NDArray[Any], segments: list[tuple[str, int, int]]) -> tuple[NDArray[np.int32], dict[str, int]]:
    """Layered values (slices, rows, columns, layers) as one map with new values 1, 2, ... in segment order."""
    merged = np.zeros(values.shape[:3], dtype=np.int32)
    if not segments:
        segments = [
            (f"layer {layer} label {value}", layer, int(value))
            for layer in range(values.shape[3])
            for value in np.unique(values[..., layer])
            if value != 0
        ]
    names = {}
    for new, (name, layer, value) in enumerate(segments, 1):
        merged[values[..., layer] == value] = new
        names[name] = new
    return merged, names


def _grid(image: Any) -> NDArray[np.float64]:
    return image_to_lps(image)


def _on_grid(
    values: NDArray[np.int32], to_lps: NDArray[np.float64], ct: CtVolume, path: Path
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """The labels on the CT's grid, and a note if they had to be resampled."""
    same_size = values.shape == ct.hu.shape
    corners = [[0, 0, 0], [ct.size[0], 0, 0], [0, ct.size[1], 0], [0, 0, ct.size[2]]]
    shift = (ct.voxel_points(corners) - (np.array(corners) @ to_lps[:3, :3].T + to_lps[:3, 3])) if same_size else None
    if shift is not None and np.abs(shift).max() < SAME_PLACE_MM:
        return values, ()
    moved = _nearest(values, to_lps, ct)
    if not moved.any():
        raise InputError(
            f"label map: no label of {path.name} lies inside CT {ct.name}; it belongs to another volume, or its "
            f"position was lost."
        )
    kept = moved.astype(bool).sum() * abs(np.linalg.det(ct.voxel_to_lps[:3, :3]))
    before = values.astype(bool).sum() * abs(np.linalg.det(to_lps[:3, :3]))
    cut = "" if kept > 0.9 * before else f" Only {100 * kept / before:.0f} % of the labelled volume lies inside the CT."
    return moved, (f"The label map has another grid than the CT and was resampled to it (nearest voxel).{cut}",)


def _nearest(values: NDArray[np.int32], to_lps: NDArray[np.float64], ct: CtVolume) -> NDArray[np.int32]:
    import SimpleITK as sitk

    reference = sitk.Image([int(size) for size in ct.size], sitk.sitkUInt8)
    reference.CopyInformation(lps_image(np.zeros(ct.hu.shape, dtype=np.uint8), ct.voxel_to_lps))
    resampled = sitk.Resample(lps_image(values, to_lps), reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return sitk.GetArrayFromImage(resampled)


def _names_file(path: Path | str) -> dict[str, int]:
    """Names to values of a JSON object or a Slicer colour table.

    Raises:
        InputError: Neither, or values that are no whole numbers.
    """
    path = require_file(path, "label names")
    where = f"label names: {path.name}"
    try:
        if file_suffix(path) == ".json":
            content = read_json_values(path, where)
            check_fields(content, {}, where)
            pairs = content.get("labels", content)
            check_fields(pairs, {"*": int}, where)
        else:
            text = read_text(path, "label names")
            rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
            pairs = {row[1].replace("_", " "): int(row[0]) for row in rows if int(row[0]) != 0}
    except (ValueError, IndexError) as error:  # InputError is one of them
        raise InputError(f'{where} is neither JSON like {{"radius": 1}} nor a Slicer colour table (.ctbl).') from error
    if len(set(pairs.values())) < len(pairs):
        raise InputError(f"{where} gives two names to one label; leave out one.")
    return {one_line(name): value for name, value in pairs.items()}
