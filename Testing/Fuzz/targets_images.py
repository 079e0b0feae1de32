"""Fuzz targets of pictures and volumes: DICOM, NRRD, MetaImage, NIfTI, PNG, TIFF, label maps, segmentations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import highdicom  # noqa: F401 (loaded before the children are forked)
import numpy as np
import pydicom
import scipy.ndimage
import scipy.spatial  # noqa: F401
import SimpleITK as sitk
from fuzz_case import Target
from imaging_cases import CLASSES, dicom_header, limb, save, write_dicom
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut  # noqa: F401

from XRayTo3DLib.cli.info import info_lines
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging import read_ct, read_radiograph, write_ct, write_labels, write_radiograph
from XRayTo3DLib.imaging.ct_labels import read_label_map, read_labels
from XRayTo3DLib.imaging.dicom_preview import preview_radiograph
from XRayTo3DLib.imaging.dicom_segmentation import Origin, write_dicom_segmentation
from XRayTo3DLib.imaging.picture_masks import picture_masks
from XRayTo3DLib.imaging.radiograph_info import inspect_radiograph
from XRayTo3DLib.imaging.radiograph_quality import check_radiograph
from XRayTo3DLib.imaging.types import CtVolume

ROWS, COLUMNS = 24, 20
PYDICOM_RADIOGRAPHS = ("SC_rgb_small_odd.dcm", "SC_rgb_rle.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_small_odd_jpeg.dcm")
PYDICOM_PACKED = ("JPEG2000.dcm", "JPEGLSNearLossless_16.dcm", "JPGExtended.dcm", "MR_small_jp2klossless.dcm")
"""Compressed pictures of other kinds, which are called DX here."""
CAMERA = standard_camera(1000.0, (1.0, 1.0), (COLUMNS, ROWS))


def _picture(largest: float = 4000.0) -> np.ndarray:
    values = limb(ROWS, COLUMNS)
    return np.round(values / values.max() * 0.8 * largest + 0.05 * largest)


def _volume() -> CtVolume:
    """Two made-up bones in air, 8 x 10 x 12 voxels of 2, 1.5 and 1 mm, turned about one axis."""
    hu = np.full((8, 10, 12), -1000.0, np.float32)
    labels = np.zeros(hu.shape, np.uint8)
    hu[2:6, 2:5, 3:9], labels[2:6, 2:5, 3:9] = 800.0, 1
    hu[2:6, 6:8, 3:9], labels[2:6, 6:8, 3:9] = 1100.0, 2
    to_lps = np.diag([1.0, 1.5, 2.0, 1.0])
    to_lps[:2, :2] = np.array([[0.8, -0.6], [0.6, 0.8]]) @ to_lps[:2, :2]
    return CtVolume(hu, to_lps, labels, {"radius": 1, "ulna": 2}, "bones")


# ---- DICOM radiographs --------------------------------------------------------------------------


def _pydicom_files(folder: Path, names: tuple[str, ...]) -> None:
    """Copies of pydicom's own test files that come with it (MIT), so that nothing is downloaded."""
    for name in names:
        found = get_testdata_file(name, download=False)
        assert found is not None, name
        (folder / f"zq_{name}").write_bytes(Path(str(found)).read_bytes())


