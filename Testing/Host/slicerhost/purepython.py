"""Publishes the pure-Python sub-modules of ``slicer`` that the slicer-core wheel lacks."""

from __future__ import annotations

import logging
import sys
import types
from typing import Any

import slicer

from slicerhost import parameternode, pip, scripted


def install() -> None:
    """Make ``from slicer.ScriptedLoadableModule import ...`` and its like work."""
    _publish("i18n", tr=_translate_plain, translate=_translate_in_context)
    names = ("Module", "ModuleWidget", "ModuleLogic", "ModuleTest")
    classes = {f"ScriptedLoadable{name}": getattr(scripted, f"ScriptedLoadable{name}") for name in names}
    _publish("ScriptedLoadableModule", **classes)
    _publish("parameterNodeWrapper", **parameternode.EXPORTED)
    names = ("pip_install", "pip_uninstall", "pip_check", "pip_ensure", "load_requirements")
    _publish("packaging", **{name: getattr(pip, name) for name in names})
    slicer.util.pip_install, slicer.util.pip_uninstall = pip.pip_install, pip.pip_uninstall
    slicer.util._messageDisplay = MessageRecorder(slicer.util._messageDisplay)


def _publish(name: str, **content: Any) -> None:
    module = types.ModuleType(f"slicer.{name}")
    module.__dict__.update(content, __all__=list(content))
    sys.modules[module.__name__] = module
    setattr(slicer, name, module)


def _translate_plain(text: str) -> str:
    return text


def _translate_in_context(_context: str, text: str) -> str:
    return text


class MessageRecorder:
    """Wraps slicer.util's message display: records (level, text); ``answer`` decides confirmations.

    ``answer`` None leaves the reply to Slicer (which under testing shows nothing), True presses OK, Yes or Retry,
    False presses Cancel or No.
    """

    def __init__(self, display: Any) -> None:
        self._display = display
        self.shown: list[tuple[str, str]] = []
        self.answer: bool | None = None

    def __call__(self, level: int, text: str, testing_value: Any, *arguments: Any, **named: Any) -> Any:
        """Record, then do what Slicer does."""
        self.shown.append((logging.getLevelName(level), text))
        buttons = int(named.get("standardButtons") or 0)
        if self.answer is not None and testing_value is not None:
            testing_value = _pressed(buttons, self.answer)
        return self._display(level, text, testing_value, *arguments, **named)

    def clear(self) -> None:
        """Forget what was shown and leave answers to Slicer."""
        self.shown, self.answer = [], None


def _pressed(buttons: int, accept: bool) -> int:
    from slicerhost.pythonqt import qt

    box = qt.QMessageBox
    wanted = (box.Ok, box.Yes, box.Retry) if accept else (box.Cancel, box.No, box.Close)
    return next(int(button) for button in wanted if buttons & int(button))
