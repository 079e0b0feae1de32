"""Training configurations: YAML files, read into frozen dataclasses that refuse what they do not know."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import read_text
from XRayTo3DLib.files.json_values import check_values
from XRayTo3DLib.methods.limits import require_usual_sizes

FORMAT = "xrayto3d.training/1"
MOST_BYTES, MOST_VALUES, LARGEST = 20_000, 5_000, 2**63
"""Of a configuration: ours have 2 kB and 100 values; and whole numbers beyond this are no seed or count."""
NOT_YAML = (ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""What PyYAML raises beyond its own errors: of a date that is none, "!!bool maybe", "!!int ''", nesting."""
T = TypeVar("T")


@dataclass(frozen=True)
class StageConfiguration:
    """One training stage.

    Attributes:
        steps: Updates.
        batch: Exposures per update, over all processes.
        lr: (Highest) learning rate of Adam.
        schedule: "constant", "one-cycle", "linear-decay" or "cosine".
        validate_every: Updates between validations; 0 for only one at the end.
    """

    steps: int
    lr: float
    batch: int = 4
    schedule: str = "constant"
    validate_every: int = 1000


def read_configuration(path: Path | str) -> dict[str, Any]:
    """The content of a configuration file.

    Raises:
        InputError: Missing, not YAML, another format, or no method named.
    """
    path = Path(path)
    content = _parsed_yaml(read_text(path, "configuration", MOST_BYTES), f"configuration {path.name}")
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path.name} is not a training configuration: its first line must be 'format: {FORMAT}'.")
    if not isinstance(content.get("method"), str):
        raise InputError(f"configuration {path.name} names no method; add a line such as 'method: tl-net'.")
    return content


def _parsed_yaml(text: str, where: str) -> Any:
    """YAML of plain values; a tag that wants an object made is an error, and an alias cannot blow it up.

    Raises:
        InputError: Not such YAML.
    """
    import yaml

    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, *NOT_YAML) as error:
        place = getattr(error, "problem_mark", None)
        line = f", line {place.line + 1}" if place else ""
        raise InputError(f"{where} is not YAML{line}; correct it or start from an example.") from error
    check_values(content, where, MOST_VALUES)
    return content


def changed(content: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A configuration's content with some values changed.

    Args:
        content: Of :func:`read_configuration`; stays as it is.
        changes: "loss.kind=si": place and value (YAML), one each. Whether such a place is known is seen when the
            content is read into its dataclass.

    Raises:
        InputError: No "=", a value that is not YAML, or a place inside something that has no places.
    """
    content = copy.deepcopy(content)
    for change in changes:
        place, equals, text = change.partition("=")
        *parents, name = place.strip().split(".")
        part = content
        for parent in parents:
            part = part.setdefault(parent, {}) if isinstance(part, dict) else None
        try:
            value = _parsed_yaml(text, "value")
        except InputError as error:
            raise InputError(f"--set {change}: {text!r} is no value; write it as in the configuration.") from error
        if not equals or not name or not isinstance(part, dict):
            raise InputError(f"--set {change}: give a place in the configuration and a value, such as loss.kind=si.")
        part[name] = value
    return content


def parsed(kind: type[T], content: Any, where: str = "") -> T:
    """``content`` (nested dictionaries and lists) as a dataclass; missing keys take their defaults.

    Raises:
        InputError: An unknown or missing key, a value of another type or a size that no computer can use, named with
            its place.
    """
    if not isinstance(content, dict):
        raise InputError(f"configuration: {where or 'the file'} must hold 'key: value' lines, not {content!r}.")
    if not where:
        require_usual_sizes(content)
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(map(str, set(content) - set(known)))
    if unknown:
        raise InputError(
            f"configuration: {_place(where, unknown[0])} is not known; known here: {', '.join(sorted(known))}."
        )
    for name, field in known.items():
        if name not in content and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(f"configuration: {_place(where, name)} is missing.")
    values = {name: _value(hints[name], value, _place(where, name)) for name, value in content.items()}
    return kind(**values)


def plain(configuration: Any) -> dict[str, Any]:
    """A configuration dataclass as JSON types."""
    return {key: _plain(value) for key, value in asdict(configuration).items()}


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        return parsed(hint, value, where)  # type: ignore[type-var]
    if origin is tuple:
        return _sequence(inner, value, where)
    if hint in (int, float) and isinstance(value, int) and not -LARGEST < value < LARGEST:
        raise InputError(f"configuration: {where} is too large a number; correct it.")
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):  # YAML 1.1 reads 1e-4 as text
            value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"configuration: {where} must be a number, not {value}.")
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    expected = getattr(hint, "__name__", str(hint))
    raise InputError(f"configuration: {where} must be of type {expected}, not {value!r}.")


def _sequence(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"configuration: {where} must be a list, not {value!r}.")
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(_value(inner[0], each, f"{where}[{number}]") for number, each in enumerate(value))
    if len(inner) != len(value):
        raise InputError(f"configuration: {where} must hold {len(inner)} values, not {len(value)}.")
    return tuple(_value(kind, each, f"{where}[{n}]") for n, (kind, each) in enumerate(zip(inner, value, strict=True)))


def _place(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
