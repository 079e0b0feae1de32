"""Shape and intensity models from surfaces alone: people whose inside nobody has seen.

The inside is made up, by depth below the surface: a cortex, thick where the bone is narrow and thin where it is wide;
under it marrow in the shaft and spongy bone at the ends. How thick and how dense is drawn many times, and what the
draws have in common becomes the model's density modes, so that a radiograph can choose. Attenuation is of cortical bone
and water (ICRU-44, NIST: ``imaging.attenuation``) mixed by volume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter1d

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import bone_attenuation, water_attenuation
from XRayTo3DLib.shape.closest_points import closest_points
from XRayTo3DLib.shape.cut_shafts import cut_normals, open_edges, prolonged
from XRayTo3DLib.shape.distance_grid import inside_grid
from XRayTo3DLib.shape.meshes import make_surface
from XRayTo3DLib.shape.procrustes import aligned_shapes, similarity_between
from XRayTo3DLib.shape.shape_intensity_building import FAINT, MARGIN_MM, BuiltModel, principal
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel
from XRayTo3DLib.shape.smooth_modes import missed_by_others, with_smooth_modes
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel, build_shape_model

FloatArray = NDArray[np.float64]
SLICE_MM, SMOOTH_SLICES = 4.0, 2.0
"""Slices across the bone's long axis whose widths are compared, and how far their widths are smoothed (slices, SD)."""
NARROW, WIDE = 1.2, 1.9
"""Slices up to this many times as wide as the narrowest are shaft, beyond this many times ends; between, a mixture."""
DRAWS = 200
FEWEST = 5
"""Vertices of a slice whose width is measured."""


@dataclass(frozen=True)
class Filling:
    """What a bone is made of, and how much people differ in it.

    The numbers are round ones of a grown-up's femur, not measurements: all but their order of size is for the
    radiograph to find.

    Attributes:
        shaft_mm: Thickness of the cortex where the bone is narrow.
        ends_mm: And where it is wide.
        cortex, spongy, marrow: Share of cortical bone in cortex, ends and shaft; the rest is water.
        energy_kev: Effective energy of the radiographs.
        around: Attenuation of what the bone displaces, 1/mm: soft tissue in a limb, 0 in air. It is taken off.
        spread: SD of the logarithm of both thicknesses and of the spongy share; cortex and marrow differ less.
    """

    shaft_mm: float = 6.0
    ends_mm: float = 1.2
    cortex: float = 0.9
    spongy: float = 0.2
    marrow: float = 0.02
    energy_kev: float = 60.0
    around: float = 0.0
    spread: float = 0.5

    def __post_init__(self) -> None:
        if not (min(self.shaft_mm, self.ends_mm) > 0 and 0 <= self.spread < 2):
            raise InputError("filling: thicknesses of the cortex must be above 0 mm, their spread from 0 to 2.")
        if not all(0 <= share <= 1 for share in (self.cortex, self.spongy, self.marrow)):
            raise InputError("filling: shares of cortical bone must lie between 0 and 1.")

    def attenuation(self, depths: FloatArray, shaft: FloatArray, edge_mm: float) -> FloatArray:
        """Mean attenuation (m,), 1/mm, of slabs ``edge_mm`` thick round ``depths`` (m,) mm below the surface.

        ``shaft`` (m,) is 1 in the shaft and 0 in the ends.
        """
        water, bone = water_attenuation(self.energy_kev), bone_attenuation(self.energy_kev)

        def of(share: FloatArray | float) -> FloatArray:
            return np.asarray(water + (bone - water) * share - self.around)

        thickness = self.ends_mm + (self.shaft_mm - self.ends_mm) * shaft
        inner = of(self.spongy + (self.marrow - self.spongy) * shaft)

        def down_to(depth: FloatArray) -> FloatArray:
            within = np.clip(depth, 0.0, thickness)
            return of(self.cortex) * within + inner * (np.maximum(depth, 0.0) - within)

        return (down_to(depths + edge_mm / 2) - down_to(depths - edge_mm / 2)) / edge_mm

    def drawn(self, random: np.random.Generator) -> Filling:
        """Somebody else's."""
        shaft, ends, spongy, cortex, marrow = random.normal(size=5)
        return Filling(
            self.shaft_mm * float(np.exp(self.spread * shaft)),
            self.ends_mm * float(np.exp(self.spread * ends)),
            float(np.clip(self.cortex * np.exp(0.3 * self.spread * cortex), 0, 1)),
            float(np.clip(self.spongy * np.exp(self.spread * spongy), 0, 1)),
            float(np.clip(self.marrow + 0.1 * self.spread * marrow, 0, 1)),
            self.energy_kev,
            self.around,
            self.spread,
        )


