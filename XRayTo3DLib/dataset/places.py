"""Where a data set's files may be: inside its folder, whatever names and links say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.plain_names import reserved

LONGEST = 100
"""Letters of a bone's name."""


def refuse_links_out(folder: Path, root: Path, where: str) -> None:
    """Refuse links in ``folder`` (not below) that lead out of the data set: what is read or written there is not its.

    Args:
        folder: The data set's, or one in it; may be missing.
        root: The data set's. It may be reached by a link itself.
        where: How the message begins.

    Raises:
        InputError: Naming the link.
    """
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        links = [entry.path for entry in entries if entry.is_symlink()]
    for link in links:
        if not Path(link).resolve().is_relative_to(root.resolve()):
            raise InputError(
                f"{where}: {Path(link).relative_to(root)} is a link that leads out of the data set's folder; put the "
                "files themselves there."
            )


def require_label_names(labels: Sequence[str], where: str) -> None:
    """Refuse bones whose names are paths: files are called after them.

    Raises:
        InputError: Naming the label.
    """
    for label in labels:
        path = any(mark in label for mark in "/\\:") or reserved(label)
        if path or len(label) > LONGEST or not label.isprintable() or not label.strip():
            raise InputError(f"{where}: {label[:60]!r} cannot name a bone, whose files are called so; rename it.")
