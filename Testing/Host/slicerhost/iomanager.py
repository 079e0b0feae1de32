"""Stand-in for qSlicerCoreIOManager: calls the module logics that Slicer's own readers and writers call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
import vtk

READERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("SceneFile", (".mrml", ".mrb")),
    ("SegmentationFile", (".seg.nrrd", ".seg.nhdr", ".seg.vtm")),
    ("MarkupsFile", (".mrk.json", ".fcsv")),
    ("VolumeFile", (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd", ".dcm", ".png", ".jpg", ".tif")),
    ("ModelFile", (".stl", ".ply", ".obj", ".vtk", ".vtp", ".vtu")),
    ("TransformFile", (".h5", ".tfm", ".mat")),
    ("ColorTableFile", (".ctbl", ".color.txt")),
    ("TableFile", (".tsv", ".csv", ".schema.csv")),
    ("TextFile", (".txt", ".json", ".xml")),
)
LABEL_MAP_OPTION, CENTER_OPTION, SINGLE_FILE_OPTION = 1, 2, 8


class IOManager:
    """Loading and saving by file type, as ``slicer.util.loadXxx`` and ``saveXxx`` ask for it."""

    def __init__(self, scene: Any, logics: dict[str, Any]) -> None:
        self._scene, self._logics = scene, logics

    def fileType(self, fileName: str) -> str:
        """Reader that takes the file, judged by its name."""
        name = str(fileName).lower()
        return next((kind for kind, endings in READERS if name.endswith(endings)), "NoFile")

    def loadNodes(self, fileType: str, properties: dict, loaded: Any = None, messages: Any = None) -> bool:
        """Load ``properties["fileName"]``; the nodes go into the collection ``loaded``."""
        path = Path(str(properties["fileName"]))
        if not path.exists():
            return _fail(messages, f"file not found: {path}")
        if fileType == "SceneFile":
            with slicer.app.layoutManager().detached():
                return self._load_scene(path, bool(properties.get("clear")))
        reader = getattr(self, f"_load_{fileType}", None)
        if reader is None:
            return _fail(messages, f"no reader for type {fileType}")
        node = reader(path, properties.get("name") or path.name.split(".")[0], properties)
        if node is None:
            return _fail(messages, f"can't read {path}")
        if properties.get("name"):
            node.SetName(properties["name"])
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def _load_scene(self, path: Path, clear: bool) -> bool:
        if clear:
            self._scene.Clear(False)
        if path.suffix.lower() == ".mrb":
            return bool(self._scene.ReadFromMRB(str(path), False))
        self._scene.SetURL(str(path))
        return bool(self._scene.Import())

    def _load_VolumeFile(self, path: Path, name: str, properties: dict) -> Any:
        options = LABEL_MAP_OPTION if properties.get("labelmap") else 0
        options |= CENTER_OPTION if properties.get("center") else 0
        options |= SINGLE_FILE_OPTION if properties.get("singleFile") else 0
        return self._logics["Volumes"].AddArchetypeVolume(str(path), name, options)

    def _load_ModelFile(self, path: Path, _name: str, properties: dict) -> Any:
        lps = slicer.vtkMRMLStorageNode.CoordinateSystemLPS
        return self._logics["Models"].AddModel(str(path), properties.get("coordinateSystem", lps))

    def _load_TransformFile(self, path: Path, _name: str, _properties: dict) -> Any:
        return self._logics["Transforms"].AddTransform(str(path), self._scene)

    def _load_SegmentationFile(self, path: Path, name: str, _properties: dict) -> Any:
        return self._logics["Segmentations"].LoadSegmentationFromFile(str(path), True, name)

    def _load_MarkupsFile(self, path: Path, name: str, _properties: dict) -> Any:
        identifier = self._logics["Markups"].LoadMarkups(str(path), name)
        return self._scene.GetNodeByID(identifier) if identifier else None

    def _load_ColorTableFile(self, path: Path, name: str, _properties: dict) -> Any:
        return self._logics["Colors"].LoadColorFile(str(path), name)

    def _load_TableFile(self, path: Path, name: str, _properties: dict) -> Any:
        return self._logics["Tables"].AddTable(str(path), name)

    def _load_TextFile(self, path: Path, name: str, _properties: dict) -> Any:
        node = self._scene.AddNewNodeByClass("vtkMRMLTextNode", name)
        node.SetText(path.read_text())
        return node

    def fileWriterFileType(self, node: Any) -> str:
        """Writer of a node: one for all."""
        return "NodeFile"

    def saveNodes(self, fileType: str, properties: dict, messages: Any = None) -> bool:
        """Save the scene, or the node with ``properties["nodeID"]``, to ``properties["fileName"]``."""
        path = Path(str(properties["fileName"]))
        if fileType == "SceneFile":
            return self._save_scene(path)
        node = self._scene.GetNodeByID(properties["nodeID"])
        node.AddDefaultStorageNode(str(path))
        storage = node.GetStorageNode()
        if storage is None:
            return _fail(messages, f"no storage node for {node.GetClassName()}")
        storage.SetFileName(str(path))
        if "useCompression" in properties:
            storage.SetUseCompression(bool(properties["useCompression"]))
        return bool(storage.WriteData(node))

    def _save_scene(self, path: Path) -> bool:
        if path.suffix.lower() == ".mrb":
            return bool(self._scene.WriteToMRB(str(path)))
        if path.suffix.lower() == ".mrml":
            self._scene.SetURL(str(path))
            return bool(self._scene.Commit(str(path)))
        path.mkdir(parents=True, exist_ok=True)
        return bool(slicer.app.applicationLogic().SaveSceneToSlicerDataBundleDirectory(str(path), None))


def _fail(messages: Any, text: str) -> bool:
    if messages is not None:
        messages.AddMessage(vtk.vtkCommand.ErrorEvent, text)
    return False
