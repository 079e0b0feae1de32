"""REAL femora with a MADE-UP inside, and radiographs of them by the project's exact projector.

Nothing here is what the models of ``shape_intensity_of_surfaces`` take bones to be: each person's cortex has another
thickness, which also differs round the shaft and along it, spongy bone is patchy, and everything is a solid of fine
voxels through which rays are summed, with the noise of counted photons.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.attenuation import bone_attenuation, water_attenuation
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.shape.cut_shafts import prolonged
from XRayTo3DLib.shape.distance_grid import signed_distance_grid
from XRayTo3DLib.shape.meshes import make_surface

ENERGY_KEV = 60.0
PHOTONS = 20_000
"""Per pixel where nothing is in the way: noise of 0.7 % there and of about 3 % behind most bone."""
DETECTOR_MM = 0.5
PAD_MM, CLIP_MM = 4.0, 12.0


def solid(points: np.ndarray, triangles: np.ndarray, seed: int, voxel_mm: float, beyond_mm: float = 0.0):
    """Attenuation (slices, rows, columns), 1/mm, and voxels to mm (4, 4) of a bone whose inside is drawn."""
    random = np.random.default_rng(seed)
    vertices, faces, _ = prolonged(points, triangles, beyond_mm)
    low, high = vertices.min(axis=0) - PAD_MM, vertices.max(axis=0) + PAD_MM
    shape = tuple(int(each) for each in np.ceil((high - low) / voxel_mm)[::-1] + 1)
    distances = signed_distance_grid(make_surface(vertices, faces), low, voxel_mm, shape, CLIP_MM)
    # How wide the solid is at each height decides what is shaft; its longest axis is the picture's z.
    areas = np.maximum((distances < 0).sum(axis=(1, 2)) * voxel_mm**2, 1.0)
    areas = gaussian_filter(areas, 6.0 / voxel_mm, mode="nearest")
    narrow = np.percentile(areas[areas > 50.0], 5)
    shaft = np.clip((3.2 - areas / narrow) / 1.8, 0.0, 1.0)[:, None, None]
    thick, thin = random.uniform(4.0, 8.0), random.uniform(0.8, 2.0)
    uneven = _smooth_field(random, shape, 25.0 / voxel_mm)
    thickness = (thin + (thick - thin) * shaft) * np.exp(0.25 * uneven)
    water, bone = water_attenuation(ENERGY_KEV), bone_attenuation(ENERGY_KEV)
    cortex = water + (bone - water) * random.uniform(0.75, 1.0)
    patches = np.exp(0.5 * _smooth_field(random, shape, 4.0 / voxel_mm))
    spongy = water + (bone - water) * random.uniform(0.1, 0.3) * patches * (1 - shaft)
    within = np.clip(0.5 + (distances + thickness) / voxel_mm, 0.0, 1.0)
    share = np.clip(0.5 - distances / voxel_mm, 0.0, 1.0)
    to_lps = np.diag([voxel_mm] * 3 + [1.0])
    to_lps[:3, 3] = low
    return (share * (cortex * within + spongy * (1 - within))).astype(np.float32), to_lps


def _smooth_field(random: np.random.Generator, shape: tuple[int, ...], sigma: float) -> np.ndarray:
    """Smooth noise of SD 1; drawn coarsely and spread out by interpolation, which costs little."""
    from scipy.ndimage import zoom

    step = max(1, int(sigma / 2))
    coarse = gaussian_filter(random.normal(size=[each // step + 2 for each in shape]), sigma / step, mode="wrap")
    field = zoom(coarse / coarse.std(), step, order=1)
    return field[tuple(slice(each) for each in shape)]


def cameras(middle: np.ndarray, height_mm: float, width_mm: float) -> list[XRayCamera]:
    """AP and lateral, 90 degrees apart, each showing ``width_mm`` x ``height_mm`` at the detector."""
    size = (4 * round(width_mm / DETECTOR_MM / 4), 4 * round(height_mm / DETECTOR_MM / 4))
    return [
        standard_camera(1100, (DETECTOR_MM,) * 2, size, source_isocentre=1000, view=view, isocentre=middle)
        for view in ("AP", "LAT")
    ]


def radiographs(mu: np.ndarray, to_lps: np.ndarray, views: list[XRayCamera], seed: int) -> list[np.ndarray]:
    """Line integrals with the noise of counted photons, a slight blur of the detector."""
    random = np.random.default_rng(seed)
    projector = make_projector(mu, to_lps)
    images = []
    for camera in views:
        clean = projector(camera, RigidPose.identity()).cpu().numpy().astype(np.float64)
        blurred = gaussian_filter(np.exp(-clean), 0.6, mode="nearest")
        counts = np.maximum(random.poisson(PHOTONS * blurred), 1)
        images.append(-np.log(counts / PHOTONS))
    return images


def binned(image: np.ndarray, factor: int) -> np.ndarray:
    """Mean of blocks of pixels."""
    rows, columns = (each // factor for each in image.shape)
    return image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean(axis=(1, 3))
