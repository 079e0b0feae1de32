"""The same anatomical points on many surfaces: a template's vertices found on each of them. LPS mm.

The template is laid on a surface and scaled to it, bent onto it in passes to the closest points (or by geodesic
Bayesian coherent point drift), and its vertices are pulled onto the surface.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.processes import process_pool
from XRayTo3DLib.shape.closest_points import closest_points, on_boundary, oriented
from XRayTo3DLib.shape.coherent_point_drift import DriftOptions, coherent_point_drift
from XRayTo3DLib.shape.coherent_point_drift_kernel import geodesic_kernel, spread_out
from XRayTo3DLib.shape.even_surface import even_surface
from XRayTo3DLib.shape.meshes import make_surface, points_of, sample_surface, transformed, triangles_of
from XRayTo3DLib.shape.procrustes import Similarity, aligned_shapes
from XRayTo3DLib.shape.rigid_start import (
    Spread,
    affine_start,
    looks_mirrored,
    rigid_start,
    similarity_start,
    spread_over,
)
from XRayTo3DLib.shape.surface_passes import PassOptions, bend_in_passes, pass_kernels
from XRayTo3DLib.shape.surface_pull import pull_onto

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AFTER_STRETCHING = DriftOptions(width=1.5, stiffness=10_000.0, outliers=0.02, start=0.1, kappa=0.1, scaled=False)
"""Broad and stiff: what is left to bend is small, and a softer template slides along the bone with the noise."""
_START_POINTS = 600
_SPREAD_POINTS = 3000
_OFF_THE_EDGE_MM = 1.0
_APART = "Template and surface have no part in common: are they the same bone of the same side?"


@dataclass(frozen=True)
class CorrespondenceOptions:
    """How points are found again.

    Attributes:
        bend: "passes": to the closest points, broad first, then finer; slides less along real bones. "drift": probable
            matches, Bayesian coherent point drift, after an affine stretch (docs/shape-models.md compares them).
        passing: The bending in passes.
        drift: The bending by drift; its width is in sizes of the template (root mean square spread per axis).
        geodesic: Share of the drift's kernel over distances along the surface, 0 to 1.
        align: Lay the surfaces on one another first; False trusts how they lie.
        stretch: Then scale the template to the surface (passes), or its length, width and depth each (drift).
        mirror: Of :func:`correspond_population`: turn surfaces that look like the other side's (x -> -x) first.
        check_sides: Of :func:`correspond_population`: refuse such surfaces; False trusts that all are of one side.
        source_points: Template points that are matched, at most.
        target_points: Points spread over the other surface.
        passes: Of :func:`correspond_population`: from the second on the mean is the template.
        vertices: Of the template :func:`correspond_population` makes.
        seed: Of the points spread.
    """

    bend: Literal["passes", "drift"] = "passes"
    passing: PassOptions = PassOptions()
    drift: DriftOptions = AFTER_STRETCHING
    geodesic: float = 0.0
    align: bool = True
    stretch: bool = True
    mirror: bool = False
    check_sides: bool = True
    source_points: int = 2500
    target_points: int = 4000
    passes: int = 2
    vertices: int = 2500
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Correspondence:
    """The template's vertices on another surface.

    Attributes:
        points: ``(n, 3)`` mm, in the template's order, on the surface where ``seen``.
        distance_mm: ``(n,)`` how far off the surface each was before it was put there.
        seen: ``(n,)`` False: past the surface's open edge; its place is carried on from its neighbours.
        start: ``(4, 4)`` affine matrix from template to surface before bending.
        residual_mm: Root mean square of what was left between template and surface after bending, per axis.
    """

    points: FloatArray
    distance_mm: FloatArray
    seen: NDArray[np.bool_]
    start: FloatArray
    residual_mm: float


@dataclass(frozen=True, eq=False)
class _Template:
    """What is computed once for all surfaces."""

    points: FloatArray
    triangles: IntArray
    kernels: list[FloatArray]
    rows: IntArray
    spread: Spread


def corresponding_points(
    template: vtkPolyData, surface: vtkPolyData, options: CorrespondenceOptions | None = None
) -> Correspondence:
    """Find every vertex of ``template`` on ``surface``.

    Args:
        template: Triangles; 2000 to 12 000 vertices, as :func:`even_surface` makes them.
        surface: Any triangles of the same bone and side, closed or open, anywhere.
        options: How.

    Raises:
        InputError: A surface without triangles, or nothing in common.
    """
    options = options or CorrespondenceOptions()
    return _found(_prepared(template, options), _turned_out(surface, "surface"), options)


def correspond_population(
    surfaces: Sequence[vtkPolyData],
    template: vtkPolyData | None = None,
    options: CorrespondenceOptions | None = None,
    workers: int = 2,
    report: Callable[[str, float], None] | None = None,
    names: Sequence[str] | None = None,
) -> tuple[FloatArray, IntArray]:
    """Bring surfaces of one bone of many people into correspondence.

    Args:
        surfaces: One per person, all of one side (or ``options.mirror``).
        template: None: the surface of the most usual size, with evenly spread vertices. After the first pass the
            mean of what was found takes its place.
        options: How.
        workers: Processes; 1 stays in this one.
        report: Called with (what was done, share done).
        names: Of the surfaces, for messages; None: their numbers, from 1.

    Returns:
        Points ``(N, n, 3)`` mm, each person's where that surface lies, and triangles ``(m, 3)``. Of open surfaces
        only the vertices that every one of them holds are kept.

    Raises:
        InputError: No surfaces, nothing in common, or surfaces that look like the other side's.
    """
    options = options or CorrespondenceOptions()
    if not surfaces:
        raise InputError("Give at least one surface to bring into correspondence.")
    names = names or [f"surface {number}" for number in range(1, len(surfaces) + 1)]
    outward = [_turned_out(surface, name) for name, surface in zip(names, surfaces, strict=True)]
    if template is None:
        template = even_surface(outward[_most_usual(outward)], options.vertices, seed=options.seed)
    if options.mirror or options.check_sides:
        outward = _one_side(template, outward, names, options.mirror)
    arrays = [(points_of(surface), triangles_of(surface)) for surface in outward]
    tell = report or (lambda what, share: None)
    for number in range(options.passes):
        prepared = _prepared(template, options)
        find = partial(_found_arrays, prepared, options)
        found = []
        for count, one in enumerate(_mapped(find, arrays, workers), 1):
            found.append(one)
            tell(f"pass {number + 1}, surface {count}", (number + count / len(arrays)) / options.passes)
        shapes, seen = np.stack([one.points for one in found]), np.stack([one.seen for one in found])
        shapes, triangles = _common(shapes, seen.all(axis=0), prepared.triangles)
        template = make_surface(aligned_shapes(shapes).mean, triangles)
    return shapes, triangles


def other_side(template: vtkPolyData, surface: vtkPolyData) -> bool:
    """Whether ``surface`` looks like the other body side's bone than ``template`` (takes a second; no file says so)."""
    return looks_mirrored(spread_over(template, _START_POINTS), spread_over(surface, _START_POINTS))


