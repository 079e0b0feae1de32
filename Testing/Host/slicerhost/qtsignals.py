"""``object.connect("clicked(bool)", f)`` and ``disconnect`` as PythonQt has them, on PySide6 signals."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6 import QtCore
from shiboken6 import Shiboken

PYTHON_TYPES = {"vtkMRMLNode*": "PyObject", "vtkMRMLScene*": "PyObject", "vtkObject*": "PyObject"}
OVERLOADS = {"PyObject": object, "bool": bool, "int": int, "double": float, "QString": str}


@dataclass
class Connection:
    """One connection made by a text signature."""

    text: str
    receiver: Callable
    signal: Any
    relay: Callable


_connections: dict[int, list[Connection]] = {}


def connect(self: Any, text: str, receiver: Any, slot: str | None = None, *_: Any) -> bool:
    """Connect the signal of that signature to ``receiver``, or to its method named in ``slot``.

    Where PythonQt prints a message and returns False (unknown signal, no parentheses) the host raises: a handler
    that is never called is a bug.
    """
    if slot is not None:
        receiver = getattr(receiver, slot.partition("(")[0])
    signal, count = find_signal(self, text)
    accepted = min(count, accepted_arguments(receiver, count))

    def relay(*arguments: Any) -> Any:
        return receiver(*arguments[:accepted])

    _of(self).append(Connection(text, receiver, signal, relay))
    signal.connect(relay)
    return True


def disconnect(self: Any, text: str | None = None, receiver: Any = None, *_: Any) -> bool:
    """Undo the text connections that match; True when there was one."""
    mine = _of(self)
    matching = [c for c in mine if text in (None, c.text) and receiver in (None, c.receiver)]
    for connection in matching:
        connection.signal.disconnect(connection.relay)
        mine.remove(connection)
    return bool(matching)


def find_signal(sender: Any, text: str) -> tuple[Any, int]:
    """The PySide signal for a C++ signature and how many arguments it carries; raises when there is none."""
    name, parenthesis, rest = text.partition("(")
    if not parenthesis:
        raise ValueError(f"connect: '{text}' is not a signal signature, write '{text}()'")
    arguments = [_python_type(argument) for argument in rest.rstrip(")").split(",") if argument.strip()]
    signature = f"{name.strip()}({','.join(arguments)})"
    normalized = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
    if sender.metaObject().indexOfSignal(normalized) < 0:
        raise RuntimeError(f"QObject::connect: no such signal {type(sender).__name__}::{text}")
    return _overload(getattr(sender, name.strip()), arguments), len(arguments)


def _python_type(argument: str) -> str:
    plain = argument.replace("const ", "").replace("&", "").replace(" ", "")
    return PYTHON_TYPES.get(plain, plain)


def _overload(signal: Any, arguments: list[str]) -> Any:
    types = tuple(OVERLOADS[argument] for argument in arguments if argument in OVERLOADS)
    if not types or len(types) != len(arguments):
        return signal
    try:
        return signal[types if len(types) > 1 else types[0]]
    except (IndexError, KeyError):  # a signal with one signature only is not indexed by the shorter form
        return signal


def accepted_arguments(receiver: Callable, offered: int) -> int:
    """How many positional arguments ``receiver`` takes; ``offered`` where that is unlimited or unknown."""
    try:
        parameters = inspect.signature(receiver).parameters.values()
    except (TypeError, ValueError):
        return offered
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return offered
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _of(sender: Any) -> list[Connection]:
    address = Shiboken.getCppPointer(sender)[0]
    if address not in _connections:
        _connections[address] = []
        sender.destroyed.connect(lambda *_: _connections.pop(address, None))
    return _connections[address]
