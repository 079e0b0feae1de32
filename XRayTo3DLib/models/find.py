"""Where model bundles lie: those that come with XRayTo3D and those a person added."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.unfinished import finish_replacing
from XRayTo3DLib.models.bundle_folder import BUNDLE_FILE
from XRayTo3DLib.shipped import shipped_folder

USER_FOLDER_VARIABLE = "XRAYTO3D_MODELS"


def shipped_models_folder() -> Path:
    """Folder of the bundles that come with XRayTo3D, wherever it is installed."""
    return shipped_folder("models")


def user_models_folder() -> Path:
    """Folder of a person's own bundles: the environment's XRAYTO3D_MODELS, else ``.xrayto3d/models`` at home."""
    given = os.environ.get(USER_FOLDER_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".xrayto3d" / "models"


def find_bundles(folders: Iterable[Path | str]) -> list[Path]:
    """Bundle folders: each of ``folders`` that is one itself, and those directly inside; sorted by name in each.

    What they hold is not looked at: a broken bundle is found, too. One that was being replaced when its writer was
    killed is put in its place first.
    """
    found: list[Path] = []
    for folder in map(Path, folders):
        if (folder / BUNDLE_FILE).is_file():
            found.append(folder)
        else:
            finish_replacing(folder)
            found.extend(sorted(path.parent for path in folder.glob(f"[!.]*/{BUNDLE_FILE}")))
    return list(dict.fromkeys(path.resolve() for path in found))


def bundle_path(name: str | Path) -> Path:
    """The bundle of that path, or of that name in the person's own folder or among those that come with XRayTo3D.

    Raises:
        InputError: There is neither.
    """
    path = Path(name)
    if path.exists() or len(path.parts) != 1:
        return path
    known = find_bundles([user_models_folder(), shipped_models_folder()])
    for each in known:
        if each.name == str(name):
            return each
    names = ", ".join(each.name for each in known) or "none"
    raise InputError(f"there is no model bundle {name}, neither here nor by name; installed: {names}.")
