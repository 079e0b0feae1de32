"""Shape and intensity models at work: radiographs and their cameras in, bones out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.measurements import CarriedLandmarks
from XRayTo3DLib.methods.data import PoseConfiguration
from XRayTo3DLib.methods.shape_intensity_fit.configuration import ShapeIntensityConfiguration
from XRayTo3DLib.refinement.options import Anatomy
from XRayTo3DLib.refinement.posterior import Trusts
from XRayTo3DLib.refinement.prior import JointPrior, PosePrior
from XRayTo3DLib.shape.model_fitting_contours import Outline
from XRayTo3DLib.shape.shape_intensity_building import BuiltModel
from XRayTo3DLib.shape.shape_intensity_fit import Bone, IntensityFit, IntensityFitOptions, fit_shape_intensity
from XRayTo3DLib.shape.shape_intensity_similarity import Metric

LEAST_HELD = 0.5
"""Degrees and mm: nobody is held exactly."""
LEAST_SD_DEG, LEAST_SD_MM = 1.0, 1.0
"""Of how bones lie: even people who were all held alike may be met otherwise."""


class ShapeIntensityPredictor:
    """Fits every bone of every person.

    Args:
        configuration: The one the models were made with.
        models: By bone, in the reconstruction frame.
        prior: How people differ from them.
        trust: What makes a refinement's uncertainty honest, by the number of views.
        landmarks: That the models carry, by bone.
    """

    calibrated = True

    def __init__(
        self,
        configuration: ShapeIntensityConfiguration,
        models: Mapping[str, BuiltModel],
        prior: JointPrior,
        trust: Trusts | None = None,
        landmarks: Mapping[str, CarriedLandmarks] | None = None,
    ) -> None:
        self.configuration, self.models, self.prior = configuration, models, prior
        self.trust, self.landmarks = trust or Trusts(), dict(landmarks or {})
        fit = configuration.fit
        self.options = IntensityFitOptions(cast(Metric, fit.metric), fit.prior, fit.contour)
        self.bones = {label: _bone(built, configuration.data.pose) for label, built in models.items()}

    def anatomy(self, held: PosePrior | None = None) -> Anatomy:
        """The bones as a refinement takes them.

        Args:
            held: How the limb as a whole may be held otherwise than the frame says; as in the configuration by default.
        """
        models = {label: built.model for label, built in self.models.items()}
        middles = {label: model.middle for label, model in models.items()}
        usual = {label: RigidPose.identity() for label in models}
        return Anatomy(models, usual, self.prior.held(held or held_as(self.configuration.data.pose), middles))

    @property
    def canonical_cameras(self) -> list[XRayCamera]:
        """Of the views, in the reconstruction frame, mm."""
        return [view.camera() for view in self.configuration.data.canonical_views]

    def predict(
        self, images: NDArray[np.float32], cameras: Sequence[Sequence[XRayCamera]] | None = None
    ) -> list[dict[str, vtkPolyData]]:
        """Bones in the reconstruction frame, mm, from (N, views, rows, columns) line integrals of bone.

        Args:
            images: As the cameras saw them; any number of views.
            cameras: For each of the N the views' cameras in the reconstruction frame; None: the canonical ones.
        """
        shown = [self.canonical_cameras] * len(images) if cameras is None else cameras
        found = [self.fit(image, each) for image, each in zip(images, shown, strict=True)]
        return [{label: bone.surface() for label, bone in fit.bones.items()} for fit in found]

    def fit(
        self,
        image: NDArray[np.float32],
        cameras: Sequence[XRayCamera],
        start: Mapping[str, RigidPose] | None = None,
        outlines: Mapping[str, Sequence[Outline]] | None = None,
    ) -> IntensityFit:
        """One person's bones.

        Args:
            image: (views, rows, columns) line integrals of bone.
            cameras: Of the views, in the reconstruction frame.
            start: Where each bone's mean lies at first, model to frame; where people's bones usually lie by default.
            outlines: By bone, where a segmented radiograph shows them.

        Raises:
            InputError: Outlines of a bone that the model does not have, or what ``fit_shape_intensity`` refuses.
        """
        given = outlines or {}
        unknown = sorted(set(given) - set(self.bones))
        if unknown:
            raise InputError(f"outlines of {unknown[0]}: the model's bones are {', '.join(self.bones)}.")
        bones = {
            label: Bone(
                bone.model, bone.usual, bone.rotation_sd_deg, bone.translation_sd_mm, tuple(given.get(label, ()))
            )
            for label, bone in self.bones.items()
        }
        return fit_shape_intensity(bones, cameras, list(image), self.options, start)


def held_as(pose: PoseConfiguration) -> PosePrior:
    """How people are held, as standard deviations."""
    share = 1.0 if pose.distribution == "normal" else 1 / np.sqrt(3.0)
    turn, shift = (np.maximum(share * np.array(each), LEAST_HELD) for each in (pose.rotation_deg, pose.translation_mm))
    return PosePrior(tuple(turn.tolist()), tuple(shift.tolist()))


def _bone(built: BuiltModel, pose: PoseConfiguration) -> Bone:
    """A bone that lies as the training people's do, held as the configuration says."""
    share = 1.0 if pose.distribution == "normal" else 1 / np.sqrt(3.0)
    turn, shift = (
        share * float(np.sqrt(np.mean(np.square(each)))) for each in (pose.rotation_deg, pose.translation_mm)
    )
    arm = float(np.linalg.norm(built.model.shape.mean.mean(axis=0)))
    turned = float(np.hypot(built.rotation_sd_deg, turn))
    shifted = float(np.linalg.norm([built.translation_sd_mm, shift, np.deg2rad(turn) * arm]))
    return Bone(built.model, rotation_sd_deg=max(turned, LEAST_SD_DEG), translation_sd_mm=max(shifted, LEAST_SD_MM))
