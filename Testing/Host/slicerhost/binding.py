"""Two-way binding of parameter node fields to widgets, for the widget classes that Slicer binds too."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import vtk

from slicerhost.parameternode import Choice, Decimals, Maximum, Minimum, Parameter, SingleStep, WithinRange

CHECKED = ("QCheckBox", "ctkCheckBox", "QPushButton", "ctkCheckablePushButton")
NUMBERS = (
    "QSlider",
    "QSpinBox",
    "QDoubleSpinBox",
    "ctkSliderWidget",
    "ctkDoubleSlider",
    "ctkDoubleSpinBox",
    "qMRMLSliderWidget",
    "qMRMLSpinBox",
)


@dataclass
class Connector:
    """How one widget gives, takes and signals the value of one field."""

    changed: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]


class GuiBinding:
    """One ``connectGui``: the fields win at first, afterwards whoever changed last."""

    def __init__(self, wrapper: Any, mapping: dict[str, Any]) -> None:
        unknown = sorted(set(mapping) - set(wrapper.allParameters))
        if unknown:
            raise ValueError(f"SlicerParameterName without parameter: {', '.join(unknown)}")
        self._wrapper = wrapper
        self._busy = False
        self._connectors = {n: make_connector(w, wrapper.allParameters[n]) for n, w in mapping.items()}
        self._update_gui()
        self._slots = {name: self._make_slot(name) for name in self._connectors}
        for name, connector in self._connectors.items():
            if connector.changed is not None:
                connector.changed.connect(self._slots[name])
        self._tag = wrapper.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, self._update_gui)

    def _update_gui(self, *_: Any) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            for name, connector in self._connectors.items():
                value = self._wrapper.getValue(name)
                if connector.read() != value:
                    connector.write(value)
        finally:
            self._busy = False

    def _make_slot(self, name: str) -> Callable[..., None]:
        def on_changed(*_: Any) -> None:
            value = self._connectors[name].read()
            if not self._busy and value != self._wrapper.getValue(name):
                self._wrapper.setValue(name, value)

        return on_changed

    def disconnect(self) -> None:
        """Undo everything."""
        self._wrapper.parameterNode.RemoveObserver(self._tag)
        for name, connector in self._connectors.items():
            if connector.changed is not None:
                connector.changed.disconnect(self._slots[name])


def bound_widgets(gui: Any) -> dict[str, Any]:
    """Widgets by their dynamic property ``SlicerParameterName``; a name used twice is an error."""
    found: dict[str, Any] = {}
    for widget in vars(gui).values():
        name = widget.property("SlicerParameterName")
        if name and name in found:
            raise ValueError(f"two widgets have SlicerParameterName {name}")
        if name:
            found[name] = widget
    return found


def make_connector(widget: Any, parameter: Parameter) -> Connector:
    """The connector for a widget class and a field type; raises for a pair that Slicer can't bind."""
    kind = next((c.__name__ for c in type(widget).__mro__ if c.__name__ in _MAKERS), None)
    if kind is None or not _MAKERS[kind][0](parameter):
        raise RuntimeError(
            f"Unable to create GUI connector from parameter '{parameter.name}' to {type(widget).__name__}"
        )
    return _MAKERS[kind][1](widget, parameter)


def _checked(widget: Any, _parameter: Parameter) -> Connector:
    return Connector(widget.toggled, lambda: widget.checked, widget.setChecked)


def _number(widget: Any, parameter: Parameter) -> Connector:
    low, high = (parameter.annotation(WithinRange, bound) for bound in (Minimum, Maximum))
    if high is not None:
        widget.maximum = parameter.type(high.maximum)
    if low is not None:
        widget.minimum = parameter.type(low.minimum)
    decimals, step = parameter.annotation(Decimals), parameter.annotation(SingleStep)
    if hasattr(widget, "decimals") and (decimals is not None or parameter.type is int):
        widget.setDecimals(decimals.value if decimals is not None else 0)
    if step is not None:
        widget.singleStep = step.value
    return Connector(widget.valueChanged, lambda: parameter.type(widget.value), widget.setValue)


def _node(widget: Any, parameter: Parameter) -> Connector:
    # As in Slicer: what the .ui file says is replaced, and a node is made for its name: no class may be abstract.
    widget.nodeTypes = [cls().GetClassName() for cls in parameter.types]
    return Connector(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


def _line(widget: Any, _parameter: Parameter) -> Connector:
    return Connector(widget.textChanged, lambda: widget.text, widget.setText)


def _label(widget: Any, _parameter: Parameter) -> Connector:
    return Connector(None, lambda: widget.text, widget.setText)


def _text(widget: Any, _parameter: Parameter) -> Connector:
    return Connector(widget.textChanged, widget.toPlainText, widget.setPlainText)


def _path(widget: Any, parameter: Parameter) -> Connector:
    return Connector(
        widget.currentPathChanged,
        lambda: parameter.type(widget.currentPath),
        lambda value: widget.setCurrentPath(str(value)),
    )


def _directory(widget: Any, parameter: Parameter) -> Connector:
    return Connector(
        widget.directoryChanged,
        lambda: parameter.type(widget.directory),
        lambda value: widget.setDirectory(str(value)),
    )


def _choice(widget: Any, parameter: Parameter) -> Connector:
    annotation = parameter.annotation(Choice)
    choices = list(annotation.choices) if annotation else list(parameter.type)
    widget.clear()
    widget.addItems([_choice_text(choice) for choice in choices])
    return Connector(
        widget.currentIndexChanged,
        lambda: choices[widget.currentIndex] if widget.currentIndex >= 0 else None,
        lambda value: widget.setCurrentIndex(choices.index(value)),
    )


def _choice_text(choice: Any) -> str:
    if isinstance(choice, enum.Enum):
        return choice.label() if hasattr(choice, "label") else choice.name
    return str(choice)


def _is(*types: type) -> Callable[[Parameter], bool]:
    return lambda parameter: issubclass(parameter.type, types)


def _is_number(parameter: Parameter) -> bool:
    return parameter.type in (int, float)


def _is_choice(parameter: Parameter) -> bool:
    return parameter.annotation(Choice) is not None or issubclass(parameter.type, enum.Enum)


def _is_node(parameter: Parameter) -> bool:
    return parameter.is_node


_MAKERS: dict[str, tuple[Callable[[Parameter], bool], Callable[[Any, Parameter], Connector]]] = {
    **{name: (_is(bool), _checked) for name in CHECKED},
    **dict.fromkeys(NUMBERS, (_is_number, _number)),
    "qMRMLNodeComboBox": (_is_node, _node),
    "QLineEdit": (_is(str), _line),
    "QLabel": (_is(str), _label),
    "QTextEdit": (_is(str), _text),
    "QPlainTextEdit": (_is(str), _text),
    "ctkPathLineEdit": (_is(PurePath, str), _path),
    "ctkDirectoryButton": (_is(PurePath, str), _directory),
    "QComboBox": (_is_choice, _choice),
    "ctkComboBox": (_is_choice, _choice),
}
