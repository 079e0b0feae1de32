"""The views show what Slicer shows: slices, intersections, points, textured slices in 3D, legends, custom layouts."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scenes import add_legend, add_model, add_volume

pytestmark = [pytest.mark.host, pytest.mark.gl]

LAYOUT_ID = 7351
LAYOUT = """
<layout type="horizontal" split="true">
 <item><view class="vtkMRMLSliceNode" singletontag="XRayTest">
  <property name="orientation" action="default">Coronal</property>
  <property name="viewlabel" action="default">AP</property>
  <property name="viewcolor" action="default">#F9A33B</property>
 </view></item>
 <item><layout type="vertical">
  <item><view class="vtkMRMLViewNode" singletontag="1"/></item>
  <item><view class="vtkMRMLTableViewNode" singletontag="TableTest"/></item>
  <item><view class="vtkMRMLPlotViewNode" singletontag="PlotTest"/></item>
 </layout></item>
</layout>"""


@pytest.fixture
def manager(slicer_app):
    return slicer_app.layoutManager()


def show_layout(manager):
    node = manager.layoutLogic().GetLayoutNode()
    if not node.IsLayoutDescription(LAYOUT_ID):
        node.AddLayoutDescription(LAYOUT_ID, LAYOUT)
    manager.setLayout(LAYOUT_ID)


def near(picture: np.ndarray, color: tuple[int, int, int], tolerance: int = 40) -> int:
    """Number of pixels of about that colour."""
    return int((np.abs(picture.astype(int) - color).max(axis=2) < tolerance).sum())


def test_a_slice_view_shows_the_volume_through_window_and_level(manager):
    import slicer

    volume = add_volume()
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    view = manager.sliceWidget("Red").view
    assert near(view.image(), (255, 255, 255)) > 2000
    volume.GetDisplayNode().SetWindowLevel(1500, 4000)
    assert near(view.image(), (255, 255, 255)) == 0


def test_foreground_opacity_blends(manager):
    import slicer

    background, foreground = add_volume("A"), add_volume("B")
    slicer.util.updateVolumeFromArray(foreground, np.full((96, 80, 80), 5000, np.int16))
    slicer.util.setSliceViewerLayers(background=background, foreground=foreground, foregroundOpacity=0, fit=True)
    plain = manager.sliceWidget("Red").view.image()
    slicer.util.setSliceViewerLayers(foregroundOpacity=0.5)
    blended = manager.sliceWidget("Red").view.image()
    expected = (plain[200, 200].astype(int) + 255) / 2
    assert np.abs(blended[200, 200] - expected).max() <= 2


def test_a_model_is_cut_in_the_slice_view(manager):
    import slicer

    slicer.util.setSliceViewerLayers(background=add_volume(), fit=True)
    view = manager.sliceWidget("Red").view
    before = view.image()
    model = add_model()
    model.GetDisplayNode().SetScalarVisibility(False)
    model.GetDisplayNode().SetColor(1, 0, 0)
    assert near(before, (255, 0, 0)) == 0
    assert near(view.image(), (255, 0, 0)) > 200


def test_points_are_drawn_in_the_slice_view(manager):
    import slicer

    slicer.util.setSliceViewerLayers(background=add_volume(), fit=True)
    view = manager.sliceWidget("Red").view
    before = view.image()
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    points.AddControlPoint([30, 30, manager.sliceWidget("Red").sliceLogic().GetSliceOffset()], "head")
    changed = np.abs(view.image().astype(int) - before).max(axis=2) > 30
    assert 20 < changed.sum() < 5000


def test_a_slice_visible_in_3d_carries_the_image(manager):
    import slicer

    slicer.util.setSliceViewerLayers(background=add_volume(), fit=True)
    view = manager.threeDWidget(0).view
    before = view.image()
    manager.sliceWidget("Green").mrmlSliceNode().SetSliceVisible(True)
    manager.threeDWidget(0).threeDView().rotateToViewAxis(3)
    manager.resetThreeDViews()
    shown = view.image()
    assert near(before, (255, 255, 255), 5) < 500
    assert near(shown, (255, 255, 255), 5) > 2000, "the cortex of the bone is white"
    assert near(shown, (160, 160, 160), 12) > 2000, "the marrow is grey"
    manager.sliceWidget("Green").mrmlSliceNode().SetSliceVisible(False)
    assert near(view.image(), (160, 160, 160), 12) < 500


def test_the_legend_is_drawn_in_3d(manager):
    model = add_model()
    manager.resetThreeDViews()
    view = manager.threeDWidget(0).view
    before = view.image()[:, -60:]
    add_legend(model)
    changed = np.abs(view.image()[:, -60:].astype(int) - before).max(axis=2) > 30
    assert changed.sum() > 1000


def test_the_views_show_a_loaded_bundle_as_it_was_saved(manager, tmp_path):
    import slicer

    model, view = add_model(), manager.threeDWidget(0).view
    add_legend(model)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Case")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(model), folder)
    manager.resetThreeDViews()
    before = view.image()
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(False)
    assert np.abs(view.image().astype(int) - before).mean() > 5
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    manager.resetThreeDViews()
    assert np.abs(view.image().astype(int) - before).mean() < 1


def test_a_custom_layout_makes_its_views(manager):
    show_layout(manager)
    assert "XRayTest" in manager.sliceViewNames()
    node = manager.sliceWidget("XRayTest").mrmlSliceNode()
    assert (node.GetLayoutLabel(), node.GetOrientation()) == ("AP", "Coronal")
    assert np.allclose(node.GetLayoutColor(), [0xF9 / 255, 0xA3 / 255, 0x3B / 255], atol=0.01)
    assert manager.sliceWidget("XRayTest").sliceLogic().GetSliceCompositeNode() is not None
    assert manager.layout == LAYOUT_ID


def test_layout_changes_are_signalled(manager):
    got = []
    manager.connect("layoutChanged(int)", got.append)
    show_layout(manager)
    manager.setLayout(manager.layoutLogic().GetLayoutNode().SlicerLayoutOneUp3DView)
    manager.disconnect("layoutChanged(int)", got.append)
    assert got == [LAYOUT_ID, 4]


def test_a_description_may_be_replaced(manager):
    show_layout(manager)
    node = manager.layoutLogic().GetLayoutNode()
    node.SetLayoutDescription(LAYOUT_ID, LAYOUT.replace("XRayTest", "XRayOther"))
    assert "XRayOther" in manager.sliceViewNames()
    node.SetLayoutDescription(LAYOUT_ID, LAYOUT)


def test_rotating_to_an_oblique_plane_keeps_the_image_in_view(manager):
    import slicer

    show_layout(manager)
    volume = add_volume()
    widget = manager.sliceWidget("XRayTest")
    widget.sliceLogic().GetSliceCompositeNode().SetBackgroundVolumeID(volume.GetID())
    widget.mrmlSliceNode().RotateToVolumePlane(volume)
    widget.fitSliceToBackground()
    assert near(widget.view.image(), (255, 255, 255)) > 2000
    assert slicer.app.layoutManager().sliceWidget("nope") is None


def test_screenshot_of_a_custom_layout(manager, screenshot, monkeypatch, tmp_path):
    import slicer

    monkeypatch.setenv("XRAYTO3D_ARTIFACTS", str(tmp_path))
    show_layout(manager)
    slicer.util.setSliceViewerLayers(background=add_volume(), fit=True)
    chart = slicer.util.plot(np.column_stack([np.arange(9.0), np.arange(9.0) ** 2]), 0, show=False)
    chart.GetNthPlotSeriesNode(0).SetColor(1, 0, 0)
    selection = slicer.app.applicationLogic().GetSelectionNode()
    selection.SetActivePlotChartID(chart.GetID())
    selection.SetActiveTableID(slicer.util.getNode("Table").GetID())
    slicer.app.applicationLogic().PropagatePlotChartSelection()
    slicer.app.applicationLogic().PropagateTableSelection()
    picture = np.asarray(Image.open(screenshot("layout", size=(1000, 700))).convert("RGB"))
    assert picture.shape == (700, 1000, 3)
    assert near(picture, (0xF9, 0xA3, 0x3B), 3) > 3000, "the bar of the AP view"
    assert near(picture[:, :480], (255, 255, 255), 3) > 5000, "the bone"
    assert near(picture[480:, 520:], (255, 0, 0), 60) > 50, "the curve of the plot"


def test_resizing_keeps_the_field_of_view(manager):
    import slicer

    slicer.util.setSliceViewerLayers(background=add_volume(), fit=True)
    view = manager.sliceWidget("Red").view
    before = view.node.GetFieldOfView()
    view.resize(800, 400)
    after = view.node.GetFieldOfView()
    view.resize(400, 400)
    assert after[1] == pytest.approx(before[1])
    assert after[0] == pytest.approx(2 * before[0])


def test_render_blocker_and_force_render(slicer_app):
    import slicer

    with slicer.util.RenderBlocker():
        add_model()
    slicer.util.forceRenderAllViews()
    assert slicer_app.is_clean()
