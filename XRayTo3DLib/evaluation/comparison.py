"""Compare a result with a reference: numbers under both definitions, and the colour map they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.metrics import MetricRow, area_rows, map_rows, vertex_rows
from XRayTo3DLib.plain_words import shown_name
from XRayTo3DLib.shape.meshes import make_surface, points_of, set_point_array, transformed, triangles_of, vertex_areas
from XRayTo3DLib.shape.rigid_alignment import rigid_alignment
from XRayTo3DLib.shape.surface_distance import DEFAULT_SAMPLES, SurfaceDistance, surface_distance
from XRayTo3DLib.shape.surfaces import check_content, check_units, field_text, read_surface, set_field_text

DISTANCE_ARRAY = "SurfaceDistance_mm"
SIGNED_ARRAY = "SignedSurfaceDistance_mm"
WEIGHT_ARRAY = "AreaWeight_mm2"


@dataclass(frozen=True)
class Comparison:
    """A finished comparison; nothing in it names a folder or a person.

    Attributes:
        reference_name: File name of the reference, where it is made of words that name nobody (``plain_words``).
        result_name: File name of the result, in the same way.
        area: Area-weighted point-to-surface distances (headline).
        vertices: Vertex-to-vertex distances (the papers' definition).
        rows: The table.
        distance_map: The result, LPS mm, with ``SurfaceDistance_mm`` (active), ``SignedSurfaceDistance_mm`` (positive
            outside the reference) and ``AreaWeight_mm2`` (a third of the surrounding triangles; 0 where the
            open-edge rule leaves the vertex out) on its vertices.
        warnings: Sentences to show beside the numbers.
        samples: Points spread over each surface.
        seed: Of those points.
        synthetic: Made up, not a person.
        alignment: ``(4, 4)``, LPS mm: how the result was moved onto the reference before it was measured; None where
            it was measured as it lies.
    """

    reference_name: str
    result_name: str
    area: SurfaceDistance
    vertices: SurfaceDistance
    rows: tuple[MetricRow, ...]
    distance_map: vtkPolyData
    warnings: tuple[str, ...]
    samples: int
    seed: int
    synthetic: bool
    alignment: np.ndarray | None = None

    def value(self, key: str) -> float:
        """The number of the row ``key`` ("assd", "hd95", ...)."""
        return next(row.value for row in self.rows if row.key == key)


def compare(
    reference: Path | str | vtkPolyData,
    result: Path | str | vtkPolyData,
    *,
    reference_unit: str = "mm",
    result_unit: str = "mm",
    ignore_boundary: bool | float = False,
    align: bool = False,
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    synthetic: bool = False,
    names: tuple[str, str] = ("reference", "result"),
) -> Comparison:
    """Compare two surfaces in the same frame (LPS mm).

    Args:
        reference: The truth: a file or a surface.
        result: What is judged: a file or a surface.
        reference_unit: Unit in the reference's file.
        result_unit: Unit in the result's file.
        ignore_boundary: See :func:`XRayTo3DLib.shape.surface_distance.surface_distance`.
        align: Lay the result on the reference first (:func:`XRayTo3DLib.shape.rigid_alignment.rigid_alignment`): then
            the numbers tell of shape alone, and every output says so. Off for a reconstruction in its own place.
        samples: Points spread over each surface.
        seed: Of those points.
        synthetic: Label everything as made up; also on when a file's field data hold ``synthetic``.
        names: What to call surfaces that do not come from files, or from files that may be named after a person.

    Raises:
        InputError: A file or surface that cannot be used, or two that cannot be compared.
    """
    if samples < 1000:
        raise InputError(f"{samples} sample points are too few for stable numbers; give at least 1000.")
    truth, truth_name = _load(reference, reference_unit, "Reference", "--unit", names[0])
    judged, judged_name = _load(result, result_unit, "Result", "--result-unit", names[1])
    synthetic = synthetic or any(field_text(s, "synthetic") is not None for s in (truth, judged))
    alignment = rigid_alignment(judged, truth) if align else None
    if alignment is not None:
        judged = transformed(judged, alignment)
    area = surface_distance(truth, judged, samples=samples, seed=seed, ignore_boundary=ignore_boundary, signed=True)
    vertices = surface_distance(truth, judged, method="vertices", ignore_boundary=ignore_boundary)
    distance_map = _distance_map(judged, area, synthetic)
    rows = (*area_rows(area), *vertex_rows(vertices), *map_rows(*_map_means(area, vertex_areas(judged))))
    warnings = (*(() if alignment is None else (alignment_text(alignment, judged),)), *area.warnings)
    return Comparison(
        truth_name, judged_name, area, vertices, rows, distance_map, warnings, samples, seed, synthetic, alignment
    )


def alignment_text(matrix: np.ndarray, moved: vtkPolyData) -> str:
    """How far an alignment took a surface, as a sentence.

    Args:
        matrix: ``(4, 4)``, LPS mm.
        moved: The surface after it.
    """
    points = points_of(moved)
    before = (points - matrix[:3, 3]) @ matrix[:3, :3]
    turn = np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1.0, 1.0)))
    mean = float(np.linalg.norm(points - before, axis=1).mean())
    return f"Measured after rigid alignment: the result was turned by {turn:.1f} degrees and moved by {mean:.1f} mm."


def _load(source: Path | str | vtkPolyData, unit: str, what: str, option: str, name: str) -> tuple[vtkPolyData, str]:
    if isinstance(source, vtkPolyData):
        check_content(source, f"{what} {name}")
        check_units(source, f"{what} {name}", unit_option=option)
        return source, name
    shown = shown_name(Path(source), name)  # surfaces are often named after the person
    return read_surface(source, unit=unit, what=what, unit_option=option), shown


def _map_means(area: SurfaceDistance, weights: np.ndarray) -> tuple[float, float, float]:
    """Area-weighted and plain mean of the colour map, and the area-weighted mean of the signed map, mm."""
    direction = area.result_to_reference
    counted = direction.vertex_counted & (weights > 0)
    distances = direction.vertex_distances[counted]
    weighted = float(np.average(distances, weights=weights[counted]))
    signed = float(np.average(direction.vertex_signed[counted], weights=weights[counted]))
    return weighted, float(distances.mean()), signed


def _distance_map(result: vtkPolyData, area: SurfaceDistance, synthetic: bool) -> vtkPolyData:
    direction = area.result_to_reference
    surface = make_surface(points_of(result), triangles_of(result))
    set_point_array(surface, DISTANCE_ARRAY, direction.vertex_distances)
    set_point_array(surface, SIGNED_ARRAY, direction.vertex_signed)
    set_point_array(surface, WEIGHT_ARRAY, np.where(direction.vertex_counted, vertex_areas(result), 0.0))
    surface.GetPointData().SetActiveScalars(DISTANCE_ARRAY)
    set_field_text(surface, "SPACE", "LPS")
    if synthetic:
        set_field_text(surface, "synthetic", "synthetic data, not a person")
    return surface
