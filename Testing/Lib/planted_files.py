"""Small SYNTHETIC files of every kind with canaries in everything that may name a person, their paths too."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from canaries import Canaries
from imaging_cases import dicom_header, save
from phantoms_analytic import BONE_CAMERAS, bone_ct
from pydicom.dataset import FileDataset

from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.types import CtVolume

TRUTH = RigidPose.from_rotation((3, -4, 2), (2, 1, -3))
"""CT to world, where the pictures show the bone."""
GEOMETRY = {"DistanceSourceToDetector": 1000.0, "ImagerPixelSpacing": [0.9, 0.8], "DistanceSourceToPatient": 900.0}
"""As :data:`BONE_CAMERAS` (DICOM writes row, then column)."""


WHO = ("USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME")
"""Variables of the environment that name a person or the computer."""


@dataclass
class Clinic:
    """Files with canaries below a home folder that is named after a person, and a folder to write into."""

    canaries: Canaries
    inputs: Path
    out: Path

    @classmethod
    def below(cls, root: Path) -> Self:
        """A new one."""
        canaries = Canaries()
        home = root / canaries.text("home folder")
        made = cls(canaries, home / canaries.text("folder of the inputs"), home / "out")
        for folder in (made.inputs, made.out):
            folder.mkdir(parents=True)
        return made

    @property
    def home(self) -> Path:
        """The person's folder."""
        return self.out.parent

    def named(self, what: str, suffix: str) -> Path:
        """A new input whose name is a canary."""
        return self.inputs / f"{self.canaries.text(f'{what} file name')}{suffix}"


def without_paths(said: str, typed: Iterable[str]) -> str:
    """What was said without the paths that were typed: a command may answer with those."""
    paths = {part for word in typed for part in (word, *word.split(":")) if "/" in part}
    for path in sorted(paths, key=len, reverse=True):
        for text in (path, Path(path).name, Path(path).stem):
            said = said.replace(text, "")
    return said


@cache
def bone_picture(view: str) -> np.ndarray:
    """Line integrals (120, 110) of the bone in its true pose."""
    import torch

    from XRayTo3DLib.imaging.attenuation import attenuation_of
    from XRayTo3DLib.projection.drr import DrrProjector

    bone = attenuation_of(bone_ct())
    with torch.no_grad():
        return DrrProjector(bone.mu, bone.voxel_to_lps)(BONE_CAMERAS[view], TRUTH).numpy()


def radiograph(
    path: Path,
    canaries: Canaries,
    modality: str = "DX",
    view: str = "PA",
    picture: np.ndarray | None = None,
    **tags: Any,
) -> Path:
    """A DICOM radiograph, of the bone without ``picture``; geometry and pixels are right, all else is a canary."""
    counts = np.round(4000 * np.exp(-(bone_picture(view) if picture is None else picture))).astype("<u2")
    header = dicom_header(modality, **{**GEOMETRY, **tags})
    for name in ("PatientName", "PatientID", "StudyDate"):
        delattr(header, name)
    header.SOPInstanceUID = canaries.uid(f"{modality} SOPInstanceUID")
    header.SeriesInstanceUID = canaries.uid(f"{modality} SeriesInstanceUID")
    if "ViewPosition" not in tags:
        header.ViewPosition = view
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = counts.shape
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.PixelIntensityRelationship, header.PixelIntensityRelationshipSign = "LIN", 1
    header.BurnedInAnnotation, header.PresentationLUTShape, header.ImageLaterality = "YES", "INVERSE", "R"
    header.PixelData = counts.tobytes()
    header.BodyPartExamined = "WRIST"
    for keyword, value in tags.items():
        setattr(header, keyword, value)
    canaries.plant(header, f"{modality} {view}")
    _plant_meta(header, canaries, modality)
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(header, path)


def _plant_meta(header: FileDataset, canaries: Canaries, name: str) -> None:
    meta = header.file_meta
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.ImplementationClassUID = canaries.uid(f"{name} meta ImplementationClassUID")
    meta.ImplementationVersionName = canaries.text(f"{name} meta ImplementationVersionName")
    meta.SourceApplicationEntityTitle = canaries.text(f"{name} meta SourceApplicationEntityTitle")
    meta.PrivateInformationCreatorUID = canaries.uid(f"{name} meta PrivateInformationCreatorUID")
    meta.PrivateInformation = canaries.text(f"{name} meta PrivateInformation").encode() + b"\0"
    header.preamble = canaries.text(f"{name} preamble").encode().ljust(128, b"\0")


def series(folder: Path, canaries: Canaries, ct: CtVolume | None = None) -> Path:
    """A CT as DICOM slices; every text of the first is a canary of its own, the others repeat a few."""
    ct = ct or bone_ct()
    folder.mkdir(parents=True, exist_ok=True)
    column, row, step = (ct.voxel_to_lps[:3, axis] / ct.spacing[axis] for axis in range(3))
    shared = {
        "SeriesInstanceUID": canaries.uid("CT SeriesInstanceUID"),
        "PatientName": f"{canaries.text('CT slices PatientName')}^ANNA",
        "PatientID": canaries.text("CT slices PatientID"),
    }
    for number, plane in enumerate(ct.hu):
        header = dicom_header("CT", **shared)
        header.ImageOrientationPatient = [round(float(value), 9) for value in (*column, *row)]
        header.ImagePositionPatient = [float(value) for value in ct.voxel_points([0, 0, number])]
        header.PixelSpacing = [float(ct.spacing[1]), float(ct.spacing[0])]
        header.RescaleSlope, header.RescaleIntercept, header.RescaleType = 1, -1024, "HU"
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.Rows, header.Columns = plane.shape
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        header.PixelData = (plane + 1024).astype("<u2").tobytes()
        if number == 0:
            canaries.plant(header, "CT")
            _plant_meta(header, canaries, "CT")
        save(header, folder / f"{canaries.text('CT slice file name')}_{number:03d}.dcm")
    return folder


