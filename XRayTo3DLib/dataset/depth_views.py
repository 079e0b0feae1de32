"""What depth networks learn from: a radiograph in the standard geometry with the front and back depth of every bone.

Depth is z along the detector's normal, mm from the source (Gu et al., 3DDX, MICCAI 2024). Bones that overlap in the
picture have maps of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.places import view_folder
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import VIEWS
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.projection.depth_maps import mesh_depth, z_from_distance
from XRayTo3DLib.registration.result import Review, read_registration, recorded_pose
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.meshes import points_of, triangles_of

FloatMap = NDArray[np.float32]
VIEW_FILES = ("radiograph.nrrd", "camera.json", "pose.tfm", "registration.json")
TRUSTED = (Review.ACCEPTED.value, Review.ADJUSTED.value)


@dataclass(frozen=True, eq=False)
class DepthView:
    """A radiograph in the standard geometry and its bones' depths; N is the geometry's size.

    Attributes:
        case: Name of the case.
        patient: Which person.
        group: "healthy", "osteoarthritis", ... or "".
        view: Name of the view's folder ("ap-1").
        labels: The bones, in the order of the maps.
        image: (N, N) float32 line integrals.
        camera: The standard camera that shows them.
        front_mm: (bones, N, N) float32 z of the first crossing of each ray, mm from the source; NaN outside the bone.
        back_mm: (bones, N, N) of the last crossing.
        thickness_mm: (bones, N, N) of bone along the ray (not along z), mm; NaN where the surface is open.
        synthetic: Whether no real anatomy is behind it.
        notes: What was said when the picture was brought into the standard geometry.
    """

    case: str
    patient: str
    group: str
    view: str
    labels: tuple[str, ...]
    image: FloatMap
    camera: XRayCamera
    front_mm: FloatMap
    back_mm: FloatMap
    thickness_mm: FloatMap
    synthetic: bool = False
    notes: tuple[str, ...] = ()

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(bones, N, N): where each bone is seen."""
        return np.isfinite(self.front_mm)


def depth_view(
    radiograph: Radiograph,
    surfaces: Mapping[str, vtkPolyData],
    labels: Sequence[str],
    geometry: StandardGeometry,
    *,
    pose: RigidPose | None = None,
    case: str = "",
    patient: str = "",
    group: str = "",
    view: str = "",
) -> DepthView:
    """Depth maps of bones in a radiograph brought into the standard geometry.

    The depths are exact for the given triangles: rays through the centres of the standard pixels. Where the radiograph
    does not reach there is no bone.

    Args:
        radiograph: The picture.
        surfaces: By label, LPS mm.
        labels: Which, in the order of the maps.
        geometry: The standard geometry.
        pose: Surfaces to world, LPS mm; ``None`` where they lie in the world already.
        case: Name of the case.
        patient: Which person.
        group: Group of the person, or "".
        view: Name of the view.

    Raises:
        InputError: A label without a surface, no bone at all in the picture, or a radiograph that does not fit the
            geometry.
    """
    if missing := [label for label in labels if label not in surfaces]:
        raise InputError(f"{missing[0]} has no surface; there are {', '.join(surfaces) or 'none'}.")
    image, camera, notes = geometry.resampled(radiograph)
    covered = geometry.covered(radiograph.camera, camera)
    found: dict[str, list[FloatMap]] = {"front": [], "back": [], "thickness": []}
    for label in labels:
        maps = mesh_depth(camera, points_of(surfaces[label]), triangles_of(surfaces[label]), pose, strict=False)
        found["front"].append(z_from_distance(camera, maps.front_mm).astype(np.float32))
        found["back"].append(z_from_distance(camera, maps.back_mm).astype(np.float32))
        found["thickness"].append(maps.thickness_mm.astype(np.float32))
    front, back, thickness = (np.where(covered, np.stack(maps), np.float32(np.nan)) for maps in found.values())
    if not np.isfinite(front).any():
        raise InputError(f"no bone is in the picture {radiograph.name}; check its registration.")
    return DepthView(
        case or radiograph.name,
        patient,
        group,
        view or radiograph.view,
        tuple(labels),
        image,
        camera,
        front,
        back,
        thickness,
        radiograph.synthetic,
        notes,
    )


