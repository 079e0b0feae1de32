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
from XRayTo3DGui.registration.engines import loadEngines, notCollecting
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene.mrml_segments import ctWithSegmentsReader
from XRayTo3DGui.setup import packages
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix
from XRayTo3DLib.plain_words import impersonal

BONE_HU = 200
DISPLAY_SMOOTHING = 1.2
"""Of the model's mask, in voxels: for the eye, without the steps of the slices. Nothing is measured on it."""
BONE_COLOUR = (0.93, 0.87, 0.74)


def torchMissing() -> str:
    """One sentence where PyTorch is missing or too old, else empty; it is not loaded for that."""
    return packages.torchProblem()


def torchProblem() -> str:
    """One sentence where PyTorch cannot be used, else empty. Never installs anything by itself."""
    if torchMissing():
        return torchMissing()
    try:
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        text = _("PyTorch is installed but cannot be loaded ({error}); install it anew in the section Set-up.")
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
        name = self.ctVolume.GetName().removesuffix(mrml.SYNTHETIC_MARK) if self.ctVolume else ""
        return impersonal(name, _("bone"))  # Slicer's own reader names a CT by the series' description


def boneOf(parameters: Any, segmentId: str | None = None) -> Bone:
    """The chosen bone, or another segment of the same CT."""
    own = parameters.segmentId if segmentId is None else segmentId
    return Bone(parameters.ctVolume, parameters.ctValues, parameters.segmentation, own, parameters.energyKev)


@dataclass(frozen=True, eq=False)
class Prepared:
    """A bone ready to be drawn.

    Attributes:
        key: Of what it was made.
        attenuation: :class:`~XRayTo3DLib.imaging.Attenuation`.
        inTissue: Whether it lies in soft tissue.
        projector: What draws it.
    """

    key: Any
    attenuation: Any
    inTissue: bool
    projector: Any

    def cornersLps(self) -> FloatArray:
        """(8, 3) corners of the bone's box in CT coordinates, LPS mm."""
        bone = self.attenuation
        ends = [(0, count - 1) for count in reversed(bone.mu.shape)]
        return apply_matrix(bone.voxel_to_lps, list(product(*ends)))

    def drr(self, camera: XRayCamera, pose: RigidPose) -> np.ndarray:
        """(rows, columns) line integrals of the bone."""
        import torch

        with torch.no_grad():
            return self.projector(camera, pose).cpu().numpy()


class BoneCache:
    """Attenuation and projector of a bone, computed again only when CT or segment change.

    Args:
        onTissue: Called when another bone was read, with whether it lies in soft tissue.
    """

    def __init__(self, onTissue: Callable[[bool], None] | None = None) -> None:
        self._onTissue = onTissue
        self._prepared: Prepared | None = None

    def clear(self) -> None:
        self._prepared = None

    def ready(self, parameters: Any) -> Prepared | None:
        """The bone if it need not be computed, else None."""
        fits = self._prepared is not None and self._prepared.key == _keyOf(parameters)
        return self._prepared if fits else None

    def work(self, parameters: Any) -> Callable[[], Prepared]:
        """Reads the nodes now; what it returns does the rest, in any thread; :meth:`take` its outcome.

        Raises:
            InputError: No CT, or the segment cannot be used; the work raises it too.
        """
        ready = self.ready(parameters)
        if ready is not None:
            return lambda: ready
        key, energy, label = _keyOf(parameters), parameters.energyKev, 1 if _labelled(parameters) else None
        read = ctReader(parameters)

        def compute() -> Prepared:
            with notCollecting():
                return made()

        def made() -> Prepared:
            from XRayTo3DLib.imaging.attenuation import attenuation_of
            from XRayTo3DLib.imaging.surroundings import in_soft_tissue

            ct = read()
            attenuation = attenuation_of(ct, label, energy_kev=energy)
            loadEngines()
            from XRayTo3DLib.projection.engines import make_projector

            projector = make_projector(attenuation.mu, attenuation.voxel_to_lps)
            return Prepared(key, attenuation, label is not None and in_soft_tissue(ct, label), projector)

        return compute

    def isNew(self, prepared: Prepared) -> bool:
        """Whether that is another bone than the one it has."""
        return prepared is not self._prepared

    def take(self, prepared: Prepared) -> None:
        """What :meth:`work` came to."""
        if prepared is not self._prepared:
            self._prepared = prepared
            if self._onTissue is not None:
                self._onTissue(prepared.inTissue)

    def prepared(self, parameters: Any) -> Prepared:
        """The bone, computed here and now where it must be.

        Raises:
            InputError: No CT, or the segment cannot be used.
        """
        self.take(self.work(parameters)())
        assert self._prepared is not None
        return self._prepared

    def attenuation(self, parameters: Any) -> Any:
        """:class:`~XRayTo3DLib.imaging.Attenuation` of the segment, or of the whole CT where none is chosen.

        Raises:
            InputError: No CT, or the segment cannot be used.
        """
        return self.prepared(parameters).attenuation

    def centreLps(self, parameters: Any) -> FloatArray:
        """(3,) centre of the bone in CT coordinates, LPS mm."""
        return np.asarray(self.attenuation(parameters).centre_lps, dtype=np.float64)

    def drr(self, parameters: Any, camera: XRayCamera, pose: RigidPose) -> np.ndarray:
        """(rows, columns) line integrals of the bone."""
        return self.prepared(parameters).drr(camera, pose)


def ctReader(parameters: Any) -> Callable[[], Any]:
    """The chosen CT with the chosen segment as its only label, 1: nodes are read now, the rest when called.

    Raises:
        InputError: No CT chosen, or it or the segment cannot be used; the reader raises it too.
    """
    if parameters is None or parameters.ctVolume is None:
        raise InputError(_("Choose the CT volume first."))
    values = CT_VALUES[parameters.ctValues]
    if not _labelled(parameters):
        mrml.requireCt(parameters.ctVolume)
        return mrml.ctReader(parameters.ctVolume, values)
    ids = [parameters.segmentId]
    return ctWithSegmentsReader(parameters.ctVolume, parameters.segmentation, ids, values, others=False)


def _labelled(parameters: Any) -> bool:
    return parameters.segmentation is not None and bool(parameters.segmentId)


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


def surfaceWork(bone: Bone) -> Callable[[], Any]:
    """Reads the nodes now; what it returns makes the bone's surface (CT coordinates, LPS mm), in any thread.

    Raises:
        InputError: No CT or an unusable segment; the work raises it too.
    """
    read = ctReader(bone)

    def compute() -> Any:
        from XRayTo3DLib.shape.label_surface import surface_from_labels

        ct = read()
        labels = ct.labels if ct.labels is not None else (ct.hu > BONE_HU).astype(np.uint8)
        return surface_from_labels(labels, ct.voxel_to_lps, 1, smoothing_voxels=DISPLAY_SMOOTHING)

    return compute


def modelOf(bone: Bone, surface: Any, model: Any = None) -> Any:
    """A bone's surface as a model node, made where None."""
    synthetic = bone.ctVolume.GetAttribute(mrml.SYNTHETIC) == "1"
    model = mrml.surfaceToScene(surface, f"{bone.name} model{mrml.SYNTHETIC_MARK if synthetic else ''}", model)
    model.SetAttribute(mrml.SYNTHETIC, str(int(synthetic)))
    display = model.GetDisplayNode()
    display.SetColor(*BONE_COLOUR)
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