def volume(path: Path, canaries: Canaries, ct: CtVolume | None = None) -> Path:
    """The CT as NRRD, NIfTI or MetaImage with canaries in its header keys."""
    import SimpleITK as sitk

    from XRayTo3DLib.imaging.itk_images import lps_image

    ct = ct or bone_ct()
    image = lps_image(ct.hu.astype(np.int16), ct.voxel_to_lps)
    for key in ("PatientName", "ITK_FileNotes", "descrip", "aux_file", "intent_name", "db_name", "Comment", "content"):
        image.SetMetaData(key, canaries.text(f"{path.suffix} {key}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path), True)
    return path


def labels(path: Path, canaries: Canaries, ct: CtVolume | None = None) -> Path:
    """The labels as a Slicer segmentation with canaries in tags, terminology and further header keys."""
    import SimpleITK as sitk

    from XRayTo3DLib.imaging.ct_writer import write_labels

    ct = ct or bone_ct()
    path.parent.mkdir(parents=True, exist_ok=True)
    image = sitk.ReadImage(str(write_labels(ct, path)))
    for key in ("Segment0_Tags", "Segmentation_ConversionParameters", "PatientName", "Segment0_ID"):
        image.SetMetaData(key, canaries.text(f"seg.nrrd {key}"))
    sitk.WriteImage(image, str(path), True)
    return path


def picture(path: Path, canaries: Canaries, view: str = "PA") -> Path:
    """A 16-bit PNG or TIFF with text chunks, EXIF or tags of canaries."""
    from PIL import Image, PngImagePlugin, TiffImagePlugin

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(np.round(60000 * np.exp(-bone_picture(view))).astype(np.uint16))
    if path.suffix == ".png":
        texts = PngImagePlugin.PngInfo()
        for key in ("Title", "Author", "Description", "Comment", "Source"):
            texts.add_text(key, canaries.text(f"PNG tEXt {key}"))
        texts.add_itxt("XML:com.adobe.xmp", canaries.text("PNG iTXt"))
        texts.add_text("Software", canaries.text("PNG zTXt"), zip=True)
        exif = Image.Exif()
        exif[0x010E], exif[0x013B] = canaries.text("PNG EXIF description"), canaries.text("PNG EXIF artist")
        picture.save(path, pnginfo=texts, exif=exif)
    else:
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        for tag in (269, 270, 271, 272, 285, 305, 315, 316, 33432):
            tags[tag] = canaries.text(f"TIFF tag {tag}")
        picture.save(path, tiffinfo=tags)
    return path


def surface(path: Path, canaries: Canaries, stretched: float = 1.0) -> Path:
    """The bone's surface with canaries in title, comments, or arrays on the whole."""
    from XRayTo3DLib.shape.label_surface import surface_from_labels
    from XRayTo3DLib.shape.meshes import transformed
    from XRayTo3DLib.shape.surfaces import set_field_text, write_surface

    ct = bone_ct(2.0)
    surface = transformed(surface_from_labels(ct.labels, ct.voxel_to_lps, 1), np.diag([1.0, 1.0, stretched, 1.0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".vtp", ".vtk"):
        for name in ("PatientName", canaries.text(f"{path.suffix} array name")):
            set_field_text(surface, name, canaries.text(f"{path.suffix} field"))
    write_surface(surface, path)
    content = path.read_bytes()
    if path.suffix == ".stl":
        content = canaries.text("STL header").encode().ljust(80) + content[80:]
    if path.suffix == ".ply":
        mark = b"comment " + canaries.text("PLY comment").encode()
        content = content.replace(b"comment VTK generated PLY File", mark, 1)
    if path.suffix == ".obj":
        content = f"# {canaries.text('OBJ comment')}\no {canaries.text('OBJ name')}\n".encode() + content
    path.write_bytes(content)
    return path


def camera(path: Path, canaries: Canaries, view: str = "PA") -> Path:
    """A camera.json with further keys."""
    camera = BONE_CAMERAS[view]
    content = {**camera.to_dict(), "patient": canaries.text("camera.json key"), "notes": canaries.text("camera.json")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def pose(path: Path, canaries: Canaries) -> Path:
    """A rough pose with a comment."""
    centre = np.array([3.0, 0.0, 0.0])
    (RigidPose.from_rotation((2, -2, 2), (1.5, -1.5, 1.5), TRUTH.apply(centre)) @ TRUTH).save(path)
    text = path.read_text()
    path.write_text(text.replace("#Transform 0", f"#Transform 0 {canaries.text('pose.tfm comment')}"))
    return path
