"""A label map as DICOM Segmentation (PS3.3 A.51), by highdicom: for archives and viewers that take nothing else.

Bones that were made from radiographs lie in no picture of the patient: the planes are their own, in LPS mm (DICOM's
patient coordinates), in a frame of reference of their own. The radiographs are referred to as what they came from.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib import __version__
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path, file_suffix
from XRayTo3DLib.imaging.bone_codes import CATEGORY, SCHEME, bone_code
from XRayTo3DLib.imaging.ct_writer import segment_colour
from XRayTo3DLib.imaging.dicom_study import coded, new_uid, patient_and_study, radiograph_headers, refer_to
from XRayTo3DLib.imaging.types import CtVolume

NEEDS_HIGHDICOM = (
    "DICOM SEG needs the Python package highdicom 0.27 or newer, which is not installed (Slicer 5.12 and newer bring "
    "it, 5.10 does not): export the label map (seg.nrrd) instead, or use a newer Slicer."
)
DESCRIPTION = "Research use only. Made from radiographs by XRayTo3D."
SYNTHETIC_DESCRIPTION = "SYNTHETIC. Research use only. Made by XRayTo3D."
INVALID_HEADER = (
    "The header of {name} holds patient or study values that DICOM forbids, so no object can join its study: export "
    "without the patient."
)
SERIES_NUMBER = 900
SERIES = "XRayTo3D bones (research use only)"
SHAPE_METHOD = "shape"
"""A method with this in its name fits models of shape; the others are trained networks."""
COMMENT = "Research use only. Not clinically validated. Inferred from radiographs, not measured in a volume."
CREATOR = "XRayTo3D^Software"
TEXT, LONGER_TEXT = 64, 1024
"""Most characters of DICOM's value representations LO and ST."""
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True)
class Origin:
    """Where bones come from.

    Attributes:
        model: Name of the model bundle.
        method: Name of the method.
        side: "right", "left" or "" where the bones' names say it.
        notes: Sentences that a reader should see.
        frame_of_reference: UID that label maps in the same space share; "" makes a new one.
    """

    model: str = ""
    method: str = ""
    side: str = ""
    notes: tuple[str, ...] = ()
    frame_of_reference: str = ""


def has_highdicom() -> bool:
    """Whether highdicom is there, and new enough."""
    try:
        from highdicom.color import CIELabColor
    except ImportError:  # absent, or with a pydicom that it cannot use
        return False
    return hasattr(CIELabColor, "from_rgb")