def shape_intensity_of_surfaces(
    shapes: Any,
    triangles: Any,
    *,
    filling: Filling | None = None,
    spacing_mm: float = 2.5,
    shape_modes: int = 40,
    density_modes: int = 4,
    smooth: bool = True,
    beyond_mm: float = 0.0,
    label: str = "",
    synthetic: bool = False,
    sources: tuple[str, ...] = (),
) -> BuiltModel:
    """A shape and intensity model of people's surfaces alone.

    Args:
        shapes: (N, n, 3) mm, in correspondence, as they lie in one frame; N >= 3.
        triangles: (m, 3) vertex numbers; closed, or open where shafts are cut.
        filling: What the bones are taken to be made of.
        spacing_mm: Edge of the cubes.
        shape_modes: Kept.
        density_modes: Kept, of what different fillings do.
        smooth: Add smooth ways to differ as large as what the people miss of one another (``smooth_modes``).
        beyond_mm: Shafts that are cut go on straight so far.
        label: The bone.
        synthetic: Whether any person is made up.
        sources: Where the surfaces came from.

    Returns:
        The model in the frame that the surfaces were given in, where their mean lies. Its shape's modes are the
        people's and the smooth ones together.

    Raises:
        InputError: Too few people, or surfaces that enclose nothing.
    """
    shapes = np.asarray(shapes, dtype=np.float64)
    aligned = aligned_shapes(shapes)
    place = similarity_between(aligned.mean, shapes.mean(axis=0))
    placed = np.stack([place.apply(shape) for shape in aligned.shapes])
    shape = build_shape_model(placed, triangles, label=label, synthetic=synthetic, sources=sources)
    if smooth:
        shape = with_smooth_modes(shape, *missed_by_others(shapes), shape_modes)
    poses = [RigidPose(place.matrix @ each.matrix).inverse() for each in aligned.poses]
    turns, shifts = zip(*(pose.parameters(shape.mean.mean(axis=0)) for pose in poses), strict=True)
    return BuiltModel(
        filled_model(shape.truncated(min(shape_modes, shape.size)), filling, spacing_mm, density_modes, beyond_mm),
        *(float(np.sqrt(np.mean(np.square(each)))) for each in (turns, shifts)),
    )


def filled_model(
    shape: ShapeModel,
    filling: Filling | None = None,
    spacing_mm: float = 2.5,
    density_modes: int = 4,
    beyond_mm: float = 0.0,
) -> ShapeIntensityModel:
    """A shape model with a made-up inside; arguments as in :func:`shape_intensity_of_surfaces`.

    Raises:
        InputError: Its surface encloses nothing, or is open and does not go on.
    """
    filling = filling or Filling()
    points, depths = depths_inside(shape.mean, shape.triangles, spacing_mm, beyond_mm)
    shaft = shaft_share(shape.mean, shape.triangles)(points)
    random = np.random.default_rng(0)
    fillings = [filling.drawn(random) for _ in range(DRAWS)]
    found = np.stack([each.attenuation(depths, shaft, spacing_mm) for each in fillings]).astype(np.float32)
    mean = filling.attenuation(depths, shaft, spacing_mm)
    kept = np.abs(found).mean(axis=0) > FAINT * np.abs(mean).max()
    _, modes = principal(found[:, kept], density_modes)
    return ShapeIntensityModel(
        shape, points[kept].astype(np.float32), float(spacing_mm), mean[kept].astype(np.float32), modes
    )