def _one_side(
    template: vtkPolyData, surfaces: list[vtkPolyData], names: Sequence[str], mirror: bool
) -> list[vtkPolyData]:
    """The surfaces, those of the other side than the template's turned if ``mirror``, refused if not."""
    like = spread_over(template, _START_POINTS)
    other = [looks_mirrored(like, spread_over(surface, _START_POINTS)) for surface in surfaces]
    if mirror:
        flip = np.diag([-1.0, 1.0, 1.0, 1.0])
        return [transformed(s, flip) if turn else s for s, turn in zip(surfaces, other, strict=True)]
    if any(other):
        few = sum(other) <= len(other) / 2
        listed = ", ".join(name for name, turn in zip(names, other, strict=True) if turn == few)
        raise InputError(
            f"Left and right do not mix: {listed} look{'s' if listed.count(',') == 0 else ''} like the other side's; "
            "mirror them (ssm build --mirror), or say that all are of one side (--trust-sides; check_sides=False)."
        )
    return surfaces


def _mapped(find: Callable, arrays: list, workers: int):
    if workers == 1 or len(arrays) == 1:
        yield from map(find, arrays)
        return
    with process_pool(min(workers, len(arrays))) as pool:
        yield from pool.map(find, arrays)


def _found_arrays(
    prepared: _Template, options: CorrespondenceOptions, arrays: tuple[FloatArray, IntArray]
) -> Correspondence:
    return _found(prepared, make_surface(*arrays), options)


