"""The bone that is registered: cached attenuation and projector, its centre, its surface model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.parameters import CT_VALUES
from XRayTo3DGui.scene import mrml
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix

BONE_HU = 200
DISPLAY_SMOOTHING = 1.2
"""Of the model's mask, in voxels: for the eye, without the steps of the slices. Nothing is measured on it."""
BONE_COLOUR = (0.93, 0.87, 0.74)
TORCH_MISSING = (
    "PyTorch is missing: install the PyTorch extension (View > Extensions Manager), restart Slicer, "
    "then install PyTorch in the module PyTorch Utils."
)


def torchProblem() -> str:
    """One sentence where PyTorch cannot be used, else empty. Never installs anything by itself."""
    try:
        import torch  # noqa: F401
    except ModuleNotFoundError:
        return _(TORCH_MISSING)
    except (ImportError, OSError) as error:
        text = _("PyTorch is installed but cannot be loaded ({error}); reinstall it with the PyTorch extension.")
        return text.format(error=error)
    return ""


@dataclass(frozen=True)
class Bone:
    """What makes a bone, from the parameter node: nodes, the segment ("" is the whole CT), how to read the CT."""

    ctVolume: Any
    ctValues: str
    segmentation: Any
    segmentId: str
    energyKev: float

    @property
    def name(self) -> str:
        """Of the segment, else of the CT."""
        if self.segmentation is not None and self.segmentId:
            return mrml.segmentName(self.segmentation, self.segmentId)
        return self.ctVolume.GetName().removesuffix(mrml.SYNTHETIC_MARK) if self.ctVolume else _("bone")


def boneOf(parameters: Any, segmentId: str | None = None) -> Bone:
    """The chosen bone, or another segment of the same CT."""
    own = parameters.segmentId if segmentId is None else segmentId
    return Bone(parameters.ctVolume, parameters.ctValues, parameters.segmentation, own, parameters.energyKev)


class BoneCache:
    """Attenuation and projector of the chosen bone, computed again only when CT or segment change.

    Args:
        onTissue: Called when another bone was read, with whether it lies in soft tissue.
    """

    def __init__(self, onTissue: Callable[[bool], None] | None = None) -> None:
        self._onTissue = onTissue
        self.clear()

    def clear(self) -> None:
        self._key: Any = None
        self._attenuation: Any = None
        self._projector: Any = None

    def attenuation(self, parameters: Any) -> Any:
        """:class:`~XRayTo3DLib.imaging.Attenuation` of the segment, or of the whole CT where none is chosen.

        Raises:
            InputError: No CT, or the segment cannot be used.
        """
        self._refresh(parameters)
        return self._attenuation

    def centreLps(self, parameters: Any) -> FloatArray:
        """(3,) centre of the bone in CT coordinates, LPS mm."""
        return np.asarray(self.attenuation(parameters).centre_lps, dtype=np.float64)

    def cornersLps(self, parameters: Any) -> FloatArray:
        """(8, 3) corners of the bone's box in CT coordinates, LPS mm."""
        bone = self.attenuation(parameters)
        ends = [(0, count - 1) for count in reversed(bone.mu.shape)]
        return apply_matrix(bone.voxel_to_lps, list(product(*ends)))

    def drr(self, parameters: Any, camera: XRayCamera, pose: RigidPose) -> np.ndarray:
        """(rows, columns) line integrals of the bone."""
        import torch

        self._refresh(parameters)
        if self._projector is None:
            from XRayTo3DLib.projection.engines import make_projector

            self._projector = make_projector(self._attenuation.mu, self._attenuation.voxel_to_lps)
        with torch.no_grad():
            return self._projector(camera, pose).cpu().numpy()

    def _refresh(self, parameters: Any) -> None:
        key = _keyOf(parameters)
        if key != self._key or self._attenuation is None:
            from XRayTo3DLib.imaging.attenuation import attenuation_of
            from XRayTo3DLib.imaging.surroundings import in_soft_tissue

            self.clear()
            ct = ctOf(parameters)
            label = "bone" if ct.labels is not None else None
            self._attenuation = attenuation_of(ct, label, energy_kev=parameters.energyKev)
            self._key = key
            if self._onTissue is not None:
                self._onTissue(label is not None and in_soft_tissue(ct, label))


def ctOf(parameters: Any) -> Any:
    """The chosen CT with the chosen segment as its only label.

    Raises:
        InputError: No CT chosen, or it or the segment cannot be used.
    """
    if parameters is None or parameters.ctVolume is None:
        raise InputError(_("Choose the CT volume first."))
    values = CT_VALUES[parameters.ctValues]
    return mrml.ctFromNodes(parameters.ctVolume, parameters.segmentation, parameters.segmentId, values)


def _keyOf(parameters: Any) -> tuple[Any, ...]:
    """Changes when anything changes that the bone's attenuation depends on."""
    volume, labels = parameters.ctVolume, parameters.segmentation
    if volume is None:
        return ()
    image = volume.GetImageData()
    grid = tuple(np.round(mrml.ijkToLps(volume), 9).ravel())
    how = (parameters.ctValues, parameters.energyKev)
    key: tuple[Any, ...] = (volume.GetID(), *how, image.GetMTime() if image else 0, grid)
    if labels is None or not parameters.segmentId:
        return key
    content = labels.GetSegmentation() if labels.IsA("vtkMRMLSegmentationNode") else labels.GetImageData()
    return (*key, labels.GetID(), parameters.segmentId, content.GetMTime() if content else 0)


def makeBoneModel(parameters: Any) -> Any:
    """Surface of the bone as a model under the pose; the model made before is filled anew.

    Raises:
        InputError: No CT or an unusable segment.
    """
    model = makeModel(boneOf(parameters), parameters.boneModel, BONE_COLOUR)
    if parameters.poseTransform is not None:
        model.SetAndObserveTransformNodeID(parameters.poseTransform.GetID())
    parameters.boneModel = model
    return model


def makeModel(bone: Bone, model: Any, colour: tuple[float, float, float]) -> Any:
    """Surface of a bone in CT coordinates as a model, made where None.

    Raises:
        InputError: No CT or an unusable segment.
    """
    from XRayTo3DLib.shape.label_surface import surface_from_labels

    ct = ctOf(bone)
    labels = ct.labels if ct.labels is not None else (ct.hu > BONE_HU).astype(np.uint8)
    surface = surface_from_labels(labels, ct.voxel_to_lps, 1, smoothing_voxels=DISPLAY_SMOOTHING)
    mark = mrml.SYNTHETIC_MARK if ct.synthetic else ""
    model = mrml.surfaceToScene(surface, f"{bone.name} model{mark}", model)
    model.SetAttribute(mrml.SYNTHETIC, str(int(ct.synthetic)))
    display = model.GetDisplayNode()
    display.SetColor(*colour)
    display.SetVisibility2D(False)
    return model


def firstCtVolume() -> Any:
    """The first scalar volume that is a CT and no radiograph, for preselection; None where there is none."""
    for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
        image = node.GetImageData()
        isCt = node.GetClassName() == "vtkMRMLScalarVolumeNode" and node.GetAttribute(mrml.ROLE) is None
        if isCt and not node.GetHideFromEditors() and image is not None and min(image.GetDimensions()) > 1:
            return node
    return None
