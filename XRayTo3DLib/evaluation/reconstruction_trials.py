"""Reconstructions judged: what a method made of a case whose bones are known, bone by bone.

Distances are measured where both surfaces can be known: a reconstruction ends at its grid, the truth at the CT's border
or later. With a ``field`` only points inside that box are measured from; what they are measured *to* is never cut, so
that the cap of a cut shaft is neither an error nor a target (papers.md section 4, "crop planes").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.meshes import points_of, sample_surface

DEFAULT_SAMPLES = 20_000
"""Points spread over each surface: numbers stay within about 0.01 mm of those of more points."""

Field = tuple[Sequence[float], Sequence[float]] | Callable[[np.ndarray], np.ndarray]
"""Two opposite corners of a box, lowest and highest (x, y, z), mm, in the frame of the surfaces; or what says of points
(n, 3) which are inside, bool (n,)."""


@dataclass(frozen=True)
class ReconstructionOutcome:
    """How near one reconstructed bone came to the truth.

    Attributes:
        case: Which case.
        patient: Whose; several cases may be of one patient.
        method: What reconstructed it ("TL-net from GAN-DRR", "mean shape", ...).
        bone: Which bone.
        assd_mm: Mean of both directed area-weighted mean distances, point to surface; NaN without a surface.
        asd_vertices_mm: Shiode's formula, vertex to vertex, pooled; NaN without a surface.
        hd95_mm: The larger of the directed 95th percentiles; NaN without a surface.
        empty: The method gave no such bone; the distances are those of what stands in for it, NaN without.
        seconds: Time the reconstruction of the whole case took; NaN if not measured.
        to_truth_mm: Mean distance from the reconstruction to the truth: what was added.
        from_truth_mm: Mean distance from the truth to the reconstruction: what was missed.
        dice: Of voxels, where a grid was given (:mod:`~XRayTo3DLib.evaluation.volume_measures`); NaN otherwise.
    """

    case: str
    patient: str
    method: str
    bone: str
    assd_mm: float
    asd_vertices_mm: float
    hd95_mm: float
    empty: bool = False
    seconds: float = math.nan
    to_truth_mm: float = math.nan
    from_truth_mm: float = math.nan
    dice: float = math.nan


@dataclass(frozen=True)
class SurfaceNumbers:
    """Distances between two surfaces, mm.

    Attributes:
        from_truth_mm: Mean from points spread over the truth to the result.
        to_truth_mm: Mean from points spread over the result to the truth.
        asd_vertices_mm: Shiode's formula, vertex to vertex, pooled.
        hd95_mm: The larger of the directed 95th percentiles.
    """

    from_truth_mm: float
    to_truth_mm: float
    asd_vertices_mm: float
    hd95_mm: float

    @property
    def assd_mm(self) -> float:
        """Mean of the two directed means; the literature calls it Chamfer distance, too."""
        return (self.from_truth_mm + self.to_truth_mm) / 2


@dataclass(frozen=True)
class TranslationOutcome:
    """How near one translated image came to the bone-only DRR of the registration.

    Attributes:
        case: Which case.
        patient: Whose.
        method: What translated it ("pix2pix", "histogram matching", "raw").
        mae: Mean absolute error over all pixels of the line integrals, dimensionless.
        bone_mae: The same over the pixels that the target's bones cover; NaN if they cover none.
        structure: Gradient correlation of both, -1 to 1: whether edges lie where they should, blind to gain and offset.
            Negative where bones come out as shadows of themselves; NaN for pictures under three pixels.
    """

    case: str
    patient: str
    method: str
    mae: float
    bone_mae: float = math.nan
    structure: float = math.nan


def outcomes_of(
    truth: Mapping[str, vtkPolyData],
    reconstruction: Mapping[str, vtkPolyData],
    *,
    case: str,
    method: str,
    patient: str | None = None,
    empty: Collection[str] = (),
    seconds: float = math.nan,
    field: Field | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
) -> list[ReconstructionOutcome]:
    """One outcome per bone of the truth.

    Args:
        truth: Surfaces by bone, mm.
        reconstruction: Surfaces by bone, same frame; a bone that is missing or has no triangle counts as empty.
        case: For the outcomes.
        method: For the outcomes.
        patient: The case's name if ``None``.
        empty: Bones for which the method gave nothing, and ``reconstruction`` holds a stand-in (the mean shape).
        seconds: For the outcomes.
        field: Where to measure; everywhere if ``None``.
        samples: Points spread over each surface.
        seed: Of those points.

    Raises:
        InputError: No truth, a truth without surface in the field, a bone nobody asked for, or a bad field.
    """
    if not truth:
        raise InputError(f"Case {case}: there is no true bone to compare with.")
    unknown = sorted((set(reconstruction) | set(empty)) - set(truth))
    if unknown:
        raise InputError(f"Case {case}, {method}: no truth for {', '.join(unknown)}; known are {', '.join(truth)}.")
    outcomes = []
    for bone, surface in truth.items():
        try:
            found = directed_numbers(surface, reconstruction.get(bone), field, samples, seed)
        except InputError as error:
            raise InputError(f"Case {case}, {bone}: {error}") from error
        missing = bone in empty or found is None
        near = found or SurfaceNumbers(math.nan, math.nan, math.nan, math.nan)
        outcomes.append(
            ReconstructionOutcome(
                case, patient or case, method, bone, near.assd_mm, near.asd_vertices_mm, near.hd95_mm, missing, seconds,
                near.to_truth_mm, near.from_truth_mm,
            )
        )  # fmt: skip
    return outcomes


def surface_numbers(
    truth: vtkPolyData,
    result: vtkPolyData | None,
    field: Field | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
) -> tuple[float, float, float] | None:
    """ASSD, ASD over vertices (Shiode's formula) and HD95, mm; ``None`` when the result has no surface in the field.

    Raises:
        InputError: The truth has no surface in the field, or the field is not a box.
    """
    found = directed_numbers(truth, result, field, samples, seed)
    return None if found is None else (found.assd_mm, found.asd_vertices_mm, found.hd95_mm)


def directed_numbers(
    truth: vtkPolyData,
    result: vtkPolyData | None,
    field: Field | None = None,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
) -> SurfaceNumbers | None:
    """As :func:`surface_numbers`, both directions told apart."""
    field = _checked(field)
    true_points = _measuring_points(truth, field, samples, seed)
    if true_points is None:
        raise InputError("the truth has no surface in the field of view; check its frame and units.")
    points = None if result is None else _measuring_points(result, field, samples, seed)
    if result is None or points is None:
        return None
    missed, missed_vertices = _distances(true_points, result)
    added, added_vertices = _distances(points, truth)
    pooled = np.concatenate([missed_vertices, added_vertices])
    hd95 = max(np.percentile(missed, 95), np.percentile(added, 95))
    return SurfaceNumbers(float(missed.mean()), float(added.mean()), float(pooled.mean()), float(hd95))


def _checked(field: Field | None) -> Field | None:
    if field is None or callable(field):
        return field
    corners = np.asarray(field, dtype=np.float64)
    if corners.shape != (2, 3) or not (corners[0] < corners[1]).all():
        raise InputError(f"the field of view must be two corners (x, y, z), lowest and highest, not {field}.")
    return field


def _inside(points: np.ndarray, field: Field | None) -> np.ndarray:
    if field is None:
        return points
    if callable(field):
        return points[field(points)]
    return points[((points >= field[0]) & (points <= field[1])).all(axis=1)]


def _measuring_points(
    surface: vtkPolyData, field: Field | None, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Points spread over the area, and vertices, both inside the field; ``None`` when there are none."""
    if surface.GetNumberOfPolys() == 0:
        return None
    spread = _inside(sample_surface(surface, samples, seed)[0], field)
    vertices = _inside(points_of(surface), field)
    return (spread, vertices) if len(spread) and len(vertices) else None


def _distances(points: tuple[np.ndarray, np.ndarray], target: vtkPolyData) -> tuple[np.ndarray, np.ndarray]:
    """From the spread points to the target's triangles, and from the vertices to its vertices, mm."""
    spread, vertices = points
    return closest_points(target, spread).distances, cKDTree(points_of(target)).query(vertices)[0]


def translation_outcome(
    image: ArrayLike, target: ArrayLike, *, case: str, method: str, patient: str | None = None
) -> TranslationOutcome:
    """Mean absolute error and gradient correlation of a translated image.

    Args:
        image: (rows, columns) line integrals.
        target: (rows, columns) of the bone-only DRR; zero where there is no bone.
        case: For the outcome.
        method: For the outcome.
        patient: The case's name if ``None``.

    Raises:
        InputError: Images of different sizes, or values that are not finite.
    """
    image, target = np.asarray(image, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if image.shape != target.shape or image.size == 0:
        raise InputError(f"Case {case}, {method}: image {image.shape} and target {target.shape} differ in size.")
    difference = np.abs(image - target)
    if not np.isfinite(difference).all():
        raise InputError(f"Case {case}, {method}: image or target holds values that are not finite.")
    bone = difference[target > 0]
    bone_mae = float(bone.mean()) if bone.size else math.nan
    structure = _gradient_correlation(image, target)
    return TranslationOutcome(case, patient or case, method, float(difference.mean()), bone_mae, structure)


def _gradient_correlation(image: np.ndarray, target: np.ndarray) -> float:
    import torch

    from XRayTo3DLib.networks.projection_losses import ngcc

    if min(image.shape) < 3:
        return math.nan
    return float(ngcc(*(torch.from_numpy(np.array(each))[None, None] for each in (image, target))))
