"""Radiographs whose bones somebody has outlined, in the reconstruction frame: what is there where there is no CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from XRayTo3DLib.dataset.canonical_view import frame_matrix
from XRayTo3DLib.dataset.dataset_folder import CT_FILES, DatasetCase
from XRayTo3DLib.dataset.prepared_files import prepared_file, read_prepared
from XRayTo3DLib.dataset.view_pairs import accepted_pose
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.picture_masks import Mask, mask_files, picture_masks
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.imaging.types import Radiograph

FRAME_FILE = "frame.tfm"


@dataclass(frozen=True, eq=False)
class SegmentedView:
    """A radiograph and the bones in it.

    Attributes:
        view: "AP", "LAT", ...: the folder's name in capitals.
        radiograph: The picture; its camera is in the reconstruction frame, mm (a left wrist's mirrored).
        masks: By bone, (rows, columns).
    """

    view: str
    radiograph: Radiograph
    masks: dict[str, Mask]


def has_ct(case: DatasetCase) -> bool:
    """Whether there is a volume of the case."""
    return any((case.folder / name).exists() for name in CT_FILES)


def masked_views(case: DatasetCase) -> set[str]:
    """The case's views in which bones are outlined ("AP", ...), without reading them."""
    return {_name(place) for place in (case.folder / "views").glob("*/") if mask_files(place)}


def segmented_views(case: DatasetCase) -> list[SegmentedView]:
    """Every view of a case in which bones are outlined, in order of the folders' names.

    ``views/<view>/`` holds ``radiograph.nrrd``, ``camera.json`` and masks (see
    :func:`~XRayTo3DLib.imaging.picture_masks.picture_masks`). Where the reconstruction frame is, is told by the case's
    ``frame.tfm`` (world to frame, ITK); in a case with a CT also by a view's ``pose.tfm``, its accepted registration;
    with neither the cameras are in the frame.

    Raises:
        InputError: A file is missing or cannot be used, or a registration was not accepted; the message names the case.
    """
    places = sorted((case.folder / "views").glob("*/"))
    try:
        return [view for view in (_view(case, place) for place in places) if view is not None]
    except InputError as error:
        raise case.refused(error) from error


def _view(case: DatasetCase, place: Path) -> SegmentedView | None:
    if not mask_files(place):
        return None
    camera = XRayCamera.load(place / "camera.json")
    masks = picture_masks(place, camera)
    radiograph = read_radiograph(place / "radiograph.nrrd", camera=camera, name=f"{case.id} {place.name}")
    moved = camera.moved(np.linalg.inv(_frame_to_world(case, place)))
    unknown = sorted(set(masks) - set(case.labels))
    if unknown:
        raise InputError(
            f"view {place.name} outlines {', '.join(unknown)}; the data set's bones are {', '.join(case.labels)}: "
            f"rename the segments."
        )
    return SegmentedView(_name(place), replace(radiograph, camera=moved), masks)


def _name(place: Path) -> str:
    return place.name.upper()


def _frame_to_world(case: DatasetCase, place: Path) -> FloatArray:
    """(4, 4) from the reconstruction frame, in which a left wrist is mirrored, to the view's world, mm."""
    if (case.folder / FRAME_FILE).exists():
        mirrored = case.frame == "wrist" and case.side == "left"
        return frame_matrix(RigidPose.load(case.folder / FRAME_FILE), mirrored)
    if (place / "pose.tfm").exists():
        if not has_ct(case):
            raise InputError(f"view {place.name} has a pose.tfm, but there is no CT that it places; add {FRAME_FILE}.")
        frame = read_prepared(prepared_file(case)).frame
        return frame_matrix(accepted_pose(place) @ frame.rigid, frame.mirrored)
    return np.eye(4)


def views_of(found: Sequence[SegmentedView], names: Sequence[str]) -> list[SegmentedView] | None:
    """Those of these names, in their order; ``None`` when one is not there."""
    by_name = {each.view: each for each in found}
    return [by_name[name] for name in names] if set(names) <= set(by_name) else None
