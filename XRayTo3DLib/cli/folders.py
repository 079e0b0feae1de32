"""Output folders: checked before the work, freed of an earlier run's files after it."""

from __future__ import annotations

from pathlib import Path

from XRayTo3DLib.errors import InputError


def require_folder_name(path: Path) -> None:
    """Refuse an output that is an existing file.

    Raises:
        InputError: ``path`` or a folder above it is a file.
    """
    for each in (path, *path.parents):
        if each.exists() and not each.is_dir():
            raise InputError(f"output {path}: {each.name} is a file; name a folder for the results.")


def remove_stale(folder: Path, pattern: str) -> None:
    """Delete the files of an earlier run that match ``pattern`` in ``folder``."""
    for path in folder.glob(pattern):
        path.unlink()
