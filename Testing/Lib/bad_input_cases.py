"""A case that works, the commands that use it, and what must hold when one of them is refused."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from imaging_cases import dicom_header, save
from phantoms_analytic import BONE_CAMERAS, bone_ct
from PIL import Image
from solids import sphere

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.types import CtVolume
from XRayTo3DLib.projection.drr import DrrProjector
from XRayTo3DLib.shape.surfaces import write_surface

CAMERA = BONE_CAMERAS["PA"]
SECRETS = {"PatientName": "SECRET^NAME", "PatientID": "SECRETID99", "PatientBirthDate": "19530417"}
SECRETS |= {"StudyDate": "20190823", "InstitutionName": "SECRETHOSPITAL", "StudyDescription": "SECRETSTUDY"}


def good_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A case that works: CT, labels, one picture with its camera, a start, a surface."""
    folder = tmp_path_factory.mktemp("good")
    ct = bone_ct(2.0)
    write_ct(ct, folder / "ct.nrrd")
    write_labels(ct, folder / "labels.seg.nrrd")
    bone = attenuation_of(ct)
    with torch.no_grad():
        drr = DrrProjector(bone.mu, bone.voxel_to_lps)(CAMERA, RigidPose.identity()).numpy()
    Image.fromarray(np.round(60000 * np.exp(-drr)).astype(np.uint16)).save(folder / "pa.png")
    CAMERA.save(folder / "pa.json")
    RigidPose.from_rotation((1, -1, 1), (1, 1, -1)).save(folder / "start.tfm")
    write_surface(sphere(20, 24), folder / "bone.ply")
    return folder


def copied_case(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the good case; the working directory is inside it."""
    shutil.copytree(template, tmp_path / "case")
    monkeypatch.chdir(tmp_path / "case")
    return tmp_path / "case"


class Refusal:
    """Runs a command that must be refused: exit code 2, one line of words, nothing written."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys, self._folder = capsys, folder

    def __call__(self, words: str, *arguments: str) -> None:
        before = {path: path.stat().st_mtime_ns for path in self._folder.rglob("*") if path.is_file()}
        self._capsys.readouterr()
        assert main(list(arguments)) == 2
        captured = self._capsys.readouterr()
        assert re.search(words, captured.err), captured.err
        assert captured.out == "" and "Traceback" not in captured.err and captured.err.count("\n") == 1
        after = {path: path.stat().st_mtime_ns for path in self._folder.rglob("*") if path.is_file()}
        assert after == before


def refusal(capsys: pytest.CaptureFixture[str], case: Path) -> Refusal:
    return Refusal(capsys, case)


def drr(ct: str = "ct.nrrd", *options: str, camera: str = "pa.json") -> list[str]:
    return ["drr", ct, "--camera", camera, "-o", "drr.nrrd", *options]


def register(view: str = "pa.png:pa.json", *options: str, ct: str = "ct.nrrd", initial: str = "start.tfm") -> list[str]:
    quick = ["--starts", "1", "--pixel-sizes", "2"]
    return ["register", "--ct", ct, "--view", view, "--initial", initial, "-o", "out", *quick, *options]


def evaluate(reference: str, result: str = "bone.ply") -> list[str]:
    return ["evaluate", reference, result, "-o", "out"]


def ct_series(folder: Path, ct: CtVolume, modality: str = "CT", shift: Any = None) -> Path:
    """DICOM slices of a CT in LPS; ``shift`` (a function of the slice number) moves slices by mm (3,)."""
    folder.mkdir()
    for number, values in enumerate(ct.hu):
        position = ct.voxel_points([0, 0, number]) + np.array(shift(number) if shift else (0, 0, 0))
        dataset = dicom_header(modality, SeriesInstanceUID="1.2.3", **SECRETS)
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in position]
        dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [ct.spacing[1], ct.spacing[0]]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = values.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        dataset.PixelData = (values + 1024).astype("<u2").tobytes()
        save(dataset, folder / f"{number:03d}.dcm")
    return folder


def rendered(name: str = "drr.nrrd") -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(name))[0]


def halved(path: Path) -> str:
    """A file's first half beside it; its name."""
    content = path.read_bytes()
    path.with_name(f"cut_{path.name}").write_bytes(content[: len(content) // 2])
    return f"cut_{path.name}"
