"""The MRML half: nodes, files, bundles, subject hierarchy, messages, and what the plugin complains about."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scenes import add_legend, add_model, add_volume

pytestmark = [pytest.mark.host, pytest.mark.gl]


@pytest.fixture
def util(slicer_app):
    import slicer

    return slicer.util


def test_boot_missed_only_known_data_files(slicer_app):
    known = ("Failed to load", "FindDefaultColorFiles failed")
    assert [text for text in slicer_app.boot_errors if not any(part in text for part in known)] == []


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_volumes_make_the_round_trip(util, tmp_path, ending):
    volume = add_volume()
    path = tmp_path / f"ct{ending}"
    assert util.saveNode(volume, str(path))
    loaded = util.loadVolume(str(path), {"name": "again"})
    assert loaded.GetName() == "again"
    assert np.array_equal(util.arrayFromVolume(loaded), util.arrayFromVolume(volume))
    assert np.allclose(loaded.GetOrigin(), volume.GetOrigin())


def test_label_maps_and_missing_files(util, tmp_path):
    path = tmp_path / "labels.nrrd"
    util.saveNode(add_volume(), str(path))
    assert util.loadLabelVolume(str(path)).IsA("vtkMRMLLabelMapVolumeNode")
    with pytest.raises(RuntimeError, match="file not found"):
        util.loadVolume(str(tmp_path / "absent.nrrd"))


def test_models_transforms_points_and_tables_make_the_round_trip(util, tmp_path, slicer_app):
    import slicer

    scene = slicer_app.mrmlScene()
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode", "T")
    util.updateTransformMatrixFromArray(transform, np.diag([1.0, -1.0, -1.0, 1.0]))
    points = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    points.AddControlPoint([1, 2, 3], "a")
    table = scene.AddNewNodeByClass("vtkMRMLTableNode", "Tab")
    util.updateTableFromArray(table, np.eye(2), ["x", "y"])
    nodes = {"m.vtp": add_model(), "t.h5": transform, "p.mrk.json": points, "tab.tsv": table}
    for name, node in nodes.items():
        assert util.saveNode(node, str(tmp_path / name))
    assert util.loadModel(str(tmp_path / "m.vtp")).GetPolyData().GetNumberOfPoints() > 100
    loaded = util.loadTransform(str(tmp_path / "t.h5"))
    assert np.allclose(util.arrayFromTransformMatrix(loaded), np.diag([1, -1, -1, 1]))
    again = util.loadMarkups(str(tmp_path / "p.mrk.json"))
    assert util.arrayFromMarkupsControlPoints(again).tolist() == [[1, 2, 3]]
    assert util.loadTable(str(tmp_path / "tab.tsv")).GetNumberOfRows() == 2
    assert slicer.mrmlScene is scene


def test_segmentations(util, slicer_app, tmp_path):
    scene, volume = slicer_app.mrmlScene(), add_volume()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "S")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = node.GetSegmentation().AddEmptySegment("bone", "bone", (1, 0, 0))
    mask = (util.arrayFromVolume(volume) > 600).astype(np.uint8)
    util.updateSegmentBinaryLabelmapFromArray(mask, node, segment, volume)
    assert np.array_equal(util.arrayFromSegmentBinaryLabelmap(node, segment, volume), mask)
    assert util.saveNode(node, str(tmp_path / "s.seg.nrrd"))
    loaded = util.loadSegmentation(str(tmp_path / "s.seg.nrrd"))
    assert loaded.GetSegmentation().GetNumberOfSegments() == 1


def test_a_bundle_brings_everything_back(util, slicer_app, tmp_path):
    import slicer

    scene, model = slicer_app.mrmlScene(), add_model()
    add_volume()
    add_legend(model, "distance (mm)")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Case")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(model), folder)
    assert util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    assert util.getNodes("CT") == {}
    util.loadScene(str(tmp_path / "scene.mrb"))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    loaded = util.getNode("Bone")
    parent = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(loaded))
    legend = slicer.modules.colors.logic().GetColorLegendDisplayNode(loaded)
    assert hierarchy.GetItemName(parent) == "Case"
    assert legend.GetTitleText() == "distance (mm)"
    assert util.arrayFromVolume(util.getNode("CT")).shape == (96, 80, 80)


def test_removed_nodes_lose_their_subject_hierarchy_item(slicer_app):
    import slicer

    scene, model = slicer_app.mrmlScene(), add_model()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = hierarchy.GetNumberOfItems()
    scene.RemoveNode(model)
    assert hierarchy.GetNumberOfItems() == before - 1


def test_observation_mixin(util):
    import vtk

    class Observer(util.VTKObservationMixin):
        calls = 0

        def onModified(self, caller, event):
            self.calls += 1

    observer, volume = Observer(), add_volume()
    observer.addObserver(volume, vtk.vtkCommand.ModifiedEvent, observer.onModified)
    volume.Modified()
    observer.removeObservers()
    volume.Modified()
    assert observer.calls == 1


def test_messages_are_recorded_not_shown(util, shown_messages, caplog):
    with caplog.at_level(logging.INFO):
        util.errorDisplay("broken")
        util.infoDisplay("fine")
    assert shown_messages.shown == [("ERROR", "broken"), ("INFO", "fine")]
    assert "broken" in caplog.text


@pytest.mark.parametrize("answer", [True, False])
def test_confirmations_are_answered_by_the_test(util, shown_messages, answer):
    shown_messages.answer = answer
    assert util.confirmOkCancelDisplay("sure?") is answer
    assert util.confirmYesNoDisplay("sure?") is answer


def test_errors_are_raised_again_under_testing(util):
    with pytest.raises(ValueError, match="inner"), util.tryWithErrorDisplay("outer", waitCursor=True):
        raise ValueError("inner")


def test_util_helpers_that_need_qt(util, tmp_path):
    from pathlib import Path

    assert Path(util.tempDirectory()).is_dir()
    assert util.settingsValue("absent", 3, converter=int) == 3
    assert util.mainWindow() is None
    with util.WaitCursor(), util.MessageDialog("wait"):
        pass
    with pytest.raises(RuntimeError, match="main window"):
        util.selectModule("Data")
    with pytest.raises(RuntimeError, match="not found"):
        util.loadUI(str(tmp_path / "absent.ui"))


def test_nothing_is_installed(util):
    import slicer.packaging

    with pytest.raises(RuntimeError, match="installs nothing"):
        util.pip_install("torch")
    with pytest.raises(RuntimeError, match="installs nothing"):
        slicer.packaging.pip_install("torch")


def test_vtk_errors_are_collected(slicer_app):
    import slicer

    slicer.modules.models.logic().AddModel("/no/such/file.vtp")
    assert any("file.vtp" in text for text in slicer_app.vtk_errors.take())


def test_leaked_nodes_are_found(slicer_app, monkeypatch):
    from slicerhost import cleaning

    assert cleaning.leftovers(slicer_app) == []
    monkeypatch.setattr(cleaning, "_is_slicers", lambda node: False)
    found = cleaning.leftovers(slicer_app)
    assert len(found) == 1
    assert "nodes left" in found[0]
    assert "vtkMRMLModelNode" in found[0], "the slices' own models are the nodes that are always there"


def test_paused_rendering_is_found(slicer_app):
    from slicerhost import cleaning

    slicer_app.pauseRender()
    assert "paused" in cleaning.leftovers(slicer_app)[0]
    with pytest.raises(RuntimeError, match="without pauseRender"):
        slicer_app.resumeRender()
