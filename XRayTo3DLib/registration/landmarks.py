"""A pose from landmarks named on the CT and on the radiographs: least squares of the reprojection error.

What is known beforehand (a prior pose with standard deviations) counts as further, Gaussian measurements; then fewer
landmarks are enough. Against wrong clicks distances can count by Cauchy's loss, log(1 + d^2), which grows slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, unit
from XRayTo3DLib.registration.view_position import meeting_point

CLICK_MM = 0.5
"""Standard deviation of a mark along each pixel axis where nothing is said, mm at the bone."""
SAME_FIT, EQUAL, OTHER_POSE_DEG = 1.05, 0.02, 2.0
"""Two fits are equally good when their misfits agree within 5 % and 0.02 deviations, different beyond 2 degrees."""
TURNS_DEG = ((0, 0, 0), (180, 0, 0), (0, 180, 0), (0, 0, 180), (90, 0, 0), (-90, 0, 0), (0, 90, 0), (0, -90, 0))
"""Rotations tried as starts besides the given one; the best fit wins."""
ROBUST_AT = 2.0
"""Distance, in standard deviations, from which Cauchy's loss holds marks to be wrong."""
SUSPECT_AT, SUSPECT_TIMES = 4.0, 4.0
"""A mark is suspect beyond so many standard deviations and so many times the median mark's distance."""

Marks = Sequence[tuple[XRayCamera, FloatArray]]


@dataclass(frozen=True, eq=False)
class PosePrior:
    """What is known of a pose before any landmark is marked: a Gaussian about it.

    Directions are those of the first marked view at the landmarks' centre: along its columns, along its rows, and along
    the ray (depth).

    Attributes:
        pose: CT-to-world, LPS mm; for instance of ``view_position.pose_for_view``.
        rotation_deg: (3,) standard deviations of turns about columns, rows and ray, degrees.
        in_plane_mm: Standard deviation of the landmarks' centre along columns and rows, mm at the bone.
        depth_mm: Its standard deviation along the ray, mm. ``inf`` anywhere: nothing is known.

    Raises:
        InputError: A standard deviation that is not above zero.
    """

    pose: RigidPose
    rotation_deg: tuple[float, float, float] = (15.0, 15.0, 15.0)
    in_plane_mm: float = 50.0
    depth_mm: float = 100.0

    def __post_init__(self) -> None:
        values = np.array([*self.rotation_deg, self.in_plane_mm, self.depth_mm], dtype=np.float64)
        if len(values) != 5 or not np.all(values > 0):
            raise InputError("the standard deviations of a prior pose (3 angles, in plane, depth) must be above zero.")


@dataclass(frozen=True, eq=False)
class LandmarkFit:
    """A pose fitted to landmarks.

    Attributes:
        pose: CT-to-world, LPS mm.
        residual_px: Root mean square distance on the detector, pixels.
        residual_mm: The same at the bone, mm.
        used: Number of landmark observations (a landmark seen in two views counts twice).
        residuals_px: Per view (N,) distances on the detector, pixels; NaN where not marked.
        suspects: (view, landmark) indices of marks that disagree with the others, worst first.
        centre: (3,) centre of the marked landmarks, CT coordinates.
        covariance: (6, 6) of a turn (rotation vector, degrees, world axes) about the posed centre and of the centre's
            place (mm, world axes): the marks' precision and the prior carried to the pose, and widened where the
            marks fit worse than that. Directions that nothing fixes have huge variances.
    """

    pose: RigidPose
    residual_px: float
    residual_mm: float
    used: int
    residuals_px: tuple[FloatArray, ...]
    suspects: tuple[tuple[int, int], ...]
    centre: FloatArray
    covariance: FloatArray


