"""The module's parameter node: what a person chose, saved with the scene."""

from __future__ import annotations

from typing import Annotated, Union

from slicer import (
    vtkMRMLLabelMapVolumeNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLMarkupsROINode,
    vtkMRMLModelNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTextNode,
    vtkMRMLTransformNode,
    vtkMRMLVolumeNode,
)
from slicer.parameterNodeWrapper import Choice, Decimals, WithinRange, parameterNodeWrapper

CT_VALUES = {"Automatic": "auto", "Hounsfield units": "hu", "Hounsfield units + 1024": "offset1024"}
"""What the panel calls the meaning of the CT's values, and what the library does."""
OVERLAY_OUTLINE, OVERLAY_EDGES, OVERLAY_DRR = "Outline", "Edges", "DRR"
OVERLAY_DIFFERENCE, OVERLAY_OFF = "Difference", "Off"
OVERLAYS = (OVERLAY_OUTLINE, OVERLAY_EDGES, OVERLAY_DRR, OVERLAY_DIFFERENCE, OVERLAY_OFF)
START_HERE, START_BY_VIEW, START_BY_LANDMARKS = "As it lies", "By the views' names", "By landmarks"
START_EVERYWHERE = "Search everywhere"
STARTS = (START_HERE, START_BY_VIEW, START_BY_LANDMARKS, START_EVERYWHERE)
SIDES = {"Choose": "", "Right": "right", "Left": "left"}
UPS = {"Up": (0.0, -1.0), "Right": (1.0, 0.0), "Down": (0.0, 1.0), "Left": (-1.0, 0.0)}
"""Where the frame's +z is in the picture: (columns, rows)."""
PLACED_BY_MARKS, PLACED_BY_TRANSFORM = "Joint marked on the radiographs", "A transform"
SHOWN_OUTLINES, SHOWN_DRR, SHOWN_RESIDUAL, SHOWN_NOTHING = "Outlines", "Computed radiograph", "Difference", "Nothing"
REFERENCE_SHOWN = (
    "Hidden: color map alone",
    "Overlay: translucent over the map",
    "Side by side: in its own 3D view",
)
EXPORTS = (
    "STL surfaces",
    "PLY surfaces",
    "VTP surfaces with uncertainty",
    "Label map (seg.nrrd)",
    "DICOM SEG",
    "DICOM SEG, anonymous",
)

CASE_FILTERS = ("All cases", "Not registered", "To review", "Accepted", "Rejected", "Lacking something")
OWN_CASES, SYNTHETIC_PEOPLE = "Cases of your own", "SYNTHETIC people"
SYNTHETIC_ANATOMIES = {"Wrists": "wrist", "Knees": "knee", "Hips with radiographs": "hips"}
FRAMES = {"By wrist landmarks": "wrist", "As the bones lie": "lps"}
CASE_SIDES = {"Not stated": "", "Right": "right", "Left": "left"}
SPLIT_WORDS = {"Train": "train", "Test": "test"}

DEVICES = {"Automatic": "auto", "Processor": "cpu", "NVIDIA graphics card": "cuda", "Apple graphics": "mps"}
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")

# Slicer asks one node of each class for its name, so none may be abstract, and it knows Union[...] but not A | B.
Labels = Union[vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, None]  # noqa: UP007
Truth = Union[  # noqa: UP007
    vtkMRMLModelNode, vtkMRMLSegmentationNode, vtkMRMLLabelMapVolumeNode, vtkMRMLTextNode, None
]
Judged = Union[vtkMRMLModelNode, vtkMRMLTextNode, None]  # noqa: UP007


