"""Section 1 by real clicks: several files at once, volumes of the scene, Slicer's DICOM browser; Qt never waits."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from module_cases import settle, small_radiograph
from PIL import Image

from XRayTo3DLib.errors import InputError, MissingInformationError
from XRayTo3DLib.imaging import write_radiograph

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lib"))
from imaging_cases import shown, write_dicom

pytestmark = pytest.mark.host


@pytest.fixture
def panel(module_widget: Any) -> Any:
    return module_widget.radiographs


def stored(size: tuple[int, int] = (96, 80)) -> np.ndarray:
    return (shown(8) + np.arange(size[0])[:, None] % 3).clip(0, 255).astype(np.uint8)


def png(path: Path) -> Path:
    Image.fromarray(stored()).save(path)
    return path


def volume(values: np.ndarray, name: str = "export", spacing: tuple[float, float, float] = (1, 1, 1)) -> Any:
    """As Slicer's own reader leaves it: identity in LPS."""
    import slicer

    colour = values.ndim == 4
    node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{'Vector' if colour else 'Scalar'}VolumeNode", name)
    slicer.util.updateVolumeFromArray(node, values)
    node.SetSpacing(*spacing)
    settle()
    return node


def loaded() -> list[Any]:
    from XRayTo3DGui.scene.mrml_radiographs import radiographFromNode, radiographNodes

    return [radiographFromNode(node) for node in radiographNodes()]


# ---- several files ------------------------------------------------------------------------------------------------


def test_several_files_are_loaded_or_asked_about(
    panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown_messages: Any
) -> None:
    import qt

    files = [
        write_radiograph(small_radiograph(), tmp_path / "known.nrrd"),
        png(tmp_path / "first.png"),
        png(tmp_path / "second.png"),
    ]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    chosen = [str(path) for path in [*files, tmp_path / "broken.png"]]
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileNames", lambda *_: chosen)
    ui = panel.ui
    ui.severalButton.click()
    assert [each.name for each in loaded()] == ["view"]
    assert "1 loaded." in ui.statusLabel.text and "broken.png cannot be read" in ui.statusLabel.text
    assert ui.radiographPath.currentPath.endswith("first.png")
    ui.spacingColumnSpinBox.value, ui.sddSpinBox.value, ui.viewCombo.currentText = 0.2, 1100.0, "PA"
    ui.loadButton.click()
    assert ui.radiographPath.currentPath.endswith("second.png"), "the next one, at once"
    assert (ui.spacingColumnSpinBox.value, ui.sddSpinBox.value) == (0.2, 1100.0), "of the same apparatus"
    assert ui.viewCombo.currentIndex == 0, "but another view"
    ui.viewCombo.currentText = "LAT"
    ui.loadButton.click()
    assert [(each.name, each.view) for each in loaded()[1:]] == [("first", "PA"), ("second", "LAT")]
    assert not ui.skipButton.isVisibleTo(ui.skipButton.parent()) and shown_messages.shown == []


