"""What a fit minimises at one resolution: residuals of all views, priors and outlines, and their derivatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.projection.point_mass_drr import PointMassView, like_footprints
from XRayTo3DLib.shape.shape_intensity_contours import OutlinesOfBone
from XRayTo3DLib.shape.shape_intensity_model import Instance, ShapeIntensityModel
from XRayTo3DLib.shape.shape_intensity_options import Bone, IntensityFitOptions, Level
from XRayTo3DLib.shape.shape_intensity_similarity import Likeness

FloatArray = NDArray[np.float64]
RAD = np.pi / 180.0


@dataclass(frozen=True, eq=False)
class Placed:
    """One bone in the world.

    Attributes:
        pose: Model to world.
        theta: (k,) shape coefficients, SD.
        phi: (m,) density coefficients, SD.
    """

    pose: RigidPose
    theta: FloatArray
    phi: FloatArray


class Scene:
    """All bones before all cameras, at one level's resolution.

    Unknowns of a step, bone by bone: rotation about the bone's middle (degrees), translation (mm), shape and density
    coefficients (SD). Where bones move together, one rotation about their common middle and one translation come first.
    """

    def __init__(
        self,
        bones: Mapping[str, Bone],
        cameras: Sequence[XRayCamera],
        images: Sequence[Any],
        level: Level,
        options: IntensityFitOptions,
    ) -> None:
        self.level, self.options, self.bones = level, options, bones
        self.models = {
            name: bone.model.thinned(level.binned, level.shape_modes, level.density_modes)
            for name, bone in bones.items()
        }
        self.cameras = [camera.binned(level.binned) for camera in cameras]
        self.likeness = [Likeness(like_footprints(_binned(each, level.binned)), options.metric) for each in images]
        self.outlines = {name: OutlinesOfBone(bone.model.shape, bone.outlines) for name, bone in bones.items()}

    # ---- what is minimised ----------------------------------------------------------------------------------------

    def pictures(self, placed: Mapping[str, Placed]) -> list[FloatArray]:
        """Per view what all bones show together, (rows, columns)."""
        totals = [np.zeros(camera.size[::-1]) for camera in self.cameras]
        for name, each in placed.items():
            bone = self.models[name].instance(each.theta, each.phi)
            points = each.pose.apply(bone.points)
            for total, camera in zip(totals, self.cameras, strict=True):
                total += PointMassView.of(camera, points).picture(bone.masses)
        return totals

    def misfit(self, placed: Mapping[str, Placed]) -> float:
        """Mean over views of the squared residuals."""
        squares = [
            float(np.sum(likeness.residuals(picture) ** 2))
            for likeness, picture in zip(self.likeness, self.pictures(placed), strict=True)
        ]
        return float(np.mean(squares))

    def cost(self, placed: Mapping[str, Placed]) -> float:
        """What is minimised: residuals over views, prior and outlines."""
        total = len(self.cameras) * self.misfit(placed)
        for name, each in placed.items():
            total += self.options.prior * float(np.sum(self._prior(name, each) ** 2))
            total += self.options.contour * self.outlines[name].cost(each.pose, each.theta)
        return total

    def linearised(self, placed: Mapping[str, Placed]) -> tuple[float, FloatArray, FloatArray]:
        """The cost, J^T J (u, u) and J^T r (u,) of all residuals by the unknowns of a step."""
        pictures, slopes = self._sensitive(placed)
        square = np.zeros((slopes[0].shape[1],) * 2)
        gradient = np.zeros(len(square))
        cost = 0.0
        for likeness, picture, slope in zip(self.likeness, pictures, slopes, strict=True):
            residuals, changes = likeness.linearised(picture, slope)
            cost += float(residuals @ residuals)
            square += changes.T @ changes
            gradient += changes.T @ residuals
        for name, part in self._parts().items():
            prior = self._prior(name, placed[name])
            per_unit = self._prior_slopes(name)
            cost += self.options.prior * float(prior @ prior)
            square[part, part] += np.diag(self.options.prior * per_unit**2)
            gradient[part] += self.options.prior * per_unit * prior
            outline = self.outlines[name].linearised(placed[name].pose, placed[name].theta, self._middle(name, placed))
            if outline is not None:
                within = slice(part.start, part.start + len(outline[2]))
                cost += self.options.contour * outline[0]
                square[within, within] += self.options.contour * outline[1]
                gradient[within] += self.options.contour * outline[2]
        basis = self._basis(placed)
        return cost, basis.T @ square @ basis, basis.T @ gradient

    # ---- steps ----------------------------------------------------------------------------------------------------

    def fitting(self, name: str, placed: Placed) -> Placed:
        """With as many coefficients as this level has; new ones are 0."""
        model = self.models[name]
        return Placed(
            placed.pose,
            np.resize(np.append(placed.theta, np.zeros(model.shape.size)), model.shape.size),
            np.resize(np.append(placed.phi, np.zeros(len(model.density_modes))), len(model.density_modes)),
        )

    def moved(self, placed: Mapping[str, Placed], step: FloatArray) -> dict[str, Placed]:
        """The bones after a step."""
        result = {}
        common, step = (step[:6], step[6:]) if self.level.together else (np.zeros(6), step)
        motion = RigidPose.from_rotation(common[:3], common[3:], self._common_middle(placed))
        first = 0
        for name, each in placed.items():
            own = np.zeros(6)
            if not self.level.together:
                own, first = step[first : first + 6], first + 6
            k, m = len(each.theta), len(each.phi)
            turn = RigidPose.from_rotation(own[:3], own[3:], self._middle(name, placed))
            result[name] = Placed(
                motion @ turn @ each.pose,
                each.theta + step[first : first + k],
                each.phi + step[first + k : first + k + m],
            )
            first += k + m
        return result

    def longest(self, degrees: float, mm: float, sd: float) -> FloatArray:
        """(u,) limit of each unknown of a step."""
        pose = [degrees] * 3 + [mm] * 3
        limits = pose if self.level.together else []
        for model in self.models.values():
            own = [] if self.level.together else pose
            limits = limits + own + [sd] * (model.shape.size + len(model.density_modes))
        return np.array(limits)

    # ---- helpers --------------------------------------------------------------------------------------------------

    def _sensitive(self, placed: Mapping[str, Placed]) -> tuple[list[FloatArray], list[NDArray[np.floating]]]:
        """Per view the picture (rows, columns) and its derivatives (pixels, all bones' unknowns)."""
        pictures = [np.zeros(camera.size[::-1]) for camera in self.cameras]
        slopes: list[list[Any]] = [[] for _ in self.cameras]
        for name, each in placed.items():
            model = self.models[name]
            bone = model.instance(each.theta, each.phi)
            points = each.pose.apply(bone.points)
            for number, camera in enumerate(self.cameras):
                view = PointMassView.of(camera, points)
                pictures[number] += view.picture(bone.masses)
                slopes[number].append(_slopes(view, model, bone, points, each.pose, self._middle(name, placed)))
        return pictures, [np.concatenate(each, axis=1) for each in slopes]

    def _parts(self) -> dict[str, slice]:
        """Where each bone's unknowns are among all bones'."""
        parts, first = {}, 0
        for name, model in self.models.items():
            count = 6 + model.shape.size + len(model.density_modes)
            parts[name], first = slice(first, first + count), first + count
        return parts

    def _basis(self, placed: Mapping[str, Placed]) -> FloatArray:
        """(all bones' unknowns, unknowns of a step)."""
        parts = self._parts()
        count = max(part.stop for part in parts.values())
        if not self.level.together:
            return np.eye(count)
        middle = self._common_middle(placed)
        common, kept = np.zeros((count, 6)), []
        for name, part in parts.items():
            arm = self._middle(name, placed) - middle
            common[part.start : part.start + 6] = np.eye(6)
            common[part.start + 3 : part.start + 6, :3] = np.cross(np.eye(3), arm).T * RAD
            kept += range(part.start + 6, part.stop)
        return np.concatenate([common, np.eye(count)[:, kept]], axis=1)

    def _middle(self, name: str, placed: Mapping[str, Placed]) -> FloatArray:
        return placed[name].pose.apply(self.bones[name].middle)

    def _common_middle(self, placed: Mapping[str, Placed]) -> FloatArray:
        return np.mean([self._middle(name, placed) for name in placed], axis=0)

    def _prior(self, name: str, placed: Placed) -> FloatArray:
        """All of a bone's unknowns in SD from what is usual."""
        bone = self.bones[name]
        turn = Rotation.from_matrix(placed.pose.rotation @ bone.usual.rotation.T).as_rotvec(degrees=True)
        shift = placed.pose.apply(bone.middle) - bone.usual.apply(bone.middle)
        away = [turn / bone.rotation_sd_deg, shift / bone.translation_sd_mm]
        return np.concatenate([*away, placed.theta, placed.phi])

    def _prior_slopes(self, name: str) -> FloatArray:
        bone, model = self.bones[name], self.models[name]
        sizes = [1 / bone.rotation_sd_deg] * 3 + [1 / bone.translation_sd_mm] * 3
        return np.array(sizes + [1.0] * (model.shape.size + len(model.density_modes)))


def _slopes(
    view: PointMassView,
    model: ShapeIntensityModel,
    bone: Instance,
    points: FloatArray,
    pose: RigidPose,
    middle: FloatArray,
) -> NDArray[np.floating]:
    """(pixels, 6 + k + m) change of one bone's picture by its rotation, translation, shape and density."""
    arms = (points - middle).astype(np.float32)
    moves, rotation = model.fields[0], pose.rotation.astype(np.float32)

    def along(slope: NDArray[np.floating]) -> NDArray[np.floating]:
        by_shape = np.einsum("nd,ndk->nk", slope @ rotation, moves)
        return np.concatenate([np.cross(arms, slope) * np.float32(RAD), slope, by_shape], axis=1)

    moved = along(view.column_slope), along(view.row_slope), along(view.size_slope)
    heavier = np.concatenate([np.zeros((len(arms), 6), dtype=np.float32), bone.by_shape], axis=1)
    return np.concatenate([view.derivatives(bone.masses, moved, heavier), view.heavier(bone.by_density)], axis=1)


def _binned(image: Any, factor: int) -> FloatArray:
    """Mean of blocks of ``factor`` x ``factor`` pixels; left-overs at the far edges fall."""
    image = np.asarray(image, dtype=np.float64)
    rows, columns = (count // factor for count in image.shape)
    return image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor).mean(axis=(1, 3))
