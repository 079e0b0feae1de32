"""Cases ready to learn from: attenuation and signed distances of the bones on one grid in the anatomical frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.anatomical_frame import AnatomicalFrame, wrist_frame
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix, vector3
from XRayTo3DLib.imaging.attenuation import METAL_HU, SOFT_TISSUE_HU, hu_to_attenuation, tissue_attenuation
from XRayTo3DLib.imaging.surroundings import in_soft_tissue
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.distance_grid import signed_distance_grid
from XRayTo3DLib.shape.label_surface import surface_from_labels
from XRayTo3DLib.shape.meshes import points_of, transformed

PREPARED_VERSION = 2
"""Raised whenever preparing gives other numbers; older files are then made again."""
AIR_HU = -1000.0
EDGE_VOXELS = 1.5
"""How far outside its surface a bone's blurred edge reaches, voxels."""
SURROUNDINGS_MM = 1.5
"""Reach of the mean of muscle and fat that is taken off a bone's partly filled edge."""
SMOOTHING_VOXELS = 0.6
"""Of label maps without meshes: takes the staircase off and shrinks a forearm's bones by less than 0.05 mm."""
_FAR_FROM_BONE_MM = 8.0


@dataclass(frozen=True)
class Preparation:
    """How cases are prepared.

    Attributes:
        spacing_mm: Of the grid.
        clip_mm: Signed distances are exact up to here.
        energy_kev: Effective energy at which bones attenuate.
        excess: Take only what bone attenuates more than the soft tissue it displaces, or all of it (False), as a
            DRR of segmented bones does.
        centre_mm: Centre of the field of view in the anatomical frame.
        field_mm: Half width of the field of view. "lps" data whose ``dataset.json`` names none have no field: their
            whole bones are taken.
        margin_mm: How much is kept round the field, so that bones can be moved within it.

    Raises:
        InputError: A length or energy that is not above zero (the margin: below it), or a centre that is no point.
    """

    spacing_mm: float = 1.0
    clip_mm: float = 6.0
    energy_kev: float = 38.0
    excess: bool = False
    centre_mm: tuple[float, float, float] = (-8.0, 0.0, -26.0)
    field_mm: float = 40.0
    margin_mm: float = 15.0

    def __post_init__(self) -> None:
        for name in ("spacing_mm", "clip_mm", "energy_kev", "field_mm", "margin_mm"):
            value = getattr(self, name)
            if not (value > 0 or (value == 0 and name == "margin_mm")) or not np.isfinite(value):
                raise InputError(f"preparation {name}: {value:g} cannot be; it must be above zero.")
        vector3(self.centre_mm, "preparation centre_mm")


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """The bones of one case on a grid of the anatomical frame (a left wrist mirrored to a right one).

    The grid is just large enough: outside it attenuation is 0 and every distance is the clipping length.

    Attributes:
        id: Of the case.
        mu: (Z, Y, X) float16, attenuation of the named bones and nothing else, 1/mm; noise may leave a little below 0.
        distances: (labels, Z, Y, X) float16, signed distance to each bone, negative inside, mm, clipped.
        spacing_mm: Between voxels.
        origin: (3,) voxel [0, 0, 0] in the anatomical frame, mm.
        labels: Names of the channels of ``distances``.
        synthetic: Whether no real anatomy is behind it.
        patient: Which person.
        frame: Where the anatomical frame lies in the case's CT.
        clip_mm: What ``distances`` are clipped to.

    Raises:
        InputError: Shapes that do not belong together.
    """

    id: str
    mu: NDArray[np.float16]
    distances: NDArray[np.float16]
    spacing_mm: float
    origin: FloatArray
    labels: tuple[str, ...]
    synthetic: bool
    patient: str
    frame: AnatomicalFrame
    clip_mm: float = 6.0

    def __post_init__(self) -> None:
        if self.mu.ndim != 3 or self.distances.shape != (len(self.labels), *self.mu.shape):
            raise InputError(
                f"case {self.id}: attenuation {self.mu.shape} and distances {self.distances.shape} of "
                f"{len(self.labels)} labels do not belong together; prepare it again."
            )

    @property
    def voxel_to_frame(self) -> FloatArray:
        """(4, 4) from voxel centres (column, row, slice, 1) to the anatomical frame, mm."""
        result = np.diag([self.spacing_mm, self.spacing_mm, self.spacing_mm, 1.0])
        result[:3, 3] = self.origin
        return result


