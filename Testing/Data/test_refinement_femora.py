"""A REAL femur left out, seen in two radiographs, refined by a model of five other people's surfaces alone."""

from __future__ import annotations

import numpy as np
import pytest

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.attenuation import bone_attenuation, water_attenuation
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.refinement.likeness import LikenessOptions
from XRayTo3DLib.refinement.options import Anatomy, Level, RefineOptions, View
from XRayTo3DLib.refinement.prior import PosePrior, independent
from XRayTo3DLib.refinement.result import refine
from XRayTo3DLib.shape.distance_grid import signed_distance_grid
from XRayTo3DLib.shape.meshes import make_surface
from XRayTo3DLib.shape.model_curves import nearest_shape
from XRayTo3DLib.shape.model_fitting import FitOptions, fit_shape_model
from XRayTo3DLib.shape.procrustes import aligned_shapes
from XRayTo3DLib.shape.shape_intensity_of_surfaces import shape_intensity_of_surfaces
from XRayTo3DLib.shape.statistical_shape_model import build_shape_model
from XRayTo3DLib.shape.surface_distance import surface_distance

pytestmark = pytest.mark.data
LEFT_OUT = 3
VOXEL_MM, CORTEX_MM, CLIP_MM = 2.5, 3.5, 8.0
LEVELS = (
    Level(6.0, 24.0, 2, True, 0, 0, False, 10),
    Level(6.0, 24.0, 2, False, 5, 1, False, 10),
    Level(3.0, 12.0, 1, False, 100, 100, False, 8),
    Level(3.0, 6.0, 1, False, 100, 100, False, 8),
)
NOTHING_MOVES = PosePrior((0.01,) * 3, (0.01,) * 3)


@pytest.fixture(scope="module")
def femora(data_dir):
    arrays = np.load(data_dir / "femur_full_10_gias2" / "femur_left_6x.npz")
    return aligned_shapes(arrays["vertices"].astype(float)).shapes, arrays["faces"].astype(np.int64)


def assd(truth, found, triangles):
    pair = (make_surface(each, triangles) for each in (truth, found))
    return surface_distance(*pair, samples=4000, require_overlap=False).assd


def seen(shape, triangles):
    """AP and lateral, noise of 0.01; an even cortex, spongy bone throughout: not what the model takes bones to be."""
    low, high = shape.min(axis=0) - 6.0, shape.max(axis=0) + 6.0
    counts = tuple(int(each) for each in np.ceil((high - low) / VOXEL_MM)[::-1] + 1)
    distances = signed_distance_grid(make_surface(shape, triangles), low, VOXEL_MM, counts, CLIP_MM)
    water, bone = water_attenuation(60.0), bone_attenuation(60.0)
    inside = np.clip(0.5 - distances / VOXEL_MM, 0.0, 1.0)
    cortex = np.clip(0.5 + (distances + CORTEX_MM) / VOXEL_MM, 0.0, 1.0)
    mu = inside * (water + (bone - water) * (0.15 + 0.7 * cortex))
    to_lps = np.diag([VOXEL_MM] * 3 + [1.0])
    to_lps[:3, 3] = low
    projector = make_projector(mu.astype(np.float32), to_lps)
    random = np.random.default_rng(0)
    views = []
    for name in ("AP", "LAT"):
        camera = standard_camera(
            1100, (1.5, 1.5), (120, 340), source_isocentre=1000, view=name, isocentre=(low + high) / 2
        )
        image = projector(camera, RigidPose.identity()).cpu().numpy().astype(float)
        views.append(View(image + random.normal(size=image.shape) * 0.01, camera, prior=NOTHING_MOVES, name=name))
    return views


def test_a_femur_left_out_is_refined_to_within_a_third_of_the_floor(femora):
    shapes, triangles = femora
    truth = shapes[LEFT_OUT]
    model = shape_intensity_of_surfaces(
        np.delete(shapes, LEFT_OUT, axis=0), triangles, spacing_mm=3.0, shape_modes=25, density_modes=3
    ).model
    start = RigidPose.from_rotation([4, -3, 5], [4, -5, 3], model.middle)
    prior = independent({"femur": (model.size, model.density_size)}, {"femur": PosePrior((10.0,) * 3, (10.0,) * 3)})
    options = RefineOptions(3000.0, LikenessOptions(robust=None), margin_mm=20.0, levels=LEVELS, draws=0)
    found = refine(Anatomy({"femur": model}, {"femur": start}, prior), seen(truth, triangles), options).bones["femur"]
    placed, projected = nearest_shape(model.shape, truth)
    nearest = fit_shape_model(model.shape, truth, FitOptions(prior=1e-3, points=1000), RigidPose.identity()).points
    floor = min(assd(placed, projected, triangles), assd(truth, nearest, triangles))
    error = assd(truth, found.points, triangles)
    assert assd(truth, start.apply(model.shape.mean), triangles) > 5.0
    assert error <= 1.3 * floor
    # Smooth ways to differ come nearer than the five people's own do at best.
    own = build_shape_model(np.delete(shapes, LEFT_OUT, axis=0), triangles)
    assert error < 0.8 * assd(*nearest_shape(own, truth), triangles)
