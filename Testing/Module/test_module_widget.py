"""The module as Slicer sees it: its own test, other scenes, no views, reload, sample data."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from module_cases import settle, wait_until

pytestmark = pytest.mark.host


def test_what_slicer_shows_about_it(slicer_module: Any) -> None:
    parent = slicer_module.instance.parent
    assert parent.title == "XRayTo3D"
    assert parent.categories and parent.contributors and parent.acknowledgementText
    assert "Research use only. Not clinically validated." in parent.helpText


def test_the_module_s_own_test_passes(slicer_module: Any) -> None:
    slicer_module.instance.runTest()


def test_sections_are_in_the_order_of_work(module_widget: Any) -> None:
    steps = ("Radiographs", "Registration", "Data set", "Train", "Reconstruct", "Evaluation")
    titles = [*(f"{number}  {step}" for number, step in enumerate(steps, 1)), "Set-up"]
    assert [section.text for section in module_widget.sections] == titles
    places = [section.parent().layout().indexOf(section) for section in module_widget.sections]
    assert places == sorted(places)
    assert [section.collapsed for section in module_widget.sections] == [False, *[True] * 6]


def test_one_section_is_open_at_a_time(module_widget: Any) -> None:
    module_widget.ui.trainSection.collapsed = False
    assert [section.collapsed for section in module_widget.sections] == [True] * 3 + [False] + [True] * 3
    module_widget.ui.trainSection.collapsed = True
    assert all(section.collapsed for section in module_widget.sections)


def test_leaving_and_entering_keeps_everything(module_widget: Any) -> None:
    module_widget.ui.caseNameEdit.text = "patient 7"
    module_widget.registration.ui.startsSpinBox.value = 17
    module_widget.exit()
    assert module_widget.parameters is None
    module_widget.enter()
    assert module_widget.ui.caseNameEdit.text == "patient 7"
    assert module_widget.registration.ui.startsSpinBox.value == 17


def test_closing_the_scene_starts_anew(module_widget: Any) -> None:
    import slicer

    module_widget.ui.caseNameEdit.text = "patient 7"
    slicer.mrmlScene.Clear()
    settle()
    assert module_widget.parameters is not None
    assert module_widget.ui.caseNameEdit.text == "case"


def test_it_opens_without_views(slicer_module: Any, slicer_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from slicerhost import modules

    monkeypatch.setattr(slicer_app, "layoutManager", lambda: None)
    widget = modules.make_module_widget(slicer_module)
    modules.enter_module(widget)
    widget.logic.loadExample(ctSpacing=1.8, pixelSpacing=1.5)
    settle()
    widget.radiographs.onShowLayout()
    assert widget.radiographs.ui.loadedTable.rowCount == 2
    modules.discard_module_widget(slicer_module, widget)


def test_it_opens_without_pytorch(slicer_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from slicerhost import modules

    monkeypatch.setitem(sys.modules, "torch", None)
    widget = modules.make_module_widget(slicer_module)
    modules.enter_module(widget)
    settle()
    modules.discard_module_widget(slicer_module, widget)


def test_the_example_button(module_widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    load = module_widget.logic.loadExample
    monkeypatch.setattr(module_widget.logic, "loadExample", lambda: load(ctSpacing=1.8, pixelSpacing=1.5))
    module_widget.radiographs.ui.exampleButton.click()
    settle()
    names = [node.GetName() for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")]
    assert {"Wrist CT (synthetic)", "Wrist PA (synthetic)", "Wrist LAT (synthetic)"} <= set(names)
    assert module_widget.registration.parameters.boneModel.GetName() == "radius model (synthetic)"
    assert module_widget.registration.ui.registerButton.enabled
    assert module_widget.ui.caseNameEdit.text == "synthetic wrist"


def test_cleaning_up_stops_everything(module_widget: Any) -> None:
    module_widget.cleanup()
    module_widget.cleanup()
    settle()


def test_what_is_left_is_disconnected_even_where_slicer_forgets_the_tag(
    module_widget: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``connectGui`` returns None in some versions of Slicer, and ``disconnectGui(None)`` does nothing (issue 7547)."""
    parameters = module_widget.parameters
    module_widget.exit()
    original = type(parameters).connectGui
    monkeypatch.setattr(type(parameters), "connectGui", lambda self, gui: original(self, gui) and None)
    module_widget.enter()
    parameters = module_widget.parameters
    module_widget.exit()
    for ui, name in (
        (module_widget.ui, "caseNameEdit"),
        (module_widget.registration.ui, "landmarkNamesEdit"),
    ):
        getattr(ui, name).text = "nobody listens"
    module_widget.radiographs.ui.showBeamsCheckBox.checked = True
    module_widget.evaluation.ui.evaluationSignedCheckBox.checked = True
    assert "nobody listens" not in (parameters.caseName, parameters.landmarkNames)
    assert not parameters.showBeams and not parameters.evaluationSigned


