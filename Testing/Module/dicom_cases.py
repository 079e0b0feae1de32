"""What the tests of the DICOM plug-in share: headers, and a person at Slicer's DICOM browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imaging_cases import SDD

OURS = "Radiograph with X-ray geometry"
PLUGIN_FILE = Path(__file__).resolve().parents[2] / "XRayTo3D" / "XRayTo3DDICOMPlugin.py"
STUDY, SERIES = "1.2.840.99.1", "1.2.840.99.1.1"
COMPLETE = {
    "ImagerPixelSpacing": [0.31, 0.29],
    "DistanceSourceToDetector": SDD,
    "StudyInstanceUID": STUDY,
    "SeriesInstanceUID": SERIES,
    "SeriesNumber": 3,
    "BodyPartExamined": "HAND",
    "SeriesDescription": "Hand of Anna Secretname",
}


class ScalarVolumes:
    """As DICOMScalarVolumePlugin: every series as one volume, with confidence 0.5; loading it here is a failure."""

    loadType = "Scalar Volume"
    CONFIDENCE = 0.5
    CLASSES: tuple[str, ...] = ()

    def examineForImport(self, fileLists: list[list[str]]) -> list[Any]:
        import slicer
        from DICOMLib import DICOMLoadable

        offers = []
        for files in fileLists:
            kept = [each for each in files if self.takes(slicer.dicomDatabase.fileValue(each, "0008,0016"))]
            offer = DICOMLoadable()
            offer.files, offer.selected, offer.confidence = kept, True, self.CONFIDENCE
            offers += [offer] if kept else []
        return offers

    examine = examineForImport

    def takes(self, sopClass: str) -> bool:
        return not self.CLASSES or sopClass in self.CLASSES

    def load(self, _loadable: Any) -> bool:
        return False


class ImageSequences(ScalarVolumes):
    """As DICOMImageSequencePlugin: XA and RF with confidence 0.7."""

    loadType = "Image sequence"
    CONFIDENCE = 0.7
    CLASSES = ("1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.2")


class Browser:
    """What a person does in the DICOM module."""

    def __init__(self) -> None:
        self.loadables: dict[Any, list[Any]] = {}
        self.messages: list[str] = []

    def examine(self, folder: Path) -> list[Any]:
        """Import, select everything, "Examine": our offers."""
        import slicer
        from DICOMLib import DICOMUtils

        DICOMUtils.importDicom(str(folder))
        database = slicer.dicomDatabase
        studies = [study for patient in database.patients() for study in database.studiesForPatient(patient)]
        series = [uid for study in studies for uid in database.seriesForStudy(study)]
        self.loadables, _enabled = DICOMUtils.getLoadablesFromFileLists([database.filesForSeries(u) for u in series])
        DICOMUtils.selectHighestConfidenceLoadables(self.loadables)
        return self.of(OURS)

    def of(self, loadType: str) -> list[Any]:
        (found,) = (offers for plugin, offers in self.loadables.items() if plugin.loadType == loadType)
        return found

    def winners(self) -> set[str]:
        """Load types of what is ticked."""
        return {plugin.loadType for plugin, every in self.loadables.items() for each in every if each.selected}

    def load(self) -> list[Any]:
        """ "Load": the volumes that came."""
        import slicer
        from DICOMLib import DICOMUtils

        nodes = [slicer.mrmlScene.GetNodeByID(i) for i in DICOMUtils.loadLoadables(self.loadables, self.messages)]
        return [node for node in nodes if node.IsA("vtkMRMLScalarVolumeNode")]


def hierarchyNames(node: Any) -> list[str]:
    """Names of the items above a node, nearest first."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    names, item = [], hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    while item not in (0, hierarchy.GetSceneItemID()):
        names.append(hierarchy.GetItemName(item))
        item = hierarchy.GetItemParent(item)
    return names


def sceneTexts() -> str:
    """Names, descriptions and attributes of all nodes, the subject hierarchy aside: Slicer puts the patient there."""
    import slicer

    texts = []
    for index in range(slicer.mrmlScene.GetNumberOfNodes()):
        node = slicer.mrmlScene.GetNthNode(index)
        if not node.IsA("vtkMRMLSubjectHierarchyNode"):
            texts += [node.GetName() or "", node.GetDescription() or ""]
            texts += [node.GetAttribute(name) or "" for name in node.GetAttributeNames()]
    return "\n".join(texts)


def open_browser(slicer_app: Any) -> Iterator[Browser]:
    """A fixture: the plug-in is registered beside stand-ins of Slicer's own two readers."""
    import slicer
    from slicerhost import modules

    modules.load_module(PLUGIN_FILE)
    slicer.modules.dicomPlugins.update(ScalarVolumes=ScalarVolumes, ImageSequences=ImageSequences)
    yield Browser()
    for name in ("ScalarVolumes", "ImageSequences"):
        del slicer.modules.dicomPlugins[name]


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in COMPLETE.items() if name not in names}
