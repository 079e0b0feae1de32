"""Short declarations for stand-in widgets: plain Qt properties and their ``setX`` methods."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtWidgets
from shiboken6 import Shiboken


def plain_property(type_: Any, name: str, default: Any, changed: str = "") -> QtCore.Property:
    """A stored Qt property (settable from .ui files too); ``changed`` names a method to call after a change."""
    attribute = f"_plain_{name}"

    def read(self: Any) -> Any:
        return vars(self).get(attribute, default)  # getattr would ask Qt for a dynamic property first

    def write(self: Any, value: Any) -> None:
        setattr(self, attribute, value)
        if changed:
            getattr(self, changed)()

    return QtCore.Property(type_, read, write)


def with_setters(cls: type) -> type:
    """Class decorator: give every declared property the ``setX`` method that the C++ class has."""
    for name, found in list(vars(cls).items()):
        setter = f"set{name[0].upper()}{name[1:]}"
        if isinstance(found, QtCore.Property) and not hasattr(cls, setter):
            setattr(cls, setter, _setter(name))
    return cls


def _setter(name: str) -> Any:
    def set_value(self: Any, value: Any) -> None:
        setattr(self, name, value)

    return set_value


def parent_of(arguments: tuple) -> list[QtWidgets.QWidget]:
    """The parent among a constructor's arguments, as a list to unpack."""
    return [argument for argument in arguments if isinstance(argument, QtWidgets.QWidget)]


def flat_row(widget: Any, *parts: Any) -> None:
    """Lay the parts out in a row without margins."""
    row = QtWidgets.QHBoxLayout(widget)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(3)
    for part in parts:
        row.addWidget(part)


def observe(subject: Any, event: Any, method: Callable) -> int:
    """Observe a VTK object by a bound method without keeping its widget alive; returns the observer's tag."""
    reference = weakref.WeakMethod(method)
    tags: list[int] = []

    def relay(caller: Any | None, name: str) -> None:
        if caller is None:
            return  # the object is being destroyed, its observers go with it
        receiver = reference()
        if receiver is None or not Shiboken.isValid(receiver.__self__):
            caller.RemoveObserver(tags[0])
        else:
            receiver(caller, name)

    tags.append(subject.AddObserver(event, relay))
    return tags[0]
