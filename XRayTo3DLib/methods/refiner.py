"""Any method's reconstruction, or none, refined against its radiographs with a bundle of shape and intensity models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.canonical_view import frame_matrix
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.imaging.collimation import usable_field
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.measurements import MEASURERS, Measurement, measurements_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.shape_intensity_fit.predictor import ShapeIntensityPredictor
from XRayTo3DLib.methods.types import Reconstruction
from XRayTo3DLib.refinement.options import CALIBRATED, RefineOptions, View
from XRayTo3DLib.refinement.out_of_model import LIMITS, Limits, findings_of
from XRayTo3DLib.refinement.posterior import Trusts
from XRayTo3DLib.refinement.prior import PosePrior
from XRayTo3DLib.refinement.quality import Quality, ViewQuality
from XRayTo3DLib.refinement.refine import Step, refine_steps
from XRayTo3DLib.refinement.result import Refinement, finished
from XRayTo3DLib.refinement.start import start_from
from XRayTo3DLib.shape.meshes import make_surface, set_point_array, transformed

UNCERTAINTY = "NormalSD_mm"
"""Point array on every refined surface: standard deviation of a vertex along its normal, mm."""
METHOD = "refinement"
DRAWS = 200
"""People drawn from the posterior to say how far measurements may be off."""


class Refiner:
    """Refines bones against radiographs.

    Args:
        model: A bundle of shape and intensity models (method shape-intensity-fit).
        options: How.

    Raises:
        InputError: Another method's bundle.
    """

    def __init__(self, model: GridReconstructor, options: RefineOptions | None = None) -> None:
        if not isinstance(model.predictor, ShapeIntensityPredictor):
            raise InputError(f"refinement needs a bundle of shape and intensity models, not of {model.method}.")
        self.model, self.options = model, options or RefineOptions()
        self.predictor = model.predictor

    @property
    def trust(self) -> Trusts:
        """Of the posterior, as the bundle was calibrated."""
        return self.predictor.trust

    @property
    def limits(self) -> Limits | None:
        """What the refinements of normal people stay within; None where that is not known, and nothing is warned of."""
        return LIMITS.get(self.predictor.configuration.anatomy)

    def views(
        self,
        radiographs: Sequence[Radiograph],
        frame_to_world: RigidPose,
        mirrored: bool = False,
        prior: PosePrior = CALIBRATED,
    ) -> list[View]:
        """Radiographs with their cameras in the reconstruction frame; a left limb is seen as a right one.

        Raises:
            InputError: No radiograph.
        """
        if not radiographs:
            raise InputError("refinement: give at least one radiograph.")
        to_frame = np.linalg.inv(frame_matrix(frame_to_world, mirrored))
        return [
            View(each.pixels, each.camera.moved(to_frame), usable_field(each), prior, each.name) for each in radiographs
        ]

    def steps(
        self, views: Sequence[View], meshes: dict[str, vtkPolyData] | None = None, held: PosePrior | None = None
    ) -> Iterator[tuple[Step, Refinement | None]]:
        """Refine step by step; the last one comes with what was found. Stop at any.

        Args:
            views: From :meth:`views`.
            meshes: Where to start, by bone, mm in the frame: any method's result; the mean shape by default.
            held: How the limb may lie otherwise than the frame says; as in the bundle's configuration by default.

        Raises:
            InputError: Meshes of other bones, or radiographs that do not show the bones' place.
        """
        anatomy = self.predictor.anatomy(held)
        start = start_from(anatomy, meshes or {})
        last, count = None, 0
        for step in refine_steps(anatomy, views, self.options, start):
            if last is not None:
                yield last, None
            last, count = step, count + 1
        assert last is not None  # every refinement has a first step
        yield last, finished(last, count, start, self.trust)

    def refine(
        self, views: Sequence[View], meshes: dict[str, vtkPolyData] | None = None, held: PosePrior | None = None
    ) -> Refinement:
        """As :meth:`steps`, to the end, in the frame."""
        *_, (_, found) = self.steps(views, meshes, held)
        assert found is not None  # the last step has it
        return found

    def reconstruct(
        self,
        radiographs: Sequence[Radiograph],
        frame_to_world: RigidPose,
        mirrored: bool = False,
        start: Reconstruction | None = None,
        prior: PosePrior = CALIBRATED,
        held: PosePrior | None = None,
    ) -> Reconstruction:
        """The person's bones, LPS mm in the radiographs' world, with uncertainty and quality.

        Args:
            radiographs: One or more, at any angle.
            frame_to_world: Where the reconstruction frame is.
            mirrored: Of a left limb.
            start: Another method's result in the same world; the mean shape by default.
            prior: How far cameras may be wrong.
            held: How the limb may lie otherwise than the frame says.

        Raises:
            InputError: As for :meth:`steps`.
        """
        matrix = frame_matrix(frame_to_world, mirrored)
        meshes = None
        if start is not None:
            meshes = {bone: transformed(mesh, np.linalg.inv(matrix)) for bone, mesh in start.meshes.items()}
        views = self.views(radiographs, frame_to_world, mirrored, prior)
        return self.reconstruction(self.refine(views, meshes, held), radiographs, matrix, start, views)

    def reconstruction(
        self,
        found: Refinement,
        radiographs: Sequence[Radiograph],
        matrix: FloatArray,
        start: Reconstruction | None,
        views: Sequence[View] | None = None,
    ) -> Reconstruction:
        """A refinement in the frame as a reconstruction in the world.

        Args:
            found: The refinement.
            radiographs: What it was made from.
            matrix: (4, 4) frame to world, mm; a left side's is a reflection.
            start: What it started from.
            views: The radiographs as they were refined against; without them nothing is warned of.
        """
        meshes = {}
        for bone, each in found.bones.items():
            surface = make_surface(each.points, each.triangles)
            set_point_array(surface, UNCERTAINTY, each.normal_sd_mm)
            meshes[bone] = transformed(surface, matrix)
        begun = "the mean shape" if start is None else start.method
        base = start or Reconstruction({}, matrix, METHOD, ())
        return replace(
            base,
            meshes=meshes,
            frame_to_world=matrix,
            method=f"{begun} + {METHOD}",
            views=tuple(each.name for each in radiographs),
            synthetic=base.synthetic or self.model.synthetic or any(each.synthetic for each in radiographs),
            uncertainty_mm={bone: each.normal_sd_mm for bone, each in found.bones.items()},
            quality=Quality(
                tuple(_quality(found, number, matrix) for number in range(len(found.views))),
                () if views is None or self.limits is None else findings_of(found, views, self.limits),
            ),
            measurements=self.measurements(found),
        )

    def measurements(self, found: Refinement) -> tuple[Measurement, ...]:
        """What the bundle's landmarks allow to measure, in the frame, where every limb is a right one."""
        landmarks, anatomy = self.predictor.landmarks, self.predictor.configuration.anatomy
        measurer = MEASURERS.get(anatomy)
        if measurer is None or not (landmarks or measurer.on_surface):
            return ()
        bones = {bone: (each.points, each.triangles) for bone, each in found.bones.items()}
        return measurements_of(bones, landmarks, found.posterior.draws(DRAWS), anatomy)


def _quality(found: Refinement, number: int, matrix: FloatArray) -> ViewQuality:
    view = found.views[number]
    turn, shift = view.motion.parameters()
    return ViewQuality(
        view.name,
        view.before,
        view.likeness,
        view.camera.moved(matrix),
        float(np.linalg.norm(turn)),
        float(np.linalg.norm(shift)),
        view.picture,
        view.residual,
    )
