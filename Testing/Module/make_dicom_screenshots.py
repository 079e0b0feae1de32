"""Picture for the documentation: two radiographs from the DICOM database, one loaded, one asked about. SYNTHETIC wrist.

Run: ``python Testing/Module/make_dicom_screenshots.py [folder]`` (default: Resources/Screenshots).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(Path(__file__).parent), str(REPOSITORY / "Testing" / "Lib")]
SIZE = (1366, 768)
STUDY = {"StudyInstanceUID": "1.2.840.99.3", "SeriesInstanceUID": "1.2.840.99.3.1", "SeriesNumber": 1}
PERSON = {"PatientName": "Synthetic^Wrist", "PatientID": "SYNTHETIC", "StudyDescription": "SYNTHETIC wrist"}


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3DDICOMPlugin.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    files = Path(tempfile.gettempdir()) / "wrist"  # the panel shows the path
    files.mkdir()
    try:
        from_database(widget, files, folder)
    finally:
        shutil.rmtree(files)


def from_database(widget: Any, files: Path, folder: Path) -> None:
    """The PA view says everything; the lateral one does not say its distance."""
    import slicer
    from DICOMLib import DICOMUtils
    from imaging_cases import write_dicom
    from module_cases import settle
    from slicerhost import screenshots

    from XRayTo3DGui.scene.example import makeSyntheticWrist

    for number, radiograph in enumerate(makeSyntheticWrist(ctSpacing=0.7, pixelSpacing=0.3)[1], start=1):
        column, row = radiograph.camera.spacing
        tags = {**STUDY, **PERSON, "ImagerPixelSpacing": [row, column], "BodyPartExamined": "WRIST"}
        tags |= {"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": 1}
        tags |= {"ViewPosition": ("PA", "LL")[number - 1], "ImageLaterality": "R", "InstanceNumber": number}
        if number == 1:
            tags["DistanceSourceToDetector"] = radiograph.camera.sdd
        write_dicom(files / f"{number}.dcm", np.round(3500 * np.exp(-radiograph.pixels)), **tags)
    DICOMUtils.importDicom(str(files))
    for patient in slicer.dicomDatabase.patients():
        DICOMUtils.loadPatientByUID(patient)
    settle()
    widget.radiographs.onShowLayout()
    settle()
    for _ in range(2):  # the views have their sizes after the first
        screenshots.capture(folder / "panel_dicom.png", widget, size=SIZE)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
