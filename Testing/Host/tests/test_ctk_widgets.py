"""What real CTK widgets answered to each probe (real_widget_behaviour.txt), asked of the stand-ins.

Left out: ``ctkPathLineEdit enum names`` (a listing of Qt's metadata) and ``setRange`` of the slider, which the
record shows but PythonQt does not offer (see testbed.md).
"""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.host, pytest.mark.gl]


@pytest.fixture
def ctk(slicer_app):
    import ctk

    return ctk


def test_unknown_ctk_class_says_so(ctk):
    with pytest.raises(AttributeError, match="no stand-in"):
        _ = ctk.ctkWorkflowWidget


def test_slider_defaults(ctk):
    slider = ctk.ctkSliderWidget()
    found = (slider.minimum, slider.maximum, slider.value, slider.singleStep, slider.decimals)
    assert found == (0.0, 99.99, 0.0, 1.0, 2)


def test_slider_value_above_maximum_is_clamped(ctk):
    slider = ctk.ctkSliderWidget()
    slider.value = 1000
    assert slider.value == 99.99
    slider.maximum = 10
    assert slider.value == 10.0


@pytest.mark.parametrize("decimals, value", [(1, 3.14159), (2, 12.3456), (4, 0.12345)])
def test_slider_does_not_round(ctk, decimals, value):
    slider = ctk.ctkSliderWidget()
    slider.decimals = decimals
    slider.value = value
    assert slider.value == value


def test_slider_range_keeps_the_value(ctk):
    slider = ctk.ctkSliderWidget()
    slider.value = 12.3456
    slider.minimum, slider.maximum = -100, 500
    assert (slider.minimum, slider.maximum, slider.value) == (-100.0, 500.0, 12.3456)


def test_slider_signals_only_a_change(ctk):
    slider, got = ctk.ctkSliderWidget(), []
    slider.connect("valueChanged(double)", got.append)
    slider.value = 5
    slider.value = 5
    assert got == [5.0]


def test_slider_has_no_set_range(ctk):
    with pytest.raises(AttributeError):
        ctk.ctkSliderWidget().setRange(0, 1)


def test_slider_inner_children_have_ctks_names(ctk):
    import slicer

    names = vars(slicer.util.childWidgetVariables(ctk.ctkSliderWidget()))
    assert {"Slider", "SpinBox"} <= set(names)


def test_slider_follows_its_spin_box(ctk):
    slider, got = ctk.ctkSliderWidget(), []
    slider.connect("valueChanged(double)", got.append)
    slider.findChildren(type(slider._spin))[0].setValue(7.5)
    assert slider.value == 7.5
    assert got == [7.5]


def test_collapsible_button(ctk):
    button, got = ctk.ctkCollapsibleButton(), []
    assert button.collapsed is False
    button.connect("contentsCollapsed(bool)", got.append)
    button.collapsed = True
    assert button.collapsed is True
    assert button.checked is False
    button.click()
    assert button.collapsed is False
    assert got == [True, False]


def test_collapsed_button_hides_its_children(ctk):
    import qt

    button = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(button)
    label = qt.QLabel("inside")
    layout.addWidget(label)
    button.collapsed = True
    assert label.isHidden()
    button.collapsed = False
    assert not label.isHidden()


def test_collapsible_group_box(ctk):
    box = ctk.ctkCollapsibleGroupBox()
    assert box.collapsed is False
    box.collapsed = True
    assert box.checked is False


def test_path_line_edit(ctk):
    edit, got = ctk.ctkPathLineEdit(), []
    edit.connect("currentPathChanged(QString)", got.append)
    edit.currentPath = "/tmp"
    assert (edit.currentPath, got) == ("/tmp", ["/tmp"])


def test_path_line_edit_filters(ctk):
    assert ctk.ctkPathLineEdit().filters == 24663
    with pytest.raises(AttributeError):
        _ = ctk.ctkPathLineEdit.Files


def test_range_widget(ctk):
    widget, got = ctk.ctkRangeWidget(), []
    found = (widget.minimum, widget.maximum, widget.minimumValue, widget.maximumValue)
    assert found == (0.0, 99.0, 0.0, 99.0)
    widget.connect("valuesChanged(double,double)", lambda low, high: got.append((low, high)))
    widget.setValues(10, 20)
    widget.setValues(10, 20)
    assert got == [(10.0, 20.0)]


def test_check_box_and_spin_box_defaults(ctk):
    assert ctk.ctkCheckBox().checked is False
    box = ctk.ctkDoubleSpinBox()
    assert (box.minimum, box.maximum, box.value, box.decimals) == (0.0, 99.99, 0.0, 2)


def test_color_picker(ctk):
    import qt

    button, got = ctk.ctkColorPickerButton(), []
    assert button.color.name() == "#000000"
    button.connect("colorChanged(QColor)", lambda color: got.append(color.name()))
    button.color = qt.QColor("#ff0000")
    assert got == ["#ff0000"]


def test_directory_button(ctk, tmp_path):
    button, got = ctk.ctkDirectoryButton(), []
    button.connect("directoryChanged(QString)", got.append)
    button.directory = str(tmp_path)
    button.directory = str(tmp_path)
    assert got == [str(tmp_path)]
