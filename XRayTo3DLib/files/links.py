"""What lies in a folder from anywhere is its own: no link leads out of it, and nothing in it waits for ever."""

from __future__ import annotations

import os
from pathlib import Path

from XRayTo3DLib.errors import InputError


def refuse_links_out(folder: Path, root: Path, where: str) -> None:
    """Refuse what in ``folder`` (not below) is not its owner's: what is read or written through it lies elsewhere.

    Links that stay inside are fine, as DataLad and git-annex have them, also where their file is not there.

    Args:
        folder: The data set's or the job's, or one in it; may be missing.
        root: The data set's or the job's. It may be reached by a link itself.
        where: How the message begins.

    Raises:
        InputError: Naming a link that leads out of ``root``, a loop of links, or a pipe or device, which could be read
            for ever.
    """
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        odd = [Path(entry.path) for entry in entries if entry.is_symlink() or not (entry.is_file() or entry.is_dir())]
    for path in odd:
        if _leads_out(path, root):
            raise InputError(
                f"{where}: {path.relative_to(root)} is a link that leads out of {root.name or root}; put the files "
                "themselves there."
            )
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise InputError(f"{where}: {path.relative_to(root)} is a pipe or a device, which never ends; remove it.")


def _leads_out(link: Path, root: Path) -> bool:
    try:
        return not link.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # a loop: RuntimeError until Python 3.12
        return True
