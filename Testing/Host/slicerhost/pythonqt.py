"""Publishes PySide6 as module ``qt``, behaving like PythonQt (Slicer's Qt binding).

What PythonQt does and PySide6 does not, and scripted modules rely on: Qt properties are Python attributes
(``label.text``, so ``label.text()`` fails), signals are connected by their C++ signature, an unknown attribute can't
be set, file dialogs return one value, and enums are ints.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtNetwork, QtPrintSupport, QtSvg, QtTest, QtUiTools, QtWidgets
from shiboken6 import Shiboken

from slicerhost import qtproperties, qtsignals
from slicerhost.immortal import protect_singletons

SOURCES = [QtCore, QtGui, QtWidgets, QtUiTools, QtNetwork, QtSvg, QtPrintSupport]
INTERNAL_NAME_PREFIX = "qt_"
LOADER_MODULE = "slicerhost.uiloader"


class WrappedMeta(type(QtCore.QObject)):
    """``isinstance(qt.QLabel(), qt.QLabel)`` but not ``isinstance(qt.QLabel(), qt.QWidget)``, as in PythonQt."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if type(instance).__module__ == "qt" or cls.__dict__.get("_qtBase") is type(instance):
            return type(instance) is cls or cls.__dict__.get("_qtBase") is type(instance)
        return type.__instancecheck__(cls, instance)


def wrap(base: Any) -> Any:
    """The PythonQt-like class for a PySide6 class; anything that is no QObject class is returned as it is."""
    if not (isinstance(base, type) and issubclass(base, QtCore.QObject)):
        return base
    members = {
        "connect": qtsignals.connect,
        "disconnect": qtsignals.disconnect,
        "_qtBase": base,
        "__module__": "qt",
        "__setattr__": _guarded_setattr(base),
        "__getattr__": _dynamic_property,
        "__init_subclass__": classmethod(_give_connect),
    }
    return WrappedMeta(base.__name__, (base,), members)


def _give_connect(cls: type, **_: Any) -> None:
    """PySide6 looks ``connect`` up in the class's own dictionary only."""
    cls.connect, cls.disconnect = qtsignals.connect, qtsignals.disconnect


def _guarded_setattr(base: type) -> Callable[[Any, str, Any], None]:
    def set_attribute(self: Any, name: str, value: Any) -> None:
        """A wrapped C++ object takes no new attributes; a Python subclass of it does."""
        owner = type(self).__module__
        known = hasattr(type(self), name) or not (owner == "qt" or owner.startswith("slicerhost."))
        if not known:
            caller = sys._getframe(1).f_globals.get("__name__", "")
            own = caller.startswith("slicerhost.") and name.startswith("_")
            if _is_loading() and not own:
                return  # PySide6's loader hangs the children on the form, PythonQt's does not
            if not own:
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        base.__setattr__(self, name, value)

    return set_attribute


def _is_loading() -> bool:
    loader = sys.modules.get(LOADER_MODULE)
    return loader is not None and loader.QUiLoader.loading > 0


def _dynamic_property(self: Any, name: str) -> Any:
    """Dynamic properties are readable as attributes."""
    if not name.startswith("_") and name.encode() in [bytes(x) for x in self.dynamicPropertyNames()]:
        return self.property(name)
    raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


class QtModule(types.ModuleType):
    """Module ``qt``: flat, each class wrapped on first use."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for source in SOURCES:
                if hasattr(source, name):
                    setattr(self, name, wrap(getattr(source, name)))
                    return getattr(self, name)
        raise AttributeError(f"module 'qt' has no attribute '{name}'")


class StrictModule(types.ModuleType):
    """A namespace of stand-ins that says so when one is missing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{self.__name__}.{name}: the test host has no stand-in for it")


def _first_value(function: Callable) -> staticmethod:
    """PySide6's ``getOpenFileName`` returns (file, filter), PythonQt's the file."""

    def call(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        return result[0] if isinstance(result, tuple) else result

    return staticmethod(call)


TIMERS: weakref.WeakSet[Any] = weakref.WeakSet()
"""Those that somebody made through ``qt.QTimer``."""


def work_waits() -> bool:
    """Whether a timer has work to do soon: one that fires once, or at every turn of the event loop."""
    alive = [timer for timer in TIMERS if Shiboken.isValid(timer)]
    return any(timer.active and (QtCore.QTimer.isSingleShot(timer) or timer.interval == 0) for timer in alive)


def _single_shot(milliseconds: int, function: Callable) -> None:
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setSingleShot(True)
    timer.timeout.connect(function)
    timer.timeout.connect(timer.deleteLater)
    TIMERS.add(timer)
    timer.start(int(milliseconds))


def _patch_qobject() -> None:
    """``name``, ``className()`` and ``delete()``; Qt's internal children stay out of childWidgetVariables()."""
    cls = QtCore.QObject

    def name(self: Any) -> str:
        return "" if self.objectName.startswith(INTERNAL_NAME_PREFIX) else self.objectName

    def set_name(self: Any, value: str) -> None:
        self.objectName = value

    cls.name = property(name, set_name)
    cls.className = lambda self: type(self).__name__
    cls.delete = lambda self: Shiboken.delete(self)


def _own_classes(qt: QtModule) -> None:
    class QFileDialog(wrap(QtWidgets.QFileDialog)):
        getOpenFileName = _first_value(QtWidgets.QFileDialog.getOpenFileName)
        getOpenFileNames = _first_value(QtWidgets.QFileDialog.getOpenFileNames)
        getSaveFileName = _first_value(QtWidgets.QFileDialog.getSaveFileName)

    class QInputDialog(wrap(QtWidgets.QInputDialog)):
        getText = _first_value(QtWidgets.QInputDialog.getText)
        getItem = _first_value(QtWidgets.QInputDialog.getItem)

    class QTimer(wrap(QtCore.QTimer)):
        singleShot = staticmethod(_single_shot)

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            TIMERS.add(self)

    for cls in (QFileDialog, QInputDialog, QTimer):
        cls.__module__ = "qt"
        setattr(qt, cls.__name__, cls)


def install() -> QtModule:
    """Make ``import qt`` work; the first call patches the PySide6 classes."""
    if "qt" in sys.modules:
        return sys.modules["qt"]
    protect_singletons()
    qt = QtModule("qt")
    qtproperties.patch_classes([*SOURCES, QtTest])
    _patch_qobject()
    _own_classes(qt)
    qt.SIGNAL = qt.SLOT = lambda text: text
    qt.Signal, qt.Slot, qt.Property = QtCore.Signal, QtCore.Slot, QtCore.Property
    qt.QTest = QtTest.QTest
    sys.modules["qt"] = qt
    return qt


qt = install()
