"""A long day in one session: what is opened and closed again leaves nothing in the scene.

The long run, with observers, widgets and memory, is Testing/Soak/soak_load_module.py.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import dataset_cases
import pytest
from module_cases import settle, small_radiograph, wait_until

pytestmark = pytest.mark.host


def nodes() -> Counter[str]:
    import slicer

    scene = slicer.mrmlScene
    return Counter(scene.GetNthNode(number).GetClassName() for number in range(scene.GetNumberOfNodes()))


def test_cases_that_were_closed_leave_no_node(module_widget: Any, tmp_path: Path) -> None:
    """Each left the outlines of its bones on its radiographs, for ever."""
    panel = module_widget.dataset
    module_widget.ui.datasetSection.collapsed = False
    dataset_cases.choose(panel, dataset_cases.dataset(tmp_path))
    there = []
    for number in (1, 2, 1):
        panel.cases.open(f"case-{number:03d}")
        dataset_cases.opened(panel)
        settle(0.2)
        wait_until(lambda: not module_widget.registration.overlay.busy)
        assert module_widget.registration.overlay.drawn.outlineOf(radiographs()[0]) is not None
        module_widget.logic.closeCase()
        settle(0.2)
        there.append(nodes())
    assert there[2] == there[1]


def radiographs() -> list[Any]:
    from XRayTo3DGui.scene import mrml_radiographs

    return mrml_radiographs.radiographNodes()


def test_outlines_of_a_reconstruction_leave_with_its_bones(slicer_module: Any) -> None:
    import slicer

    from XRayTo3DGui.reconstruct.outlines import BoneOutlines
    from XRayTo3DGui.scene import mrml_radiographs
    from XRayTo3DGui.scene.overlays import newOutline

    picture = mrml_radiographs.radiographToScene(small_radiograph())
    bones = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name) for name in ("radius", "ulna")]
    outlines = BoneOutlines()
    outlines._models = {(picture.GetID(), bone.GetID()): newOutline(picture, (1, 1, 1)) for bone in bones}
    kept, left = outlines.outlineOf(picture, bones[0]), outlines.outlineOf(picture, bones[1])
    slicer.mrmlScene.RemoveNode(bones[1])
    outlines.hide()
    assert slicer.mrmlScene.IsNodePresent(kept) and not slicer.mrmlScene.IsNodePresent(left)
    assert list(outlines._models.values()) == [kept]
