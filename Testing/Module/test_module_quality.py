"""All panels as a person meets them: nothing cut off on a small screen, every control explained, keyboard, both styles.

Each check walks every section with all its parts open, in the states of a session that are in STATES.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import panel_audit as audit
import pytest
from module_cases import settle, wait_until

pytestmark = pytest.mark.host
SECTIONS = ("radiographs", "registration", "dataset", "train", "reconstruct", "evaluation", "setup")


def empty(_widget: Any) -> None:
    """Nothing loaded."""


def wrist(widget: Any) -> None:
    """The sample to register, its bone's model made."""
    widget.logic.loadExample(ctSpacing=1.8, pixelSpacing=1.5)
    widget.registration.onBoneModel()
    settle()


def knee(widget: Any) -> None:
    """The sample to reconstruct, a model chosen; a training chosen, too."""
    widget.logic.loadKneeExample(ctSpacing=2.0, pixelSpacing=2.0)
    combo = widget.reconstruct.ui.bundleCombo
    combo.currentIndex = next(each for each in range(combo.count) if "knee" in combo.itemText(each))
    widget.train.ui.trainMethodCombo.currentIndex = 1
    settle()
    assert widget.parameters.reconstructBundle and widget.train.ui.trainMethodCombo.currentIndex == 1


def pair(widget: Any) -> None:
    """The sample to evaluate, measured."""
    widget.logic.loadBonePair()
    settle()
    widget.evaluation.ui.evaluationMeasureButton.click()
    wait_until(lambda: not widget.evaluation.run.running)
    settle()


def reconstructed(widget: Any) -> None:
    """Two radiographs reconstructed and refined, with a warning; a model chosen that has doubts about them."""
    from reconstruct_cases import TWO_VIEWS, choose_model, load_views, take_in, worker_folder

    views = load_views(1.6)
    views[0].SetName("Wrist PA of the second visit")  # no longer called synthetic
    views[0].SetAttribute("XRayTo3D.Synthetic", "0")
    choose_model(widget.reconstruct, TWO_VIEWS)
    with tempfile.TemporaryDirectory() as folder:
        take_in(widget.reconstruct, worker_folder(Path(folder) / "worker"), views)
    assert widget.reconstruct.ui.doubtsLabel.text and widget.reconstruct.ui.warningsLabel.text


STATES: tuple[Callable[[Any], None], ...] = (empty, wrist, knee, pair, reconstructed)


def opened(widget: Any) -> Any:
    """Each section in turn, opened with all its parts, each of its pages."""
    for name in SECTIONS:
        section = getattr(widget.ui, f"{name}Section")
        section.collapsed = False
        audit.unfold(section)
        for page in audit.pages(section):
            yield f"{name} {page}".strip(), section


@dataclass
class Findings:
    """What one walk through all states and sections found."""

    narrow: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    unreached: set[str] = field(default_factory=set)
    enabled: dict[str, set[str]] = field(default_factory=dict)
    disabled: dict[str, set[str]] = field(default_factory=dict)
    """Tooltips of each button by its name, as seen while it was enabled, and while it was not."""


_walked: list[Findings] = []


@pytest.fixture
def findings(request: pytest.FixtureRequest) -> Findings:
    """Walked once: it takes some seconds."""
    if not _walked:
        _walked.append(walk(request.getfixturevalue("module_widget")))
    return _walked[0]


def walk(widget: Any) -> Findings:
    import slicer

    found = Findings()
    with audit.shown(widget.parent) as area:
        for state in STATES:
            slicer.mrmlScene.Clear()
            settle()
            state(widget)
            for name, section in opened(widget):
                look(found, f"{state.__name__}: {name}", section, area)
    return found


