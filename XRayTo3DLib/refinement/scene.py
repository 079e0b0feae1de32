"""What a refinement minimises at one resolution: residuals of all views, the priors, and their derivatives.

Unknowns of a step, bone by bone: rotation about the bone's middle (degrees), translation (mm), shape and density
coefficients (SD). Where bones move together, one rotation about their common middle and one translation come first
instead. Last come the views: each camera's rotation about the bones' middle and its translation along its own axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.point_mass_drr import PointMassView, like_footprints
from XRayTo3DLib.refinement.likeness import LocalLikeness
from XRayTo3DLib.refinement.options import Anatomy, Level, Placed, RefineOptions, View
from XRayTo3DLib.refinement.prior import RAD, common_motion, parts_of, pose_unknowns

FloatArray = NDArray[np.float64]
Weights = Sequence[NDArray[np.float32]]
SEEN = 1e-3
"""Share of a picture's largest line integral above which a pixel shows bone."""


@dataclass(frozen=True, eq=False)
class State:
    """All unknowns: bones by name, and how each camera was moved from where it was believed to be."""

    bones: dict[str, Placed]
    motions: tuple[RigidPose, ...]


@dataclass(frozen=True, eq=False)
class Linearised:
    """The scene about a state, by the unknowns of a step.

    Attributes:
        cost: Data and priors.
        data: (u, u) J^T W J of the radiographs.
        prior: (u, u) precision of the priors.
        gradient: (u,) J^T W r of both.
        weights: The robust weights that were used, per view.
    """

    cost: float
    data: FloatArray
    prior: FloatArray
    gradient: FloatArray
    weights: Weights


