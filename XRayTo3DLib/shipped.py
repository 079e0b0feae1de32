"""Where the files lie that come with XRayTo3D: small model bundles, and configurations to start a training from."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import XRayTo3DLib

SHARE = "xrayto3d"
"""Of ``share`` in an environment; pyproject.toml has pip put the files there."""


def shipped_folder(kind: str) -> Path:
    """Folder of the shipped "models" or "configs", wherever XRayTo3D is installed.

    In a clone and in the Slicer extension they lie in ``Resources/<kind>`` beside the library; pip puts them into
    ``share/xrayto3d/<kind>`` of the environment, and its list of installed files says where that is.
    """
    beside = Path(XRayTo3DLib.__file__).resolve().parents[1] / "Resources" / kind
    return beside if beside.is_dir() else _folder_by_pip(kind) or beside


def _folder_by_pip(kind: str) -> Path | None:
    try:
        files = metadata.files("XRayTo3DLib") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if (SHARE, kind) in zip(file.parts, file.parts[1:], strict=False):
            place = Path(str(file.locate())).resolve()
            return next(parent for parent in place.parents if parent.parts[-2:] == (SHARE, kind))
    return None
