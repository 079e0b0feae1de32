"""Stand-in for slicer.parameterNodeWrapper, the part this project uses.

Fields may be bool, int, float, str, enums (stored by name), paths and MRML nodes (also ``Union[A, B, None]``), with
``Annotated`` validators and display hints. Packs, lists and dictionaries are not supported and raise.
"""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from typing import Any

import slicer


class WithinRange:
    """Between two bounds, both included."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: Any) -> None:
        """Raise ValueError outside the bounds."""
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"Value {value} is not within [{self.minimum}, {self.maximum}]")


class Minimum:
    """Not below a bound."""

    def __init__(self, minimum: float) -> None:
        self.minimum = minimum

    def validate(self, value: Any) -> None:
        """Raise ValueError below the bound."""
        if value < self.minimum:
            raise ValueError(f"Value {value} is below {self.minimum}")


class Maximum:
    """Not above a bound."""

    def __init__(self, maximum: float) -> None:
        self.maximum = maximum

    def validate(self, value: Any) -> None:
        """Raise ValueError above the bound."""
        if value > self.maximum:
            raise ValueError(f"Value {value} is above {self.maximum}")


class Choice:
    """One of a list; the first is the default."""

    def __init__(self, choices: list[Any]) -> None:
        self.choices = choices

    def validate(self, value: Any) -> None:
        """Raise ValueError for anything else."""
        if value not in self.choices:
            raise ValueError(f"Value {value} is not in {self.choices}")


class Default:
    """The value of a field that was never set."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Decimals(Default):
    """Decimals that a number widget shows."""


class SingleStep(Default):
    """Step of a number widget."""


class Parameter:
    """One field: its type, default, validators, and how it is stored in the MRML node."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        self.name = name
        self.annotations = list(getattr(hint, "__metadata__", ()))
        plain = typing.get_args(hint)[0] if self.annotations else hint
        self.types = _member_types(plain)
        self.type = self.types[0]
        self.is_node = issubclass(self.type, slicer.vtkMRMLNode)
        if not self.is_node and (len(self.types) > 1 or not _is_supported(self.type)):
            raise TypeError(f"parameter '{name}': the test host has no serializer for {plain}")
        self.default = self._default(default)
        if self.default is not None:
            self.check(self.default)

    def annotation(self, *classes: type) -> Any:
        """The first annotation of these classes, or None."""
        return next((found for found in self.annotations if type(found) in classes), None)

    def _default(self, given: Any) -> Any:
        annotated = self.annotation(Default)
        if given is not None or annotated is not None or self.is_node:
            return given if given is not None else getattr(annotated, "value", None)
        if self.annotation(Choice):
            return self.annotation(Choice).choices[0]
        return list(self.type)[0] if issubclass(self.type, enum.Enum) else self.type()

    def check(self, value: Any) -> None:
        """Raise TypeError or ValueError unless the field can hold the value."""
        if self.is_node:
            if value is not None and not any(value.IsA(cls.__name__) for cls in self.types):
                raise TypeError(f"{self.name}: expected {self.type.__name__}, got {value.GetClassName()}")
            return
        if value is None:
            raise ValueError(f"{self.name}: None is not allowed")
        accepted = (float, int) if self.type is float else self.type
        if not isinstance(value, accepted):
            raise TypeError(f"{self.name}: expected {self.type.__name__}, got {type(value).__name__}")
        for found in self.annotations:
            if hasattr(found, "validate"):
                found.validate(value)

    def is_in(self, node: Any) -> bool:
        """Whether the node holds the field; a node reference may always be empty."""
        return self.is_node or bool(node.HasParameter(self.name))

    def read(self, node: Any) -> Any:
        """The field's value."""
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if self.type is bool:
            return text == "True"
        return self.type[text] if issubclass(self.type, enum.Enum) else self.type(text)

    def write(self, node: Any, value: Any) -> None:
        """Check and store a value; the node is modified only when it changes."""
        self.check(value)
        if self.is_node:
            self._write_reference(node, value)
        else:
            value = float(value) if self.type is float else value
            node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def _write_reference(self, node: Any, value: Any) -> None:
        wanted = value.GetID() if value is not None else None
        if node.GetNodeReferenceID(self.name) != wanted:
            node.SetNodeReferenceID(self.name, wanted)
            node.Modified()