def _radiograph_seeds(folder: Path) -> None:
    spacing = {"ImagerPixelSpacing": [0.2, 0.3], "DistanceSourceToDetector": 1100, "DistanceSourceToPatient": 900}
    intensity = {"PixelIntensityRelationship": "LIN", "PixelIntensityRelationshipSign": 1}
    about = {"PatientOrientation": ["L", "F"], "ViewPosition": "PA", "ImageLaterality": "R", "BodyPartExamined": "HAND"}
    uids = {"StudyInstanceUID": "1.2.3", "SeriesInstanceUID": "1.2.3.4"}
    write_dicom(folder / "zq_dx.dcm", _picture(), "DX", **spacing, **about, **intensity, **uids)
    inverse = {"photometric": "MONOCHROME1", "RescaleSlope": 2, "RescaleIntercept": -5}
    write_dicom(folder / "zq_cr.dcm", _picture(), "CR", **inverse, **uids)
    run = {"PositionerPrimaryAngle": 30, "PositionerSecondaryAngle": 0, "PositionerPrimaryAngleIncrement": [0, 1, 2]}
    more = {"PositionerMotion": "DYNAMIC", "PixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "FIDUCIAL"}
    write_dicom(folder / "zq_xa.dcm", np.stack([_picture(), _picture()[::-1], _picture()]), "XA", **run, **more, **uids)
    write_dicom(folder / "zq_rf.dcm", _picture(), "RF", PixelPaddingValue=0, PixelPaddingRangeLimit=200, **uids)
    _palette(folder / "zq_palette.dcm", uids)
    _modality_table(folder / "zq_table.dcm", uids)
    dataset = pydicom.dcmread(folder / "zq_dx.dcm")
    dataset.compress(pydicom.uid.RLELossless)
    dataset.save_as(folder / "zq_rle.dcm")
    _pydicom_files(folder, PYDICOM_RADIOGRAPHS + PYDICOM_PACKED)
    for name in PYDICOM_PACKED:
        dataset = pydicom.dcmread(folder / f"zq_{name}")
        dataset.Modality, dataset.SOPClassUID = "DX", CLASSES["DX"]
        dataset.save_as(folder / f"zq_{name}")


def _palette(path: Path, uids: dict[str, str]) -> None:
    tables: dict[str, Any] = dict(uids)
    for colour in ("Red", "Green", "Blue"):
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tables[f"{colour}PaletteColorLookupTableData"] = (np.arange(256, dtype="<u2") * 200).tobytes()
    write_dicom(path, _picture(200), "XA", bits=8, photometric="PALETTE COLOR", **tables)


def _modality_table(path: Path, uids: dict[str, str]) -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "US"
    item.add_new("LUTData", "OW", np.arange(4096, dtype="<u2").tobytes())
    write_dicom(path, _picture(), "DX", ModalityLUTSequence=[item], **uids)


def _read_radiograph(path: Path) -> None:
    """As ``xrayto3d info`` and the Radiographs section do: looked at, printed, read with what is missing, judged."""
    info = inspect_radiograph(path)
    json.dumps(info.to_dict(), allow_nan=False)
    if not "".join(info_lines(Path("x"), info)).isprintable():
        raise AssertionError("control characters of the file would go to the terminal")
    answers: dict[str, Any] = {"sdd": 1100.0, "spacing": (0.2, 0.2), "spacing_kind": "detector"}
    check_radiograph(read_radiograph(path, frame=0, **answers))
    if not info.missing:
        read_radiograph(path)


def _look_seeds(folder: Path) -> None:
    _radiograph_seeds(folder)
    for name in PYDICOM_RADIOGRAPHS + PYDICOM_PACKED:
        (folder / f"zq_{name}").unlink()


def _into_study(path: Path) -> None:
    """A DICOM SEG that joins the radiograph's study."""
    write_dicom_segmentation(_volume(), path.parent / "made.dcm", Origin(), [path])


# ---- CT -------------------------------------------------------------------------------------------


def _series_seeds(folder: Path) -> None:
    ct = _volume()
    small = pydicom.dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    small.Rows, small.Columns = 16, 16
    small.PixelData = small.PixelData[: 16 * 128 * 2 : 1][: 16 * 16 * 2]
    small.pop("DataSetTrailingPadding", None)
    for name in ("zq_series", "zq_small"):
        (folder / name).mkdir()
    for number in range(4):
        dataset = dicom_header("CT", SeriesInstanceUID="1.2.3", RescaleSlope=1, RescaleIntercept=-1024)
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 2 * number], [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SamplesPerPixel, dataset.PhotometricInterpretation = [1.5, 1], 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = ct.hu.shape[1:]
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.PixelData = (ct.hu[number + 2] + 1024).astype("<u2").tobytes()
        save(dataset, folder / "zq_series" / f"zq_{number}.dcm")
        small.ImagePositionPatient = [0, 0, 5 * number]
        small.save_as(folder / "zq_small" / f"zq_{number}.dcm")
    _pydicom_files(folder / "zq_small", ("MR_small.dcm",))


def _volume_seeds(folder: Path) -> None:
    ct = _volume()
    write_ct(ct, folder / "zq_gzip.nrrd")
    image = sitk.ReadImage(str(folder / "zq_gzip.nrrd"))
    for name in ("zq_raw.nrrd", "zq_meta.mha", "zq_nifti.nii", "zq_nifti.nii.gz"):
        sitk.WriteImage(image, str(folder / name), name.endswith("gz"))
    sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), str(folder / "zq_float.nrrd"), False)
    sitk.WriteImage(image, str(folder / "zq_packed.mha"), True)
    for name, header in (("zq_detached", "zq_ct.nhdr"), ("zq_pair", "zq_ct.mhd")):
        (folder / name).mkdir()
        sitk.WriteImage(image, str(folder / name / header), False)


def _header_in(path: Path) -> Path:
    """The header of a folder that holds one with its data, or the file itself."""
    if not path.is_dir():
        return path
    return next((path / name for name in ("zq_ct.nhdr", "zq_ct.mhd") if (path / name).exists()), path)


# ---- labels and masks ----------------------------------------------------------------------------------


