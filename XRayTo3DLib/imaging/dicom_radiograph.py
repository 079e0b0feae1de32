"""A DICOM radiograph: which kinds are taken, its stored picture, and what its tags say about intensity."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.dicom import DicomGeometry, read_geometry
from XRayTo3DLib.imaging.dicom_files import decode_frame, frame_count, open_dicom, transfer_syntax
from XRayTo3DLib.imaging.intensity import StoredPicture
from XRayTo3DLib.imaging.picture_files import grey, require_size

PROJECTIONS = ("CR", "DX", "XA", "RF", "RG")
REFUSED = {
    "MG": "a mammogram; XRayTo3D has no geometry for compressed breasts, only bones",
    "PX": "a panoramic dental picture, which is no single projection",
    "IO": "an intra-oral dental picture",
    "RTIMAGE": "a radiotherapy portal image; export it as DX, or as a picture with --spacing and --sdd",
    "CT": "a CT slice; load its folder as a CT",
    "MR": "a magnetic resonance image, which is no projection",
    "PT": "a PET image, which is no projection",
    "NM": "a nuclear medicine image, which is no projection of X-rays",
    "US": "an ultrasound image, which is no projection",
    "SEG": "a segmentation; load it as labels of a CT",
}
LOSSY_ONLY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")
"""Transfer syntaxes that always lose: JPEG baseline, JPEG extended, JPEG-LS near-lossless."""
CODES = {
    "Modality": (*PROJECTIONS, *REFUSED, "OT", "SC", "DOC", "SR", "PR", "KO", "RTSTRUCT", "RTPLAN", "RTDOSE"),
    "PhotometricInterpretation": (
        *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422"),
        *("YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB"),
    ),
    "PixelIntensityRelationship": ("LIN", "LOG", "DISP"),
    "PresentationLUTShape": ("IDENTITY", "INVERSE", "LIN OD"),
    "BurnedInAnnotation": ("YES", "NO"),
    "BodyPartExamined": (
        *("WRIST", "FOREARM", "HAND", "KNEE", "HIP", "PELVIS", "FEMUR", "THIGH", "CHEST", "SKULL", "HEAD", "ABDOMEN"),
        *("CSPINE", "TSPINE", "LSPINE", "SPINE", "ANKLE", "FOOT", "SHOULDER", "ELBOW", "HUMERUS", "CLAVICLE", "LEG"),
    ),
}
"""Values that DICOM defines. Anything else is as good as nothing: a text of its own may name somebody."""
MOST_BITS = 64
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True)
class DicomTags:
    """What a header says that is no geometry. No patient data.

    Attributes:
        modality: (0008,0060).
        size: (columns, rows).
        frames: Frames in the file.
        bits: Bits stored.
        photometric: MONOCHROME1 (low is white), MONOCHROME2, RGB, ...
        compression: Name of the transfer syntax.
        relation: Pixel intensity relationship (0028,1040): LIN, LOG, DISP or "".
        sign: Its sign (0028,1041): 1 (low values are little radiation), -1, or ``None``.
        lut_shape: Presentation LUT shape (2050,0020).
        laterality: "L", "R" or "".
        secondary_capture: Whether it is a screen shot or a scan.
        notes: What was noticed.
        burned_in: BurnedInAnnotation (0028,0301): "YES", "NO" or "".
        lossy: The compression's name where it lost something (0028,2110 or by its kind), else "".
        body_part: BodyPartExamined (0018,0015) where it is one of the usual words, else "".
    """

    modality: str
    size: tuple[int, int]
    frames: int
    bits: int
    photometric: str
    compression: str
    relation: str
    sign: int | None
    lut_shape: str
    laterality: str
    secondary_capture: bool
    notes: tuple[str, ...]
    burned_in: str
    lossy: str
    body_part: str = ""


def open_radiograph(path: Path, frame: int = 0, pixels: bool = True) -> tuple[Any, DicomTags, DicomGeometry]:
    """Open a DICOM radiograph and read its header, the geometry for a frame counted from 0.

    Args:
        path: The file.
        frame: Whose geometry.
        pixels: False leaves them unread: quick, for looking at many files.

    Raises:
        InputError: Not DICOM, damaged, or not a projection radiograph; the message says what it is.
    """
    dataset = open_dicom(path, "radiograph", pixels)
    secondary = _text(dataset, "SOPClassUID").startswith(SECONDARY_CAPTURE)
    _refuse_other(_text(dataset, "Modality").upper(), secondary, path)
    modality = known_code(dataset, "Modality")
    size = (whole_number(dataset, "Columns"), whole_number(dataset, "Rows"))
    if min(size) < 1:
        raise InputError(f"radiograph: {path.name} has no picture size (truncated, or a report); export it again.")
    require_size(size, path.name, "radiograph")
    bits = whole_number(dataset, "BitsStored") or whole_number(dataset, "BitsAllocated")
    if not 0 <= bits <= MOST_BITS:
        raise InputError(f"radiograph: BitsStored of {path.name} is no number of bits; export it again.")
    tags = DicomTags(
        modality=modality,
        size=size,
        frames=frame_count(dataset),
        bits=bits,
        photometric=known_code(dataset, "PhotometricInterpretation"),
        compression=transfer_syntax(dataset),
        relation=known_code(dataset, "PixelIntensityRelationship"),
        sign={"1": 1, "-1": -1}.get(_text(dataset, "PixelIntensityRelationshipSign")),
        lut_shape=known_code(dataset, "PresentationLUTShape"),
        laterality=_laterality(dataset),
        secondary_capture=secondary,
        notes=tuple(_noticed(dataset, secondary)),
        burned_in=known_code(dataset, "BurnedInAnnotation"),
        lossy=_lossy(dataset),
        body_part=known_code(dataset, "BodyPartExamined"),
    )
    return dataset, tags, read_geometry(dataset, frame)


def stored_picture(dataset: Any, tags: DicomTags, frame: int, path: Path) -> StoredPicture:
    """One frame, rescaled, as a monitor shows it (MONOCHROME1 inverted); window and VOI LUT are left alone.

    Raises:
        InputError: The pixels cannot be decoded, or their rescaling or palette cannot be used.
    """
    decoded = decode_frame(dataset, frame, path, "radiograph")
    signed, bits, looked_up = whole_number(dataset, "PixelRepresentation") == 1, tags.bits, ()
    padding, padded = (None, ()) if decoded.ndim != 2 else _padding(dataset, decoded, signed)
    if tags.photometric == "PALETTE COLOR":
        decoded, looked_up = _palette_colours(dataset, decoded, path)
        signed, bits = False, 8 * decoded.dtype.itemsize
    values, notes = grey(decoded, path.stem)
    low, high = _stored_range(bits, signed)
    values, low, high, step, more = _modality_values(dataset, values, low, high, path)
    inverted = tags.photometric == "MONOCHROME1"
    picture = StoredPicture(values, low, high, step, notes=looked_up + notes + more + padded, padding=padding)
    return _declared(picture.inverted() if inverted else picture, tags, inverted, step < 0)


def _padding(dataset: Any, stored: NDArray[Any], signed: bool) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """Where stored values are PixelPaddingValue (0028,0120), up to its range limit (0028,0121); with a note."""
    texts = [_text(dataset, keyword) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if not texts[0]:
        return None, ()
    ends = [_float(dataset, "PixelPaddingValue", 0.0)]
    ends.append(_float(dataset, "PixelPaddingRangeLimit", 0.0) if texts[1] else ends[0])
    if signed:  # some writers give the two's complement as an unsigned number
        ends = [end - 65536 if end >= 32768 else end for end in ends]
    padding = (stored >= min(ends)) & (stored <= max(ends))
    if not padding.any():
        return None, ()
    note = (
        f"{100 * padding.mean():.1f} % of the picture is padding (PixelPaddingValue): it was left out of air and I0 "
        f"and has the highest line integral, like a surround."
    )
    return padding, (note,)


def _palette_colours(dataset: Any, indices: NDArray[Any], path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    """(rows, columns, 3) colours of palette indices, with a note."""
    try:
        from pydicom.pixels import apply_color_lut
    except ImportError:  # pydicom 2
        from pydicom.pixel_data_handlers.util import apply_color_lut
    try:
        return np.asarray(apply_color_lut(indices, dataset)), ("The palette (PALETTE COLOR) was applied.",)
    except Exception:  # whatever a damaged palette leads to; it quotes the header
        raise InputError(
            f"radiograph: {path.name} stores palette indices but its colour palette is missing or damaged; export it "
            f"as greyscale."
        ) from None


def _declared(picture: StoredPicture, tags: DicomTags, inverted: bool, negative_slope: bool) -> StoredPicture:
    """Orient the picture as its intensity tags say: LIN to the beam's intensity, LOG to attenuation.

    The sign (0028,1041) is about stored values: 1 means low values are little radiation, so bone is low.
    """
    picture = replace(picture, step=abs(picture.step))
    if tags.relation in ("LIN", "LOG") and tags.sign is not None:
        low_is_bone = (tags.sign == 1) != negative_slope
        bone_dark_now = low_is_bone != inverted
        mode = "transmitted" if tags.relation == "LIN" else "attenuation"
        oriented = picture if bone_dark_now == (mode == "transmitted") else picture.inverted()
        why = f"the file states PixelIntensityRelationship {tags.relation} with sign {tags.sign}"
        return replace(oriented, declared=mode, why=why, linear=mode == "transmitted")
    if tags.modality in ("CR", "DX", "RG"):
        why = f"{tags.modality} {tags.photometric or 'pictures'} are shown with bright bones as a rule"
        return replace(picture, expected="attenuation", why=why)
    return picture


def _modality_values(
    dataset: Any, values: NDArray[np.float64], low: float, high: float, path: Path
) -> tuple[NDArray[np.float64], float, float, float, tuple[str, ...]]:
    """Rescale slope and intercept (or the modality LUT): values, storable range, signed grey step, notes."""
    if dataset.get("ModalityLUTSequence"):
        try:
            values, table = _looked_up(dataset, values)
        except Exception:  # whatever a damaged table leads to; it quotes the header
            raise InputError(f"radiograph: the modality LUT of {path.name} is damaged; export it again.") from None
        return values, float(table.min()), float(table.max()), 1.0, ("The modality LUT was applied.",)
    slope, intercept = _float(dataset, "RescaleSlope", 1.0), _float(dataset, "RescaleIntercept", 0.0)
    if slope == 0 or not np.isfinite(slope * intercept):
        raise InputError(f"radiograph: RescaleSlope of {path.name} is zero or no number; export it again.")
    ends = sorted((low * slope + intercept, high * slope + intercept))
    plain = slope == 1 and intercept == 0
    note = () if plain else (f"Rescale slope {slope:g} and intercept {intercept:g} were applied.",)
    return values * slope + intercept, ends[0], ends[1], slope, note


def _looked_up(dataset: Any, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values through the modality LUT, and the LUT's own."""
    try:
        from pydicom.pixels import apply_modality_lut
    except ImportError:  # pydicom 2
        from pydicom.pixel_data_handlers.util import apply_modality_lut

    table = dataset.ModalityLUTSequence[0].LUTData
    if isinstance(table, bytes):  # as OW, the table of an explicit file
        order = "<" if getattr(dataset, "original_encoding", (None, True))[1] is not False else ">"
        table = np.frombuffer(table, dtype=f"{order}u2")
    looked_up = np.asarray(apply_modality_lut(values.astype(np.int64), dataset), dtype=np.float64)
    return looked_up, np.asarray(table, dtype=np.float64)