def pose_from_landmarks(
    points_ct: Any,
    observations: Sequence[tuple[XRayCamera, Any]],
    initial: RigidPose | None = None,
    *,
    prior: PosePrior | None = None,
    precision_px: Any = None,
    robust: bool = False,
) -> LandmarkFit:
    """Fit a rigid pose so that projected landmarks fall on the marked pixels.

    Args:
        points_ct: (N, 3) landmarks in CT coordinates, LPS mm.
        observations: Per view its camera and (N, 2) pixels (column, row); NaN where a landmark was not marked.
        initial: Rough pose if there is one; several turns of it are tried, since few landmarks allow mirror poses.
            ``None`` takes the prior's.
        prior: What is known of the pose; with it one mark and more are enough.
        precision_px: Standard deviation of the marks along each pixel axis, pixels: one number, or per view a number
            or (N,). ``None``: :data:`CLICK_MM` at the bone for all.
        robust: Bear wrong clicks, if there are enough right ones (two landmarks more than needed).

    Raises:
        InputError: Too few landmarks (without a prior 4 in one view, or 3 with 4 marks over two), points on one line,
            marks that two different poses fit equally well, or a precision that is not above zero.
    """
    points = np.asarray(points_ct, dtype=np.float64).reshape(-1, 3)
    views = [(camera, _pixels(pixels, len(points))) for camera, pixels in observations]
    seen = [np.isfinite(pixels).all(axis=1) for _, pixels in views]
    _check_enough(points, seen, prior is not None)
    centre = points[np.any(seen, axis=0)].mean(axis=0)
    problem = _Problem(points, views, seen, centre, _precisions(precision_px, len(views), len(points)), prior, robust)
    rough = initial or (prior.pose if prior else None)
    starts = _starts(rough, centre, views, seen)
    fits = sorted((problem.fitted(start) for start in starts), key=lambda fit: fit[1])
    # A prior has had its say in the misfit.
    return problem.report(fits[0][0] if prior else _chosen(fits, centre, rough))


