"""What Slicer loads: light imports, and .ui files whose names exist and whose every control explains itself."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from layout_files import python_trees, shown, tree_files
from test_layout_light_imports import HEAVY, heavy_after_importing

# Widgets that only hold or show others; everything else is a control and needs a tooltip.
CONTAINERS = {"QWidget", "QFrame", "QGroupBox", "QTabWidget", "QStackedWidget", "QScrollArea", "QSplitter", "QDialog"}
SLICER_CONTAINERS = {"qMRMLWidget", "ctkCollapsibleButton", "ctkCollapsibleGroupBox", "ctkExpandableWidget"}
NOT_CONTROLS = CONTAINERS | SLICER_CONTAINERS | {"QLabel", "Line"}

Fields = dict[str, str]


# ---- imports -------------------------------------------------------------------------------------------------------


def file_scope_imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names that importing the module imports (not those inside functions or ``if TYPE_CHECKING``)."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def gui_imports() -> set[str]:
    trees = python_trees("XRayTo3D")
    assert any(path.name == "XRayTo3D.py" for path in trees), "XRayTo3D/XRayTo3D.py is not there"
    return {name for tree in trees.values() for name in file_scope_imports(tree)}


def test_the_module_imports_nothing_heavy_at_file_scope() -> None:
    assert {name for name in gui_imports() if name.split(".")[0] in HEAVY} == set()


def test_what_the_module_imports_of_the_library_is_light() -> None:
    names = sorted(name for name in gui_imports() if name.split(".")[0] == "XRayTo3DLib")
    assert names, "the module uses nothing of the library?"
    assert heavy_after_importing(*names) == []


def test_file_scope_imports_are_told_from_the_others() -> None:
    source = (
        "import a\nfrom b.c import d\nif TYPE_CHECKING:\n    import e\nelse:\n    import f\n"
        "try:\n    import g\nexcept ImportError:\n    import h\ndef late():\n    import i\nclass K:\n    import j\n"
    )
    assert set(file_scope_imports(ast.parse(source))) == {"a", "b.c", "f", "g", "h", "j"}


# ---- .ui files -----------------------------------------------------------------------------------------------------


def ui_files() -> dict[str, ET.Element]:
    found = {shown(path): ET.parse(path).getroot() for path in tree_files("XRayTo3D") if path.suffix == ".ui"}
    assert found, "there is no .ui file under XRayTo3D/Resources/UI"
    return found


def decorated_classes(trees: list[ast.Module], decorator: str) -> dict[str, Fields]:
    """Annotated fields by class name, of the classes decorated with ``decorator``."""
    return {
        node.name: {
            item.target.id: ast.unparse(item.annotation)
            for item in node.body
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
        }
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(decorator in ast.unparse(d) for d in node.decorator_list)
    }


def resolves(name: str, fields: Fields, packs: dict[str, Fields]) -> bool:
    """Whether ``name`` (``field`` or ``pack.field``) is a parameter."""
    first, _, rest = name.partition(".")
    if first not in fields:
        return False
    return not rest or (fields[first] in packs and resolves(rest, packs[fields[first]], packs))


def parameter_names(root: ET.Element) -> dict[str, str]:
    """Bound parameter by widget name."""
    return {
        widget.get("name", ""): "".join(prop.itertext()).strip()
        for widget in root.iter("widget")
        for prop in widget.findall("property")
        if prop.get("name") == "SlicerParameterName"
    }


def without_tooltip(root: ET.Element) -> list[str]:
    """Names of the controls that have no tooltip, or an empty one."""
    return [
        widget.get("name", "")
        for widget in root.iter("widget")
        if widget.get("class") not in NOT_CONTROLS
        and not any(p.get("name") == "toolTip" and "".join(p.itertext()).strip() for p in widget.findall("property"))
    ]


def test_every_bound_name_is_a_parameter() -> None:
    trees = list(python_trees("XRayTo3D").values())
    nodes, packs = decorated_classes(trees, "parameterNodeWrapper"), decorated_classes(trees, "parameterPack")
    assert len(nodes) == 1, f"one class decorated with parameterNodeWrapper expected, found {sorted(nodes)}"
    (fields,) = nodes.values()
    bound = {
        (file, widget): name for file, root in ui_files().items() for widget, name in parameter_names(root).items()
    }
    assert bound, "no control is bound to a parameter (property SlicerParameterName)"
    assert {where: name for where, name in bound.items() if not resolves(name, fields, packs)} == {}


def test_no_parameter_is_bound_twice_in_one_panel() -> None:
    """Two panels may show one choice (the CT volume): each is bound by itself, and both follow the parameter node."""
    names = {file: sorted(parameter_names(root).values()) for file, root in ui_files().items()}
    assert {file: each for file, each in names.items() if each != sorted(set(each))} == {}


def test_every_control_has_a_tooltip() -> None:
    found = {file: without_tooltip(root) for file, root in ui_files().items()}
    assert {file: names for file, names in found.items() if names} == {}


def test_no_control_has_the_name_of_a_slider_s_inner_child() -> None:
    names = {widget.get("name") for root in ui_files().values() for widget in root.iter("widget")}
    assert names & {"Slider", "SpinBox"} == set()


# ---- the checks themselves -----------------------------------------------------------------------------------------

MADE_UP_UI = """<ui><widget class="qMRMLWidget" name="top"><widget class="QPushButton" name="bare"/>
<widget class="QSpinBox" name="told"><property name="toolTip"><string>Number of steps</string></property>
<property name="SlicerParameterName" stdset="0"><string>pack.steps</string></property></widget>
<widget class="QCheckBox" name="blank"><property name="toolTip"><string> </string></property></widget></widget></ui>"""
MADE_UP_NODE = """
@parameterPack
class Pack:
    steps: int = 3
@parameterNodeWrapper
class Node:
    volume: vtkMRMLScalarVolumeNode
    pack: Pack
"""


def test_controls_without_tooltip_are_found() -> None:
    assert without_tooltip(ET.fromstring(MADE_UP_UI)) == ["bare", "blank"]


@pytest.mark.parametrize(
    ("name", "known"),
    [("volume", True), ("pack.steps", True), ("pack.step", False), ("volume.x", False), ("no", False)],
)
def test_parameter_names_resolve(name: str, known: bool) -> None:
    trees = [ast.parse(MADE_UP_NODE)]
    packs = decorated_classes(trees, "parameterPack")
    assert resolves(name, decorated_classes(trees, "parameterNodeWrapper")["Node"], packs) is known


def test_bound_names_are_read() -> None:
    assert parameter_names(ET.fromstring(MADE_UP_UI)) == {"told": "pack.steps"}
