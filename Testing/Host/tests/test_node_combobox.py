"""What the real qMRMLNodeComboBox answered to each probe (real_widget_behaviour.txt), asked of the stand-in."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.host, pytest.mark.gl]

VOLUME = "vtkMRMLScalarVolumeNode"


@pytest.fixture
def scene(slicer_app):
    return slicer_app.mrmlScene()


def make(scene, node_types=(VOLUME,), **properties):
    """A combo box set up as in a .ui file, and the names that it signals."""
    import slicer

    combo, got = slicer.qMRMLNodeComboBox(), []
    combo.nodeTypes = list(node_types)
    for name, value in properties.items():
        setattr(combo, name, value)
    combo.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: got.append(_name(node)))
    combo.setMRMLScene(scene)
    return combo, got


def add(scene, name, node_class=VOLUME):
    return scene.AddNewNodeByClass(node_class, name)


def _name(node):
    return None if node is None else node.GetName()


def current(combo):
    return _name(combo.currentNode())


def test_defaults(scene):
    import slicer

    combo = slicer.qMRMLNodeComboBox()
    found = (combo.noneEnabled, combo.addEnabled, combo.removeEnabled, combo.renameEnabled, combo.editEnabled)
    assert found == (False, True, True, False, False)
    assert (combo.showHidden, combo.showChildNodeTypes, combo.selectNodeUponCreation) == (False, True, True)


def test_enabled_by_a_scene(scene):
    import slicer

    combo = slicer.qMRMLNodeComboBox()
    assert combo.enabled is False
    combo.setMRMLScene(scene)
    assert combo.enabled is True
    combo.setMRMLScene(None)
    assert (combo.currentNode(), combo.enabled) == (None, False)


def test_added_nodes_are_not_selected(scene):
    combo, got = make(scene)
    assert combo.currentNode() is None
    add(scene, "A")
    add(scene, "B")
    assert (combo.currentNode(), got) == (None, [])


def test_selection_and_its_signals(scene):
    combo, got = make(scene)
    first, second = add(scene, "A"), add(scene, "B")
    combo.setCurrentNode(second)
    assert (current(combo), got) == ("B", ["B"])
    combo.setCurrentNode(None)
    assert (current(combo), got) == (None, ["B", None])
    combo.setCurrentNodeID(first.GetID())
    assert (current(combo), combo.currentNodeID == first.GetID()) == ("A", True)
    scene.RemoveNode(first)
    assert (current(combo), got) == ("B", ["B", None, "A", "B"])


def test_bool_form_of_the_signal(scene):
    combo, _ = make(scene)
    got = []
    combo.connect("currentNodeChanged(bool)", got.append)
    combo.setCurrentNode(add(scene, "A"))
    assert got == [True]


def test_existing_nodes_first_is_taken(scene):
    add(scene, "A")
    add(scene, "B")
    combo, got = make(scene)
    assert (current(combo), got) == ("A", ["A"])


def test_types_set_after_the_scene(scene):
    import slicer

    add(scene, "A")
    combo, got = slicer.qMRMLNodeComboBox(), []
    combo.setMRMLScene(scene)
    combo.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: got.append(_name(node)))
    combo.nodeTypes = [VOLUME]
    assert (current(combo), got) == ("A", ["A"])


def test_none_enabled(scene):
    add(scene, "A")
    node = add(scene, "B")
    combo, got = make(scene, noneEnabled=True)
    assert (combo.currentNode(), combo.nodeCount()) == (None, 2)
    add(scene, "C")
    assert combo.currentNode() is None
    combo.setCurrentNode(node)
    combo.setCurrentNode(None)
    assert (combo.currentNode(), got) == (None, ["B", None])
    combo.noneEnabled = False
    assert current(combo) == "A"


def test_only_node_comes_and_goes(scene, slicer_app):
    combo, _ = make(scene)
    assert combo.currentNode() is None
    node = add(scene, "A")
    slicer_app.processEvents()
    assert combo.currentNode() is None
    scene.RemoveNode(node)
    assert combo.currentNode() is None


def test_add_node(scene):
    combo, _ = make(scene, ["vtkMRMLModelNode"])
    node = combo.addNode()
    assert (node.GetName(), node.GetDisplayNode() is not None, current(combo)) == ("Model", False, "Model")
    assert node.GetNumberOfDisplayNodes() == 0
    other, _ = make(scene, ["vtkMRMLModelNode"])
    assert current(other) == "Model"


def test_add_volume_is_called_volume(scene):
    combo, _ = make(scene)
    assert combo.addNode().GetName() == "Volume"
    assert current(combo) == "Volume"


def test_base_name(scene):
    combo, _ = make(scene, ["vtkMRMLModelNode"], baseName="Rec")
    assert [combo.addNode().GetName(), combo.addNode().GetName()] == ["Rec", "Rec_1"]


def test_child_types(scene):
    for name in "ABC":
        add(scene, name)
    add(scene, "L", "vtkMRMLLabelMapVolumeNode")
    combo, _ = make(scene)
    with_children = combo.nodeCount()
    combo.showChildNodeTypes = False
    assert (with_children, combo.nodeCount()) == (4, 3)


def test_hidden_and_wrong_nodes_are_not_selected(scene):
    hidden = scene.CreateNodeByClass(VOLUME)
    hidden.UnRegister(None)
    hidden.SetHideFromEditors(True)
    scene.AddNode(hidden)
    add(scene, "B")
    combo, _ = make(scene)
    assert [combo.nodeFromIndex(i).GetName() for i in range(combo.nodeCount())] == ["B"]
    combo.setCurrentNode(hidden)
    assert combo.currentNode() is None
    combo.setCurrentNode(add(scene, "M", "vtkMRMLModelNode"))
    assert combo.currentNode() is None


def test_attribute_filter(scene):
    node = add(scene, "A")
    combo, _ = make(scene)
    combo.addAttribute(VOLUME, "XRay", "1")
    without = combo.nodeCount()
    node.SetAttribute("XRay", "1")
    assert (without, combo.nodeCount()) == (0, 1)


def test_scene_clear(scene):
    add(scene, "A")
    combo, _ = make(scene)
    scene.Clear(False)
    assert combo.currentNode() is None
    add(scene, "B")
    assert combo.currentNode() is None


def test_checkable_combo(scene):
    import slicer

    combo, got = slicer.qMRMLCheckableNodeComboBox(), []
    combo.nodeTypes = [VOLUME]
    combo.setMRMLScene(scene)
    combo.connect("checkedNodesChanged()", lambda: got.append(len(combo.checkedNodes())))
    first, second = add(scene, "A"), add(scene, "B")
    combo.setCheckState(first, 2)
    combo.setCheckState(second, 2)
    scene.RemoveNode(first)
    assert (combo.checkedNodes(), combo.uncheckedNodes(), got) == ([second], [], [1, 2])


def test_mrml_widget_passes_its_scene_on(scene):
    import slicer

    widget, got = slicer.qMRMLWidget(), []
    widget.connect("mrmlSceneChanged(vtkMRMLScene*)", got.append)
    widget.setMRMLScene(scene)
    assert widget.mrmlScene() is scene
    assert got == [scene]


def test_new_models_get_a_subject_hierarchy_item(scene):
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert hierarchy.GetItemByDataNode(add(scene, "M", "vtkMRMLModelNode")) > 0
