"""The samples: registered with Slicer, computed here, true where they say so; Slicer goes on drawing meanwhile."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from module_cases import settle

pytestmark = pytest.mark.host


TAKEN = {"category", "sampleName", "uris", "fileNames", "nodeNames", "customDownloader", "thumbnailFileName"}
TAKEN |= {"loadFileTypes", "loadFiles", "loadFileProperties", "checksums", "loadFileType"}
"""By registerCustomSampleDataSource of Slicer 5.10; the description it does not take."""


class Registry:
    """What Slicer's SampleDataLogic takes; 5.12 has categories with titles, 5.10 has not."""

    def __init__(self, categories: bool) -> None:
        self.sources: dict[str, dict[str, Any]] = {}
        self.categories: dict[str, str] = {}
        if categories:
            self.registerCustomSampleDataCategory = self._register_category
        self.listed: list[SimpleNamespace] = []

    def _register_category(self, category: str, title: str) -> None:
        self.categories[category] = title

    def registerCustomSampleDataSource(self, **source: Any) -> None:
        assert set(source) <= TAKEN, "Slicer takes no other argument"
        for each in ("uris", "fileNames", "nodeNames", "loadFiles", "checksums"):
            assert list(zip(source[each], source["uris"], strict=True)) == []  # Slicer zips them, None fails
        self.sources[source["sampleName"]] = source
        name = source["sampleName"]
        self.listed.append(SimpleNamespace(sampleName=name, sampleDescription=name))


@pytest.fixture(params=[True, False], ids=["5.12", "5.10"])
def registry(slicer_module: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Registry:
    import slicer

    import XRayTo3D as module

    found = Registry(request.param)
    sample_data = ModuleType("SampleData")
    sample_data.SampleDataLogic = found
    monkeypatch.setitem(sys.modules, "SampleData", sample_data)
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {"XRayTo3D": found.listed}, raising=False)
    module.registerSampleData()
    return found


def test_three_samples_are_registered_with_pictures(registry: Registry) -> None:
    from PIL import Image

    names = ["XRayTo3D synthetic wrist", "XRayTo3D synthetic knee", "XRayTo3D synthetic radius"]
    assert list(registry.sources) == names
    assert all(source["category"] == "XRayTo3D" for source in registry.sources.values())
    assert [source.sampleDescription for source in registry.listed] == [
        "Synthetic wrist, to register",
        "Synthetic knee, to reconstruct",
        "Synthetic radius, to evaluate",
    ]
    assert registry.categories in ({}, {"XRayTo3D": "XRayTo3D (synthetic, computed here)"})
    for source in registry.sources.values():
        with Image.open(source["thumbnailFileName"]) as picture:
            assert picture.size == (260, 280)


def test_pressing_one_makes_it(registry: Registry, slicer_app: Any) -> None:
    """As Slicer's Sample Data calls the downloader: with the source."""
    reference, result = registry.sources["XRayTo3D synthetic radius"]["customDownloader"](object())
    assert [reference.GetName(), result.GetName()] == [
        "Radius, reference (synthetic)",
        "Radius, reconstructed (synthetic)",
    ]


def test_no_sample_data_module_is_no_error(slicer_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import XRayTo3D as module

    monkeypatch.setitem(sys.modules, "SampleData", None)
    module.registerSampleData()


def test_the_knee_has_its_joint_marked_where_it_is(module_widget: Any) -> None:
    from XRayTo3DGui.reconstruct.request import originPixel
    from XRayTo3DGui.scene import mrml_radiographs

    front, side, *truths = module_widget.logic.loadKneeExample(ctSpacing=1.6, pixelSpacing=1.0)
    for node in (front, side):
        expected = mrml_radiographs.cameraFromNode(node).project(np.zeros(3))
        assert originPixel(node) == pytest.approx(tuple(expected), abs=1e-3)
        assert node.GetName().endswith("(synthetic)")
    assert [node.GetName() for node in truths] == [
        f"{bone}, truth (synthetic)" for bone in ("Femur", "Tibia", "Patella", "Fibula")
    ]
    assert not any(node.GetDisplayVisibility() for node in truths)
    assert module_widget.parameters.caseName == "synthetic knee"


def test_the_true_bones_end_where_the_model_does_and_are_open_only_there(slicer_module: Any) -> None:
    import vtk

    from XRayTo3DGui.scene import samples

    _pictures, bones = samples.makeSyntheticKnee(ctSpacing=2.0, pixelSpacing=2.0)
    for name, surface in bones.items():
        low, high = surface.GetBounds()[4:]
        assert low >= -samples.KNEE_REACH_MM - 1e-3 and high <= samples.KNEE_REACH_MM + 1e-3
        edges = vtk.vtkFeatureEdges()
        edges.SetInputData(surface)
        edges.FeatureEdgesOff()
        edges.ManifoldEdgesOff()
        edges.Update()
        rim = edges.GetOutput()
        heights = {round(abs(rim.GetPoint(number)[2]), 3) for number in range(rim.GetNumberOfPoints())}
        assert heights <= {samples.KNEE_REACH_MM}, f"{name} is open elsewhere"
        assert bool(heights) is (name != "patella")
    assert bones["femur"].GetBounds()[5] == pytest.approx(samples.KNEE_REACH_MM, abs=1e-3)
    assert bones["tibia"].GetBounds()[4] == pytest.approx(-samples.KNEE_REACH_MM, abs=1e-3)


def test_the_pair_differs_as_it_says_and_is_chosen(module_widget: Any) -> None:
    from XRayTo3DGui.scene import mrml

    reference, result = module_widget.logic.loadBonePair()
    settle()
    ui = module_widget.evaluation.ui
    assert ui.evaluationReferenceSelector.currentNode() is reference
    assert ui.evaluationResultSelector.currentNode() is result
    points = [mrml.surfaceFromNode(node) for node in (reference, result)]
    moved = np.linalg.norm(
        np.array([points[0].GetPoint(i) for i in range(0, points[0].GetNumberOfPoints(), 50)])
        - np.array([points[1].GetPoint(i) for i in range(0, points[1].GetNumberOfPoints(), 50)]),
        axis=1,
    )
    assert 0.2 < moved.mean() < 1.0 and moved.max() < 2.5


def test_slicer_draws_while_it_is_computed_and_a_second_click_waits(module_widget: Any) -> None:
    import qt

    from XRayTo3DGui.scene.computing import compute
    from XRayTo3DLib.errors import InputError

    ticks: list[float] = []
    refused: list[str] = []

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 5:
            try:
                module_widget.logic.loadBonePair()
            except InputError as error:
                refused.append(str(error))

    timer = qt.QTimer()
    timer.setInterval(10)
    timer.connect("timeout()", tick)
    timer.start()
    assert compute("the test", lambda: time.sleep(0.5) or "made") == "made"
    timer.stop()
    assert refused == ["Wait a moment: the test is still being computed."]
    assert len(ticks) > 8
    with pytest.raises(ZeroDivisionError):
        compute("the test", lambda: 1 / 0)
    assert compute("the test", lambda: 5) == 5, "what failed leaves nothing behind"


def test_pictures_of_the_samples_are_in_the_package(slicer_module: Any) -> None:
    import XRayTo3D as module

    icons = Path(slicer_module.path).parent / "Resources" / "Icons"
    for _name, _description, method, picture in module.sampleTable():
        assert callable(getattr(module.XRayTo3DLogic, method))
        assert (icons / picture).stat().st_size < 100_000
