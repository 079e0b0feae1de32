"""The stand-ins of Slicer's DICOM module: the database, and who loads what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.fileset import FileSet

pytestmark = pytest.mark.host


@pytest.fixture
def database(slicer_app: Any) -> Any:
    """pydicom's DICOM directory: three patients with CR, CT and MR."""
    import slicer
    from DICOMLib import DICOMUtils

    DICOMUtils.importDicom(Path(str(get_testdata_file("DICOMDIR"))).parent)
    return slicer.dicomDatabase


def test_the_tree_is_that_of_the_dicomdir(database: Any) -> None:
    listed = list(FileSet(str(get_testdata_file("DICOMDIR"))))
    assert len(listed) > 20
    for each in listed:
        path = database.fileForInstance(each.SOPInstanceUID)
        assert Path(path).samefile(each.path) and path in database.filesForSeries(each.SeriesInstanceUID)
        assert each.SeriesInstanceUID in database.seriesForStudy(each.StudyInstanceUID)
        patient = database.patientForStudy(each.StudyInstanceUID)
        assert each.StudyInstanceUID in database.studiesForPatient(patient)
        # CTK's patients are rows of its own table.
        assert patient in database.patients() and patient.isdigit()
        assert database.studyForSeries(each.SeriesInstanceUID) == each.StudyInstanceUID


def test_values_are_text_by_tag(database: Any) -> None:
    path = next(each for each in database.allFiles() if "CR1" in each)
    header = pydicom.dcmread(path)
    assert database.fileValue(path, "0008,0060") == "CR"
    assert database.fileValue(path, "0008,0008") == "\\".join(header.ImageType)
    assert database.fileValue(path, "0010,0010") == str(header.PatientName)
    assert database.fileValue(path, "0018,1164") == "\\".join(str(each) for each in header.ImagerPixelSpacing)
    assert database.fileValue(path, "0018,9999") == ""
    uid = database.instanceForFile(path)
    assert uid == header.SOPInstanceUID and database.fileForInstance(uid) == path
    assert database.instanceValue(uid, "0008,0060") == "CR" and database.seriesForFile(path) == header.SeriesInstanceUID


def test_pixel_data_exist_and_are_not_given_out(database: Any) -> None:
    path = database.allFiles()[0]
    assert database.fileValueExists(path, "7fe0,0010") and database.fileValue(path, "7FE0,0010") == ""


def test_strangers_have_no_values(database: Any, tmp_path: Path) -> None:
    stranger = tmp_path / "copy.dcm"
    stranger.write_bytes(Path(database.allFiles()[0]).read_bytes())
    assert database.fileValue(str(stranger), "0008,0060") == "" and database.instanceForFile(str(stranger)) == ""
    assert database.fileForInstance("1.2.3") == "" and database.filesForSeries("1.2.3") == []


def test_what_is_no_dicom_object_is_passed_over(slicer_app: Any, tmp_path: Path) -> None:
    import slicer

    (tmp_path / "notes.txt").write_text("no DICOM")
    slicer.dicomDatabase.addDirectory(str(tmp_path))
    assert slicer.dicomDatabase.allFiles() == [] and slicer.dicomDatabase.patients() == []


def test_another_database_for_a_while(database: Any) -> None:
    import slicer
    from DICOMLib import DICOMUtils

    with DICOMUtils.TemporaryDICOMDatabase() as other:
        assert slicer.dicomDatabase is other and other.allFiles() == []
    assert slicer.dicomDatabase is database


def test_every_test_starts_with_an_empty_database(slicer_app: Any) -> None:
    import slicer

    assert slicer.dicomDatabase.isOpen and slicer.dicomDatabase.allFiles() == []


@pytest.fixture
def plugins(database: Any) -> Iterator[dict[str, Any]]:
    """Three plug-ins: sure, unsure, and one that raises."""
    import slicer
    from DICOMLib import DICOMLoadable, DICOMPlugin

    class Sure(DICOMPlugin):
        confidence = 0.9
        loaded: list[str] = []

        def examineForImport(self, fileLists: list[list[str]]) -> list[Any]:
            offers = []
            for files in fileLists:
                offer = DICOMLoadable()
                offer.files, offer.confidence, offer.name = files, self.confidence, type(self).__name__
                offers.append(offer)
            return offers

        def load(self, loadable: Any) -> Any:
            self.loaded.append(loadable.name)
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", loadable.name)
            self.addSeriesInSubjectHierarchy(loadable, node)
            return node

    class Unsure(Sure):
        confidence = 0.5

    class Raising(DICOMPlugin):
        def examineForImport(self, fileLists: list[list[str]]) -> list[Any]:
            raise RuntimeError("broken")

    before = getattr(slicer.modules, "dicomPlugins", {})
    slicer.modules.dicomPlugins = {"Sure": Sure, "Unsure": Unsure, "Raising": Raising}
    yield slicer.modules.dicomPlugins
    slicer.modules.dicomPlugins = before


def test_the_most_confident_of_a_series_loads_it(database: Any, plugins: dict[str, Any], caplog: Any) -> None:
    import slicer
    from DICOMLib import DICOMUtils

    path = next(each for each in database.allFiles() if "CR1" in each)
    (identifier,) = DICOMUtils.loadSeriesByUID([database.seriesForFile(path)])
    assert plugins["Sure"].loaded == ["Sure"] and "broken" in caplog.text
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(slicer.mrmlScene.GetNodeByID(identifier)))
    assert hierarchy.GetItemUID(study, "DICOM") == database.studyForSeries(database.seriesForFile(path))
    assert hierarchy.GetItemName(hierarchy.GetItemParent(study)) == database.fileValue(path, "0010,0010")


def test_ties_are_all_loaded(database: Any, plugins: dict[str, Any]) -> None:
    from DICOMLib import DICOMUtils

    plugins["Unsure"].confidence = 0.9
    path = next(each for each in database.allFiles() if "CR1" in each)
    assert len(DICOMUtils.loadSeriesByUID([database.seriesForFile(path)])) == 2