def test_paths_of_the_last_session_are_not_taken_up(slicer_module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real ctkPathLineEdit shows the newest path of its history as soon as its ``settingKey`` is set."""
    import slicer
    from slicerhost import modules

    load = slicer.util.loadUI

    def loadWithHistory(path: str) -> Any:
        uiWidget = load(path)
        for name, child in vars(slicer.util.childWidgetVariables(uiWidget)).items():
            if name in ("radiographPath", "cameraPath", "caseFolderPath"):
                child.currentPath = "/of/another/case"
        return uiWidget

    monkeypatch.setattr(slicer.util, "loadUI", loadWithHistory)
    widget = modules.make_module_widget(slicer_module)
    modules.enter_module(widget)
    first, second = widget.radiographs.ui, widget.registration.ui
    paths = [each.currentPath for each in (first.radiographPath, first.cameraPath, second.caseFolderPath)]
    modules.discard_module_widget(slicer_module, widget)
    assert paths == ["", "", ""]


def test_another_scene_and_back(module_widget: Any) -> None:
    """What Slicer's generic module test does to every module's panel."""
    import slicer

    other = slicer.vtkMRMLScene()
    module_widget.parent.setMRMLScene(other)
    settle()
    module_widget.parent.setMRMLScene(slicer.mrmlScene)
    settle()
    module_widget.logic.loadExample(ctSpacing=1.8, pixelSpacing=1.5)
    wait_until(lambda: module_widget.radiographs.ui.loadedTable.rowCount == 2, 10.0)
    wait_until(lambda: module_widget.registration.ui.registerButton.enabled, 10.0)


def test_it_opens_without_a_main_window(slicer_module: Any, slicer_app: Any) -> None:
    """The host has none, as Slicer's generic test with --no-main-window."""
    import slicer
    from slicerhost import modules

    assert slicer.util.mainWindow() is None
    widget = modules.make_module_widget(slicer_module)
    modules.enter_module(widget)
    settle()
    modules.leave_module(widget)
    modules.discard_module_widget(slicer_module, widget)


def test_the_help_leads_to_pages_that_exist(slicer_module: Any) -> None:
    import re
    from pathlib import Path

    parent = slicer_module.instance.parent
    pages = re.findall(r'href="https://github.com/XRayTo3D/SlicerXRayTo3D/blob/main/([^"]+)"', parent.helpText)
    assert {"docs/tutorial.md", "docs/slicer.md", "docs/scripting.md"} == set(pages)
    repository = Path(slicer_module.path).resolve().parents[1]
    assert [page for page in pages if not (repository / page).is_file()] == []
    assert "README.md" in parent.acknowledgementText


def test_a_sample_with_radiographs_is_shown(module_widget: Any) -> None:
    """Also when the X-ray layout was shown before and its scene was closed."""
    import slicer

    import XRayTo3D as module
    from XRayTo3DGui.scene import layouts

    module_widget.logic.loadExample(ctSpacing=1.8, pixelSpacing=1.5)
    module_widget.radiographs.layout.show()
    slicer.mrmlScene.Clear()
    settle()
    front, *_others = module._computeSample("loadKneeExample")
    settle()
    assert module_widget.radiographs.layout.shown
    view = layouts.sliceNode("A")
    composite = slicer.app.applicationLogic().GetSliceLogic(view).GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == front.GetID()
    assert view.GetOrientation() == layouts.ORIENTATION


def test_typing_in_the_middle_keeps_the_cursor(module_widget: Any) -> None:
    edit = module_widget.ui.caseNameEdit
    edit.text = "wrst"
    edit.setCursorPosition(1)
    edit.insert("i")
    assert edit.text == module_widget.parameters.caseName == "wirst"
    assert edit.cursorPosition == 2
    module_widget.parameters.caseName = "knee"
    assert edit.text == "knee"


def test_no_line_edit_is_bound_by_slicer_s_connector(module_widget: Any) -> None:
    """It would write each text back while it is typed. After leaving, neither side follows the other."""
    node = module_widget.parameters
    bound = {name for binding in node._bindings.values() for name in binding._connectors}
    assert "caseName" not in bound and "datasetFolder" not in bound and "energyKev" in bound
    edit = module_widget.ui.caseNameEdit
    module_widget.exit()
    edit.text = "unheard"
    assert node.caseName != "unheard" and not node._bindings