def prepare(case: DatasetCase, options: Preparation | None = None) -> PreparedCase:
    """Attenuation and signed distances of a case's bones in its anatomical frame.

    Distances are exact ones to the case's meshes; where it has none, to surfaces of its labels. Attenuation is the
    CT's by trilinear interpolation, of the data set's bones alone: other bones and what lies round are taken out.

    Args:
        case: With CT, labels and, for wrists, landmarks.
        options: Grid and energy; ``None`` takes what the data set asks for.

    Raises:
        InputError: A file is missing or unusable, a bone is missing or empty, landmarks do not fit the bones, or no
            bone lies in the field; the message names the case.
    """
    options = preparation_of(case) if options is None else options
    try:
        ct = case.ct()
        frame = _frame(case, ct)
        surfaces = _surfaces(case, ct, frame)
        if case.frame == "wrist":
            _check_landmark(surfaces[case.labels[0]], case)
        origin, shape = _grid(surfaces, options, case.frame == "wrist" or "field_mm" in case.preparation)
        step, clip = options.spacing_mm, options.clip_mm
        distances = np.stack(
            [signed_distance_grid(surfaces[label], origin, step, shape, clip) for label in case.labels]
        )
        mu = _attenuation(ct, case.labels, frame, origin, distances, options)
    except InputError as error:
        raise case.refused(error) from error
    return PreparedCase(
        case.id,
        mu.astype(np.float16),
        distances.astype(np.float16),
        step,
        origin,
        case.labels,
        case.synthetic or ct.synthetic,
        case.patient,
        frame,
        clip,
    )


def preparation_of(case: DatasetCase) -> Preparation:
    """The usual preparation with what the case's data set wants otherwise.

    Raises:
        InputError: ``dataset.json`` names an option that there is not, or one of another type or range.
    """
    usual, wanted = Preparation(), dict(case.preparation)
    known = asdict(usual)
    for name, value in wanted.items():
        if name not in known or not _is_like(value, known[name]):
            raise InputError(f"dataset.json: preparation {name}: {value!r} is not known or of another type.")
        wanted[name] = tuple(value) if isinstance(value, list) else value
    try:
        return replace(usual, **wanted)
    except InputError as error:
        raise InputError(f"dataset.json: {error}") from error


def _is_like(value: Any, usual: Any) -> bool:
    """Whether a value from JSON can stand for a usual one: whole numbers for others, a list for a point."""
    if isinstance(usual, tuple):
        return isinstance(value, list) and len(value) == len(usual) and all(_is_like(each, 0.0) for each in value)
    return type(value) is type(usual) or (type(value) is int and type(usual) is float)


def truth_meshes(case: DatasetCase) -> dict[str, vtkPolyData]:
    """Surfaces of a case's bones by name in its anatomical frame, mm (mirrored for a left wrist).

    Raises:
        InputError: As for :func:`prepare`.
    """
    try:
        ct = None if len(case.mesh_paths()) == len(case.labels) else case.ct()
        return _surfaces(case, ct, _frame(case, ct))
    except InputError as error:
        raise case.refused(error) from error


def _frame(case: DatasetCase, ct: CtVolume | None) -> AnatomicalFrame:
    if case.frame == "lps":
        return AnatomicalFrame(np.eye(4), False)
    frame = wrist_frame(case.landmarks())
    if case.side and (case.side == "left") != frame.mirrored:
        found = "left" if frame.mirrored else "right"
        raise InputError(f"case {case.id} is a {case.side} wrist, but its landmarks are those of a {found} one.")
    return frame


def _surfaces(case: DatasetCase, ct: CtVolume | None, frame: AnatomicalFrame) -> dict[str, vtkPolyData]:
    found = case.meshes()
    surfaces = {}
    for label in case.labels:
        if label not in found:
            ct = case.ct() if ct is None else ct
            value = ct.label_value(label)
            assert ct.labels is not None  # label_value has seen to it
            found[label] = surface_from_labels(ct.labels, ct.voxel_to_lps, value, smoothing_voxels=SMOOTHING_VOXELS)
        surfaces[label] = transformed(found[label], frame.from_lps)
    return surfaces


def _check_landmark(radius: vtkPolyData, case: DatasetCase) -> None:
    away = float(closest_points(radius, np.zeros((1, 3))).distances[0])
    if away > _FAR_FROM_BONE_MM:
        raise InputError(
            f"case {case.id}: the articular centre lies {away:.0f} mm from the {case.labels[0]}; "
            f"the landmarks belong to another case or frame."
        )


