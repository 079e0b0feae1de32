"""Making signed-distance models of people who lie on one another and whose attenuation is known."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.shape.shape_intensity_building import Attenuation, principal
from XRayTo3DLib.shape.signed_distance_model import SignedDistanceModel, filled_share

FloatArray = NDArray[np.float64]
Distances = Callable[[int, FloatArray], NDArray[np.floating]]
"""From a person's number and points (m, 3), mm, to their signed distances (m,) to the bone, negative inside, mm."""
REACH = 2.0
"""Edges of a cube from anybody's surface to the outermost cubes that the bone may come to fill."""
LEAST = 1e-4
"""Modes with less than this share of the first one's size are rounding."""
SHY = 1.0
"""How many people's worth of doubt keeps a cube's attenuation near its neighbours'."""


@dataclass(frozen=True, eq=False)
class BuiltDistances:
    """A model and the people that it was made of.

    Attributes:
        model: In the frame that people's poses start from.
        people: (N, 6 + k + m) each person's rotation (degrees) and shift of the middle (mm) against the model, shape
            and density coefficients (SD).
    """

    model: SignedDistanceModel
    people: FloatArray


def build_signed_distance_model(
    distances: Distances,
    attenuation: Attenuation,
    poses: Sequence[RigidPose],
    box: tuple[Any, Any],
    *,
    spacing_mm: float = 2.0,
    clip_mm: float = 6.0,
    shape_modes: int | None = None,
    density_modes: int = 3,
    label: str = "",
) -> BuiltDistances:
    """A model of people's signed distances and of the attenuation inside.

    Args:
        distances: Of each person.
        attenuation: Of each person, 0 outside the bone; shafts that are cut are best carried on past the cut.
        poses: Of each person, from the model's frame to the person's, so that the bones lie on one another; 2 or more.
        box: Lowest and highest corner of the lattice in the model's frame, (3,) each, mm.
        spacing_mm: Between lattice points.
        clip_mm: Distances are taken for this where they are larger: far from the surface they say nothing new.
        shape_modes: Keep the first ones only; None: all that people span.
        density_modes: Of the densities, at most one fewer than people.
        label: The bone.

    Raises:
        InputError: Fewer than two people, an empty box, or nothing attenuates.
    """
    if len(poses) < 2:
        raise InputError(f"signed-distance model of {label}: {len(poses)} people; two or more are needed.")
    origin, shape = _lattice(*box, spacing_mm, label)
    points = _points(origin, shape, spacing_mm)
    found = np.stack(
        [np.clip(distances(person, pose.apply(points)), -clip_mm, clip_mm) for person, pose in enumerate(poses)]
    ).astype(np.float32)
    mean, modes = principal(found, len(poses) - 1 if shape_modes is None else shape_modes)
    strength = np.linalg.norm(modes, axis=1)
    modes = modes[strength > LEAST * strength.max(initial=0.0)]
    near = np.flatnonzero(found.min(axis=0) < REACH * spacing_mm)
    inside = np.stack(
        [_over_cubes(attenuation, person, pose, points[near], spacing_mm) for person, pose in enumerate(poses)]
    )
    if not np.any(inside > 0):
        raise InputError(f"signed-distance model of {label}: nothing attenuates in its box.")
    share = filled_share(found[:, near], spacing_mm)[0]
    farther = found[:, near] - mean[near]
    usual = _spread(inside, share, near, shape)
    density, by_depth = _by_depth(inside, share, farther, usual)
    rest = (inside - share * (density + by_depth * farther)) * share / (share**2 + 0.1)
    usual_rest, ways = principal(rest, density_modes)
    model = SignedDistanceModel(
        label,
        origin,
        float(spacing_mm),
        mean.reshape(shape),
        modes.reshape(-1, *shape),
        near,
        float(spacing_mm),
        density.astype(np.float32),
        by_depth.astype(np.float32),
        ways,
    )
    held = [np.concatenate(pose.parameters(model.middle)) for pose in poses]
    people = np.concatenate([held, scores(found, mean, modes), scores(rest, usual_rest, ways)], axis=1)
    return BuiltDistances(model, people)


def scores(found: NDArray[np.floating], mean: NDArray[np.floating], modes: NDArray[np.floating]) -> FloatArray:
    """(N, k) of people's values (N, n): how many SD of each mode (k, n) they are from the mean (n,)."""
    squared = np.sum(np.square(modes, dtype=np.float64), axis=1)
    return np.asarray((found - mean) @ modes.T / np.maximum(squared, 1e-30))


def _lattice(low: Any, high: Any, spacing_mm: float, label: str) -> tuple[FloatArray, tuple[int, int, int]]:
    """First point (3,) and shape (Z, Y, X) of the lattice of a box; its points lie at whole spacings."""
    first, last = np.floor(np.asarray(low) / spacing_mm), np.ceil(np.asarray(high) / spacing_mm)
    if first.shape != (3,) or last.shape != (3,) or not np.all(last > first):
        raise InputError(f"signed-distance model of {label}: its box {low} to {high} is empty.")
    columns, rows, slices = (last - first).astype(int) + 1
    return first * spacing_mm, (int(slices), int(rows), int(columns))


def _points(origin: FloatArray, shape: tuple[int, int, int], spacing_mm: float) -> FloatArray:
    place = np.stack(np.meshgrid(*(np.arange(count) for count in shape), indexing="ij"), axis=-1)
    return np.asarray(origin + spacing_mm * place.reshape(-1, 3)[:, ::-1])


def _over_cubes(
    attenuation: Attenuation, person: int, pose: RigidPose, points: FloatArray, edge_mm: float
) -> NDArray[np.floating]:
    """Mean attenuation (m,) of cubes about points (m, 3), from eight places in each."""
    places = np.array(list(itertools.product((-0.25, 0.25), repeat=3))) * edge_mm
    return np.mean([attenuation(person, pose.apply(points + place)) for place in places], axis=0)


def _spread(
    inside: NDArray[np.floating], share: NDArray[np.floating], near: NDArray[np.intp], shape: tuple[int, int, int]
) -> FloatArray:
    """(N,) attenuation of the bone about each cube: what a cube that hardly anybody fills is taken to have."""
    totals = []
    for each in (inside, share):
        whole = np.zeros(shape)
        whole.flat[near] = each.sum(axis=0)
        totals.append(gaussian_filter(whole, 1.0, mode="constant").ravel()[near])
    return totals[0] / np.maximum(totals[1], 1e-3)


def _by_depth(
    inside: NDArray[np.floating], share: NDArray[np.floating], farther: NDArray[np.floating], usual: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Least squares of ``inside`` = share (density + by_depth farther) over people, cube by cube; (N,) each."""
    weight = share**2
    a = weight.sum(axis=0) + SHY
    b = (weight * farther).sum(axis=0)
    c = (weight * farther**2).sum(axis=0) + SHY
    wanted = (share * inside).sum(axis=0) + SHY * usual
    sloped = (share * inside * farther).sum(axis=0)
    determinant = a * c - b**2
    return (c * wanted - b * sloped) / determinant, (a * sloped - b * wanted) / determinant
