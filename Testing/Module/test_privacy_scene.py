"""Slicer's scene, settings and panels name nobody: what comes in by the load panel and by Slicer's DICOM browser.

The subject hierarchy is Slicer's own: it names patient and study of what the DICOM browser loads, in a saved scene too.
Nodes, attributes, parameters and texts of XRayTo3D do not.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "Lib"))
import planted_files
from canaries import Canaries, overheard
from dicom_cases import OURS, Browser, open_browser, sceneTexts
from module_cases import settle, wait_until

pytestmark = pytest.mark.host
browser = pytest.fixture(open_browser)
TREE = "SubjectHierarchy"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Canaries, Path, Path]:
    """Canaries, a folder with one DICOM radiograph, and a PNG; folders and files are named after a person."""
    canaries = Canaries()
    folder = tmp_path_factory.mktemp("clinic") / canaries.text("folder")
    planted_files.radiograph(folder / f"{canaries.text('DICOM file name')}.dcm", canaries)
    picture = planted_files.picture(folder.with_name(canaries.text("folder of pictures")) / "x.png", canaries)
    return canaries, folder, picture.rename(picture.with_name(f"{canaries.text('PNG file name')}.png"))


def leaks(canaries: Canaries, text: str) -> dict[str, str]:
    return canaries.found_in(text.encode())


def panelTexts(widget: Any) -> str:
    """Everything that can be read in the module's panels, the fields where a person chose a file aside."""
    from PySide6 import QtWidgets

    texts = []
    for each in shownWidgets(widget):
        if isinstance(each, QtWidgets.QLineEdit | QtWidgets.QComboBox) and chosenPath(each):
            continue
        texts += [str(_read(each, name)) for name in ("text", "toolTip", "placeholderText", "specialValueText")]
        if isinstance(each, QtWidgets.QTableWidget):
            cells = np.ndindex(_read(each, "rowCount"), _read(each, "columnCount"))
            items = [each.item(*cell) for cell in cells]
            texts += [item.text() + str(_read(item, "toolTip")) for item in items if item is not None]
        if isinstance(each, QtWidgets.QComboBox):
            texts += [each.itemText(index) for index in range(_read(each, "count"))]
    return "\n".join(texts)


def _read(each: Any, name: str) -> Any:
    """A property of Qt, which PythonQt has as a value and PySide as a method."""
    value = getattr(each, name, "")
    return value() if callable(value) else value


def shownWidgets(widget: Any) -> Iterator[Any]:
    from PySide6 import QtWidgets

    top = getattr(widget.parent, "_qt", widget.parent)
    yield from top.findChildren(QtWidgets.QWidget)


def chosenPath(edit: Any) -> bool:
    """Whether a text field belongs to a file chooser."""
    parent = edit
    while parent is not None:
        if "PathLineEdit" in type(parent).__name__:
            return True
        parent = parent.parentWidget()
    return False


def savedTexts(path: Path) -> str:
    """All text of a saved scene: the MRML file without Slicer's own subject hierarchy, and every file's head."""
    import slicer

    assert slicer.util.saveScene(str(path))
    texts = []
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            texts.append(name)
            if name.endswith(".mrml"):
                tree = ElementTree.fromstring(content)
                for element in [each for each in tree if TREE in each.tag]:
                    tree.remove(element)
                content = ElementTree.tostring(tree)
            texts.append(content.decode("latin-1"))
    return "\n".join(texts)


def settingsText() -> str:
    import slicer

    settings = slicer.app.settings()
    return "\n".join(f"{key}={settings.value(key)}" for key in settings.allKeys())