@dataclass(frozen=True, eq=False)
class _Problem:
    """The least squares of one set of marks; residuals are in standard deviations."""

    points: FloatArray
    views: Marks
    seen: list[NDArray[np.bool_]]
    centre: FloatArray
    precisions: list[FloatArray] | None
    prior: PosePrior | None
    robust: bool

    def fitted(self, start: RigidPose) -> tuple[RigidPose, float]:
        """The pose found from one start, and its root mean square misfit."""
        from scipy.optimize import least_squares

        residuals, pose_of = self._residuals_about(start)
        found = least_squares(residuals, np.zeros(6), x_scale=np.array([5.0] * 3 + [10.0] * 3), max_nfev=200)
        return pose_of(found.x), float(np.sqrt(2 * found.cost / self._marks))

    def report(self, pose: RigidPose) -> LandmarkFit:
        """Residuals, suspects and covariance at the pose."""
        pixels = [np.full(len(self.points), np.nan) for _ in self.views]
        deviations, squares_mm = [p.copy() for p in pixels], 0.0
        scales, place = self._scales(pose.apply(self.centre)), pose.apply(self.centre)
        for number, ((camera, marked), mask) in enumerate(zip(self.views, self.seen, strict=True)):
            difference = camera.project(pose.apply(self.points[mask])) - marked[mask]
            pixels[number][mask] = np.linalg.norm(difference, axis=1)
            deviations[number][mask] = np.linalg.norm(difference / scales[number], axis=1)
            squares_mm += float(np.sum((difference * camera.pixel_size_at(place)) ** 2))
        square_px = float(np.nansum(np.square(pixels)))
        return LandmarkFit(
            pose=pose,
            residual_px=float(np.sqrt(square_px / self._marks)),
            residual_mm=float(np.sqrt(squares_mm / self._marks)),
            used=self._marks,
            residuals_px=tuple(pixels),
            suspects=_suspects(np.array(deviations)),
            centre=self.centre,
            covariance=self._covariance(pose),
        )

    @property
    def _marks(self) -> int:
        return int(sum(mask.sum() for mask in self.seen))

    def _scales(self, place: FloatArray) -> list[FloatArray]:
        """Per view the standard deviations of its marks in pixels, (n, 2) or (2,).

        Where none are given, pixels count in mm at the bone, so that a finer detector or non-square pixels weigh no
        more than others.
        """
        if self.precisions is None:
            return [CLICK_MM / np.array(camera.pixel_size_at(place)) for camera, _ in self.views]
        return [precision[mask, None] for precision, mask in zip(self.precisions, self.seen, strict=True)]

    def _residuals_about(
        self, start: RigidPose
    ) -> tuple[Callable[[FloatArray], FloatArray], Callable[[FloatArray], RigidPose]]:
        """Residuals and pose as functions of a turn (degrees) and shift (mm) about the start's centre."""
        pivot = start.apply(self.centre)
        known = self._prior_residuals()
        posed = start.apply(self.points) - pivot
        # Once, not at every step: inverting the camera's matrix would take most of the time.
        views = [
            (camera.projection_matrix, posed[mask], pixels[mask], scale)
            for (camera, pixels), mask, scale in zip(self.views, self.seen, self._scales(pivot), strict=True)
        ]

        def pose_of(parameters: FloatArray) -> RigidPose:
            return RigidPose.from_rotation(parameters[:3], parameters[3:], pivot) @ start

        def residuals(parameters: FloatArray) -> FloatArray:
            turn = Rotation.from_rotvec(parameters[:3], degrees=True).as_matrix()
            shift = pivot + parameters[3:]
            parts = [known(turn @ start.rotation, shift)]
            for projection, points, pixels, scale in views:
                pixel = (points @ turn.T + shift) @ projection[:, :3].T + projection[:, 3]
                # Behind the source there is no pixel: a large constant turns the search back.
                ahead = pixel[:, 2:] > 0
                difference = np.where(ahead, pixel[:, :2] / np.where(ahead, pixel[:, 2:], 1) - pixels, 1e5) / scale
                parts.append((_cauchy(difference) if self.robust else difference).ravel())
            return np.concatenate(parts)

        return residuals, pose_of

    def _prior_residuals(self) -> Callable[[FloatArray, FloatArray], FloatArray]:
        """Deviations (6,) from the prior of a rotation (3, 3) and the place of the centre (3,)."""
        if self.prior is None:
            return lambda rotation, centre: np.zeros(0)
        prior = self.prior
        place = prior.pose.apply(self.centre)
        first = next(camera for (camera, _), mask in zip(self.views, self.seen, strict=True) if mask.any())
        ray = unit(place - first.source, "ray to the prior pose")
        across = unit(first.column_direction - ray * (ray @ first.column_direction), "columns across the ray")
        axes = np.stack([across, np.cross(ray, across), ray], axis=1)
        deviations = np.array([*prior.rotation_deg, prior.in_plane_mm, prior.in_plane_mm, prior.depth_mm])

        def known(rotation: FloatArray, centre: FloatArray) -> FloatArray:
            turn = Rotation.from_matrix(rotation @ prior.pose.rotation.T).as_rotvec(degrees=True)
            return np.concatenate([turn @ axes, (centre - place) @ axes]) / deviations

        return known

    def _covariance(self, pose: RigidPose) -> FloatArray:
        residuals, _ = self._residuals_about(pose)
        step = 1e-3
        jacobian = np.stack([residuals(step * p) - residuals(-step * p) for p in np.eye(6)], axis=1) / (2 * step)
        spare = len(jacobian) - 6
        worse = max(1.0, float(np.sum(residuals(np.zeros(6)) ** 2)) / spare) if spare > 0 else 1.0
        return worse * np.linalg.inv(jacobian.T @ jacobian + 1e-9 * np.eye(6))


def _cauchy(difference: FloatArray) -> FloatArray:
    """Residuals (n, 2) shrunk so that their squares add up to Cauchy's loss k^2 log(1 + d^2 / k^2)."""
    ratio = np.sum(difference**2, axis=1, keepdims=True) / ROBUST_AT**2
    return difference * np.sqrt(np.where(ratio > 1e-12, np.log1p(ratio) / np.maximum(ratio, 1e-12), 1.0))


