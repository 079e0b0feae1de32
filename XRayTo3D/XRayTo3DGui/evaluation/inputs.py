"""What is compared with what: the chosen nodes, the reference's bone, and the pairs that they make."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.evaluation.sources import Bone, BonePair, bonesOf, hasSegments, missing, pairsOf
from XRayTo3DGui.reconstruct.nodes import ROLE_RECONSTRUCTION
from XRayTo3DGui.scene import mrml


class EvaluationInputs:
    """The selectors at the top of the section; everything chosen lives in the parameter node."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._filling = False
        self._segments: list[str] = []
        for selector in (self.ui.evaluationReferenceSelector, self.ui.evaluationResultSelector):
            selector.addAttribute("vtkMRMLTextNode", mrml.ROLE, ROLE_RECONSTRUCTION)
        self.ui.evaluationSegmentCombo.connect("currentIndexChanged(int)", self._onSegment)
        self._showSegments(False)

    @property
    def _node(self) -> Any:
        return self.panel.parameters

    def state(self) -> tuple[Any, ...]:
        """Everything that the numbers depend on, but for the bones' own shape and place."""
        node = self._node
        both = (node.evaluationReference, node.evaluationResult, node.evaluationSegment)
        return *both, node.evaluationIgnoreBoundary, node.evaluationAlign

    def bones(self) -> list[Bone]:
        """The chosen result's bones."""
        return bonesOf(self._node.evaluationResult) if self._node is not None else []

    def pairs(self) -> list[BonePair]:
        """The bones that are compared."""
        if self._node is None:
            return []
        return pairsOf(self._node.evaluationReference, self._node.evaluationSegment, self._node.evaluationResult)[0]

    def problem(self) -> str:
        """What is missing to measure, empty when nothing is."""
        node = self._node
        if node is None:
            return _("Enter the module first")
        return missing(node.evaluationReference, node.evaluationSegment, node.evaluationResult)

    def watched(self) -> list[Any]:
        """The nodes whose change makes the numbers old, each once."""
        if self._node is None:
            return []
        reference = self._node.evaluationReference
        found = [bone.node for bone in self.bones()] + [bone.node for bone in bonesOf(reference)]
        return list(dict.fromkeys(found))

    def sync(self) -> None:
        """The segments of the chosen reference, and which one is meant."""
        node = self._node
        reference = node.evaluationReference if node is not None else None
        there = hasSegments(reference)
        bones = bonesOf(reference) if there else []
        self._segments = ["", *(bone.segmentId for bone in bones)]
        if node is not None and node.evaluationSegment and node.evaluationSegment not in self._segments and there:
            node.evaluationSegment = ""
        combo = self.ui.evaluationSegmentCombo
        self._filling = True
        try:
            combo.clear()
            combo.addItems([_("All, by name"), *(bone.name for bone in bones)])
            chosen = node.evaluationSegment if node is not None else ""
            combo.currentIndex = self._segments.index(chosen) if chosen in self._segments else 0
        finally:
            self._filling = False
        self._showSegments(there)

    def _showSegments(self, there: bool) -> None:
        self.ui.evaluationSegmentCombo.setVisible(there)
        self.ui.evaluationSegmentComboLabel.setVisible(there)

    def _onSegment(self, index: int) -> None:
        if not self._filling and self._node is not None and 0 <= index < len(self._segments):
            self._node.evaluationSegment = self._segments[index]