def depths_inside(
    mean: FloatArray, triangles: NDArray[np.int64], spacing_mm: float, beyond_mm: float = 0.0
) -> tuple[FloatArray, FloatArray]:
    """Lattice points (m, 3) in and just round a bone and how deep below its surface they lie (m,), mm; outside < 0."""
    vertices, faces, wall = prolonged(mean, triangles, beyond_mm)
    low, high = vertices.min(axis=0) - MARGIN_MM, vertices.max(axis=0) + MARGIN_MM
    columns, rows, slices = (int(each) for each in np.ceil((high - low) / spacing_mm) + 1)
    inside = inside_grid(make_surface(vertices, faces), low, spacing_mm, (slices, rows, columns))
    if not inside.any():
        raise InputError("the surface encloses nothing: is it in mm, and closed but for cut shafts?")
    near = binary_dilation(inside, np.ones((3, 3, 3)))
    points = low + spacing_mm * np.argwhere(near)[:, ::-1]
    # The lid at a cut is no surface of the bone: nothing is shallow for being near it.
    away = closest_points(make_surface(vertices, faces[wall]), points)
    return points, np.where(inside[near], away.distances, -away.distances)


def shaft_share(mean: FloatArray, triangles: NDArray[np.int64]) -> Callable[[FloatArray], FloatArray]:
    """From points (m, 3) to how much each lies in the shaft, 1, or in the ends, 0: by how wide the bone is there.

    The long axis is the normal of the cut where the bone has one, else its first principal axis. The width of a slice
    across it is the root mean square distance of its vertices from their middle.
    Towards a tip that is not cut the bone narrows and is no shaft for that: there the width counts as before.
    """
    middle = mean.mean(axis=0)
    cuts = cut_normals(mean, triangles)
    axis = cuts[0] if len(cuts) == 1 else np.linalg.svd(mean - middle, full_matrices=False)[2][0]
    along = (mean - middle) @ axis
    edges = np.arange(along.min(), along.max() + SLICE_MM, SLICE_MM)
    widths = _widths(mean, axis, np.digitize(along, edges) - 1, len(edges))
    cut = along[np.unique(open_edges(triangles))]
    for end, order in ((along.min(), slice(None)), (along.max(), slice(None, None, -1))):
        if not np.any(np.abs(cut - end) < np.ptp(along) / 4):
            inwards = widths[order]
            widest = int(np.argmax(np.diff(inwards, append=-np.inf) < 0))
            inwards[:widest] = inwards[widest]
    share = np.clip((WIDE - widths / widths.min()) / (WIDE - NARROW), 0.0, 1.0)
    return lambda points: np.interp((points - middle) @ axis, edges + SLICE_MM / 2, share)


def _widths(mean: FloatArray, axis: FloatArray, number: NDArray[np.int64], count: int) -> FloatArray:
    """(count,) smoothed width of each slice, mm; slices with few vertices take their neighbours'."""
    widths = np.full(count, np.nan)
    for each in np.unique(number):
        here = mean[number == each]
        if len(here) >= FEWEST:
            across = here - here.mean(axis=0)
            widths[each] = np.sqrt(np.mean(np.sum(across**2, axis=1) - (across @ axis) ** 2))
    known = np.flatnonzero(np.isfinite(widths))
    if not len(known):
        raise InputError("the surface has too few vertices to say where its shaft is.")
    return gaussian_filter1d(np.interp(np.arange(count), known, widths[known]), SMOOTH_SLICES, mode="nearest")