def _stored_range(bits: int, signed: bool) -> tuple[float, float]:
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def _refuse_other(modality: str, secondary: bool, path: Path) -> None:
    if modality in PROJECTIONS or (secondary and modality not in REFUSED) or modality in ("", "OT", "SC"):
        return
    named = f"of modality {modality}" if modality in CODES["Modality"] else "of an unknown modality"
    what = REFUSED.get(modality, f"{named}, which is no projection radiograph")
    raise InputError(f"radiograph: {path.name} is {what}; radiographs are CR, DX, XA, RF or RG.")


def _noticed(dataset: Any, secondary: bool) -> list[str]:
    notes = []
    if secondary:
        notes.append("Secondary capture (screen shot or scan): its grey values may be windowed, its spacing unsure.")
    if "CollimatorShape" in dataset or "ShutterShape" in dataset:
        notes.append("The header describes a collimator or shutter: mask its border, it has strong gradients.")
    if _text(dataset, "FieldOfViewHorizontalFlip").upper() == "YES" or _float(dataset, "FieldOfViewRotation", 0.0) != 0:
        notes.append("The header says the field of view was flipped or rotated after exposure: check left and right.")
    shape, photometric = known_code(dataset, "PresentationLUTShape"), known_code(dataset, "PhotometricInterpretation")
    if (shape, photometric) in (("INVERSE", "MONOCHROME2"), ("IDENTITY", "MONOCHROME1")):
        notes.append(f"PresentationLUTShape {shape} contradicts {photometric}; {photometric} was followed, check bone.")
    if "VOILUTSequence" in dataset or "WindowCenter" in dataset:
        notes.append("Window and VOI LUT of the header were left alone: they are for display only.")
    return notes