def look(found: Findings, where: str, section: Any, area: Any) -> None:
    """One section as it is drawn now."""
    needed, given = area.widget().minimumSizeHint().width(), area.viewport().size.width()
    if needed > given:
        found.narrow.append(f"{where} needs {needed} px of {given}: {audit.widest(section)}")
    widgets = [section, *audit.visible_widgets(section)]
    found.cut += [f"{where}: {text}" for text in map(audit.clipped, widgets) if text]
    pressed = audit.controls(section)
    for each in [*pressed, *audit.composed(section)]:
        if not audit.tooltip(each).strip():
            found.silent.add(f"{where}: {audit.named(each)}")
    for each in pressed:
        if audit.reachable(each) is False:
            found.unreached.add(f"{where}: {audit.named(each)}")
        if "QAbstractButton" in audit.kinds_of(each):
            key = f"{where.split()[1]}: {each.objectName or each.text}"
            if each.enabled:
                found.enabled.setdefault(key, set()).add(each.toolTip)
            elif audit.disabled_by_itself(each):
                found.disabled.setdefault(key, set()).add(each.toolTip)


# ---- a small screen --------------------------------------------------------------------------------------------------


def test_nothing_needs_more_width_than_a_small_screen_gives(findings: Findings) -> None:
    assert findings.narrow == [], "\n" + "\n".join(findings.narrow)


def test_no_text_is_cut_off(findings: Findings) -> None:
    assert findings.cut == [], "\n" + "\n".join(findings.cut)


def test_a_long_sentence_needs_no_more_width(module_widget: Any) -> None:
    """A wrapped label would like 80 characters of width where its text is long; a section must not insist on that."""
    with audit.shown(module_widget.parent) as area:
        for name in SECTIONS:
            section = getattr(module_widget.ui, f"{name}Section")
            section.collapsed = False
            audit.unfold(section)
            wrapped = [each for each in labels(section) if each.wordWrap]
            for each in wrapped:
                each.text = "The model knows other radiographs than these, which is said in many words. " * 6
                each.setVisible(True)
            settle(0.1)
            needed, given = area.widget().minimumSizeHint().width(), area.viewport().size.width()
            assert wrapped and needed <= given, f"{name} needs {needed} px of {given}: {audit.widest(section)}"


def test_text_from_elsewhere_is_no_page(module_widget: Any) -> None:
    """A label that guesses would draw a file's name that has tags in it as a page, and load its pictures."""
    from PySide6 import QtCore

    found = [each for section in module_widget.sections for each in labels(section)]
    assert len(found) > 100
    assert [audit.named(each) for each in found if each.textFormat == QtCore.Qt.AutoText] == []


def labels(section: Any) -> list[Any]:
    """The section's own, those that are hidden too; not the ones inside composed controls."""
    found = [each for each in section.findChildren(audit._base("QLabel")) if each.objectName.isidentifier()]
    return [each for each in found if not each.objectName.startswith("qt_")]


def test_folded_sections_fit_on_the_screen_without_scrolling(module_widget: Any) -> None:
    with audit.shown(module_widget.parent) as area:
        for section in module_widget.sections:
            section.collapsed = True
        settle()
        assert area.verticalScrollBar().maximum == 0


# ---- explained -------------------------------------------------------------------------------------------------------


def test_every_control_has_a_tooltip(findings: Findings) -> None:
    assert findings.silent == set(), "\n" + "\n".join(sorted(findings.silent))


def test_a_disabled_button_has_another_tooltip_than_an_enabled_one(findings: Findings) -> None:
    same = [f"{key}: {texts & findings.enabled.get(key, set())}" for key, texts in findings.disabled.items()]
    same = [text for text in same if not text.endswith("set()")]
    assert same == [], "\n" + "\n".join(same)
    assert len(findings.disabled) > 10, "nothing was disabled?"


def test_a_disabled_button_says_what_is_missing(findings: Findings) -> None:
    """In words such as first, choose, load, wait: of a button that was never enabled nothing else can be asked."""
    silent = [
        f"{key}: {text!r}"
        for key, texts in findings.disabled.items()
        for text in texts
        if not audit.REASON.search(text)
    ]
    assert silent == [], "\n" + "\n".join(silent)


