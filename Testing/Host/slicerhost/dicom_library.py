"""``DICOMLib``: base class of the DICOM plug-ins, and what Slicer's browser does with the registered ones.

After Slicer's Modules/Scripted/DICOMLib (DICOMPlugin.py, DICOMUtils.py): same names, same decisions.
"""

from __future__ import annotations

import logging
import sys
import traceback
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import slicer
import vtk

from slicerhost.dicom_database import DicomDatabase

SERIES_UID = "0020,000E"


def install() -> None:
    """Publish DICOMLib, and an empty ``slicer.dicomDatabase``."""
    utils = types.ModuleType("DICOMLib.DICOMUtils")
    for function in FUNCTIONS:
        setattr(utils, function.__name__, function)
    package = types.ModuleType("DICOMLib")
    package.DICOMPlugin, package.DICOMLoadable, package.DICOMUtils = DICOMPlugin, DICOMLoadable, utils
    sys.modules["DICOMLib"], sys.modules["DICOMLib.DICOMUtils"] = package, utils
    slicer.dicomDatabase = DicomDatabase()


class DICOMLoadable:
    """Something that a plug-in offers to load. Plug-ins hang further attributes on it."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.name = "Unknown"
        self.tooltip = "No further information available"
        self.warning = ""
        self.selected = False
        self.confidence = 0.5


class DICOMPlugin:
    """Base class of plug-ins."""

    def __init__(self) -> None:
        self.loadType = "Generic DICOM"
        self.loadableCache: dict[Any, list[DICOMLoadable]] = {}
        self.tags = {"seriesDescription": "0008,103E", "seriesNumber": "0020,0011"}

    def examineForImport(self, fileList: list[list[str]]) -> list[DICOMLoadable]:
        """Offers for lists of files, one list for each series."""
        return []

    def examine(self, fileList: list[list[str]]) -> list[DICOMLoadable]:
        """The name that examineForImport had."""
        return self.examineForImport(fileList)

    def load(self, loadable: DICOMLoadable) -> Any:
        """Something true on success."""
        return True

    def examineForExport(self, subjectHierarchyItemID: int) -> list[Any]:
        """Ways to make DICOM files of a node."""
        return []

    def export(self, exportable: Any) -> str:
        """An error, "" on success."""
        return ""

    def defaultSeriesNodeName(self, seriesUID: str) -> str:
        """Series number and description."""
        files = slicer.dicomDatabase.filesForSeries(seriesUID)
        if not files:
            return "Unnamed Series"
        values = [
            slicer.dicomDatabase.fileValue(files[0], self.tags[key]) for key in ("seriesNumber", "seriesDescription")
        ]
        name = values[1] or "Unnamed Series"
        return f"{values[0]}: {name}" if values[0] else name

    def addSeriesInSubjectHierarchy(self, loadable: DICOMLoadable, dataNode: Any) -> None:
        """File a node under its study and patient, which are made where missing; patients go by their names."""
        names = slicer.vtkMRMLSubjectHierarchyConstants
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)

        def value(tag: str) -> str:
            return slicer.dicomDatabase.fileValue(loadable.files[0], tag)

        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), dataNode)
        series, study = value(SERIES_UID), value("0020,000D")
        hierarchy.SetItemUID(item, names.GetDICOMUIDName(), series)
        hierarchy.SetItemAttribute(item, names.GetDICOMSeriesModalityAttributeName(), value("0008,0060"))
        hierarchy.SetItemAttribute(item, names.GetDICOMSeriesNumberAttributeName(), value("0020,0011"))
        instances = [slicer.dicomDatabase.fileValue(file, "0008,0018") or "Unknown" for file in loadable.files]
        hierarchy.SetItemUID(item, names.GetDICOMInstanceUIDName(), " ".join(instances))
        patient = value("0010,0020") or f"Patient-{study}"
        known = [hierarchy.GetItemByUID(names.GetDICOMUIDName(), uid) for uid in (patient, study)]
        slicer.vtkSlicerSubjectHierarchyModuleLogic.InsertDicomSeriesInHierarchy(hierarchy, patient, study, series)
        if not known[0]:
            hierarchy.SetItemName(
                hierarchy.GetItemByUID(names.GetDICOMUIDName(), patient), value("0010,0010") or "No name"
            )
        if not known[1]:
            hierarchy.SetItemName(
                hierarchy.GetItemByUID(names.GetDICOMUIDName(), study), value("0008,1030") or "No study description"
            )


# ---- DICOMUtils ------------------------------------------------------------------------------------------------------


class TemporaryDICOMDatabase:
    """``with TemporaryDICOMDatabase() as database``: another, empty one meanwhile."""

    def __init__(self, directory: str | None = None) -> None:
        self._before: Any = None

    def __enter__(self) -> DicomDatabase:
        self._before, slicer.dicomDatabase = slicer.dicomDatabase, DicomDatabase()
        return slicer.dicomDatabase

    def __exit__(self, *_error: object) -> None:
        slicer.dicomDatabase = self._before


def importDicom(dicomDataDir: str | Path, dicomDatabase: DicomDatabase | None = None, copyFiles: bool = False) -> bool:
    """Take a folder into the database."""
    (dicomDatabase or slicer.dicomDatabase).addDirectory(str(dicomDataDir))
    return True


def getLoadablesFromFileLists(
    fileLists: list[list[str]],
    pluginClassNames: Iterable[str] | None = None,
    messages: list[str] | None = None,
    progressCallback: Any = None,
    pluginInstances: dict[str, Any] | None = None,
) -> tuple[dict[Any, list[DICOMLoadable]], bool]:
    """What each plug-in offers; one that raises is logged and left out."""
    loadables: dict[Any, list[DICOMLoadable]] = {}
    instances = {} if pluginInstances is None else pluginInstances
    enabled = False
    for name in pluginClassNames or list(slicer.modules.dicomPlugins):
        plugin = instances.setdefault(name, slicer.modules.dicomPlugins[name]())
        try:
            loadables[plugin] = plugin.examineForImport(fileLists) or plugin.examine(fileLists)
        except Exception:  # as Slicer does
            logging.error("DICOM Plugin failed: %s", traceback.format_exc())
            continue
        enabled = enabled or bool(loadables[plugin])
    return loadables, enabled


def selectHighestConfidenceLoadables(loadablesByPlugin: dict[Any, list[DICOMLoadable]]) -> None:
    """Of each series, tick those offers that no other is more confident than: several where they tie."""
    series: dict[str, list[DICOMLoadable]] = {}
    for loadables in loadablesByPlugin.values():
        for loadable in loadables:
            series.setdefault(slicer.dicomDatabase.fileValue(loadable.files[0], SERIES_UID), []).append(loadable)
    for loadables in series.values():
        most = max(loadable.confidence for loadable in loadables)
        for loadable in loadables:
            loadable.selected = loadable.confidence == most


def loadLoadables(
    loadablesByPlugin: dict[Any, list[DICOMLoadable]], messages: list[str] | None = None, progressCallback: Any = None
) -> list[str]:
    """Load what is ticked; returns the IDs of the nodes that came."""
    selected = {each: plugin for plugin, every in loadablesByPlugin.items() for each in every if each.selected}
    loaded: list[str] = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(_caller: Any, _event: str, node: Any) -> None:
        if not isinstance(node, slicer.vtkMRMLStorageNode | slicer.vtkMRMLDisplayNode):
            loaded.append(node.GetID())

    tag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, onNodeAdded)
    for loadable, plugin in selected.items():
        try:
            success = plugin.load(loadable)
        except Exception:  # as Slicer does
            success = False
            logging.error("DICOM plugin failed to load %r: %s", loadable.name, traceback.format_exc())
        if not success and messages is not None:
            messages.append(f"Could not load: {loadable.name} as a {plugin.loadType}")
    slicer.mrmlScene.RemoveObserver(tag)
    return loaded


def loadSeriesByUID(seriesUIDs: list[str]) -> list[str]:
    """Load series with the most confident plug-ins."""
    files = [slicer.dicomDatabase.filesForSeries(uid) for uid in seriesUIDs]
    loadables, _enabled = getLoadablesFromFileLists(files)
    selectHighestConfidenceLoadables(loadables)
    return loadLoadables(loadables)


def loadPatientByUID(patientUID: str) -> list[str]:
    """Load all of a patient, by the number in the database."""
    database = slicer.dicomDatabase
    return loadSeriesByUID(
        [series for study in database.studiesForPatient(patientUID) for series in database.seriesForStudy(study)]
    )


FUNCTIONS = (
    TemporaryDICOMDatabase,
    importDicom,
    getLoadablesFromFileLists,
    selectHighestConfidenceLoadables,
    loadLoadables,
    loadSeriesByUID,
    loadPatientByUID,
)
