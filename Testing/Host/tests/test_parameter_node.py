"""The parameter node wrapper: types, validation, storage in the scene, binding to widgets."""

import enum
from pathlib import Path
from typing import Annotated, Union

import pytest

pytestmark = [pytest.mark.host, pytest.mark.gl]


class Mode(enum.Enum):
    FAST = 1
    EXACT = 2


@pytest.fixture
def make(slicer_app):
    """Makes a wrapped parameter node of the test's fields, on one MRML node."""
    import slicer
    from slicer import vtkMRMLModelNode, vtkMRMLScalarVolumeNode
    from slicer.parameterNodeWrapper import Choice, Maximum, Minimum, WithinRange, parameterNodeWrapper

    class Fields:
        volume: vtkMRMLScalarVolumeNode
        either: Union[vtkMRMLModelNode, vtkMRMLScalarVolumeNode, None]  # noqa: UP007
        number: Annotated[float, WithinRange(-10, 10)] = 2.5
        count: Annotated[int, Minimum(1), Maximum(9)] = 3
        flag: bool = True
        text: str = "a"
        mode: Mode = Mode.EXACT
        side: Annotated[str, Choice(["left", "right"])]
        folder: Path = Path("/tmp")

    wrapper = parameterNodeWrapper(Fields)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
    return lambda given=None: wrapper(node if given is None else given)


def test_defaults_are_written_into_the_node(make):
    fields = make()
    assert (fields.number, fields.count, fields.flag, fields.text) == (2.5, 3, True, "a")
    assert (fields.mode, fields.side, fields.folder) == (Mode.EXACT, "left", Path("/tmp"))
    assert fields.parameterNode.GetParameter("mode") == "EXACT"
    assert fields.volume is None


VALUES = {
    "number": -1e-7,
    "count": 9,
    "flag": False,
    "text": "ä b\nc",
    "mode": Mode.FAST,
    "side": "right",
    "folder": Path("/a b"),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_are_kept_exactly(make, name):
    setattr(make(), name, VALUES[name])
    assert getattr(make(), name) == VALUES[name]


@pytest.mark.parametrize("name, value", [("number", 11), ("count", 0), ("count", 10), ("side", "up"), ("text", None)])
def test_bad_values_are_refused(make, name, value):
    fields = make()
    with pytest.raises(ValueError):
        setattr(fields, name, value)
    assert getattr(fields, name) == fields.default(name).value


@pytest.mark.parametrize("name, value", [("number", "1"), ("count", 2.5), ("flag", "x"), ("mode", 1)])
def test_wrong_types_are_refused(make, name, value):
    with pytest.raises(TypeError):
        setattr(make(), name, value)


def test_unknown_fields_are_refused(make):
    with pytest.raises(AttributeError, match="no parameter 'nope'"):
        make().nope = 1


def test_node_references(make):
    import slicer

    fields, scene = make(), slicer.mrmlScene
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    fields.volume = fields.either = volume
    assert (fields.volume, fields.either) == (volume, volume)
    with pytest.raises(TypeError):
        fields.volume = scene.AddNewNodeByClass("vtkMRMLModelNode")
    scene.RemoveNode(volume)
    assert fields.volume is None


def test_setting_the_same_value_modifies_nothing(make):
    import vtk

    fields, got = make(), []
    fields.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: got.append(1))
    fields.number = 2.5
    fields.volume = None
    assert got == []
    fields.number = 3.0
    assert got == [1]


def test_unsupported_types_raise(slicer_app):
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Fields:
        items: list[int]

    with pytest.raises(TypeError, match="no serializer"):
        parameterNodeWrapper(Fields)


def bind(fields, **widgets):
    """A ui object whose widgets carry the parameter names they are given by."""
    ui = type("Ui", (), {})()
    for name, widget in widgets.items():
        widget.setProperty("SlicerParameterName", name)
        setattr(ui, f"{name}Widget", widget)
    return fields.connectGui(ui)