# ---- keyboard --------------------------------------------------------------------------------------------------------


def test_every_control_is_reached_by_the_tab_key(findings: Findings) -> None:
    assert findings.unreached == set(), "\n" + "\n".join(sorted(findings.unreached))


def test_labels_name_their_controls_for_screen_readers(module_widget: Any) -> None:
    ui = module_widget.registration.ui
    assert ui.segmentComboLabel.buddy() is not None
    assert ui.segmentComboLabel.buddy().objectName == "segmentCombo"
    pairs = [
        name
        for panel in module_widget.panels
        for name, widget in vars(panel.ui).items()
        if name.endswith("Label") and hasattr(widget, "buddy") and widget.buddy() is not None
    ]
    assert len(pairs) > 30


# ---- light and dark --------------------------------------------------------------------------------------------------

LIGHT_GROUNDS, DARK_GROUNDS = ("#efefef", "#ffffff"), ("#323232", "#353535", "#2b2b2b", "#191919")
READABLE = 4.5
"""WCAG 2.2, level AA, for text of ordinary size."""


def test_contrast_is_reckoned_as_the_standard_does() -> None:
    assert audit.contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert audit.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the standard's well-known example
    assert audit.contrast("#123456", "#123456") == 1.0


def test_status_colours_read_on_the_light_and_on_the_dark_style(slicer_module: Any) -> None:
    from XRayTo3DGui import panel

    for colours, grounds in ((panel.ON_LIGHT, LIGHT_GROUNDS), (panel.ON_DARK, DARK_GROUNDS)):
        for colour in colours:
            for ground in grounds:
                assert audit.contrast(colour, ground) >= READABLE, f"{colour} on {ground}"


def test_the_colours_follow_slicer_s_style(
    slicer_app: Any, slicer_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PySide6 import QtGui

    from XRayTo3DGui import panel

    for ground, colours in (("#efefef", panel.ON_LIGHT), ("#353535", panel.ON_DARK)):
        palette = QtGui.QPalette()
        palette.setColor(QtGui.QPalette.Window, QtGui.QColor(ground))
        monkeypatch.setattr(slicer_app, "palette", lambda palette=palette: palette)
        assert panel.statusColours() == colours


# ---- the checks find what they should ------------------------------------------------------------------------------


def test_the_checks_are_not_blind(slicer_app: Any) -> None:
    import qt

    box = qt.QWidget()
    box.setLayout(qt.QVBoxLayout())
    label, button, combo = qt.QLabel("A long label"), qt.QPushButton("A long button"), qt.QComboBox()
    combo.addItem("A long choice that is long")
    for each in (label, button, combo):
        box.layout().addWidget(each)
        each.setFixedWidth(40)
    wrapping = qt.QLabel("Incomprehensibilities")
    wrapping.wordWrap = True
    wrapping.setFixedWidth(60)
    box.layout().addWidget(wrapping)
    box.show()
    settle()
    assert all(audit.clipped(each) for each in (label, button, combo, wrapping))
    for each in (label, button, combo, wrapping):
        each.setFixedWidth(300)
    settle()
    assert [audit.clipped(each) for each in (label, button, combo, wrapping)] == [""] * 4
    assert audit.tooltip(button) == ""
    box.hide()
    box.deleteLater()


def test_a_control_says_why_it_is_grey_and_then_its_own_words_again(slicer_module: Any) -> None:
    import qt

    from XRayTo3DGui.panel import allow

    button = qt.QPushButton("Go")
    button.toolTip = "Goes"
    for problem, enabled, words in (
        ("Load a CT first", False, "Load a CT first"),
        ("Wait", False, "Wait"),
        ("", True, "Goes"),
    ):
        allow(button, problem)
        assert (button.enabled, button.toolTip) == (enabled, words)
