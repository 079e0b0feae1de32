"""JSON from anywhere: what cannot be read is refused in one sentence, and fields are checked before they are used.

What :func:`parse_json` gives back can be walked, written again, shown and counted with: it is not nested without end,
its numbers are finite and of a size that computers count with, and its texts are text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from XRayTo3DLib.errors import InputError

MOST_BYTES = 32_000_000
"""A larger file is none of ours; reading it could take gigabytes."""
MOST_LEVELS = 64
MOST_DIGITS, WHOLE = 20, 2**63
"""Whole numbers fit in 64 bits."""
LARGEST = 1e300
"""No other number is larger."""
LONGEST_NAME = 40
"""Letters of a field's name as messages show it."""
KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
}

Shape = type | list[Any] | dict[str, Any]
"""What a value must be: ``str``, ``bool``, ``int``, ``float`` (whole numbers too), ``dict`` or ``list`` of anything;
``[shape]``, a list of such; ``{"name": shape, "other?": shape, "third??": shape}``, an object with fields, of which
"other" may be missing and "third" missing or null; ``{"*": shape}``, an object whose values are all such. Fields that
are not named are passed over."""


def parse_json(content: bytes | str, where: str) -> Any:
    """JSON text as Python values; a byte order mark, as Windows editors write it, is passed over.

    Args:
        content: UTF-8, or text.
        where: How messages begin: what the file is and its name ("camera: pa.json").

    Raises:
        InputError: Larger than 32 MB, not UTF-8, not JSON (NaN and Infinity are none), a field named twice (readers
            differ in which one they believe), nested deeper than 64 levels, a number beyond what computers count with,
            or a text with half characters or zeros in it.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"{where} has more than {MOST_BYTES // 1_000_000} MB, too many. Is it the right file?")
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        value = json.loads(
            text, parse_float=_finite, parse_int=_whole, parse_constant=_no_constant, object_pairs_hook=_once
        )
    except _TwiceError as error:
        raise InputError(f"{where} names {error} twice, and which one holds is not known; write it again.") from error
    except RecursionError as error:
        raise InputError(f"{where} is nested too deeply. Is it the right file?") from error
    except ValueError as error:  # not JSON, not UTF-8, or a number
        raise InputError(f"{where} is not a JSON file ({error}). Is it the right file?") from error
    check_values(value, where)
    return value


def check_values(value: Any, where: str, most: int | None = None) -> None:
    """Refuse what nothing can be done with, though it could be parsed.

    Args:
        value: Dictionaries, lists and plain values.
        where: How the message begins.
        most: So many values may be in it, counted as often as they are told of; ``None``: any number.

    Raises:
        InputError: Nested deeper than 64 levels, more values, or a text with half characters or zeros in it.
    """
    level, count = [value], 0
    for _ in range(MOST_LEVELS):
        count += len(level)
        if most is not None and count > most:
            raise InputError(f"{where} holds more than {most} values, too many. Is it the right file?")
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inner.extend(each)
                inner.extend(each.values())
            elif isinstance(each, list):
                inner.extend(each)
            elif isinstance(each, str) and not _is_text(each):
                raise InputError(f"{where} holds a text with half a character or a zero byte in it; write it again.")
        level = inner
        if not level:
            return
    raise InputError(f"{where} is nested too deeply. Is it the right file?")


def check_fields(value: Any, shape: Shape, where: str, place: str = "") -> None:
    """Refuse a value whose fields are missing or of another kind.

    Args:
        value: Of :func:`parse_json`.
        shape: See :data:`Shape`.
        where: How the message begins: what the file is and its name.
        place: The value's own place inside, for the message.

    Raises:
        InputError: Naming the first field that is wrong, what it must be and what it is.
    """
    if isinstance(shape, dict):
        _require(isinstance(value, dict), value, dict, where, place)
        for name, inner in shape.items():
            _check_field(value, name, inner, where, place)
    elif isinstance(shape, list):
        _require(isinstance(value, list), value, list, where, place)
        for number, each in enumerate(value):
            check_fields(each, shape[0], where, f"{place}[{number}]")
    else:
        _require(_is_kind(value, shape), value, shape, where, place)


def _check_field(value: Mapping[str, Any], name: str, shape: Shape, where: str, place: str) -> None:
    if name == "*":
        for key, each in value.items():
            check_fields(each, shape, where, _joined(place, key))
        return
    key = name.rstrip("?")
    if (name.endswith("?") and key not in value) or (name.endswith("??") and value[key] is None):
        return
    if key not in value:
        raise InputError(f"{where}: the field {_joined(place, key)} is missing; write the file again.")
    check_fields(value[key], shape, where, _joined(place, key))


def _require(fits: bool, value: Any, kind: type, where: str, place: str) -> None:
    if not fits:
        found = "null" if value is None else next((w for k, w in KINDS.items() if type(value) is k), "something else")
        found = "one that is not finite" if kind is float and type(value) is float else found
        field = f"the field {place}" if place else "its content"
        raise InputError(f"{where}: {field} must be {KINDS[kind]}, not {found}; correct it or write the file again.")


def _is_kind(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST
    return isinstance(value, kind) and (kind is not int or not isinstance(value, bool))


def _joined(place: str, name: str) -> str:
    name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
    return f"{place}.{name}" if place else name


def _is_text(text: str) -> bool:
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _TwiceError(ValueError):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(repr(name[:80]))
        found[name] = value
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _whole(text: str) -> int:
    value = int(text) if len(text) <= MOST_DIGITS else WHOLE
    if not -WHOLE <= value < WHOLE:
        raise ValueError(f"{text[:MOST_DIGITS]} is too large a number")
    return value


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")
