"""From a radiograph to bones with a trained dual-face depth model: standard geometry, depth, surfaces, completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.methods.dual_face_depth.completion import Direction, completed
from XRayTo3DLib.methods.dual_face_depth.configuration import DualFaceConfiguration
from XRayTo3DLib.methods.dual_face_depth.predictor import DualFacePredictor
from XRayTo3DLib.methods.scope import Expected, Exposed, expected_by, outside
from XRayTo3DLib.methods.types import DepthPrediction, Reconstruction
from XRayTo3DLib.refinement.quality import Finding
from XRayTo3DLib.shape.depth_surface import depth_surface
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel

LEAST_PIXELS = 20
"""A bone of which fewer pixels were found counts as lost."""


class DualFaceReconstructor:
    """Bones from one radiograph; it needs neither a frame nor a side.

    Args:
        predictor: The networks.
        models: Shape models by label, in the camera's frame; empty for none.
    """

    needs_frame = False
    """Whether it must be told where the person stands."""

    def __init__(self, predictor: DualFacePredictor, models: Mapping[str, ShapeModel] | None = None) -> None:
        self.predictor, self.models = predictor, dict(models or {})
        self.synthetic = False
        """Whether its training data were made up."""
        self.anatomy, self.checksum = "", ""
        """In words, as its bundle states it; and of that bundle."""

    @property
    def configuration(self) -> DualFaceConfiguration:
        """What it was trained with."""
        return self.predictor.configuration

    @property
    def expected(self) -> Expected:
        """What it was made for."""
        return expected_by(self.configuration, self.anatomy, self.configuration.data.labels, self.synthetic)

    def outside(self, radiograph: Radiograph) -> tuple[Finding, ...]:
        """In what a radiograph is not one that it was made for, before it is asked; see :meth:`noticed`, too."""
        return outside(self.expected, [Exposed.of(radiograph)])

    def noticed(self, radiograph: Radiograph) -> tuple[str, ...]:
        """What the notes of the result will say of the radiograph's geometry.

        Raises:
            InputError: A radiograph of another geometry than the model's.
        """
        return self.configuration.data.geometry.noticed(radiograph)

    def predict_depth(
        self, image: NDArray[np.float32], camera: XRayCamera, covered: NDArray[np.bool_] | None = None
    ) -> DepthPrediction:
        """Masks and depth of a picture (N, N) of line integrals in the standard geometry, ``covered`` or everywhere.

        Raises:
            InputError: A picture of another size.
        """
        return self.predictor.predict_depth(image, camera, covered)

    def seen(self, prediction: DepthPrediction) -> dict[str, vtkPolyData]:
        """By label the surface that was seen, LPS mm in the camera's world, without bones that were lost.

        Closed but where the picture's border cuts the bone; of a single-face model the front alone.
        """
        return {
            label: depth_surface(prediction.camera, prediction.front_mm[number], _face(prediction.back_mm, number))
            for number, label in enumerate(prediction.labels)
            if np.count_nonzero(prediction.mask[number]) >= LEAST_PIXELS
        }

    def complete(self, prediction: DepthPrediction, direction: Direction | None = None) -> dict[str, vtkPolyData]:
        """By label the whole bone: the shape model fitted to what was seen, LPS mm.

        Args:
            prediction: Of one picture.
            direction: "both" or "to_model" (what was seen to the model); None: "both", of a single-face model
                "to_model".

        Raises:
            InputError: The bundle has no shape models.
        """
        if not self.models:
            raise InputError("this model has no shape models to complete bones with; train with completion.people.")
        direction = direction or ("both" if self.configuration.faces == "dual" else "to_model")
        seen, camera, front_only = self.seen(prediction), prediction.camera, prediction.back_mm is None
        return {
            label: completed(self.models[label], part, camera, direction, front_only=front_only)
            for label, part in seen.items()
        }

    def reconstruct_view(self, radiograph: Radiograph) -> Reconstruction:
        """Bones in a radiograph, LPS mm in its camera's world; completed where there are shape models.

        Raises:
            InputError: A radiograph of another geometry than the model's, or without any bone.
        """
        geometry = self.configuration.data.geometry
        image, camera, notes = geometry.resampled(radiograph)
        prediction = self.predict_depth(image, camera, geometry.covered(radiograph.camera, camera))
        if not self.predictor.places:  # People lie on the table before the detector, however far the source is.
            prediction = _moved(prediction, radiograph.camera.sdd - geometry.sdd_mm)
        seen = self.seen(prediction)
        if not seen:
            raise InputError(
                f"no bone was found in {radiograph.name}; this model looks for {', '.join(prediction.labels)} in a "
                f"{geometry.view} view, the person's right on the picture's left. Look at the picture."
            )
        whole = self.complete(prediction) if self.models else {}
        missing = tuple(label for label in prediction.labels if label not in seen)
        return Reconstruction(
            meshes={**seen, **whole},
            frame_to_world=np.eye(4),
            method=self.configuration.method,
            views=(radiograph.name,),
            missing=missing,
            synthetic=self.synthetic or radiograph.synthetic,
            notes=(*notes, *self._notes(missing)),
            outside=self.outside(radiograph),
            depth=prediction,
            seen=seen,
        )

    def _notes(self, missing: tuple[str, ...]) -> list[str]:
        notes = [f"{label}: not found in the radiograph; there is no such file." for label in missing]
        if not self.predictor.places:
            before = self.configuration.data.geometry.sdd_mm - self.predictor.statistics.mean_mm
            notes.append(
                f"how far the bones are from the detector is not estimated: their middle was put {before:.0f} mm "
                f"before it, as the training people's."
            )
        if not self.models:
            notes.append("bones end where the picture does: this model has no shape models to complete them.")
        return notes


def _moved(prediction: DepthPrediction, by_mm: float) -> DepthPrediction:
    """Everything that much farther from the source."""
    back = None if prediction.back_mm is None else prediction.back_mm + np.float32(by_mm)
    return replace(prediction, front_mm=prediction.front_mm + np.float32(by_mm), back_mm=back)


def _face(faces: NDArray[np.float32] | None, number: int) -> NDArray[np.float32] | None:
    return None if faces is None else faces[number]