class Scene:
    """All bones before all cameras, at one level's resolution.

    Args:
        anatomy: The bones.
        views: The radiographs.
        level: Resolution, and what may move.
        options: Weights.
        state: About where everything is: what lies near the bones' shadows there is compared.
    """

    def __init__(
        self, anatomy: Anatomy, views: Sequence[View], level: Level, options: RefineOptions, state: State
    ) -> None:
        self.level, self.options, self.anatomy, self.views = level, options, anatomy, views
        self.models = {
            name: model.thinned(level.thinned, level.shape_modes, level.density_modes)
            for name, model in anatomy.models.items()
        }
        self.sizes = {name: (model.size, model.density_size) for name, model in self.models.items()}
        self.parts = parts_of(self.sizes)
        self._mean, self._whitening = anatomy.prior.whitened(self.sizes)
        state = self.fitting(state)
        self.centre = self._common_middle(state)
        factors = [max(1, round(level.pixel_mm / min(view.camera.pixel_size_at(self.centre)))) for view in views]
        self.cameras = [view.camera.binned(factor) for view, factor in zip(views, factors, strict=True)]
        self.likeness = [
            self._likeness(view, camera, factor, shown)
            for view, camera, factor, shown in zip(views, self.cameras, factors, self.pictures(state), strict=True)
        ]

    def _likeness(self, view: View, camera: XRayCamera, factor: int, shown: FloatArray) -> LocalLikeness:
        across, down = camera.pixel_size_at(self.centre)
        away = distance_transform_edt(shown <= SEEN * max(float(shown.max()), 1e-12), sampling=(down, across))
        mask = away <= self.options.margin_mm
        if view.mask is not None:
            mask &= binned(view.mask, factor) > 0.99
        window = self.level.window_mm / across, self.level.window_mm / down
        return LocalLikeness(
            like_footprints(binned(view.image, factor)), mask, window, self.options.likeness, view.name
        )

    # ---- what is minimised ----------------------------------------------------------------------------------------

    def pictures(self, state: State) -> list[FloatArray]:
        """Per view what all bones show together, (rows, columns) line integrals."""
        totals = [np.zeros(camera.size[::-1]) for camera in self.cameras]
        cameras = self.cameras_of(state)
        for name, each in state.bones.items():
            bone = self.models[name].instance(each.theta, each.phi)
            points = each.pose.apply(bone.points)
            for total, camera in zip(totals, cameras, strict=True):
                total += PointMassView.of(camera, points).picture(bone.masses)
        return totals

    def cost(self, state: State, weights: Weights) -> float:
        """Data with these weights, and priors."""
        total = self._prior_cost(state)
        for likeness, picture, weight in zip(self.likeness, self.pictures(state), weights, strict=True):
            total += self.options.data * float(np.mean(weight * likeness.residuals(picture) ** 2))
        return total

    def settled(self, state: State) -> float:
        """What starts are chosen by: residuals count less the larger they are, by one scale for all starts."""
        total = self._prior_cost(state)
        for likeness, picture in zip(self.likeness, self.pictures(state), strict=True):
            squares = likeness.residuals(picture) ** 2
            total += self.options.data * float(np.mean(squares / (1 + squares)))
        return total

    def linearised(self, state: State) -> Linearised:
        """Cost, matrices and gradient about a state."""
        pictures, slopes = self._sensitive(state)
        basis = self._basis(state)
        count = basis.shape[1] + self._view_unknowns
        data, gradient, cost, used = np.zeros((count, count)), np.zeros(count), 0.0, []
        for number, (likeness, picture, slope) in enumerate(zip(self.likeness, pictures, slopes, strict=True)):
            columns = np.zeros((len(slope), count), dtype=np.float32)
            columns[:, : basis.shape[1]] = slope @ basis.astype(np.float32)
            if self.level.views:
                first = basis.shape[1] + 6 * number
                columns[:, first : first + 6] = slope @ self._view_basis(state, number).astype(np.float32)
            residuals, changes = likeness.linearised(picture, columns)
            weight = likeness.weights(residuals)
            scale = self.options.data / len(residuals)
            weighted = changes * weight[:, None]
            data += scale * (weighted.T @ changes)
            gradient += scale * (weighted.T @ residuals)
            cost += scale * float(np.sum(weight * residuals**2))
            used.append(weight)
        away, change = self._prior(state), self._prior_change(basis)
        return Linearised(cost + float(away @ away), data, change.T @ change, gradient + change.T @ away, used)

    # ---- moving ---------------------------------------------------------------------------------------------------

    def fitting(self, state: State) -> State:
        """The state with as many coefficients as the level's models have."""
        bones = {}
        for name, each in state.bones.items():
            k, m = self.sizes[name]
            bones[name] = Placed(each.pose, _length(each.theta, k), _length(each.phi, m))
        return State(bones, state.motions)

    def moved(self, state: State, step: FloatArray) -> State:
        """The state after a step."""
        bones, first, common = {}, 0, RigidPose.identity()
        if self.level.together:
            common, first = RigidPose.from_rotation(step[:3], step[3:6], self._common_middle(state)), 6
        for name, each in state.bones.items():
            own = RigidPose.identity()
            if not self.level.together:
                turn, shift = step[first : first + 3], step[first + 3 : first + 6]
                own, first = RigidPose.from_rotation(turn, shift, self._middle(name, state)), first + 6
            k, m = self.sizes[name]
            theta, phi = each.theta + step[first : first + k], each.phi + step[first + k : first + k + m]
            bones[name], first = Placed(common @ own @ each.pose, theta, phi), first + k + m
        motions = list(state.motions)
        for number in range(len(motions)) if self.level.views else ():
            part, first = step[first : first + 6], first + 6
            own = RigidPose.from_rotation(part[:3], self._axes(number) @ part[3:], self.centre)
            motions[number] = own @ motions[number]
        return State(bones, tuple(motions))

    def longest(self, degrees: float, mm: float, sd: float) -> FloatArray:
        """(u,) limit of each unknown of a step."""
        pose = [degrees] * 3 + [mm] * 3
        limits = list(pose) if self.level.together else []
        for k, m in self.sizes.values():
            limits += ([] if self.level.together else pose) + [sd] * (k + m)
        return np.array(limits + pose * (self._view_unknowns // 6))

    def cameras_of(self, state: State) -> list[XRayCamera]:
        """The cameras where the state has moved them."""
        return [camera.moved(motion.matrix) for camera, motion in zip(self.cameras, state.motions, strict=True)]

    # ---- helpers --------------------------------------------------------------------------------------------------

    @property
    def _view_unknowns(self) -> int:
        return 6 * len(self.views) if self.level.views else 0

    def _axes(self, number: int) -> FloatArray:
        """(3, 3) columns: along a camera's columns, rows and beam."""
        camera = self.cameras[number]
        return np.stack([camera.column_direction, camera.row_direction, camera.normal], axis=1)

    def _middle(self, name: str, state: State) -> FloatArray:
        return state.bones[name].pose.apply(self.anatomy.models[name].middle)

    def _middles(self, state: State) -> dict[str, FloatArray]:
        return {name: self._middle(name, state) for name in state.bones}

    def _common_middle(self, state: State) -> FloatArray:
        return np.asarray(np.mean(list(self._middles(state).values()), axis=0))

    def _sensitive(self, state: State) -> tuple[list[FloatArray], list[NDArray[np.floating]]]:
        """Per view the picture (rows, columns) and its derivatives (pixels, all bones' unknowns)."""
        pictures = [np.zeros(camera.size[::-1]) for camera in self.cameras]
        slopes: list[list[Any]] = [[] for _ in self.cameras]
        cameras = self.cameras_of(state)
        for name, each in state.bones.items():
            bone = self.models[name].instance(each.theta, each.phi)
            points = each.pose.apply(bone.points)
            for number, camera in enumerate(cameras):
                view = PointMassView.of(camera, points)
                pictures[number] += view.picture(bone.masses)
                slopes[number].append(_slopes(view, bone, points, each.pose, self._middle(name, state)))
        return pictures, [np.concatenate(each, axis=1) for each in slopes]

    def _basis(self, state: State) -> FloatArray:
        """(all bones' unknowns, unknowns of a step without views)."""
        count = max(part.stop for part in self.parts.values())
        if not self.level.together:
            return np.eye(count)
        common = common_motion(self.sizes, self._middles(state), self._common_middle(state))
        kept = [row for part in self.parts.values() for row in range(part.start + 6, part.stop)]
        return np.concatenate([common, np.eye(count)[:, kept]], axis=1)

    def _view_basis(self, state: State, number: int) -> FloatArray:
        """(all bones' unknowns, 6): what moving a camera looks like is that everything else moves the other way."""
        common = common_motion(self.sizes, self._middles(state), self.centre)
        common[:, 3:] = common[:, 3:] @ self._axes(number)
        return -common

    def _prior(self, state: State) -> FloatArray:
        """How far all unknowns are from what is usual, whitened: bones, then views."""
        values = []
        for name, each in state.bones.items():
            pose = pose_unknowns(each.pose, self.anatomy.usual[name], self.anatomy.models[name].middle)
            values += [pose, each.theta, each.phi]
        parts = [self._whitening @ (np.concatenate(values) - self._mean)]
        for number, (view, motion) in enumerate(zip(self.views, state.motions, strict=True)):
            turn, shift = motion.parameters(self.centre)
            parts.append(np.r_[turn, self._axes(number).T @ shift] / view.prior.deviations)
        return np.concatenate(parts)

    def _prior_cost(self, state: State) -> float:
        away = self._prior(state)
        return float(away @ away)

    def _prior_change(self, basis: FloatArray) -> FloatArray:
        """(all, u) change of :meth:`_prior` by the unknowns of a step."""
        views = 6 * len(self.views)
        change = np.zeros((len(self._mean) + views, basis.shape[1] + self._view_unknowns))
        change[: len(self._mean), : basis.shape[1]] = self._whitening @ basis
        if self.level.views:
            change[len(self._mean) :, basis.shape[1] :] = np.diag(
                1 / np.concatenate([view.prior.deviations for view in self.views])
            )
        return change


def _slopes(
    view: PointMassView, bone: Any, points: FloatArray, pose: RigidPose, middle: FloatArray
) -> NDArray[np.floating]:
    """(pixels, 6 + k + m) change of one bone's picture by its rotation, translation, shape and density."""
    arms = (points - middle).astype(np.float32)
    rotation, count = pose.rotation.astype(np.float32), bone.by_shape.shape[1]

    def along(slope: NDArray[np.floating]) -> NDArray[np.floating]:
        still = np.zeros((len(arms), count), dtype=np.float32)
        by_shape = still if bone.moves is None else np.einsum("nd,ndk->nk", slope @ rotation, bone.moves)
        return np.concatenate([np.cross(arms, slope) * np.float32(RAD), slope, by_shape], axis=1)

    moved = along(view.column_slope), along(view.row_slope), along(view.size_slope)
    heavier = np.concatenate([np.zeros((len(arms), 6), dtype=np.float32), bone.by_shape], axis=1)
    return np.concatenate([view.derivatives(bone.masses, moved, heavier), view.heavier(bone.by_density)], axis=1)


def binned(image: Any, factor: int) -> FloatArray:
    """Mean of blocks of ``factor`` x ``factor`` pixels of (rows, columns); left-overs at the far edges fall."""
    image = np.asarray(image, dtype=np.float64)
    rows, columns = (count // factor for count in image.shape)
    return image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean(axis=(1, 3))


def _length(values: FloatArray, count: int) -> FloatArray:
    values = np.asarray(values, dtype=np.float64)[:count]
    return np.concatenate([values, np.zeros(count - len(values))])
