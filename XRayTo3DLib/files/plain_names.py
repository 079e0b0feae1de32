"""Names of folders and files that mean the same on every system, and look like nothing else."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 64
RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
"""Devices of Windows, with whatever suffix (Microsoft, Naming Files, Paths, and Namespaces)."""
ALLOWED = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()+-]*")


def name_problem(name: str) -> str:
    """Why ``name`` cannot be a folder's or a file's name everywhere; empty where it can.

    Letters are those of English: others have look-alikes, and are written in more than one way.
    """
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        return "it is no name of one folder"
    if len(name) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if not ALLOWED.fullmatch(name):
        return "a name has letters a to z, digits, space and . _ - ( ) + only, and begins with a letter or digit"
    if name[-1] in " .":
        return "it ends in a dot or a space, which Windows drops"
    return "Windows keeps this name for a device" if reserved(name) else ""


def reserved(name: str) -> bool:
    """Whether a folder or device has this name already: ``..``, ``con.txt``."""
    return name in (".", "..") or name.partition(".")[0].strip().lower() in RESERVED


def same_name(name: str) -> str:
    """What two names have in common that some system or reader takes for one: case and ways of writing a letter."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
