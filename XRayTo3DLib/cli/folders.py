"""Output folders: checked before the work, freed of an earlier run's files after it."""

from __future__ import annotations

from pathlib import Path

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.disk import require_room


def require_folder_name(path: Path, needed_bytes: float = 0) -> None:
    """Refuse an output that is an existing file, that cannot be written to, or that has too little room.

    Args:
        path: The folder, made later.
        needed_bytes: About how much will be written.

    Raises:
        InputError: ``path`` or a folder above it is a file.
        CannotWrite: No right to write there, or no room.
    """
    for each in (path, *path.parents):
        if each.exists() and not each.is_dir():
            raise InputError(f"output {path}: {each.name} is a file; name a folder for the results.")
    require_room(path, needed_bytes)


def remove_stale(folder: Path, pattern: str) -> None:
    """Delete the files of an earlier run that match ``pattern`` in ``folder``."""
    for path in folder.glob(pattern):
        path.unlink()