def _laterality(dataset: Any) -> str:
    for keyword in ("ImageLaterality", "Laterality"):
        if _text(dataset, keyword).upper() in ("L", "R"):
            return _text(dataset, keyword).upper()
    return ""


def _lossy(dataset: Any) -> str:
    syntax = str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", ""))
    if syntax in LOSSY_ONLY:
        return transfer_syntax(dataset)
    return "an earlier compression" if _text(dataset, "LossyImageCompression") == "01" else ""


def known_code(dataset: Any, keyword: str) -> str:
    """A value that DICOM defines for one of :data:`CODES`, upper case, else ""."""
    code = _text(dataset, keyword).upper()
    return code if code in CODES[keyword] else ""


def _text(dataset: Any, keyword: str) -> str:
    value = dataset.get(keyword, None)
    return "" if value is None else str(value).strip()


def _float(dataset: Any, keyword: str, default: float) -> float:
    text = _text(dataset, keyword)
    try:
        return float(text) if text else default
    except ValueError:  # it quotes the header
        raise InputError(f"radiograph: {keyword} of the header is not a number; export the file again.") from None


def whole_number(dataset: Any, keyword: str) -> int:
    """A number of the header without its fraction, 0 where there is none.

    Raises:
        InputError: A text that is no number.
    """
    value = _float(dataset, keyword, 0.0)
    return int(value) if np.isfinite(value) else 0