def trusted_views(case: DatasetCase, view: str = "") -> tuple[str, ...]:
    """As :func:`views_of`, but none where there is none: a data set grows while people review it."""
    status = _reviews(case)
    others = {name.lower() for name in VIEWS} - {view.lower()} if view else set()
    return tuple(name for name, review in status.items() if review in TRUSTED and _by_number(name)[0] not in others)


def views_of(case: DatasetCase, view: str = "") -> tuple[str, ...]:
    """Names of the case's views ("ap-1") whose registration was accepted or adjusted, in order of their numbers.

    Args:
        case: The case.
        view: "AP": pass over folders that are named after another view ("lat-1"); "" for all.

    Raises:
        InputError: There is none, with what the others lack.
    """
    found = trusted_views(case, view)
    if not found:
        status = _reviews(case)
        said = ", ".join(f"{name} is {review}" for name, review in status.items()) or "there is no view at all"
        raise InputError(
            f"case {case.id} has no {view + ' ' if view else ''}view with an accepted registration ({said}); register "
            f"the CT to a radiograph in {case.folder / 'views'}/<view>, look at it and accept it."
        )
    return found


def case_surfaces(case: DatasetCase) -> dict[str, vtkPolyData]:
    """The surfaces of a case's bones, LPS mm of its CT: its meshes, or contours of the label map where one lacks.

    Raises:
        InputError: A file cannot be used, or a bone is in neither.
    """
    surfaces = case.meshes()
    if missing := [label for label in case.labels if label not in surfaces]:
        ct = case.ct()
        surfaces |= {label: surface_from_labels(ct.labels, ct.voxel_to_lps, ct.label_value(label)) for label in missing}
    return surfaces


def read_depth_view(
    case: DatasetCase,
    view: str,
    geometry: StandardGeometry,
    surfaces: Mapping[str, vtkPolyData] | None = None,
) -> DepthView:
    """The depth view of one registered radiograph of a case; see :func:`depth_view`.

    Args:
        case: The case.
        view: Name of its folder under ``views/``.
        geometry: The standard geometry.
        surfaces: From :func:`case_surfaces`, read now if ``None``.

    Raises:
        InputError: A file is missing or cannot be used, with the case's name.
    """
    surfaces = case_surfaces(case) if surfaces is None else surfaces
    try:
        place = view_folder(case.folder, view)
        camera = XRayCamera.load(place / "camera.json")
        radiograph = read_radiograph(place / "radiograph.nrrd", camera=camera)
        names = {"case": case.id, "patient": case.patient, "group": case.group, "view": view}
        pose = recorded_pose(place, read_registration(place / "registration.json"))
        return depth_view(radiograph, surfaces, case.labels, geometry, pose=pose, **names)
    except InputError as error:
        raise case.refused(error) from error


def _reviews(case: DatasetCase) -> dict[str, str]:
    """Review of every view's registration by the view's name, in order of their numbers."""
    names = sorted((place.name for place in case.folder.glob("views/*") if place.is_dir()), key=_by_number)
    return {name: _review(case, name) for name in names}


def _review(case: DatasetCase, view: str) -> str:
    path = case.folder / "views" / view / "registration.json"
    if not path.exists():
        return "not registered"
    try:
        content = read_registration(path)
    except InputError as error:
        raise case.refused(error) from error
    return str((content.get("review") or {}).get("status", Review.UNREVIEWED.value))


def _by_number(name: str) -> tuple[str, int, str]:
    stem, _, number = name.rpartition("-")
    return (stem, int(number), name) if number.isdecimal() else (name, 0, name)