def test_a_waiting_file_can_be_left_out(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import qt

    chosen = [str(png(tmp_path / f"{name}.png")) for name in ("a", "b", "c")]
    monkeypatch.setattr(qt.QFileDialog, "getOpenFileNames", lambda *_: chosen)
    ui = panel.ui
    ui.severalButton.click()
    assert "2 more after it" in ui.statusLabel.text
    ui.skipButton.click()
    assert ui.radiographPath.currentPath.endswith("b.png") and not loaded()
    ui.skipButton.click()
    assert ui.radiographPath.currentPath.endswith("c.png") and panel.load.waiting == []


def test_nothing_chosen_changes_nothing(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import qt

    monkeypatch.setattr(qt.QFileDialog, "getOpenFileNames", lambda *_: [])
    panel.ui.severalButton.click()
    assert panel.ui.statusLabel.text == ""


# ---- volumes of the scene -----------------------------------------------------------------------------------------


def test_a_volume_of_the_scene_becomes_a_radiograph(panel: Any) -> None:
    ui = panel.ui
    assert not ui.volumeCombo.isVisibleTo(ui.volumeCombo.parent())
    volume(np.zeros((30, 8, 8), np.int16), "a CT")
    node = volume(stored()[None])
    assert [ui.volumeCombo.itemText(index) for index in range(ui.volumeCombo.count)] == ["–", "export"]
    ui.volumeCombo.currentIndex = 1
    assert not ui.loadButton.enabled
    assert "pixel spacing" in ui.loadButton.toolTip, "1 x 1 mm is no spacing"
    ui.spacingColumnSpinBox.value, ui.sddSpinBox.value, ui.viewCombo.currentText = 0.2, 1100.0, "PA"
    ui.loadButton.click()
    (radiograph,) = loaded()
    assert radiograph.camera.spacing == (0.2, 0.2) and radiograph.facts.spacing_from == "you"
    assert radiograph.pixels.shape == (96, 80)
    assert np.corrcoef(radiograph.pixels.ravel(), stored().astype(float).ravel())[0, 1] > 0.999
    settle()
    assert node.GetSpacing() == (1, 1, 1), "the volume stays as it was"
    assert ui.volumeCombo.count == 2, "and can be made another radiograph"


def test_a_node_s_spacing_is_never_taken_silently(module_widget: Any) -> None:
    node = volume(stored()[None], spacing=(0.15, 0.2, 1.0))
    logic = module_widget.logic
    with pytest.raises(MissingInformationError) as caught:
        logic.radiographFromVolume(node, sdd=1100.0)
    assert caught.value.missing == ("spacing_kind",)
    logic.radiographFromVolume(node, sdd=1100.0, spacing_kind="detector")
    assert loaded()[0].camera.spacing == pytest.approx((0.15, 0.2))
    assert "you said it holds on the detector" in loaded()[0].facts.spacing_from


def test_a_colour_picture_and_a_stack_of_two(module_widget: Any, panel: Any) -> None:
    logic = module_widget.logic
    colour = np.repeat(stored()[None, :, :, None], 3, axis=3)
    logic.radiographFromVolume(volume(colour, "colour"), spacing=(0.2, 0.2), sdd=1100.0)
    stack = volume(np.stack([stored(), 255 - stored()]), "AP and LAT")
    settle()
    panel.ui.volumeCombo.currentText = "AP and LAT"
    assert panel.ui.frameSpinBox.enabled and panel.ui.frameSpinBox.maximum == 2
    logic.radiographFromVolume(stack, frame=1, intensity="attenuation", spacing=(0.2, 0.2), sdd=1100.0)
    first, second = loaded()
    assert np.corrcoef(first.pixels.ravel(), second.pixels.ravel())[0, 1] < -0.9
    with pytest.raises(InputError, match="is a radiograph already"):
        from XRayTo3DGui.scene.mrml_radiographs import radiographNodes

        logic.radiographFromVolume(radiographNodes()[0])


def test_a_dicom_volume_is_read_from_its_file(module_widget: Any, tmp_path: Path) -> None:
    """Slicer's reader loses the geometry: two spacings in the tags, one on the node, and a wrong one."""
    import slicer

    path = write_dicom(
        tmp_path / "a.dcm",
        shown(12),
        ImagerPixelSpacing=[0.3, 0.4],
        DistanceSourceToDetector=1100,
        ViewPosition="PA",
        StudyInstanceUID="1.2.840.1",
        SeriesInstanceUID="1.2.840.1.1",
    )
    slicer.dicomDatabase.insert(str(path))
    node = volume(shown(12).astype(np.int16)[None], "4: CR", spacing=(1, 1, 1))
    node.SetAttribute("DICOM.instanceUIDs", slicer.dicomDatabase.instanceForFile(str(path)))
    module_widget.logic.radiographFromVolume(node)
    (radiograph,) = loaded()
    assert radiograph.camera.spacing == (0.4, 0.3) and radiograph.view == "PA"
    assert radiograph.facts.spacing_from == "file: ImagerPixelSpacing (0018,1164)"
    assert radiograph.name == "DX PA", "no name of a patient"


def test_the_dicom_browser_is_opened(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    opened: list[str] = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append)
    monkeypatch.setattr(slicer.modules, "dicom", object(), raising=False)
    panel.ui.dicomButton.click()
    assert opened == ["DICOM"]


def test_a_radiograph_that_another_reader_places_appears(panel: Any) -> None:
    """As our DICOM plug-in does: it only puts the node into the scene."""
    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene

    radiographToScene(small_radiograph(name="from DICOM"))
    settle()
    assert panel.ui.loadedTable.item(0, 0).text() == "from DICOM"


# ---- Qt goes on -----------------------------------------------------------------------------------------------------


def test_qt_goes_on_while_a_file_is_read(
    panel: Any, module_widget: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of half a second: timers fire all the while, and a second click does nothing."""
    import qt

    from XRayTo3DGui.radiographs import sources

    panel.ui.radiographPath.currentPath = str(write_radiograph(small_radiograph(), tmp_path / "view.nrrd"))
    slow, ticks, read = 0.5, [], sources.read_radiograph

    def slowly(*arguments: Any, **named: Any) -> Any:
        time.sleep(slow)
        return read(*arguments, **named)

    monkeypatch.setattr(sources, "read_radiograph", slowly)
    timer = qt.QTimer()
    timer.setInterval(10)

    def tick() -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 3:
            panel.ui.loadButton.click()

    timer.connect("timeout()", tick)
    timer.start()
    panel.ui.loadButton.click()
    timer.stop()
    assert len(loaded()) == 1
    assert len(ticks) >= 5


def test_the_newer_of_two_files_wins(panel: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed on while the first was still being read."""
    from XRayTo3DGui.radiographs import sources

    first = write_radiograph(small_radiograph(), tmp_path / "first.nrrd")
    second = png(tmp_path / "second.png")
    inspect, state = sources.inspect_radiograph, []

    def slowly(path: Path) -> Any:
        if path == first:
            time.sleep(0.2)
        return inspect(path)

    monkeypatch.setattr(sources, "inspect_radiograph", slowly)
    import qt

    qt.QTimer.singleShot(30, lambda: (state.append(1), setattr(panel.ui.radiographPath, "currentPath", str(second))))
    panel.ui.radiographPath.currentPath = str(first)
    assert state == [1]
    assert panel.load.form.info.size == (80, 96), "the facts are the second file's"
