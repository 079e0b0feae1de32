"""Radiographs of Slicer's DICOM database: filed under their study, and found again by their instance."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.scene import folders
from XRayTo3DGui.scene.mrml_radiographs import BEAM
from XRayTo3DLib.imaging.scene_attributes import SOURCE

INSTANCES = "DICOM.instanceUIDs"
"""Slicer's own attribute: SOP instance UIDs of what a volume was loaded from."""


def database() -> Any:
    """Slicer's DICOM database; None where it is not open (no DICOM module, or no folder chosen yet)."""
    found = getattr(slicer, "dicomDatabase", None)
    return found if found is not None and found.isOpen else None


def fileUnderStudy(node: Any, path: PurePath) -> bool:
    """File a radiograph as Slicer files what it loads from DICOM, and note its instance on the node.

    Its source and beam go beside it. Patient and study are named by the subject hierarchy only; no node is.

    Returns:
        Whether the file is in the database; if not, nothing is done.
    """
    found, file = database(), path.as_posix()  # as Qt writes paths, on Windows too
    instance = found.instanceForFile(file) if found is not None else ""
    if not instance:
        return False
    from DICOMLib import DICOMLoadable, DICOMPlugin

    loadable = DICOMLoadable()
    loadable.files = [file]
    DICOMPlugin().addSeriesInSubjectHierarchy(loadable, node)
    node.SetAttribute(INSTANCES, instance)
    for role in (SOURCE, BEAM):
        each = node.GetNodeReference(role)
        if each is not None:
            folders.fileBeside(each, node, _("X-ray geometry"))
    return True


def instanceFiles(nodes: list[Any]) -> list[Path]:
    """Files of those radiographs that came from the DICOM database and are still there."""
    found = database()
    uids = [(node.GetAttribute(INSTANCES) or "").split() for node in nodes]
    paths = [found.fileForInstance(uid) for each in uids for uid in each] if found is not None else []
    return [Path(path) for path in paths if path and Path(path).is_file()]
