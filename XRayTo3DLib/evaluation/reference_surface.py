"""The reference of an evaluation: a surface file, or a bone of a CT's segmentation or label map, as a surface."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import file_suffix, require_file
from XRayTo3DLib.imaging.ct_labels import LabelMap, read_label_map
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.surfaces import set_field_text

LABEL_SUFFIXES = (".seg.nrrd", ".nrrd", ".nii", ".nii.gz", ".mha", ".mhd")
SURFACE_SUFFIXES = (".vtp", ".ply", ".stl", ".vtk", ".obj")


def is_label_file(path: Path | str) -> bool:
    """Whether a file's name says that it is a segmentation or label map."""
    return file_suffix(path) in LABEL_SUFFIXES


def label_file_surface(path: Path | str, bone: str = "") -> vtkPolyData:
    """The surface of one bone of a segmentation or label map file, LPS mm.

    It is closed where the CT ends, too: a shaft that the CT cut is capped there.

    Args:
        path: ``.seg.nrrd``, NRRD, NIfTI or MetaImage.
        bone: A segment's name whatever its case, or a label's number; "" where there is only one.

    Raises:
        InputError: Unreadable, or no such bone; the message names those there are.
    """
    labels = _label_map(path)
    surface = surface_from_labels(labels.values, labels.voxel_to_lps, _value(labels.names, bone, Path(path).name))
    if labels.synthetic:
        set_field_text(surface, "synthetic", "synthetic data, not a person")
    return surface


def label_file_bones(path: Path | str) -> tuple[str, ...]:
    """Names of the bones in a segmentation or label map file.

    Raises:
        InputError: It cannot be read.
    """
    return tuple(_label_map(path).names)


def _label_map(path: Path | str) -> LabelMap:
    return _read(str(path), require_file(path, "reference").stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _read(path: str, _changed: int) -> LabelMap:
    """The last file read is kept: its bones are asked for one after another."""
    return read_label_map(path)


def _value(names: dict[str, int], bone: str, file: str) -> int:
    if not bone and len(names) == 1:
        return next(iter(names.values()))
    there = ", ".join(names)
    if not bone:
        raise InputError(f"reference {file} has several bones ({there}); say which one.")
    found = [value for name, value in names.items() if bone.lower() in (name.lower(), str(value))]
    if not found:
        raise InputError(f"reference {file} has no bone {bone}; it has: {there}.")
    return found[0]
