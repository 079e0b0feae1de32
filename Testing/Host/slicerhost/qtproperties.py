"""Qt properties and enums of PySide6 made to behave as PythonQt's: properties are attributes, enums are ints."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from typing import Any

from PySide6 import QtCore

VIRTUAL_OF_SAME_NAME = {"sizeHint", "minimumSizeHint"}
VIRTUAL_TEXT = "QProgressBar"
"""Its text is a virtual function: asking Qt for the property would ask Python again, without end."""
INTEGER_TYPES = {"int", "uint"}


def patch_classes(modules: list[Any]) -> None:
    """Patch every QObject class of the PySide6 ``modules``, base classes first."""
    done: set[type] = set()
    for cls in _qobject_classes(modules):
        for base in reversed(cls.__mro__):
            if issubclass(base, QtCore.QObject) and base not in done:
                done.add(base)
                _patch_properties(base)
                _patch_enums(base)
    _patch_enums(QtCore.Qt)


def _qobject_classes(modules: list[Any]) -> Iterator[type]:
    for module in modules:
        for name in dir(module):
            cls = getattr(module, name, None)
            if isinstance(cls, type) and issubclass(cls, QtCore.QObject):
                yield cls


def _patch_properties(cls: type) -> None:
    meta = cls.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        found = meta.property(index)
        if found.name() not in VIRTUAL_OF_SAME_NAME:
            setattr(cls, found.name(), _attribute(cls, found))


def _attribute(cls: type, found: QtCore.QMetaProperty) -> property:
    """A Python attribute for one Qt property."""
    name = found.name()
    read = _reader(cls, found)
    integral = found.typeName() in INTEGER_TYPES

    def write(self: Any, value: Any) -> None:
        if not found.isWritable():
            raise AttributeError(f"property '{name}' of class '{type(self).__name__}' is not writable")
        if integral and isinstance(value, float):
            value = int(value)  # PythonQt truncates, Qt rounds
        QtCore.QObject.setProperty(self, name, value)

    return property(read, write)


def _reader(cls: type, found: QtCore.QMetaProperty) -> Callable[[Any], Any]:
    name = found.name()
    getter = cls.__dict__.get(name) or getattr(cls, name, None)
    virtual = name == "text" and cls.__name__ == VIRTUAL_TEXT
    if (virtual or found.isEnumType() or found.isFlagType()) and callable(getter):
        return lambda self: _plain(getter(self))
    return lambda self: _plain(QtCore.QObject.property(self, name))


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _patch_enums(cls: type) -> None:
    """Let ``int(qt.Qt.Horizontal)`` and ``slider.orientation == qt.Qt.Horizontal`` work."""
    for found in vars(cls).values():
        if isinstance(found, type) and issubclass(found, enum.Enum) and not issubclass(found, int):
            found.__int__ = found.__index__ = lambda self: self.value
            found.__eq__ = _enum_equal


def _enum_equal(self: enum.Enum, other: Any) -> bool:
    return self is other or self.value == _plain(other)
