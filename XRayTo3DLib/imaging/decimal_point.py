"""Numbers with a decimal point in the headers of files, whatever language the program speaks.

ITK reads and writes the header of a NRRD with the C library's functions, and these follow the process's locale. Where
it is German, as Qt sets it on a German Linux, a spacing would be written as "0,5", which nobody can read, and sound
files would be refused.
"""

from __future__ import annotations

import contextlib
import locale
import threading
from collections.abc import Iterator
from typing import Any

_LOCK = threading.Lock()
_STATE: dict[str, Any] = {"inside": 0, "before": ""}
"""How many blocks are running, and the locale to go back to after the last of them; "" where it may stay."""


@contextlib.contextmanager
def decimal_point() -> Iterator[None]:
    """Have the C library write and read numbers with a point inside the block; several threads may be in one.

    The locale is the whole process's: for the length of the block other threads see a point, too.
    """
    with _LOCK:
        if _STATE["inside"] == 0 and locale.localeconv()["decimal_point"] != ".":
            _STATE["before"] = locale.setlocale(locale.LC_NUMERIC)
            locale.setlocale(locale.LC_NUMERIC, "C")
        _STATE["inside"] += 1
    try:
        yield
    finally:
        with _LOCK:
            _STATE["inside"] -= 1
            if _STATE["inside"] == 0 and _STATE["before"]:
                locale.setlocale(locale.LC_NUMERIC, _STATE["before"])
                _STATE["before"] = ""
