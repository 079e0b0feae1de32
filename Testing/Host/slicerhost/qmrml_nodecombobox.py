"""Stand-in for qMRMLNodeComboBox: behaves like the real one in selection, filtering and signals."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore

from slicerhost.declare import flat_row, observe, parent_of, plain_property, with_setters
from slicerhost.pythonqt import qt

Property, Signal = QtCore.Property, QtCore.Signal


@with_setters
class qMRMLNodeComboBox(qt.QWidget):
    """Selects one node of the scene.

    Disabled until it has a scene. Without a None item the first node is taken when scene, types or ``noneEnabled``
    are set; a node added later is not; when the current node goes, the next is taken.
    """

    currentNodeChanged = Signal((object,), (bool,))
    currentNodeIDChanged = Signal(str)
    currentNodeRenamed = Signal(str)
    nodeActivated = Signal(object)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)
    nodeAboutToBeRemoved = Signal(object)
    nodeAboutToBeEdited = Signal(object)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*parent_of(arguments))
        self._scene: Any = None
        self._tags: list[int] = []
        self._current: Any = None
        self._types: list[str] = []
        self._attributes: list[tuple[str, str, Any]] = []
        self._listed: list[Any] = []
        self._actions: list[str] = []
        self._combo = qt.QComboBox()
        self._combo.objectName = "qt_nodes"
        self._combo.setSizePolicy(qt.QSizePolicy.Expanding, qt.QSizePolicy.Fixed)
        self._combo.setMinimumContentsLength(8)
        self._combo.activated.connect(self._on_activated)
        flat_row(self, self._combo)
        self.setEnabled(False)

    def setNodeTypes(self, types: list[str]) -> None:
        """Class names of the nodes to list."""
        self._types = list(types)
        self._refresh(choose=True)

    def _configure(self) -> None:
        self._refresh(choose=True)

    nodeTypes = Property("QStringList", lambda self: self._types, setNodeTypes)
    showHidden = plain_property(bool, "showHidden", False, "_configure")
    showChildNodeTypes = plain_property(bool, "showChildNodeTypes", True, "_configure")
    hideChildNodeTypes = plain_property("QStringList", "hideChildNodeTypes", [], "_configure")
    noneEnabled = plain_property(bool, "noneEnabled", False, "_configure")
    noneDisplay = plain_property(str, "noneDisplay", "None", "_configure")
    addEnabled = plain_property(bool, "addEnabled", True, "_configure")
    removeEnabled = plain_property(bool, "removeEnabled", True, "_configure")
    renameEnabled = plain_property(bool, "renameEnabled", False, "_configure")
    editEnabled = plain_property(bool, "editEnabled", False)
    baseName = plain_property(str, "baseName", "")
    selectNodeUponCreation = plain_property(bool, "selectNodeUponCreation", True)
    interactionNodeSingletonTag = plain_property(str, "interactionNodeSingletonTag", "")
    currentNodeID = Property(
        str,
        lambda self: self._current.GetID() if self._current else "",
        lambda self, value: self.setCurrentNodeID(value),
    )

    def addAttribute(self, nodeType: str, name: str, value: Any = None) -> None:
        """List only nodes that have the attribute (with that value)."""
        self._attributes.append((nodeType, name, value))
        self._refresh(choose=True)

    def removeAttribute(self, nodeType: str, name: str) -> None:
        """Undo ``addAttribute``."""
        self._attributes = [a for a in self._attributes if a[:2] != (nodeType, name)]
        self._refresh(choose=True)

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Take a scene; enables the widget."""
        if self._scene is scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags, self._scene = [], scene
        if scene is not None:
            self._tags = [observe(scene, event, self._on_scene) for event in _events()]
        self.setEnabled(scene is not None)
        self._refresh(choose=True)

    def _on_scene(self, scene: Any, _event: str) -> None:
        if not scene.IsBatchProcessing():
            self._refresh(choose=False)

    def _has_attributes(self, node: Any) -> bool:
        for node_type, name, value in self._attributes:
            found = node.GetAttribute(name)
            if node.IsA(node_type) and (found is None or (value is not None and found != str(value))):
                return False
        return True

    def _nodes(self) -> list[Any]:
        """Those it lists, in the scene's order. Called for every node that comes or goes: properties are read once."""
        if self._scene is None:
            return []
        hidden, inherited, all_ = self.hideChildNodeTypes, self.showChildNodeTypes, self.showHidden
        return [
            node
            for node in self._of_types()
            if (inherited or node.GetClassName() in self._types)
            and (all_ or not node.GetHideFromEditors())
            and not any(map(node.IsA, hidden))
            and self._has_attributes(node)
        ]

    def _of_types(self) -> list[Any]:
        """Nodes of its types and of those derived from them, in the scene's order."""
        found = [nodes for name in self._types if (nodes := _of_class(self._scene, name))]
        if len(found) < 2:
            return found[0] if found else []
        every = (self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes()))
        return [node for node in every if any(map(node.IsA, self._types))]

    def nodeCount(self) -> int:
        """Number of nodes listed."""
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        """The node listed at that place."""
        return self._nodes()[index]

    def _refresh(self, choose: bool) -> None:
        """List the nodes anew; ``choose``: the widget was set up just now, so a first node may be taken."""
        nodes = self._nodes()
        current = self._current if self._current in nodes else None
        if current is None and nodes and not self.noneEnabled and (choose or self._current is not None):
            current = nodes[0]
        self._listed = ([None] if self.noneEnabled or current is None else []) + nodes
        self._fill(current)
        self._take(current)

    def _fill(self, current: Any) -> None:
        self._combo.blockSignals(True)
        self._combo.clear()
        for node in self._listed:
            self._combo.addItem(node.GetName() if node is not None else self._empty_text())
        self._actions = []
        if self._types and self._scene is not None:
            self._add_actions(current)
        self._combo.setCurrentIndex(self._listed.index(current) if current in self._listed else 0)
        self._combo.blockSignals(False)

    def _add_actions(self, current: Any) -> None:
        label = self._label()
        wanted = [
            (self.renameEnabled and current is not None, "rename", f"Rename current {label}"),
            (self.addEnabled, "add", f"Create new {label}"),
            (self.removeEnabled and current is not None, "remove", f"Delete current {label}"),
        ]
        for enabled, action, text in wanted:
            if enabled:
                self._actions.append(action)
                self._combo.addItem(text)

    def _label(self) -> str:
        return self._scene.GetTagByClassName(self._types[0]) or self._types[0]

    def _empty_text(self) -> str:
        if self.noneEnabled:
            return self.noneDisplay
        kind = self._types[0].removeprefix("vtkMRML").removesuffix("Node") if self._types else "node"
        return f"Select a {kind}"

    def _take(self, node: Any) -> None:
        if node is self._current:
            return
        self._current = node
        self.currentNodeChanged[object].emit(node)
        self.currentNodeChanged[bool].emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def currentNode(self) -> Any:
        """The selected node, or None."""
        return self._current

    def setCurrentNode(self, node: Any) -> None:
        """Select a node (or its ID); a node that isn't listed selects nothing."""
        if isinstance(node, str):
            node = self._scene.GetNodeByID(node) if self._scene is not None else None
        self._take(node if node in self._nodes() else None)
        self._refresh(choose=False)

    def setCurrentNodeID(self, identifier: str) -> None:
        """Select the node with that ID."""
        self.setCurrentNode(identifier)

    def setCurrentNodeIndex(self, index: int) -> None:
        """Select the node listed at that place."""
        self.setCurrentNode(self._nodes()[index])

    def _on_activated(self, index: int) -> None:
        if index < len(self._listed):
            self._take(self._listed[index])
            self.nodeActivated.emit(self._current)
            return
        action = self._actions[index - len(self._listed)]
        if action == "add":
            self.nodeAddedByUser.emit(self.addNode())
        elif action == "remove":
            self.removeCurrentNode()
        else:
            self.renameCurrentNode()
        self._refresh(choose=True)

    def addNode(self, nodeType: str | None = None) -> Any:
        """Add a node of the first (or that) type to the scene; it gets no display node."""
        node = self._scene.CreateNodeByClass(nodeType or self._types[0])
        node.UnRegister(None)
        node.SetName(self._scene.GenerateUniqueName(self.baseName or node.GetNodeTagName()))
        for node_type, name, value in self._attributes:
            if node.IsA(node_type):
                node.SetAttribute(name, "" if value is None else str(value))
        node = self._scene.AddNode(node)
        self.nodeAdded.emit(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        return node

    def removeCurrentNode(self) -> None:
        """Remove the selected node from the scene."""
        if self._current is not None:
            node = self._current
            self.nodeAboutToBeRemoved.emit(node)
            self._scene.RemoveNode(node)

    def renameCurrentNode(self) -> None:
        """Ask for a new name."""
        name = qt.QInputDialog.getText(self, "Rename", "New name:")
        if self._current is not None and name:
            self._current.SetName(name)
            self.currentNodeRenamed.emit(name)


def _of_class(scene: Any, name: str) -> list[Any]:
    """The scene's nodes of a class, asked of the scene itself: quicker than asking every node."""
    found = scene.GetNodesByClass(name)
    found.UnRegister(scene)  # as slicer.util.getNodesByClass, which knows one scene only
    return [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())]


def _events() -> tuple[int, ...]:
    scene = slicer.vtkMRMLScene
    return (
        scene.NodeAddedEvent,
        scene.NodeRemovedEvent,
        scene.EndCloseEvent,
        scene.EndImportEvent,
        scene.EndBatchProcessEvent,
    )


CLASSES = [qMRMLNodeComboBox]
