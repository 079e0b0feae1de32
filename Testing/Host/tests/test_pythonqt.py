"""What real PythonQt answered to each probe (real_widget_behaviour.txt), asked of the host.

Left out, because their meaning is unclear from the record: ``clicked.connect(f) gets n args`` (a list with a tag),
``QTimer.singleShot`` with result None, ``QButtonGroup``, ``b.font`` and other values that only name a type are
checked by type name. Deliberately different: unknown signals and signatures without parentheses raise here, where
PythonQt returns False.
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.host, pytest.mark.gl]


@pytest.fixture
def qt(slicer_app):
    import qt

    return qt


def _set(made, name, value):
    setattr(made, name, value)
    return getattr(made, name)


def _combo(qt):
    combo = qt.QComboBox()
    combo.addItems(["a", "b"])
    combo.currentIndex = 1
    return combo


def _checked(qt):
    button = qt.QPushButton("x")
    button.checkable = True
    button.checked = True
    return button


def _dynamic(qt):
    label = qt.QLabel("x")
    label.setProperty("dyn", 3)
    return label


def _styled(qt):
    button = qt.QPushButton("x")
    button.setStyleSheet("color:red")
    return button.styleSheet


PROBES = {
    "label.text is a str": (lambda qt: type(qt.QLabel("x").text).__name__, "str"),
    "widget.objectName": (lambda qt: _set(qt.QLabel("x"), "objectName", "n1"), "n1"),
    "checked": (lambda qt: _checked(qt).checked, True),
    "isChecked()": (lambda qt: _checked(qt).isChecked(), True),
    "QSize attribute": (lambda qt: isinstance(qt.QPushButton("b").size.width(), int), True),
    "b.width": (lambda qt: type(qt.QPushButton("b").width).__name__, "int"),
    "b.parent is callable": (lambda qt: callable(qt.QPushButton("b").parent), True),
    "QFileDialog has getOpenFileName": (lambda qt: hasattr(qt.QFileDialog, "getOpenFileName"), True),
    "dialog.exec_": (lambda qt: hasattr(qt.QDialog(), "exec_"), True),
    "QComboBox.currentText": (lambda qt: _combo(qt).currentText, "b"),
    "QSpinBox.value = 1000 (max 99)": (lambda qt: _set(qt.QSpinBox(), "value", 1000), 99),
    "QSpinBox.value = 2.7": (lambda qt: _set(qt.QSpinBox(), "value", 2.7), 2),
    "className()": (lambda qt: qt.QLabel("x").className(), "QLabel"),
    "isinstance(qt.QLabel(), qt.QWidget)": (lambda qt: isinstance(qt.QLabel(), qt.QWidget), False),
    "isinstance(b, qt.QPushButton)": (lambda qt: isinstance(qt.QPushButton(), qt.QPushButton), True),
    "isinstance(b, qt.QObject)": (lambda qt: isinstance(qt.QPushButton(), qt.QObject), False),
    "qt.Qt.AlignCenter as int": (lambda qt: int(qt.Qt.AlignCenter), 132),
    "label.alignment type": (lambda qt: type(qt.QLabel("x").alignment).__name__, "int"),
    "table item text": (lambda qt: qt.QTableWidgetItem("q").text(), "q"),
    "property(unset)": (lambda qt: qt.QLabel("x").property("unset"), None),
    "dynamic property": (lambda qt: _dynamic(qt).property("dyn"), 3),
    "dynamic property as attribute": (lambda qt: _dynamic(qt).dyn, 3),
    "layout() of bare widget": (lambda qt: qt.QWidget().layout(), None),
    "label.pixmap": (lambda qt: type(qt.QLabel("x").pixmap).__name__, "QPixmap"),
    "QLabel.setPixmap(QPixmap)": (lambda qt: qt.QLabel("x").setPixmap(qt.QPixmap(2, 2)), None),
    "b.styleSheet": (_styled, "color:red"),
    "b.toolTip": (lambda qt: _set(qt.QPushButton("b"), "toolTip", "t"), "t"),
    "b.visible": (lambda qt: qt.QPushButton("b").visible, False),
    "b.geometry": (lambda qt: type(qt.QPushButton("b").geometry).__name__, "QRect"),
    "b.sizePolicy": (lambda qt: type(qt.QPushButton("b").sizePolicy).__name__, "QSizePolicy"),
    "b.font": (lambda qt: type(qt.QPushButton("b").font).__name__, "QFont"),
    "progress bar value": (lambda qt: _set(qt.QProgressBar(), "value", 5), 5),
    "QMessageBox.Yes": (lambda qt: int(qt.QMessageBox.Yes), 16384),
    "QColor": (lambda qt: qt.QColor(1, 2, 3).name(), "#010203"),
    "QImage from bytes": (lambda qt: qt.QImage(bytes(8), 2, 1, qt.QImage.Format_RGB32).width(), 2),
    "QFormLayout.addRow(str, w)": (lambda qt: qt.QFormLayout().addRow("r", qt.QLabel("x")), None),
    "orientation compares with enum": (lambda qt: qt.QSlider().orientation == qt.Qt.Vertical, True),
}


@pytest.mark.parametrize("name", PROBES)
def test_answers_as_pythonqt(qt, name):
    ask, expected = PROBES[name]
    assert ask(qt) == expected


def test_a_property_is_not_callable(qt):
    with pytest.raises(TypeError):
        qt.QLabel("x").text()


@pytest.mark.parametrize("name", ["nope", "_nope"])
def test_unknown_attributes_cannot_be_set(qt, name):
    with pytest.raises(AttributeError):
        setattr(qt.QLabel("x"), name, 1)


def test_python_subclasses_may_have_attributes(qt):
    class Button(qt.QPushButton):
        pass

    button = Button()
    button.extra = 1
    assert button.extra == 1
    assert isinstance(button, qt.QPushButton)


def test_signal_arguments_follow_the_signature(qt):
    button, got = qt.QPushButton("x"), []
    button.connect("clicked()", lambda *a: got.append(len(a)))
    button.connect("clicked(bool)", lambda *a: got.append(len(a)))
    button.click()
    assert got == [0, 1]


def test_receivers_get_only_what_they_take(qt):
    button, got = _checked(qt), []
    button.connect("toggled(bool)", lambda: got.append("z"))
    button.checked = False
    assert got == ["z"]


def test_bound_methods_disconnect_and_block_signals(qt):
    class Receiver:
        def __init__(self):
            self.got = []

        def withArgument(self, checked):
            self.got.append(checked)

        def without(self):
            self.got.append("m0")

    button, receiver = _checked(qt), Receiver()
    button.connect("toggled(bool)", receiver.withArgument)
    button.connect("toggled(bool)", receiver.without)
    button.checked = False
    assert receiver.got == [False, "m0"]
    assert button.disconnect("toggled(bool)", receiver.withArgument)
    button.checked = True
    assert receiver.got == [False, "m0", "m0"]
    button.blockSignals(True)
    button.checked = False
    assert receiver.got == [False, "m0", "m0"]


def test_one_of_two_connections_of_a_method_can_be_undone(qt):
    button, got = qt.QPushButton("x"), []
    button.connect("clicked()", got.clear)
    assert not button.disconnect("clicked()", len)
    assert button.disconnect("clicked()", got.clear)


@pytest.mark.parametrize("signature", ["nope()", "clicked(int)", "currentNodeChanged(vtkMRMLNode*)"])
def test_unknown_signals_raise(qt, signature):
    with pytest.raises(RuntimeError, match="no such signal"):
        qt.QPushButton("x").connect(signature, print)


def test_a_signature_needs_parentheses(qt):
    with pytest.raises(ValueError, match="signature"):
        qt.QPushButton("x").connect("clicked", print)


def test_activated_signal_of_a_combo_box(qt):
    combo, got = _combo(qt), []
    combo.connect("activated(int)", got.append)
    combo.activated.emit(1)
    assert got == [1]


def test_single_shot_timer(qt, slicer_app):
    got = []
    qt.QTimer.singleShot(0, lambda: got.append("t"))
    slicer_app.processEvents()
    assert got == ["t"]


def test_settings_keep_integers(qt):
    settings = qt.QSettings()
    settings.setValue("number", 3)
    assert isinstance(settings.value("number"), int)


def test_children_are_found(qt):
    widget = qt.QWidget()
    label = qt.QLabel("x", widget)
    assert widget.findChildren(qt.QLabel) == [label]
    assert len(widget.children()) == 1


def test_button_group(qt):
    group, button = qt.QButtonGroup(), qt.QRadioButton("r")
    group.addButton(button, 4)
    button.click()
    assert group.checkedId() == 4


def test_enabled_given_a_string_stays_true(qt):
    button = qt.QPushButton("x")
    button.enabled = "x"
    assert button.enabled is True


def test_writing_a_read_only_property_raises(qt):
    with pytest.raises(AttributeError, match="not writable"):
        qt.QPushButton("x").width = 3


def test_objects_made_by_qt_connect_by_signal_object(qt):
    menu, got = qt.QMenu(), []
    action = menu.addAction("Delete")
    action.triggered.connect(lambda *_: got.append("deleted"))
    action.trigger()
    assert got == ["deleted"]
    with pytest.raises(TypeError):
        action.connect("triggered()", got.clear)


def test_confirmation_without_an_answer_is_slicers_own(slicer_app):
    import slicer

    assert slicer.util.confirmOkCancelDisplay("sure?") is False
