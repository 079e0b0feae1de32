"""Text-signature signals for host objects that are no QObjects (application, module manager, layout manager)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SignalSource:
    """``connect("name(type)", f)`` for a fixed list of signatures; others raise."""

    SIGNALS: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._receivers: dict[str, list[Callable]] = {}

    def connect(self, signal: str, receiver: Callable) -> bool:
        """Call ``receiver`` at each emission."""
        if signal not in self.SIGNALS:
            raise RuntimeError(f"QObject::connect: no such signal {type(self).__name__}::{signal}")
        self._receivers.setdefault(signal, []).append(receiver)
        return True

    def disconnect(self, signal: str, receiver: Callable) -> bool:
        """Undo ``connect``; False when it was not connected."""
        receivers = self._receivers.get(signal, [])
        if receiver not in receivers:
            return False
        receivers.remove(receiver)
        return True

    def emit(self, signal: str, *arguments: Any) -> None:
        """Call the receivers."""
        for receiver in list(self._receivers.get(signal, [])):
            receiver(*arguments)
