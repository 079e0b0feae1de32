"""``slicer.modules``: module objects, the module manager, and loading a scripted module from its file."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path
from typing import Any

import slicer

from slicerhost.signals import SignalSource


class Module:
    """``slicer.modules.<name>``: what scripts use of it."""

    def __init__(self, name: str, logic: Any = None, path: str = "") -> None:
        self.name, self.title, self.path = name, name, path
        self._logic, self._representation = logic, None
        self.instance: Any = None

    def logic(self) -> Any:
        """The module's C++ logic (None for scripted modules here)."""
        return self._logic

    def widgetRepresentation(self) -> Any:
        """The module panel, None until it was made."""
        return self._representation


class ScriptedModule(Module):
    """A module loaded from a Python file."""


class ModuleManager(SignalSource):
    """``slicer.app.moduleManager()``."""

    SIGNALS = ("moduleLoaded(QString)", "moduleAboutToBeUnloaded(QString)")

    def module(self, name: str) -> Module | None:
        """The module of that name, or None."""
        return getattr(slicer.modules, name.lower(), None)

    def factoryManager(self) -> ModuleManager:
        """Slicer keeps ``loadedModuleNames`` there."""
        return self

    def loadedModuleNames(self) -> list[str]:
        """Names of all modules."""
        return [found.name for found in vars(slicer.modules).values() if isinstance(found, Module)]

    modulesNames = loadedModuleNames


def make_namespaces(logics: dict[str, Any]) -> None:
    """``slicer.modules`` and ``slicer.moduleNames`` for the C++ modules whose logics were made."""
    for name in ("modules", "moduleNames"):
        namespace = types.ModuleType(f"slicer.{name}")
        sys.modules[f"slicer.{name}"] = namespace
        setattr(slicer, name, namespace)
    for name, logic in logics.items():
        _register(Module(name, logic))


def _register(module: Module) -> None:
    setattr(slicer.modules, module.name.lower(), module)
    setattr(slicer.moduleNames, module.name, module.name)


def load_module(path: Path) -> ScriptedModule:
    """Import a scripted module and make its module object, as Slicer does at start. Once per process."""
    path = Path(path).resolve()
    known = getattr(slicer.modules, path.stem.lower(), None)
    if known is not None:
        return known
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    python_module = importlib.import_module(path.stem)
    module = ScriptedModule(path.stem, path=str(path))
    _register(module)
    parent = _module_parent(path)
    module.instance = getattr(python_module, path.stem)(parent)
    module.title = parent.title
    setattr(slicer.modules, f"{path.stem}Instance", module.instance)
    slicer.app.moduleManager().emit("moduleLoaded(QString)", path.stem)
    return module


def _module_parent(path: Path) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        path=str(path),
        name=path.stem,
        title=path.stem,
        categories=[],
        dependencies=[],
        contributors=[],
        helpText="",
        acknowledgementText="",
        icon=None,
        hidden=False,
    )


def make_module_widget(module: ScriptedModule) -> Any:
    """Make the module's panel and its Python widget class, as on its first entry; returns the Python widget."""
    from slicerhost.pythonqt import qt

    representation = slicer.qSlicerScriptedLoadableModuleWidget()
    representation.objectName = f"{module.name}ModuleWidget"
    representation.setLayout(qt.QVBoxLayout())
    representation.setMRMLScene(slicer.mrmlScene)
    widget = getattr(sys.modules[module.name], f"{module.name}Widget")(representation)
    representation.setPythonWidget(widget)
    module._representation = representation
    widget.setup()
    representation.layout().addStretch(1)
    setattr(slicer.modules, f"{module.name}Widget", widget)
    return widget


def enter_module(widget: Any) -> None:
    """What selecting the module does."""
    widget.parent.isEntered = True
    if hasattr(widget, "enter"):
        widget.enter()


def leave_module(widget: Any) -> None:
    """What selecting another module does."""
    widget.parent.isEntered = False
    if hasattr(widget, "exit"):
        widget.exit()


def discard_module_widget(module: ScriptedModule, widget: Any) -> None:
    """What closing the application does to the panel: leave, clean up, delete."""
    leave_module(widget)
    slicer.app.moduleManager().emit("moduleAboutToBeUnloaded(QString)", module.name)
    module._representation = None
    if hasattr(slicer.modules, f"{module.name}Widget"):
        delattr(slicer.modules, f"{module.name}Widget")
    widget.parent.delete()