def _prepared(template: vtkPolyData, options: CorrespondenceOptions) -> _Template:
    template = _turned_out(template, "template")
    points, triangles = points_of(template), triangles_of(template)
    if options.bend == "passes":
        kernels = pass_kernels(points, options.passing)
    else:
        width = options.drift.width * float(np.sqrt(points.var(axis=0).mean()))
        kernels = [geodesic_kernel(points, triangles, width, options.geodesic, options.drift.rank)]
    rows = spread_out(points, options.source_points)
    return _Template(points, triangles, kernels, rows, spread_over(template, _SPREAD_POINTS, options.seed))


def _found(template: _Template, surface: vtkPolyData, options: CorrespondenceOptions) -> Correspondence:
    target = spread_over(surface, options.target_points, options.seed)
    start = _start(template.spread, target, options)
    source = template.points @ start[:3, :3].T + start[:3, 3]
    rows = template.rows[~_past_the_edge(surface, source[template.rows])]
    if len(rows) < 12:
        raise InputError(_APART)
    if options.bend == "passes":
        moved = bend_in_passes(surface, source, template.triangles, template.kernels, rows, options.passing)
    else:
        moved = _drifted(template, source, rows, target.points, options.drift)
    pulled = pull_onto(surface, moved, template.triangles)
    left = pulled.distance_mm[pulled.seen]
    residual = float(np.sqrt((left**2).mean() / 3)) if len(left) else 0.0
    return Correspondence(pulled.points, pulled.distance_mm, pulled.seen, start, residual)


def _drifted(
    template: _Template, source: FloatArray, rows: IntArray, target: FloatArray, options: DriftOptions
) -> FloatArray:
    target = target[~_past_the_edge(make_surface(source, template.triangles), target)]
    if len(target) < 12:
        raise InputError(_APART)
    drift = coherent_point_drift(source[rows], target, options, template.kernels[0][rows])
    bent = source + template.kernels[0] @ drift.coefficients
    return Similarity(drift.scale, drift.rotation, drift.translation).apply(bent)


def _start(source: Spread, target: Spread, options: CorrespondenceOptions) -> FloatArray:
    """Affine matrix from template to surface before bending."""
    start = np.eye(4)
    if options.align:
        start = rigid_start(source.few(_START_POINTS), target.few(_START_POINTS)).matrix
    if options.stretch and options.bend == "passes":
        start = similarity_start(source.moved(start), target).matrix @ start
    elif options.stretch:
        start = affine_start(source.moved(start), target) @ start
    return start


def _past_the_edge(surface: vtkPolyData, points: FloatArray) -> NDArray[np.bool_]:
    """Points an open ``surface`` does not reach, nearest to its edge and off it: they match nothing."""
    nearest = closest_points(surface, points)
    return on_boundary(surface, nearest.points) & (nearest.distances > _OFF_THE_EDGE_MM)


def _turned_out(surface: vtkPolyData, name: str) -> vtkPolyData:
    if surface.GetNumberOfPolys() == 0:
        raise InputError(f"The {name} has no triangles.")
    return oriented(surface)


def _most_usual(surfaces: list[vtkPolyData]) -> int:
    """The surface whose spreads along its principal axes are nearest to everybody's mean."""
    spreads = [np.linalg.eigvalsh(np.cov(sample_surface(surface, 2000)[0].T)) for surface in surfaces]
    sizes = 0.5 * np.log(np.array(spreads))
    return int(np.argmin(((sizes - sizes.mean(axis=0)) ** 2).sum(axis=1)))


def _common(shapes: FloatArray, kept: NDArray[np.bool_], triangles: IntArray) -> tuple[FloatArray, IntArray]:
    """Vertices that every surface holds, with the triangles whose corners all remain."""
    triangles = triangles[kept[triangles].all(axis=1)]
    used = np.unique(triangles)
    if len(used) < 12:
        raise InputError("The surfaces have no part in common: are all of the same bone and the same side?")
    number = np.full(len(kept), -1, dtype=np.int64)
    number[used] = np.arange(len(used))
    return shapes[:, used], number[triangles]