def _label_seeds(folder: Path) -> None:
    ct = _volume()
    write_labels(ct, folder / "zq_one.seg.nrrd")
    image = sitk.ReadImage(str(folder / "zq_one.seg.nrrd"))
    layers = sitk.Compose([image, sitk.Cast(image == 2, sitk.sitkUInt8)])
    for key in image.GetMetaDataKeys():
        layers.SetMetaData(key, image.GetMetaData(key))
    layers.SetMetaData("Segment1_Layer", "1")
    sitk.WriteImage(layers, str(folder / "zq_layers.seg.nrrd"), False)
    for name in ("zq_label.nrrd", "zq_label.nii.gz", "zq_label.mha"):
        sitk.WriteImage(image, str(folder / name))


def _read_any_labels(path: Path) -> None:
    read_labels(path, _volume())
    read_label_map(path)


def _names_seeds(folder: Path) -> None:
    (folder / "zq_names.json").write_text('{"radius": 1, "ulna": 2}')
    (folder / "zq_nested.json").write_text('{"labels": {"radius": 1, "ulna": 2}}')
    (folder / "zq_table.ctbl").write_text("# colours\n0 background 0 0 0 0\n1 radius 1 2 3 255\n2 ulna 3 2 1 255\n")


def _read_names(path: Path) -> None:
    labels = (
        Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp") / f"xrayto3d-fuzz-labels-{path.stat().st_uid}.nrrd"
    )
    if not labels.exists():
        sitk.WriteImage(sitk.GetImageFromArray(_volume().labels), str(labels))
    read_labels(labels, _volume(), names=path)


def _mask_seeds(folder: Path) -> None:
    mask = _picture() > 2500
    for name in ("zq_pictures", "zq_segments"):
        (folder / name).mkdir()
    Image.fromarray((mask * 255).astype(np.uint8)).save(folder / "zq_pictures" / "mask_femur.png")
    Image.fromarray((mask * 9).astype(np.uint16)).save(folder / "zq_pictures" / "mask_tibia.tif")
    columns = np.stack([CAMERA.column_direction, CAMERA.row_direction, CAMERA.normal], axis=1)
    image = sitk.GetImageFromArray(mask[None, 2:20, 3:18].astype(np.uint8))
    image.SetDirection(columns.ravel().tolist())
    image.SetOrigin(CAMERA.pixel_to_world(np.array([3.0, 2.0])).tolist())
    fields = {"ID": "s", "Name": "femur", "Layer": "0", "LabelValue": "1", "Extent": "0 14 0 17 0 0"}
    for key, value in fields.items():
        image.SetMetaData(f"Segment0_{key}", value)
    sitk.WriteImage(image, str(folder / "zq_segments" / "mask.seg.nrrd"), False)


def _read_masks(path: Path) -> None:
    picture_masks(path, CAMERA)


# ---- pictures -------------------------------------------------------------------------------------------


def _picture_seeds(folder: Path) -> None:
    wide, narrow = _picture(60000).astype(np.uint16), _picture(250).astype(np.uint8)
    Image.fromarray(wide).save(folder / "zq_wide.png")
    Image.fromarray(np.stack([narrow, narrow, narrow // 2], axis=-1)).save(folder / "zq_colour.png")
    Image.fromarray(narrow).convert("P").save(folder / "zq_palette.png")
    Image.fromarray(narrow).save(folder / "zq_photo.jpg")
    Image.fromarray(wide).save(folder / "zq_plain.tif")
    Image.fromarray(narrow).save(folder / "zq_packed.tif", compression="tiff_lzw")
    Image.fromarray(wide.astype(np.float32)).save(folder / "zq_float.tif", compression="tiff_adobe_deflate")
    Image.fromarray(narrow).save(folder / "zq_pages.tif", save_all=True, append_images=[Image.fromarray(narrow[::-1])])
    for name in ("zq_image.nrrd", "zq_image.mha", "zq_image.nii"):
        sitk.WriteImage(sitk.GetImageFromArray(wide[None].astype(np.float32)), str(folder / name), False)
    write_radiograph(read_radiograph(folder / "zq_wide.png", camera=CAMERA), folder / "zq_saved.nrrd")


TARGETS = (
    Target("dicom-radiograph", _radiograph_seeds, _read_radiograph),
    Target("dicom-preview", _look_seeds, preview_radiograph),
    Target("dicom-study", _look_seeds, _into_study),
    Target("picture", _picture_seeds, _read_radiograph),
    Target("picture-mask", _mask_seeds, _read_masks),
    Target("ct-dicom", _series_seeds, read_ct),
    Target("ct-volume", _volume_seeds, lambda path: read_ct(_header_in(path))),
    Target("label-map", _label_seeds, _read_any_labels),
    Target("label-names", _names_seeds, _read_names),
)