def nothing_in_scene_settings_and_panels(canaries: Canaries, widget: Any, path: Path, uids: bool = False) -> None:
    """``uids``: Slicer's DICOM database joins a node with its file by the instance's UID."""
    import slicer

    known = {*slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")} if uids else set()
    instances = " ".join(node.GetAttribute("DICOM.instanceUIDs") or "" for node in known)
    for text in (sceneTexts(), savedTexts(path), settingsText(), panelTexts(widget)):
        for uid in instances.split():
            text = text.replace(uid, "")
        assert leaks(canaries, text) == {}


def test_loaded_by_the_panel(files: tuple[Canaries, Path, Path], module_widget: Any, tmp_path: Path) -> None:
    canaries, folder, _picture = files
    panel = module_widget.radiographs
    with overheard() as heard:
        panel.ui.radiographPath.currentPath = str(next(folder.iterdir()))
        panel.ui.loadButton.click()
        settle()
    assert panel.ui.statusLabel.text == "DX PA R loaded."
    wait_until(lambda: "burned-in text: it may name the patient" in panelTexts(module_widget))
    assert leaks(canaries, heard.getvalue()) == {}
    nothing_in_scene_settings_and_panels(canaries, module_widget, tmp_path / "case.mrb")
    (finding,) = [each for each in module_widget.logic.checkRadiograph(firstRadiograph()) if each.code == "text"]
    assert "may name the patient" in finding.sentence


def test_a_picture_named_after_a_person(files: tuple[Canaries, Path, Path], module_widget: Any, tmp_path: Path) -> None:
    canaries, _folder, picture = files
    panel = module_widget.radiographs
    panel.ui.radiographPath.currentPath = str(picture)
    for name, value in (("spacingColumnSpinBox", 0.8), ("spacingRowSpinBox", 0.9), ("sddSpinBox", 1000)):
        getattr(panel.ui, name).value = value
    panel.ui.spacingKindCombo.currentIndex, panel.ui.viewCombo.currentIndex = 1, 2
    panel.ui.loadButton.click()
    settle()
    assert panel.ui.statusLabel.text == "radiograph loaded."
    nothing_in_scene_settings_and_panels(canaries, module_widget, tmp_path / "case.mrb")


def test_loaded_by_slicers_dicom_browser(
    files: tuple[Canaries, Path, Path], browser: Browser, module_widget: Any, tmp_path: Path
) -> None:
    from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode
    from XRayTo3DLib.imaging import write_radiograph

    canaries, folder, _picture = files
    with overheard() as heard:
        (offer,) = browser.examine(folder)
        (node,) = browser.load()
        settle()
    assert browser.winners() == {OURS} and not browser.messages
    assert node.GetName() == "DX WRIST PA R" and "burned-in text" in offer.tooltip
    assert leaks(canaries, "\n".join([offer.title, offer.tooltip, offer.warning, heard.getvalue()])) == {}
    nothing_in_scene_settings_and_panels(canaries, module_widget, tmp_path / "case.mrb", uids=True)
    # What section 3 puts into a data set and section 5 into a worker's folder.
    write_radiograph(radiographFromNode(node), tmp_path / "view.nrrd")
    assert canaries.found_in((tmp_path / "view.nrrd").read_bytes()) == {}


def test_a_volume_that_slicer_named_after_the_series(files: tuple[Canaries, Path, Path], module_widget: Any) -> None:
    """Slicer's own reader calls a node by the series' number and description."""
    import slicer

    canaries = files[0]
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"3: {canaries.text('series description')}")
    slicer.util.updateVolumeFromArray(volume, 4000 - (np.arange(9600).reshape(1, 96, 100) % 97 * 30).astype(np.int16))
    answers = {"spacing": (0.8, 0.9), "spacing_kind": "detector", "sdd": 1000.0, "view": "PA"}
    node = module_widget.logic.radiographFromVolume(volume, **answers)
    volume.SetName("renamed")
    assert node.GetName() == "radiograph" and leaks(canaries, sceneTexts()) == {}


def test_a_half_answered_form_is_kept_and_a_loaded_file_forgotten(
    files: tuple[Canaries, Path, Path], module_widget: Any
) -> None:
    _canaries, folder, picture = files
    panel = module_widget.radiographs
    panel.ui.radiographPath.currentPath = str(picture)
    assert picture.name in module_widget.parameters.radiographForm
    panel.ui.radiographPath.currentPath = str(next(folder.iterdir()))
    panel.ui.loadButton.click()
    assert folder.name not in module_widget.parameters.radiographForm


def firstRadiograph() -> Any:
    from XRayTo3DGui.scene.mrml_radiographs import radiographNodes

    return radiographNodes()[0]
