"""A data set small enough for a test: one made-up bone, its DRRs as radiographs, and quick registrations."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from phantoms_analytic import BONE_CAMERAS, bone_ct

from XRayTo3DLib.dataset.case_views import add_view
from XRayTo3DLib.dataset.dataset_builder import add_case, start_dataset
from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetCase, DatasetFolder
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.attenuation import Attenuation, attenuation_of
from XRayTo3DLib.imaging.types import CtVolume, IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.projection.engines import make_projector
from XRayTo3DLib.registration.options import RegistrationOptions

TRUTH = RigidPose.from_rotation((3, -4, 2), (2, 1, -3))
NEAR = RigidPose.from_rotation((2, 3, 1), (1, 1, 1)) @ TRUTH
QUICK = RegistrationOptions(starts=4, screened=20, pixel_mm=(3.2, 1.6))
QUICK_WORDS = ("--starts", "4", "--screened", "20", "--pixel-sizes", "3.2", "1.6")


@cache
def bone_volume() -> CtVolume:
    """The crooked bone of the registration tests, coarse, made up and said so."""
    return replace(bone_ct(2.5), synthetic=True)


@cache
def bone() -> Attenuation:
    return attenuation_of(bone_volume(), "bone")


def drr(pose: RigidPose = TRUTH, view: str = "PA", camera: XRayCamera | None = None, **changes: Any) -> Radiograph:
    """The bone alone, in a pose."""
    camera = camera or BONE_CAMERAS[view]
    with torch.no_grad():
        pixels = make_projector(bone().mu, bone().voxel_to_lps)(camera, pose).numpy()
    note = IntensityNote("line-integral", None, True, "DRR")
    picture = Radiograph(pixels, camera, note, SpacingSource.DETECTOR, view, name=view, synthetic=True)
    return replace(picture, **changes)


def stripes(view: str = "PA") -> Radiograph:
    """A picture in which there is no bone."""
    rows, columns = np.mgrid[:120, :110]
    pixels = (np.sin(rows / 3) + np.cos(columns / 2)).astype(np.float32)
    return drr(view=view, pixels=pixels)


def bones(folder: Path, cases: int = 2, views: tuple[str, ...] = ("PA", "LAT"), near: bool = True) -> DatasetFolder:
    """A data set of one bone, with radiographs in the true pose and, ``near``, an initial.tfm."""
    start_dataset(folder, bones=["bone"], anatomy="bone", frame="lps")
    for number in range(1, cases + 1):
        add_case(folder, CaseEntry(f"case-{number}", f"P{number}"), bone_volume())
        case = DatasetFolder.open(folder).case(f"case-{number}")
        for view in views:
            add_view(case, view, drr(view=view))
        if near:
            NEAR.save(case.folder / "initial.tfm")
    return DatasetFolder.open(folder)


def error_of(pose: RigidPose | None, truth: RigidPose = TRUTH) -> tuple[float, float]:
    """Degrees and mm by which a pose is off."""
    assert pose is not None
    return truth.distance_to(pose, bone().centre_lps)


def unfinished(case: DatasetCase) -> list[Path]:
    """What a write that was stopped has left behind."""
    return list(case.folder.rglob(".writing-*"))