def _grid(
    surfaces: Mapping[str, vtkPolyData], options: Preparation, has_field: bool
) -> tuple[FloatArray, tuple[int, int, int]]:
    """First voxel (3,) mm and shape (Z, Y, X) of the lattice round the bones; voxels lie at whole spacings."""
    points = np.concatenate([points_of(surface) for surface in surfaces.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    pad = options.clip_mm + 2 * options.spacing_mm
    start, end = low - pad, high + pad
    if has_field:
        centre, reach = np.array(options.centre_mm), options.field_mm + options.margin_mm
        if np.any(high < centre - options.field_mm) or np.any(low > centre + options.field_mm):
            raise InputError("no bone lies in the field of view; check the landmarks.")
        start = np.where(low < centre - reach, centre - reach, start)
        end = np.where(high > centre + reach, centre + reach, end)
    first, last = np.floor(start / options.spacing_mm), np.ceil(end / options.spacing_mm)
    columns, rows, slices = (last - first).astype(int) + 1
    return first * options.spacing_mm, (int(slices), int(rows), int(columns))


def _attenuation(
    ct: CtVolume,
    labels: tuple[str, ...],
    frame: AnatomicalFrame,
    origin: FloatArray,
    distances: NDArray[np.float32],
    options: Preparation,
) -> NDArray[np.float32]:
    """Attenuation (Z, Y, X) of the bones alone, 1/mm; the outermost voxels are 0."""
    assert ct.labels is not None  # DatasetCase.ct has seen to it
    surrounded = in_soft_tissue(ct, labels[0])
    hu = np.clip(ct.hu, AIR_HU, METAL_HU)
    values = [ct.label_value(label) for label in labels]
    hu[(ct.labels != 0) & ~np.isin(ct.labels, values)] = SOFT_TISSUE_HU if surrounded else AIR_HU
    nearest = distances.min(axis=0)
    hu = _resampled(hu, ct, frame, origin, options.spacing_mm, nearest.shape)
    width = max(options.spacing_mm, float(ct.spacing.max()))
    share = np.clip(0.5 - nearest / width, 0.0, 1.0)
    beyond = nearest > EDGE_VOXELS * width
    around = _surroundings(hu, beyond, options.spacing_mm) if surrounded else np.float32(AIR_HU)
    mu = _unmixed(hu, share, around, options.energy_kev)
    if options.excess:
        mu -= share * tissue_attenuation(options.energy_kev)
    mu[beyond] = 0.0
    return mu


def _unmixed(
    hu: NDArray[np.float32], share: NDArray[np.float32], around: NDArray[np.float32] | np.float32, energy_kev: float
) -> NDArray[np.float32]:
    """Attenuation of the bone's ``share`` of each voxel, 1/mm, where the rest has the HU of what lies ``around``.

    HU mix by volume, attenuation at another energy does not: half bone, half air is no soft tissue. So the bone's part
    of the HU is turned into attenuation, by the straight line of :func:`hu_to_attenuation` above 0 HU.
    """
    (water, at_1000), _ = hu_to_attenuation(np.array([0.0, 1000.0]), energy_kev=energy_kev)
    part = water * share + (at_1000 - water) / 1000 * (hu - (1 - share) * around)
    return np.where(share < 1, part, hu_to_attenuation(hu, energy_kev=energy_kev)[0]).astype(np.float32)


def _surroundings(hu: NDArray[np.float32], outside: NDArray[np.bool_], spacing: float) -> NDArray[np.float32]:
    """HU of what surrounds each point: the weighted mean of the points outside the bones within a few mm."""
    sigma = SURROUNDINGS_MM / spacing
    weight = gaussian_filter(outside.astype(np.float32), sigma, mode="constant")
    total = gaussian_filter(np.where(outside, hu, np.float32(0.0)), sigma, mode="constant")
    return np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), np.float32(SOFT_TISSUE_HU))


def _resampled(
    hu: NDArray[np.float32],
    ct: CtVolume,
    frame: AnatomicalFrame,
    origin: FloatArray,
    spacing: float,
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """A volume of the CT in HU on a grid of the anatomical frame, trilinear; air outside the CT."""
    slices, rows, columns = (
        spacing * np.arange(count) + start for count, start in zip(shape, origin[::-1], strict=True)
    )
    to_voxel = np.linalg.inv(ct.voxel_to_lps) @ frame.to_lps
    z, y, x = np.meshgrid(slices, rows, columns, indexing="ij", copy=False)
    where = apply_matrix(to_voxel, np.stack([x, y, z], axis=-1)).astype(np.float32)
    return map_coordinates(hu, np.moveaxis(where[..., ::-1], -1, 0), order=1, mode="grid-constant", cval=AIR_HU)


def describe(options: Preparation) -> dict[str, object]:
    """The options as JSON types, with the version of the computation."""
    return {"version": PREPARED_VERSION, **asdict(options), "centre_mm": list(options.centre_mm)}
