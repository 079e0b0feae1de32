"""Values as they may leave this machine: plain JSON types, without NaN and without the names of a person's folders."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

from XRayTo3DLib.errors import InputError

POSIX_PATH = re.compile(r"(?:~[\w.-]*)?/")
WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def portable(value: Any, where: str = "value") -> Any:
    """``value`` in JSON types, ready to be shared.

    Mappings become dicts with text keys; tuples, lists, sets and arrays become lists; numbers of NumPy and PyTorch
    become Python's; NaN and infinities become None (no other reader takes them); an absolute path becomes its last
    part, for the rest names a person's folders.

    Args:
        value: What to write.
        where: Its name, for the message.

    Raises:
        InputError: Something that JSON cannot hold (an object, a function).
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return _without_folders(value)
    if isinstance(value, PurePath):
        return _without_folders(str(value))
    if isinstance(value, Mapping):
        return {str(key): portable(each, f"{where}.{key}") for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return [portable(each, where) for each in sorted(value, key=str)]
    if isinstance(value, list | tuple):
        return [portable(each, f"{where}[{number}]") for number, each in enumerate(value)]
    if hasattr(value, "tolist"):  # an array, a tensor or one number of them
        return portable(value.tolist(), where)
    raise InputError(
        f"{where} is a {type(value).__name__}, which a JSON file cannot hold; give text, numbers or lists."
    )


def shareable_text(text: str) -> str:
    """``text`` with this person's home folder written as ``~``: messages keep their paths, not the person's name."""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > len(Path.home().anchor) else text


def _without_folders(text: str) -> str:
    if "\n" in text:
        return text
    if WINDOWS_PATH.match(text):
        return PureWindowsPath(text).name or text
    if POSIX_PATH.match(text):
        return PurePosixPath(text).name or text
    return text
