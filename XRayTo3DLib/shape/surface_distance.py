"""How far two surfaces are apart, in mm. Needs two surfaces and nothing else.

Three definitions, never mixed:

``area``
    Exact point-to-triangle distances from points spread evenly over the *area* of each surface. The headline: it
    does not depend on how finely either surface is triangulated. ASSD is the mean of the two directed means
    (papers.md section 4, "ASSD (robust)").
``vertices``
    Nearest vertex to nearest vertex, pooled: ``(sum_A + sum_B) / (|A| + |B|)`` over mesh vertices, the average surface
    distance of Shiode et al. 2021. Never zero for two triangulations of one shape; depends on the vertex spacing.
``vertices_to_surface``
    From every vertex to the other *surface*, pooled over vertices: what a colour map shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.shape.closest_points import closest_points, on_boundary, oriented, outside_signs
from XRayTo3DLib.shape.meshes import boundary_length, points_of, sample_surface, surface_area
from XRayTo3DLib.shape.same_space import check_same_space

Method = Literal["area", "vertices", "vertices_to_surface"]
DEFAULT_SAMPLES = 50_000


@dataclass(frozen=True)
class DirectedDistance:
    """Distances from one surface (``source``) to the other.

    Attributes:
        distances: Of the counted measuring points, ``(k,)`` mm, >= 0.
        vertex_distances: Of every vertex of the source, ``(n,)`` mm, >= 0.
        vertex_counted: False where the open-edge rule leaves a vertex out, ``(n,)``.
        vertex_signed: ``vertex_distances``, negative where the vertex lies inside the other surface; None unless
            asked for.
        excluded_share: Share of measuring points left out by the open-edge rule, 0..1.
        weight: What the direction weighs in pooled numbers: counted area in mm^2 (``area``), else counted points.
        source_area: Area of the source, mm^2.
        source_boundary: Length of the source's open edge, mm; 0 when closed.
    """

    distances: np.ndarray
    vertex_distances: np.ndarray
    vertex_counted: np.ndarray
    vertex_signed: np.ndarray | None
    excluded_share: float
    weight: float
    source_area: float
    source_boundary: float

    @property
    def mean(self) -> float:
        """Average distance, mm."""
        return float(self.distances.mean())

    @property
    def rms(self) -> float:
        """Root mean square distance, mm."""
        return float(np.sqrt(np.mean(self.distances**2)))

    @property
    def median(self) -> float:
        """Median distance, mm."""
        return float(np.median(self.distances))

    @property
    def p95(self) -> float:
        """95th percentile, mm."""
        return float(np.percentile(self.distances, 95))

    @property
    def maximum(self) -> float:
        """Largest distance of any counted measuring point or vertex, mm."""
        vertices = self.vertex_distances[self.vertex_counted]
        return float(max(self.distances.max(), vertices.max(initial=0.0)))

    @property
    def source_open(self) -> bool:
        """Whether the source has an open edge."""
        return self.source_boundary > 0


@dataclass(frozen=True)
class SurfaceDistance:
    """Both directed distances under one definition, and the numbers made of them (all in mm, frame-free).

    Attributes:
        method: Which definition (see the module's head).
        reference_to_result: From the reference: what the result misses.
        result_to_reference: From the result: what the result adds.
        seed: Of the sampling (``area`` only).
        ignore_boundary_mm: Margin of the open-edge rule; None when the rule is off.
        warnings: Sentences to show beside the numbers.
    """

    method: Method
    reference_to_result: DirectedDistance
    result_to_reference: DirectedDistance
    seed: int
    ignore_boundary_mm: float | None
    warnings: tuple[str, ...]

    @property
    def assd(self) -> float:
        """Average symmetric distance: mean of the two directions (``area``), or pooled over all vertices."""
        both = (self.reference_to_result.mean, self.result_to_reference.mean)
        return float(np.average(both, weights=None if self.method == "area" else self._weights))

    @property
    def rms(self) -> float:
        """Root mean square over both directions, weighted as :attr:`assd`."""
        squares = [self.reference_to_result.rms**2, self.result_to_reference.rms**2]
        return float(np.sqrt(np.average(squares, weights=None if self.method == "area" else self._weights)))

    @property
    def median(self) -> float:
        """Median of both directions' distances together."""
        return float(np.median(self._pooled))

    @property
    def hd95(self) -> float:
        """The larger of the two directed 95th percentiles (as MONAI and DeepMind define it)."""
        return max(self.reference_to_result.p95, self.result_to_reference.p95)

    @property
    def hd95_pooled(self) -> float:
        """95th percentile of both directions' distances together."""
        return float(np.percentile(self._pooled, 95))

    @property
    def hd(self) -> float:
        """Hausdorff distance: the largest distance either way."""
        return max(self.reference_to_result.maximum, self.result_to_reference.maximum)

    def share_within(self, tolerance_mm: float) -> float:
        """Normalised surface dice (Nikolov et al. 2018): share of both surfaces within ``tolerance_mm``, 0..1."""
        shares = [(d.distances <= tolerance_mm).mean() for d in (self.reference_to_result, self.result_to_reference)]
        return float(np.average(shares, weights=self._weights))

    @property
    def _weights(self) -> list[float]:
        return [self.reference_to_result.weight, self.result_to_reference.weight]

    @property
    def _pooled(self) -> np.ndarray:
        return np.concatenate([self.reference_to_result.distances, self.result_to_reference.distances])


def surface_distance(
    reference: vtkPolyData,
    result: vtkPolyData,
    *,
    method: Method = "area",
    samples: int = DEFAULT_SAMPLES,
    seed: int = 0,
    ignore_boundary: bool | float = False,
    signed: bool = False,
    require_overlap: bool = True,
) -> SurfaceDistance:
    """Compare two surfaces of triangles in the same frame.

    Args:
        reference: The truth, LPS mm.
        result: What is judged, LPS mm.
        method: The definition, see the module's head.
        samples: Points spread over each surface (``area`` only).
        seed: Of those points; same seed, same numbers.
        ignore_boundary: Leave out points whose nearest point lies on the other surface's open edge, so that a shaft
            cut shorter in one of them is not counted. A number leaves out what comes within that many mm of the edge.
        signed: Also compute signed vertex distances, positive outside the other surface. Exact when that one is
            closed; on an open one the side is that of the nearest triangle, and a warning says so.
        require_overlap: Refuse surfaces that cannot be in the same space (:func:`check_same_space`).

    Raises:
        InputError: Different units or frames, no area, an unknown method, or nothing left by ``ignore_boundary``.
    """
    if method not in get_args(Method):
        raise InputError(f'Unknown distance method "{method}"; give one of {", ".join(get_args(Method))}.')
    warnings = check_same_space(reference, result) if require_overlap else ()
    margin = None if ignore_boundary is False else 0.0 if ignore_boundary is True else float(ignore_boundary)
    one = _directed(reference, result, method, samples, seed, margin, signed, "reference")
    two = _directed(result, reference, method, samples, seed, margin, signed, "result")
    return SurfaceDistance(method, one, two, seed, margin, warnings + _open_warnings(one, two, margin, signed))


def _directed(
    source: vtkPolyData,
    target: vtkPolyData,
    method: Method,
    samples: int,
    seed: int,
    margin: float | None,
    signed: bool,
    name: str,
) -> DirectedDistance:
    if signed:
        target = oriented(target)
    vertices = points_of(source)
    if method == "vertices":
        vertex_distances, nearest = _nearest_vertices(vertices, target)
        signs = outside_signs(target, closest_points(target, vertices)) if signed else None
    else:
        closest = closest_points(target, vertices)
        vertex_distances, nearest = closest.distances, closest.points
        signs = outside_signs(target, closest) if signed else None
    counted = _counted(target, nearest, margin)
    distances, kept = vertex_distances, counted
    if method == "area":
        spread = closest_points(target, sample_surface(source, samples, seed)[0])
        distances, kept = spread.distances, _counted(target, spread.points, margin)
    if not kept.any():
        raise InputError(f"Every point of the {name} is nearest to the other surface's open edge: nothing to compare.")
    area = surface_area(source)
    return DirectedDistance(
        distances=distances[kept],
        vertex_distances=vertex_distances,
        vertex_counted=counted,
        vertex_signed=None if signs is None else signs * vertex_distances,
        excluded_share=float(1 - kept.mean()),
        weight=float(area * kept.mean() if method == "area" else kept.sum()),
        source_area=area,
        source_boundary=boundary_length(source),
    )


def _nearest_vertices(points: np.ndarray, target: vtkPolyData) -> tuple[np.ndarray, np.ndarray]:
    from scipy.spatial import cKDTree  # late: SciPy takes long to load, and panels load this file

    vertices = points_of(target)
    distances, number = cKDTree(vertices).query(points)
    return distances, vertices[number]


def _counted(target: vtkPolyData, nearest: np.ndarray, margin: float | None) -> np.ndarray:
    if margin is None:
        return np.ones(len(nearest), dtype=bool)
    return ~on_boundary(target, nearest, margin)


def _open_warnings(
    reference: DirectedDistance, result: DirectedDistance, margin: float | None, signed: bool
) -> tuple[str, ...]:
    named = (("reference", reference), ("result", result))
    opened = [f"the {name} (open edge of {d.source_boundary:.0f} mm)" for name, d in named if d.source_open]
    if not opened:
        return ()
    warnings = [f"Not closed: {' and '.join(opened)}."]
    if margin is None:
        warnings[0] += " What lies beyond the edge counts as error; ignoring the boundary leaves it out."
    else:
        warnings[0] += (
            f" Left out as nearest to an open edge: {100 * reference.excluded_share:.1f} % of the reference, "
            f"{100 * result.excluded_share:.1f} % of the result."
        )
    if signed:
        warnings.append("Inside and outside of an open surface are only those of its nearest triangle.")
    return tuple(warnings)