def _suspects(deviations: FloatArray) -> tuple[tuple[int, int], ...]:
    """(view, landmark) of the marks far off, by distances (views, N) in standard deviations, worst first."""
    limit = max(SUSPECT_AT, SUSPECT_TIMES * float(np.nanmedian(deviations)))
    found = [(int(view), int(mark)) for view, mark in np.argwhere(deviations > limit)]
    return tuple(sorted(found, key=lambda place: -deviations[place]))


def _pixels(pixels: Any, count: int) -> FloatArray:
    array = np.asarray(pixels, dtype=np.float64)
    if array.shape != (count, 2):
        raise InputError(f"landmarks: {count} on the CT but pixels of shape {array.shape}; use NaN for unmarked ones.")
    return array


def _precisions(precision_px: Any, views: int, count: int) -> list[FloatArray] | None:
    if precision_px is None:
        return None
    given = [precision_px] * views if np.isscalar(precision_px) else list(precision_px)
    if len(given) != views or any(np.shape(one) not in ((), (count,)) for one in given):
        raise InputError(f"landmarks: precision_px must be one number, or for each of {views} views one or {count}.")
    result = [np.broadcast_to(np.asarray(one, dtype=np.float64), (count,)) for one in given]
    if not all(np.all(one > 0) and np.isfinite(one).all() for one in result):
        raise InputError("landmarks: the marks' precision must be above zero (pixels).")
    return result


def _check_enough(points: FloatArray, seen: list[NDArray[np.bool_]], prior: bool) -> None:
    views = sum(bool(mask.any()) for mask in seen)
    distinct = int(np.any(seen, axis=0).sum()) if seen else 0
    marks = int(sum(mask.sum() for mask in seen))
    if prior:
        if marks == 0:
            raise InputError("landmarks: none is marked in any radiograph; mark at least one, better three.")
        return
    needed = 4 if views < 2 else 3
    if distinct < needed or marks < 4:
        where = "one radiograph" if views < 2 else f"{views} radiographs"
        raise InputError(
            f"landmarks: {distinct} pairs marked in {where}, at least {needed} are needed (4 in one; 3 over "
            f"two, one of them in both)."
        )
    marked = points[np.any(seen, axis=0)]
    spread = np.linalg.svd(marked - marked.mean(axis=0), compute_uv=False)
    if spread[1] < 1e-3 * spread[0] or spread[0] < 1e-6:
        raise InputError("landmarks: the marked points lie on one line; add one beside it.")


def _starts(
    rough: RigidPose | None, centre: FloatArray, views: Marks, seen: list[NDArray[np.bool_]]
) -> list[RigidPose]:
    base = rough
    if base is None:
        marked = [(camera, pixels[mask]) for (camera, pixels), mask in zip(views, seen, strict=True) if mask.any()]
        place = meeting_point([camera for camera, _ in marked], [pixels.mean(axis=0) for _, pixels in marked])
        base = RigidPose.from_rotation((0, 0, 0), place - centre)
    return [RigidPose.from_rotation(turn, centre=base.apply(centre)) @ base for turn in TURNS_DEG]


def _chosen(fits: list[tuple[RigidPose, float]], centre: FloatArray, rough: RigidPose | None) -> RigidPose:
    """The best fit; of equally good ones the nearest to the rough pose, without which different ones are refused."""
    equal = [pose for pose, misfit in fits if misfit < SAME_FIT * fits[0][1] + EQUAL]
    if rough is not None:
        return min(equal, key=lambda pose: pose.distance_to(rough, centre)[0])
    if any(equal[0].distance_to(other, centre)[0] > OTHER_POSE_DEG for other in equal[1:]):
        raise InputError(
            "landmarks: two different poses fit the marks equally well; mark one more landmark, or place the CT "
            "roughly first."
        )
    return equal[0]
