"""Bones whose radiographs are known in closed form: ellipsoids with a denser ellipsoid inside."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from phantoms_analytic import Ellipsoid, line_integrals
from solids import sphere

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.shape.meshes import points_of, triangles_of
from XRayTo3DLib.shape.shape_intensity_building import build_shape_intensity_model
from XRayTo3DLib.shape.shape_intensity_model import ShapeIntensityModel

SUBPIXELS = 3


@dataclass(frozen=True)
class Egg:
    """A person: radii of the bone, mm, and attenuation of its shell and of its core (0.6 of the radii), 1/mm."""

    radii: tuple[float, float, float] = (14.0, 20.0, 30.0)
    shell: float = 0.03
    core: float = 0.04

    @property
    def shapes(self) -> list[Ellipsoid]:
        """For closed-form line integrals."""
        x, y, z = self.radii
        inner = (0.6 * x, 0.6 * y, 0.6 * z)
        centre, turn = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        return [Ellipsoid(centre, self.radii, turn, self.shell), Ellipsoid(centre, inner, turn, self.core - self.shell)]


def egg_surface(egg: Egg, resolution: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) mm and triangles."""
    ball = sphere(1.0, resolution)
    return points_of(ball) * egg.radii, triangles_of(ball)


def egg_attenuation(egg: Egg, points: np.ndarray) -> np.ndarray:
    """(m,) at points (m, 3), 1/mm; edges are soft over 2 mm, as voxels make them."""
    size = np.linalg.norm(points / np.asarray(egg.radii), axis=1)
    reach = np.mean(egg.radii)

    def filled(share: float) -> np.ndarray:
        return np.clip(0.5 - (size - share) * reach / 2.0, 0.0, 1.0)

    return egg.shell * filled(1.0) + (egg.core - egg.shell) * filled(0.6)


def egg_population(count: int, seed: int = 0) -> list[Egg]:
    """People at random."""
    rng = np.random.default_rng(seed)
    radii = np.array([14.0, 20.0, 30.0]) * (1 + 0.08 * rng.standard_normal((count, 3)))
    shell, core = 0.03 + 0.003 * rng.standard_normal(count), 0.04 + 0.004 * rng.standard_normal(count)
    return [Egg(tuple(r), float(s), float(c)) for r, s, c in zip(radii, shell, core, strict=True)]


@functools.cache
def egg() -> ShapeIntensityModel:
    """The model of 16 people, on cubes of 2.5 mm."""
    people = egg_population(16, seed=3)
    return build_shape_intensity_model(
        np.stack([egg_surface(person)[0] for person in people]),
        egg_surface(people[0])[1],
        lambda number, points: egg_attenuation(people[number], points),
        spacing_mm=2.5,
        density_modes=2,
        label="egg",
        synthetic=True,
    ).model


def three_cameras(size: int = 32, pitch: float = 3.3) -> list[XRayCamera]:
    """AP, lateral and between, the source 1000 mm before the bones: two shadows leave an ellipsoid's tilt open."""
    views = (("AP", 0.0), ("LAT", 0.0), ("AP", 45.0))
    return [
        standard_camera(
            1100.0, (pitch, pitch), (size, size), source_isocentre=1000.0, view=view, angles_deg=(angle, 0.0)
        )
        for view, angle in views
    ]


def egg_picture(camera: XRayCamera, bones: list[tuple[Egg, RigidPose]]) -> np.ndarray:
    """(rows, columns) closed-form line integrals of posed people, each pixel the mean of 9 rays."""
    columns, rows = camera.size
    fine = camera.resampled((columns * SUBPIXELS, rows * SUBPIXELS))
    total = sum(line_integrals(person.shapes, fine, pose) for person, pose in bones)
    return np.asarray(total).reshape(rows, SUBPIXELS, columns, SUBPIXELS).mean(axis=(1, 3))