def _member_types(hint: Any) -> list[type]:
    if typing.get_origin(hint) is types.UnionType:
        raise TypeError(f"Unable to create serializer for {hint}: Slicer knows typing.Union only")
    if typing.get_origin(hint) is typing.Union:
        return [member for member in typing.get_args(hint) if member is not type(None)]
    return [hint]


def _is_supported(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, (bool, int, float, str, enum.Enum, pathlib.PurePath))


FORWARDED = ("StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified")
"""What Slicer's wrapper passes on to the MRML node."""


class ParameterNodeBase:
    """Methods of every wrapped parameter node; of the MRML node's own it has only those of ``FORWARDED``."""

    allParameters: typing.ClassVar[dict[str, Parameter]] = {}

    def __init__(self, parameterNode: Any) -> None:
        self.__dict__.update(parameterNode=parameterNode, _bindings={}, _next_tag=1)
        for parameter in self.allParameters.values():
            if not parameter.is_in(parameterNode):
                parameter.write(parameterNode, parameter.default)

    def __getattr__(self, name: str) -> Any:
        if name not in FORWARDED or "parameterNode" not in self.__dict__:
            raise AttributeError(f"a wrapped parameter node has no {name}: ask its .parameterNode")
        return getattr(self.__dict__["parameterNode"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.allParameters:
            raise AttributeError(f"{type(self).__name__} has no parameter '{name}'")
        self.allParameters[name].write(self.parameterNode, value)

    def default(self, name: str) -> Default:
        """The default of a field, in ``.value``."""
        return Default(self.allParameters[name].default)

    def dataType(self, name: str) -> type:
        """The type of a field."""
        return self.allParameters[name].type

    def getValue(self, name: str) -> Any:
        """Value by name."""
        return self.allParameters[name].read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        """Set by name."""
        self.allParameters[name].write(self.parameterNode, value)

    def connectGui(self, gui: Any) -> int:
        """Bind the widgets of ``childWidgetVariables`` that have a ``SlicerParameterName``; returns a tag."""
        from slicerhost.binding import bound_widgets

        return self.connectParametersToGui(bound_widgets(gui))

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Bind widgets given by parameter name; returns a tag."""
        from slicerhost.binding import GuiBinding

        tag = self._next_tag
        self.__dict__["_next_tag"] = tag + 1
        self._bindings[tag] = GuiBinding(self, mapping)
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Undo ``connectGui``; unknown tags are ignored, as in Slicer."""
        binding = self._bindings.pop(tag, None)
        if binding is not None:
            binding.disconnect()

    def disconnectAllGui(self) -> None:
        """Undo every ``connectGui``."""
        for tag in list(self._bindings):
            self.disconnectGui(tag)


def _field(parameter: Parameter) -> property:
    return property(
        lambda self: parameter.read(self.parameterNode),
        lambda self, value: parameter.write(self.parameterNode, value),
    )


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator: typed fields stored in a MRML parameter node."""
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {name: Parameter(name, hint, getattr(cls, name, None)) for name, hint in hints.items()}
    members: dict[str, Any] = {name: _field(parameter) for name, parameter in parameters.items()}
    members |= {k: v for k, v in vars(cls).items() if isinstance(v, (types.FunctionType, property))}
    members |= {"allParameters": parameters, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls.__name__, (ParameterNodeBase,), members)


EXPORTED = {
    found.__name__: found
    for found in (
        parameterNodeWrapper,
        WithinRange,
        Minimum,
        Maximum,
        Choice,
        Default,
        Decimals,
        SingleStep,
    )
}