def test_binding_goes_both_ways_until_it_is_undone(make):
    import ctk
    import qt

    fields = make()
    slider, box, line = ctk.ctkSliderWidget(), qt.QCheckBox(), qt.QLineEdit()
    tag = bind(fields, number=slider, flag=box, text=line)
    assert (slider.value, slider.minimum, slider.maximum, box.checked, line.text) == (2.5, -10, 10, True, "a")
    slider.value, box.checked, line.text = 7.25, False, "typed"
    assert (fields.number, fields.flag, fields.text) == (7.25, False, "typed")
    fields.number, fields.flag = -3.0, True
    assert (slider.value, box.checked) == (-3.0, True)
    fields.disconnectGui(tag)
    slider.value = 1.0
    assert fields.number == -3.0


def test_binding_of_choices_and_enums(make):
    import qt

    fields = make()
    side, mode = qt.QComboBox(), qt.QComboBox()
    bind(fields, side=side, mode=mode)
    assert [side.itemText(i) for i in range(side.count)] == ["left", "right"]
    assert (side.currentText, mode.currentText) == ("left", "EXACT")
    side.currentIndex, mode.currentIndex = 1, 0
    assert (fields.side, fields.mode) == ("right", Mode.FAST)


def test_binding_of_nodes_numbers_and_paths(make):
    import ctk
    import qt
    import slicer

    fields = make()
    combo, spin, path = slicer.qMRMLNodeComboBox(), qt.QSpinBox(), ctk.ctkPathLineEdit()
    combo.nodeTypes, combo.noneEnabled = ["vtkMRMLScalarVolumeNode"], True
    combo.setMRMLScene(slicer.mrmlScene)
    bind(fields, volume=combo, count=spin, folder=path)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    combo.setCurrentNode(volume)
    spin.value = 100
    path.currentPath = "/data"
    assert (fields.volume, fields.count, fields.folder) == (volume, 9, Path("/data"))
    slicer.mrmlScene.RemoveNode(volume)
    assert fields.volume is None


def test_a_widget_of_the_wrong_kind_cannot_be_bound(make):
    import qt

    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        bind(make(), number=qt.QLineEdit())


def test_a_misspelt_parameter_name_cannot_be_bound(make):
    import qt

    with pytest.raises(ValueError, match="without parameter"):
        bind(make(), numbr=qt.QDoubleSpinBox())


def test_values_come_back_with_a_saved_scene(make, tmp_path):
    import slicer

    fields, scene = make(), slicer.mrmlScene
    fields.parameterNode.SetName("Parameters")
    fields.volume = slicer.util.addVolumeFromArray(_array(), name="CT")
    fields.number, fields.mode = 4.125, Mode.FAST
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(False)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    loaded = make(slicer.util.getNode("Parameters"))
    assert (loaded.number, loaded.mode, loaded.volume.GetName()) == (4.125, Mode.FAST, "CT")


def _array():
    import numpy as np

    return np.zeros((2, 3, 4), np.int16)


def test_a_bar_between_node_classes_is_refused_as_in_slicer(slicer_app):
    from slicer import vtkMRMLModelNode, vtkMRMLTextNode
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    class Fields:
        either: vtkMRMLModelNode | vtkMRMLTextNode

    with pytest.raises(TypeError, match=r"typing\.Union only"):
        parameterNodeWrapper(Fields)


def test_a_selector_gets_the_classes_of_its_field_and_none_may_be_abstract(make):
    """Slicer replaces what the .ui file says, and makes a node of each class to read its name."""
    import slicer
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLTextNode"]
    bind(make(), either=combo)
    assert list(combo.nodeTypes) == ["vtkMRMLModelNode", "vtkMRMLScalarVolumeNode"]

    class Fields:
        anything: slicer.vtkMRMLDisplayableNode

    fields = parameterNodeWrapper(Fields)(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    with pytest.raises(TypeError, match="abstract"):
        bind(fields, anything=slicer.qMRMLNodeComboBox())


def test_the_wrapper_passes_on_only_what_slicers_does(make):
    fields = make()
    fields.EndModify(fields.StartModify())
    with pytest.raises(AttributeError, match="parameterNode"):
        fields.GetID()
