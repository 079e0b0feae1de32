"""From radiographs to meshes in their world, with any system that predicts shapes in the reconstruction frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.calibrated_view import calibrated_view
from XRayTo3DLib.dataset.canonical_view import CanonicalView, frame_matrix
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.methods.data import DataConfiguration
from XRayTo3DLib.methods.scope import Expected, Exposed, bone_share, expected_by, not_bones_alone, outside
from XRayTo3DLib.methods.types import Reconstruction, ShapeFields, ShapePredictor, Shapes
from XRayTo3DLib.methods.validation import meshes_of
from XRayTo3DLib.refinement.quality import Finding
from XRayTo3DLib.shape.meshes import transformed

MEAN = "mean_distances"


class GridReconstructor:
    """A :class:`~XRayTo3DLib.methods.types.Reconstructor` once it is told where the person stands.

    Args:
        method: Its name, for the result.
        data: The geometry it was trained for.
        predictor: The system.
        mean_distances: (bones, D, H, W) mean signed distances, mm: stands in for a bone that the system loses.

    Raises:
        InputError: Mean distances of another grid or number of bones.
    """

    needs_frame = True
    """Whether it must be told where the person stands."""

    def __init__(
        self,
        method: str,
        data: DataConfiguration,
        predictor: ShapePredictor,
        mean_distances: NDArray[np.float32],
    ) -> None:
        _require_shape(np.shape(mean_distances), _mean_size(data), MEAN)
        self.method, self.data, self.predictor = method, data, predictor
        self.mean = ShapeFields(-mean_distances, 0.0, data.voxels)
        self.synthetic = False
        """Whether its training data were made up."""
        self.anatomy = ""
        """In words, as its bundle states it."""
        self.checksum = ""
        """Of its bundle."""

    def canonical_images(
        self, radiographs: Sequence[Radiograph], frame_to_world: RigidPose, mirrored: bool
    ) -> NDArray[np.float32]:
        """(1, views, rows, columns): the radiographs as the canonical cameras would have taken them.

        Raises:
            InputError: Not as many radiographs as views.
        """
        views = self._views_for(radiographs)
        return np.stack(
            [view.resampled(each, frame_to_world, mirrored) for view, each in zip(views, radiographs, strict=True)]
        )[None]

    def shown_images(
        self, radiographs: Sequence[Radiograph], frame_to_world: RigidPose, mirrored: bool
    ) -> tuple[NDArray[np.float32], list[tuple[XRayCamera, ...]] | None]:
        """What the system is shown, (1, views, rows, columns), and a calibrated one's cameras in its frame, mm.

        Raises:
            InputError: Not as many radiographs as views, or one that does not show the bones' place.
        """
        if not self.predictor.calibrated:
            return self.canonical_images(radiographs, frame_to_world, mirrored), None
        views = self._views_for(radiographs)
        shown = [calibrated_view(*each, frame_to_world, mirrored) for each in zip(views, radiographs, strict=True)]
        return np.stack([image for image, _ in shown])[None], [tuple(camera for _, camera in shown)]

    @property
    def expected(self) -> Expected:
        """What it was made for."""
        return expected_by(self, self.anatomy, self.data.labels, self.synthetic)

    def outside(
        self,
        radiographs: Sequence[Radiograph],
        frame_to_world: RigidPose,
        mirrored: bool = False,
        images: NDArray[np.float32] | None = None,
        *,
        translated: bool = False,
    ) -> tuple[Finding, ...]:
        """In what the radiographs are not those that it was made for, before it is asked.

        Args:
            radiographs: In the order of its views.
            frame_to_world: Where the reconstruction frame is.
            mirrored: Of a left limb.
            images: Of :meth:`shown_images`, translated if they shall be; None leaves them out.
            translated: Whether everything but the bones is taken away.
        """
        expected, exposed = self.expected, [Exposed.of(each) for each in radiographs]
        found = outside(expected, exposed, "left" if mirrored else "right", frame_to_world, translated=translated)
        if images is None or not expected.bones_alone:
            return found
        return (*found, *not_bones_alone(images[0], [each.name for each in radiographs], self._bone_shares))

    @cached_property
    def _bone_shares(self) -> list[float]:
        """How much of each view's picture bones cover."""
        points = self.data.voxels.points()
        return [bone_share(view, -self.mean.values, points) for view in self.data.canonical_views]

    def _views_for(self, radiographs: Sequence[Radiograph]) -> tuple[CanonicalView, ...]:
        views = self.data.canonical_views
        if len(radiographs) != len(views):
            names = " and ".join(view.view for view in views)
            raise InputError(f"this model reconstructs from {names}, not from {len(radiographs)} radiographs.")
        return views

    def reconstruct(
        self, radiographs: Sequence[Radiograph], frame_to_world: RigidPose, mirrored: bool = False
    ) -> Reconstruction:
        """The person's bones, LPS mm in the radiographs' world.

        Args:
            radiographs: In the order of the model's views, showing bones only or translated to that.
            frame_to_world: Where the reconstruction frame is (``dataset.canonical_view.frame_from_landmark``).
            mirrored: Of a left wrist, whose mirror image the model sees.

        Raises:
            InputError: Not as many radiographs as views, or a radiograph that does not show the bones' place.
        """
        images, cameras = self.shown_images(radiographs, frame_to_world, mirrored)
        told = self.outside(radiographs, frame_to_world, mirrored, images)
        return replace(self.reconstruct_images(images, radiographs, frame_to_world, mirrored, cameras), outside=told)

    def reconstruct_images(
        self,
        images: NDArray[np.float32],
        radiographs: Sequence[Radiograph],
        frame_to_world: RigidPose,
        mirrored: bool = False,
        cameras: Sequence[Sequence[XRayCamera]] | None = None,
    ) -> Reconstruction:
        """As :meth:`reconstruct`, from what :meth:`shown_images` made of the radiographs.

        Raises:
            InputError: A picture that is not finite: a translation has failed.
        """
        if not np.isfinite(images).all():
            raise InputError("the pictures for the model hold values that are not finite (NaN); check the translation.")
        found, missing = self.meshes(self.predictor.predict(images, cameras)[0])
        matrix = frame_matrix(frame_to_world, mirrored)
        notes = [
            f"{bone}: not found by the model; {'this is the mean shape' if bone in found else 'there is no such file'}."
            for bone in missing
        ]
        return Reconstruction(
            meshes={label: transformed(mesh, matrix) for label, mesh in found.items()},
            frame_to_world=matrix,
            method=self.method,
            views=tuple(radiograph.name for radiograph in radiographs),
            missing=missing,
            synthetic=self.synthetic or any(radiograph.synthetic for radiograph in radiographs),
            notes=tuple(notes),
        )

    def meshes(self, shapes: Shapes) -> tuple[dict[str, vtkPolyData], tuple[str, ...]]:
        """A mesh per bone in the reconstruction frame, mm, and which bones the model lost.

        For those stands the mean shape, where it has a surface: the mean of people held very differently has none.
        """
        found = meshes_of(shapes, self.data.labels) if isinstance(shapes, ShapeFields) else dict(shapes)
        missing = tuple(label for label in self.data.labels if label not in found)
        stand_in = meshes_of(self.mean, self.data.labels) if missing else {}
        known = {**stand_in, **found}
        return {label: known[label] for label in self.data.labels if label in known}, missing


def mean_shape(data: DataConfiguration, arrays: Callable[[str], NDArray[Any]]) -> NDArray[np.float32]:
    """(bones, D, H, W) mean signed distances of a bundle, mm.

    Raises:
        InputError: Of another shape than the configuration says.
    """
    return np.float32(array_of(arrays, MEAN, _mean_size(data)))


def array_of(arrays: Callable[[str], NDArray[Any]], name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of a bundle that must have this shape.

    Raises:
        InputError: It has another.
    """
    array = arrays(name)
    _require_shape(np.shape(array), shape, name)
    return array


def _mean_size(data: DataConfiguration) -> tuple[int, ...]:
    return len(data.labels), *(data.grid.size,) * 3


def _require_shape(found: tuple[int, ...], wanted: tuple[int, ...], name: str) -> None:
    if found != wanted:
        raise InputError(f"the model's {name} has shape {found}, its configuration makes it {wanted}; train it again.")
