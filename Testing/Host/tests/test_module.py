"""A scripted module in the style of Slicer's template lives in the host: load, set up, click, leave, discard."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenes import add_volume

pytestmark = [pytest.mark.host, pytest.mark.gl]

DEMO = Path(__file__).parent / "demo" / "HostDemo.py"


@pytest.fixture
def demo(slicer_app):
    from slicerhost import modules

    return modules.load_module(DEMO)


@pytest.fixture
def widget(demo):
    from slicerhost import modules

    made = modules.make_module_widget(demo)
    modules.enter_module(made)
    yield made
    modules.discard_module_widget(demo, made)
    gc.collect()


def test_a_module_is_registered_once(demo):
    import slicer
    from slicerhost import modules

    assert slicer.modules.hostdemo is demo
    assert slicer.moduleNames.HostDemo == "HostDemo"
    assert demo.title == "Host demo"
    assert modules.load_module(DEMO) is demo
    assert Path(slicer.util.modulePath("HostDemo")) == DEMO


def test_the_panel_binds_its_widgets(widget):
    ui, node = widget.ui, widget.logic.getParameterNode()
    assert (ui.thresholdSlider.value, ui.thresholdSlider.minimum, ui.thresholdSlider.suffix) == (100, -100, " HU")
    assert ui.qualityCombo.currentText == "Exact"
    ui.iterationsSpinBox.value = 99
    ui.noteEdit.text = "typed"
    assert (node.iterations, node.note) == (20, "typed")


def test_apply_waits_for_its_input_and_works(widget):
    assert widget.ui.applyButton.enabled is False
    assert widget.ui.applyButton.toolTip == "Choose an input volume"
    widget.ui.inputSelector.setCurrentNode(add_volume())
    assert widget.ui.applyButton.enabled is True
    widget.ui.applyButton.click()
    assert widget.ui.statusLabel.text == "130564 voxels"


def test_closing_the_scene_rebinds_the_panel(widget, slicer_app):
    widget.ui.noteEdit.text = "before"
    slicer_app.mrmlScene().Clear(False)
    assert widget.ui.noteEdit.text == "hello"
    widget.ui.noteEdit.text = "after"
    assert widget.logic.getParameterNode().note == "after"


def test_button_groups_and_tabs_of_the_ui_file_work(widget):
    widget.ui.rightButton.click()
    assert widget.ui.sideGroup.checkedButton().text == "Right"
    widget.ui.tabs.currentIndex = 1
    assert widget.ui.tabs.count == 2


def test_collapsed_in_the_ui_file(widget):
    assert widget.ui.advancedSection.collapsed is True
    assert widget.ui.qualityCombo.isHidden() is True
    widget.ui.advancedSection.click()
    assert widget.ui.qualityCombo.isHidden() is False


def test_simple_markups_widget_lists_and_places_points(widget, slicer_app):
    import slicer

    node = slicer_app.mrmlScene().AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "F")
    points = widget.ui.pointsWidget
    points.setCurrentNode(node)
    node.AddControlPoint([1, 2, 3], "hip")
    assert points.tableWidget().item(0, 0).text() == "hip"
    place = points.markupsPlaceWidget()
    place.setPlaceModeEnabled(True)
    interaction = slicer_app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlaceNodeID() == node.GetID()
    place.setPlaceModeEnabled(False)
    assert place.placeModeEnabled is False


def test_discarding_cleans_up(demo):
    from slicerhost import modules

    made = modules.make_module_widget(demo)
    modules.enter_module(made)
    modules.discard_module_widget(demo, made)
    assert made.cleanedUp is True
    assert demo.widgetRepresentation() is None


def test_util_finds_widget_and_logic(widget):
    import slicer

    assert slicer.util.getModuleWidget("HostDemo") is widget
    assert slicer.util.getModuleLogic("HostDemo") is widget.logic
    assert slicer.util.findChild(widget.parent, "applyButton") is widget.ui.applyButton


def test_the_modules_own_test_runs(demo):
    demo.instance.runTest()
    assert sys.modules["HostDemo"].HostDemoTest.hasRun is True


def test_screenshot_shows_the_panel_and_gives_it_back(widget, tmp_path):
    from slicerhost import screenshots

    path = screenshots.capture(tmp_path / "panel.png", widget, views=False, size=(460, 900))
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert picture.shape[1] == 460 + 2 * screenshots.MARGIN
    blue = (picture[..., 2] - picture[..., 0] > 80).sum()
    assert blue > 2000, "the progress bar is Slicer's blue"
    again = screenshots.capture(tmp_path / "again.png", widget, views=False, size=(460, 900))
    assert np.array_equal(np.asarray(Image.open(again).convert("RGB")), picture)


def test_full_height_grows_the_picture(widget, tmp_path):
    from slicerhost import screenshots

    widget.ui.advancedSection.collapsed = False
    path = screenshots.capture(tmp_path / "full.png", widget, views=False, size=(460, 200), full_height=True)
    assert Image.open(path).height > 500


def test_scrolling_shows_another_part(widget, tmp_path):
    from slicerhost import screenshots

    top = screenshots.capture(tmp_path / "top.png", widget, views=False, size=(460, 250))
    low = screenshots.capture(tmp_path / "low.png", widget, views=False, size=(460, 250), scroll_to=widget.ui.tabs)
    assert top.read_bytes() != low.read_bytes()


def test_unknown_widget_class_in_a_ui_file(slicer_app, tmp_path):
    import slicer

    path = tmp_path / "bad.ui"
    path.write_text('<ui version="4.0"><class>A</class><widget class="qMRMLNoSuchWidget" name="A"/></ui>')
    with pytest.raises(RuntimeError, match="qMRMLNoSuchWidget|errors"):
        slicer.util.loadUI(str(path))