def write_dicom_segmentation(
    bones: CtVolume, path: Path | str, origin: Origin, radiographs: Sequence[Path | str] = ()
) -> Path:
    """Write the labels of a volume as one DICOM Segmentation object (binary, one segment for each bone).

    Args:
        bones: Its ``labels``, ``label_names`` and ``voxel_to_lps`` are written, cut to the box round the labels; its
            Hounsfield units are not.
        path: Ends in ``.dcm``.
        origin: What made the bones.
        radiographs: DICOM files that they were made from: the object joins their study, **with the patient's name and
            ID**, and refers to them. Without any it is a study of its own, of nobody.

    Raises:
        InputError: No highdicom, no labels, or radiographs that are of two people or cannot be read.
    """
    path = Path(path)
    if file_suffix(path) != ".dcm":
        raise InputError(f"DICOM SEG: write it as .dcm, not {path.name}.")
    if bones.labels is None or not bones.labels.any():
        raise InputError(f"{bones.name} has no labels to write.")
    if not has_highdicom():
        raise InputError(NEEDS_HIGHDICOM)
    headers = radiograph_headers(radiographs)
    labels, to_lps = _cut(bones.labels, bones.voxel_to_lps)
    names = {value: name for name, value in bones.label_names.items()}
    values = [int(value) for value in np.unique(labels) if value != 0]
    planes = np.stack([labels == value for value in values], axis=-1).astype(np.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries quote values of the header, which may name the patient
            made = _segmentation(
                headers, origin, planes, to_lps, [names.get(value, f"label {value}") for value in values]
            )
            made.ContentDescription = SYNTHETIC_DESCRIPTION if bones.synthetic else DESCRIPTION
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary:
                made.save_as(str(temporary))
    except (ValueError, TypeError):  # quotes the header: not chained
        if not headers:
            raise
        raise InputError(INVALID_HEADER.format(name=Path(radiographs[0]).name)) from None
    return path


def _segmentation(
    headers: Sequence[Any], origin: Origin, planes: NDArray[np.uint8], to_lps: NDArray[np.float64], names: list[str]
) -> Any:
    """The object: planes (slices, rows, columns, bones), one segment for each bone."""
    import highdicom

    made = highdicom.seg.Segmentation(
        source_images=[_carrier(headers, origin, *planes.shape[1:3])],
        pixel_array=planes,
        segmentation_type="BINARY",
        segment_descriptions=[_segment(number, name, origin) for number, name in enumerate(names, start=1)],
        series_instance_uid=new_uid(),
        series_number=SERIES_NUMBER,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer="XRayTo3D",
        manufacturer_model_name="XRayTo3D",
        software_versions=__version__,
        device_serial_number="0",
        content_label="XRAYTO3D",
        content_creator_name=CREATOR,
        omit_empty_frames=False,
        series_description=SERIES,
        **_geometry(to_lps, len(planes)),
    )
    made.SpecificCharacterSet = "ISO_IR 192"  # highdicom 0.27, which Slicer 5.12 brings, leaves it out
    refer_to(made, headers)
    _say_more(made, origin)
    return made


# ---- what it lies on -------------------------------------------------------------------------------------------------


def _cut(labels: NDArray[Any], voxel_to_lps: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """The box round all labels, and the matrix of its voxels (column, row, slice, 1) to LPS mm."""
    where = [np.flatnonzero(labels.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    box = tuple(slice(int(found[0]), int(found[-1]) + 1) for found in where)
    first = np.array([box[2].start, box[1].start, box[0].start, 1.0])
    moved = np.array(voxel_to_lps, dtype=np.float64)
    moved[:3, 3] = (moved @ first)[:3]
    return labels[box], moved


def _carrier(headers: Sequence[Any], origin: Origin, rows: int, columns: int) -> Any:
    """What highdicom takes patient, study and frame of reference from.

    It wants a source picture with a place in space, which a radiograph has not: this one is of the bones' own frame,
    and exists nowhere but here; :func:`refer_to` takes it out of the object again.
    """
    made = patient_and_study(headers)
    made.SOPClassUID, made.SOPInstanceUID = SECONDARY_CAPTURE, new_uid()
    made.SeriesInstanceUID, made.Modality = new_uid(), "OT"
    made.Rows, made.Columns = rows, columns
    made.FrameOfReferenceUID = origin.frame_of_reference or new_uid()
    made.PositionReferenceIndicator = ""
    made.ImagePositionPatient, made.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    made.PixelSpacing, made.SliceThickness = [1, 1], 1
    return made


def _geometry(to_lps: NDArray[np.float64], slices: int) -> dict[str, Any]:
    """highdicom's pixel measures, orientation and positions of planes stacked along the third axis."""
    import highdicom

    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    along_columns, along_rows = (to_lps[:3, :2] / spacing[:2]).T
    positions = [to_lps[:3, 3] + number * to_lps[:3, 2] for number in range(slices)]
    patient = highdicom.enum.CoordinateSystemNames.PATIENT
    step = float(spacing[2])
    return {
        "pixel_measures": highdicom.PixelMeasuresSequence(
            pixel_spacing=(float(spacing[1]), float(spacing[0])),  # DICOM: between rows, then between columns
            slice_thickness=step,
            spacing_between_slices=step,
        ),
        "plane_orientation": highdicom.PlaneOrientationSequence(patient, [*along_columns, *along_rows]),
        "plane_positions": [highdicom.PlanePositionSequence(patient, position.tolist()) for position in positions],
    }


# ---- what it shows ---------------------------------------------------------------------------------------------------


def _segment(number: int, name: str, origin: Origin) -> Any:
    """A segment's description: SNOMED code with its side, algorithm with version and model, colour as in Slicer."""
    import highdicom
    from pydicom.sr.coding import Code

    code = bone_code(name, origin.side)
    segment = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:TEXT],
        segmented_property_category=Code(CATEGORY[0], SCHEME, CATEGORY[1]),
        segmented_property_type=Code(code.kind[0], SCHEME, code.kind[1]),
        algorithm_type="SEMIAUTOMATIC",
        algorithm_identification=_algorithm(origin),
    )
    if code.side is not None:
        side = coded(code.side, SCHEME)
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    colour = [round(255 * part) for part in segment_colour(number - 1)]
    segment.RecommendedDisplayCIELabValue = list(highdicom.color.CIELabColor.from_rgb(*colour).value)
    return segment


def _algorithm(origin: Origin) -> Any:
    import highdicom
    from pydicom.sr.coding import Code

    shapes = SHAPE_METHOD in origin.method
    family = Code("123110", "DCM", "Deformable Models") if shapes else Code("123109", "DCM", "Artificial Intelligence")
    parameters = {"model bundle": origin.model, "method": origin.method}
    said = ", ".join(f"{key} {value}" for key, value in parameters.items() if value)
    return highdicom.AlgorithmIdentificationSequence(
        name=(f"XRayTo3D, {said}" if said else "XRayTo3D")[:TEXT],
        family=family,
        version=__version__,
        source="XRayTo3D",
        parameters={key: value for key, value in parameters.items() if value} or None,
    )


def _say_more(made: Any, origin: Origin) -> None:
    """The sentences of the reconstruction, where a reader looks for them: derivation and comments."""
    made.ImageComments = COMMENT
    model = f"Bones reconstructed from radiographs with the model {origin.model}." if origin.model else ""
    said = " ".join(text for text in (model, *origin.notes) if text)
    if said:
        made.DerivationDescription = said[:LONGER_TEXT]
