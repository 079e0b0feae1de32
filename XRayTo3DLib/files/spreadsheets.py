"""Tables that people open in a spreadsheet: a name must not become a formula there."""

from __future__ import annotations

import re
from collections.abc import Iterable

FORMULA = ("=", "+", "-", "@", "\t", "\r", *"\uff1d\uff0b\uff0d\uff20")  # full-width ones, too
"""How a cell begins that spreadsheets compute (OWASP, CSV Injection)."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?")


def as_cells(values: Iterable[object]) -> list[object]:
    """A row for ``csv.writer``: texts that begin as a formula get an apostrophe before them, which spreadsheets hide.

    Numbers stay as they are, also those that were made into text; control characters become spaces.
    """
    return [_cell(value) if isinstance(value, str) else value for value in values]


def _cell(text: str) -> str:
    plain = text if text.isprintable() else "".join(each if each.isprintable() else " " for each in text)
    computed = text.startswith(FORMULA) or plain.lstrip().startswith(FORMULA)
    return f"'{plain}" if computed and not NUMBER.fullmatch(plain) else plain