@parameterNodeWrapper
class XRayTo3DParameterNode:
    """Every choice of the four panels; lengths in mm, angles in degrees."""

    caseName: str = "case"

    # 1 Radiographs
    showBeams: bool = False
    radiographForm: str = ""
    radiographVolume: vtkMRMLVolumeNode
    radiographSelected: vtkMRMLScalarVolumeNode
    cropBox: vtkMRMLMarkupsROINode

    # 2 Registration
    ctVolume: vtkMRMLScalarVolumeNode
    ctValues: Annotated[str, Choice(list(CT_VALUES))] = "Automatic"
    segmentation: Labels
    segmentId: str = ""
    furtherSegments: str = ""
    drawRest: bool = False
    poseTransform: vtkMRMLTransformNode
    boneModel: vtkMRMLModelNode
    registrationStart: Annotated[str, Choice(list(STARTS))] = START_HERE
    ctLandmarks: vtkMRMLMarkupsFiducialNode
    landmarkNames: str = "1, 2, 3, 4"
    overlayMode: Annotated[str, Choice(list(OVERLAYS))] = OVERLAY_OUTLINE
    overlayOpacity: Annotated[float, WithinRange(0.0, 1.0), Decimals(2)] = 0.5
    overlayWidth: Annotated[int, WithinRange(64, 1024)] = 256
    overlayIn3D: bool = False
    showHandles: bool = False
    nudgeMillimetres: Annotated[float, WithinRange(0.1, 50.0), Decimals(1)] = 1.0
    nudgeDegrees: Annotated[float, WithinRange(0.1, 45.0), Decimals(1)] = 2.0
    energyKev: Annotated[float, WithinRange(30.0, 150.0), Decimals(0)] = 60.0
    starts: Annotated[int, WithinRange(1, 200)] = 16
    spreadDegrees: Annotated[float, WithinRange(0.0, 45.0), Decimals(1)] = 6.0
    reachMillimetres: Annotated[float, WithinRange(0.0, 100.0), Decimals(1)] = 20.0
    pixelSizes: str = "2.8, 1.4, 0.7, 0.35"
    marginMillimetres: Annotated[float, WithinRange(1.0, 50.0), Decimals(1)] = 10.0
    seed: Annotated[int, WithinRange(0, 99999)] = 0
    reviewerRole: str = ""

    # 3 Data set
    datasetFolder: str = ""
    datasetFilter: Annotated[str, Choice(list(CASE_FILTERS))] = CASE_FILTERS[0]
    datasetJob: str = ""
    datasetShowLandmarks: bool = False
    caseFolder: str = ""
    """The case of a data set that is open in the scene: ``<data set>/cases/<id>``, or empty."""
    datasetNewKind: Annotated[str, Choice([OWN_CASES, SYNTHETIC_PEOPLE])] = OWN_CASES
    datasetNewFolder: str = ""
    datasetNewAnatomy: str = "distal forearm"
    datasetNewBones: str = "radius, ulna"
    datasetNewFrame: Annotated[str, Choice(list(FRAMES))] = "By wrist landmarks"
    datasetNewProvenance: str = ""
    datasetNewLicence: str = ""
    datasetNewSynthetic: Annotated[str, Choice(list(SYNTHETIC_ANATOMIES))] = "Wrists"
    datasetNewPeople: Annotated[int, WithinRange(1, 100000)] = 40
    datasetNewTest: Annotated[int, WithinRange(0, 100000)] = 8
    datasetNewSeed: Annotated[int, WithinRange(0, 99999)] = 0
    datasetCaseId: str = ""
    datasetCaseSide: Annotated[str, Choice(list(CASE_SIDES))] = "Not stated"
    datasetCaseSplit: Annotated[str, Choice(list(SPLIT_WORDS))] = "Train"
    datasetCasePerson: str = ""
    datasetCtFile: str = ""
    datasetLabelsFile: str = ""
    datasetTableFile: str = ""
    datasetWorkers: Annotated[int, WithinRange(1, 64)] = 2
    datasetRedo: bool = False
    datasetTestShare: Annotated[int, WithinRange(0, 90)] = 20
    datasetSplitSeed: Annotated[int, WithinRange(0, 99999)] = 0

    # 4 Train
    trainMethod: str = ""
    trainStart: str = ""
    """A configuration file of the person's own, or the name of one that comes with XRayTo3D."""
    trainChanges: str = ""
    """What was changed of it: one ``KEY=VALUE`` a line."""
    trainData: str = ""
    trainFolder: str = ""
    trainDevice: Annotated[str, Choice(list(DEVICES))] = "Automatic"
    trainThreads: Annotated[int, WithinRange(0, 256)] = 0
    trainPrecision: Annotated[str, Choice(list(PRECISIONS))] = PRECISIONS[0]
    trainCheckpointEvery: Annotated[int, WithinRange(1, 100000)] = 200
    trainSamples: Annotated[int, WithinRange(0, 8)] = 2
    trainLicence: str = ""
    trainJob: str = ""
    trainCurveStage: str = ""
    trainCurveLog: bool = False
    trainSampleStep: int = 0
    trainFollowSamples: bool = False
    experimentModel: str = ""
    experimentKind: str = ""
    experimentData: str = ""
    experimentFolder: str = ""
    experimentJob: str = ""

    # 5 Reconstruct
    reconstructBundle: str = ""
    reconstructTranslation: str = ""
    reconstructView1: vtkMRMLScalarVolumeNode
    reconstructView2: vtkMRMLScalarVolumeNode
    reconstructView3: vtkMRMLScalarVolumeNode
    reconstructView4: vtkMRMLScalarVolumeNode
    reconstructSide: Annotated[str, Choice(list(SIDES))] = "Choose"
    reconstructPlacement: Annotated[str, Choice([PLACED_BY_MARKS, PLACED_BY_TRANSFORM])] = PLACED_BY_MARKS
    reconstructPose: vtkMRMLTransformNode
    reconstructDetectorMillimetres: Annotated[float, WithinRange(0.0, 500.0), Decimals(0)] = 45.0
    reconstructUp: Annotated[str, Choice(list(UPS))] = "Up"
    reconstructRefine: bool = True
    reconstructUncalibrated: bool = False
    reconstructJob: str = ""
    reconstructResult: vtkMRMLTextNode
    reconstructOverlay: Annotated[str, Choice([SHOWN_OUTLINES, SHOWN_DRR, SHOWN_RESIDUAL, SHOWN_NOTHING])] = (
        SHOWN_OUTLINES
    )
    reconstructBlend: Annotated[float, WithinRange(0.0, 1.0), Decimals(2)] = 0.5
    reconstructColour: bool = True
    reconstructExport: Annotated[str, Choice(list(EXPORTS))] = EXPORTS[0]

    # 6 Evaluation
    evaluationReference: Truth
    evaluationSegment: str = ""
    evaluationResult: Judged
    evaluationBone: str = ""
    evaluationMaximum: Annotated[float, WithinRange(0.1, 100)] = 5.0
    evaluationSigned: bool = False
    evaluationIgnoreBoundary: bool = False
    evaluationAlign: bool = False
    evaluationReferenceShown: Annotated[str, Choice(list(REFERENCE_SHOWN))] = REFERENCE_SHOWN[0]
    evaluationOutlines: bool = False
    evaluationBatchReferences: str = ""
    evaluationBatchResults: str = ""
    evaluationBatchOutput: str = ""
    evaluationBatchJob: str = ""
