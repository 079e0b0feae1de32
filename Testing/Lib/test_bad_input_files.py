"""Truncated, empty, missing and foreign files, end to end: refused in a sentence, never unpickled."""

from __future__ import annotations

import gzip
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
import torch
from bad_input_cases import (
    Refusal,
    copied_case,
    ct_series,
    drr,
    evaluate,
    good_case,
    halved,
    refusal,
    register,
)
from imaging_cases import shown, write_dicom
from phantoms_analytic import bone_ct

from XRayTo3DLib.cli.main import main

template = pytest.fixture(good_case, scope="module")
case = pytest.fixture(copied_case)
refused = pytest.fixture(refusal)


# ---- truncated files ------------------------------------------


def test_truncated_volumes_and_pictures(case: Path, refused: Refusal) -> None:
    volume = sitk.ReadImage("ct.nrrd")
    for name in ("ct.nii", "ct.nii.gz", "ct.mha"):
        sitk.WriteImage(volume, name)
    for name in ("ct.nrrd", "ct.nii", "ct.nii.gz", "ct.mha"):
        refused(f"CT: cut_{name} cannot be read.*truncated.*copy or export it again", *drr(halved(case / name)))
    refused("cut_pa.png cannot be read.*decoded as PNG .truncated", *register(f"{halved(case / 'pa.png')}:pa.json"))
    refused("label map: cut_.*cannot be read", *drr("ct.nrrd", "--labels", halved(case / "labels.seg.nrrd")))


def test_truncated_dicom(case: Path, refused: Refusal) -> None:
    write_dicom(case / "x.dcm", shown(), ImagerPixelSpacing=[0.2, 0.2], DistanceSourceToDetector=1000)
    refused("radiograph: .*cut_x.dcm.*truncated", *register(halved(case / "x.dcm")))
    series = ct_series(case / "series", bone_ct(4.0))
    content = (series / "007.dcm").read_bytes()
    (series / "007.dcm").write_bytes(content[:-100])
    refused("007.dcm.*truncated", *drr("series"))


def test_truncated_geometry(case: Path, refused: Refusal) -> None:
    refused("Reference: .*cut_bone.ply|Reference cut_bone.ply", *evaluate(halved(case / "bone.ply")))
    refused("pose: cut_start.tfm.*(cut off|not a readable)", *drr("ct.nrrd", "--pose", halved(case / "start.tfm")))
    refused("camera: cut_pa.json is not a JSON file", *drr(camera=halved(case / "pa.json")))


def test_empty_and_missing_files_and_folders(case: Path, refused: Refusal) -> None:
    for name in ("e.nrrd", "e.png", "e.tfm", "e.json", "e.ply"):
        (case / name).touch()
    (case / "folder").mkdir()
    refused(r"CT: e.nrrd is empty \(0 bytes\). Copy or export it again", *drr("e.nrrd"))
    refused("radiograph: e.png is empty", *register("e.png:pa.json"))
    refused("pose: e.tfm is empty", *drr("ct.nrrd", "--pose", "e.tfm"))
    refused("camera: e.json is empty", *drr(camera="e.json"))
    refused("Reference: e.ply is empty", *evaluate("e.ply"))
    refused("CT: there is no file absent.nrrd. Check the path", *drr("absent.nrrd"))
    refused(r"folder holds no CT slices \(no DICOM files found\)", *drr("folder"))
    refused("camera: folder is a folder, a file is needed", *drr(camera="folder"))


# ---- foreign checkpoints ------------------------------------------


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self._marker),)


@pytest.fixture
def marker(case: Path) -> Path:
    """What the malicious pickle makes; it does when it is unpickled."""
    proof = case / "unpickled"
    pickle.loads(pickle.dumps(Evil(proof)))
    assert proof.is_dir()
    proof.rmdir()
    return proof


def places(name: str) -> list[list[str]]:
    """The file given everywhere a file can be given."""
    return [
        drr(name),
        drr("ct.nrrd", "--labels", name),
        drr("ct.nrrd", "--labels", "labels.seg.nrrd", "--label-names", name),
        drr("ct.nrrd", "--pose", name),
        drr(camera=name),
        register(name),
        register(f"{name}:pa.json"),
        register(initial=name),
        register(ct=name),
        evaluate(name),
        evaluate("bone.ply", name),
    ]


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npz"])
def test_foreign_checkpoints_are_refused_unopened(case: Path, marker: Path, refused: Refusal, suffix: str) -> None:
    name = f"model{suffix}"
    (case / name).write_bytes(pickle.dumps(Evil(marker)))
    for arguments in places(name):
        refused(f"model{suffix} is a foreign checkpoint .*never opens those because they can run code", *arguments)
    assert not marker.exists()


def test_a_checkpoint_of_torch_is_refused_by_info_too(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weights": torch.zeros(3)}, case / "net.pt")
    assert main(["info", "net.pt"]) == 2
    assert "net.pt is a foreign checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".png", ".tfm", ".h5", ".json", ".ply", ".vtp", ".dcm"])
def test_a_pickle_under_an_honest_name_is_no_such_file(
    case: Path, marker: Path, capfd: pytest.CaptureFixture[str], suffix: str
) -> None:
    """Whatever reader it meets refuses it in words; none unpickles it."""
    content = pickle.dumps(Evil(marker))
    (case / f"evil{suffix}").write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    for arguments in places(f"evil{suffix}"):
        assert main(arguments) == 2, arguments
        assert "xrayto3d: error: " in capfd.readouterr().err
    assert not marker.exists() and not (case / "out").exists() and not (case / "drr.nrrd").exists()
