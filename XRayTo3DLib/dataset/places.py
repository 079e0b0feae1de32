"""Where a data set's files may be: inside its folder, whatever names and links say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.links import refuse_links_out
from XRayTo3DLib.files.plain_names import reserved
from XRayTo3DLib.files.spreadsheets import FORMULA

LONGEST = 100
"""Letters of a bone's name."""


def require_label_names(labels: Sequence[str], where: str) -> None:
    """Refuse bones whose names are paths or formulas: files, and figures in tables, are called after them.

    Raises:
        InputError: Naming the label.
    """
    for label in labels:
        path = any(mark in label for mark in "/\\:") or reserved(label) or label.lstrip().startswith(FORMULA)
        if path or len(label) > LONGEST or not label.isprintable() or not label.strip():
            raise InputError(f"{where}: {label[:60]!r} cannot name a bone, whose files are called so; rename it.")


def view_folder(case: Path, view: str) -> Path:
    """``views/<view>`` of a case's folder, there or not.

    Raises:
        InputError: It, or what is in it, is a link that leads out of the data set.
    """
    root, place = case.parent.parent, case / "views" / view
    refuse_links_out(place.parent, root, f"case {case.name}")
    refuse_links_out(place, root, f"case {case.name}, view {place.name}")
    return place
