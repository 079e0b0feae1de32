"""The SYNTHETIC samples, for scripts and for Slicer's Sample Data. Each method is one of ``XRayTo3DLogic``."""

from __future__ import annotations

from functools import partial
from typing import Any

import slicer


class SampleCalls:
    """The SYNTHETIC samples: computed on this computer, nothing is downloaded. Slicer goes on drawing meanwhile."""

    def loadExample(self, ctSpacing: float = 0.7, pixelSpacing: float = 0.3) -> list[Any]:
        """A wrist to register: a CT and two radiographs of it in another pose. Takes some seconds.

        Args:
            ctSpacing: Voxel size of the CT, mm.
            pixelSpacing: Pixel pitch on the detector, mm.

        Returns:
            CT volume, segmentation and the radiographs PA and lateral.

        Raises:
            InputError: Another sample is being computed.
        """
        from XRayTo3DGui.scene import example, folders
        from XRayTo3DGui.scene.computing import compute

        made = compute(example.CASE_NAME, partial(example.makeSyntheticWrist, ctSpacing, pixelSpacing))
        parameters = self.getParameterNode()
        nodes = example.wristToScene(*made)
        slicer.app.processEvents()
        parameters.caseName = example.CASE_NAME
        parameters.ctVolume, parameters.segmentation, parameters.segmentId = nodes[0], nodes[1], "radius"
        for node in nodes[:2]:
            folders.fileNode(node, parameters.caseName)
        slicer.app.processEvents()
        for node in nodes[2:]:
            folders.fileRadiograph(node, parameters.caseName)
        return nodes

    def loadKneeExample(self, ctSpacing: float = 1.0, pixelSpacing: float = 0.4) -> list[Any]:
        """A knee to reconstruct and to judge: two radiographs with the joint marked, and the true bones, hidden.

        Args:
            ctSpacing: Voxel size of the CT that the radiographs are computed from, mm.
            pixelSpacing: Pixel pitch on the detector, mm.

        Returns:
            The radiographs AP and lateral, then a model node of each true bone, cut where the models' field ends.

        Raises:
            InputError: Another sample is being computed.
        """
        from XRayTo3DGui.scene import folders, samples
        from XRayTo3DGui.scene.computing import compute

        made = compute(samples.KNEE_CASE, partial(samples.makeSyntheticKnee, ctSpacing, pixelSpacing))
        self.getParameterNode().caseName = samples.KNEE_CASE
        nodes = samples.kneeToScene(*made)
        count = len(samples.KNEE_VIEWS)
        for node in nodes[:count]:
            folders.fileRadiograph(node, samples.KNEE_CASE)
        for node in nodes[count:]:
            folders.fileNode(node, samples.KNEE_CASE)
        return nodes

    def loadBonePair(self) -> list[Any]:
        """Two surfaces of a radius to compare: the reference, and a result with errors as a reconstruction has.

        Returns:
            The model nodes of reference and result; both are chosen in section 6.

        Raises:
            InputError: Another sample is being computed.
        """
        from XRayTo3DGui.scene import folders, samples
        from XRayTo3DGui.scene.computing import compute

        surfaces = compute(samples.PAIR_CASE, samples.makeBonePair)
        parameters = self.getParameterNode()
        parameters.caseName = samples.PAIR_CASE
        kinds = (("reference", samples.TRUTH_COLOUR), ("reconstructed", samples.RESULT_COLOUR))
        pairs = zip(surfaces, kinds, strict=True)
        nodes = [samples.boneToScene(each, f"Radius, {kind}", colour) for each, (kind, colour) in pairs]
        for node in nodes:
            folders.fileNode(node, samples.PAIR_CASE)
        parameters.evaluationReference, parameters.evaluationResult = nodes
        return nodes
