"""Arrays on disk with a description: a safetensors file whose metadata hold JSON under "about"."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import require_file
from XRayTo3DLib.files.json_values import Shape, check_fields, parse_json

FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What arrays raise that are not of the shape or type they should be of; InputError is one."""


@contextlib.contextmanager
def described_arrays(
    path: Path | str, what: str, expected_format: str, shape: Shape, again: str
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the open file (``keys``, ``get_tensor`` in NumPy) and its description; the block takes what it needs.

    Args:
        path: The file.
        what: What it should hold, for messages.
        expected_format: Of the description.
        shape: Fields of the description, as ``json_values.check_fields`` takes them.
        again: What to do about a damaged file ("delete it and prepare the case again").

    Raises:
        InputError: Missing, damaged or another file, or the block cannot use what is in it; names the file.
    """
    from safetensors import SafetensorError, safe_open

    path = require_file(path, what)
    where = f"{what}: {path.name}"
    try:
        with safe_open(path, framework="numpy") as file:
            about = parse_json((file.metadata() or {}).get("about", "{}"), "its description")
            if not isinstance(about, dict) or about.get("format") != expected_format:
                raise InputError(f"{where} has another format; {again}.")
            check_fields(about, shape, "its description")
            yield file, about
    except (SafetensorError, *FAULTS) as error:
        text = str(error)
        raise InputError(text if text.startswith(where) else f"{where} is damaged ({text}); {again}.") from error


def stored_key(path: Path) -> str:
    """The description's "key", or "" where the file is missing, none of ours, or cannot be read: it is made again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(require_file(path, "arrays"), framework="numpy") as file:
            about = parse_json((file.metadata() or {}).get("about", "{}"), "its description")
    except (SafetensorError, OSError, InputError):
        return ""
    return str(about.get("key", "")) if isinstance(about, dict) else ""
