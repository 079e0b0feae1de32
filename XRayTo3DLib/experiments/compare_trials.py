"""The pictures of a comparison: every test person under every condition, rendered once for each geometry."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.exposure_sampler import Exposures
from XRayTo3DLib.dataset.prepared import preparation_of
from XRayTo3DLib.experiments import compare_conditions as conditions
from XRayTo3DLib.experiments.compare_conditions import AS_TRAINED, Condition
from XRayTo3DLib.files import atomic_path
from XRayTo3DLib.files.described_arrays import described_arrays
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.attenuation import attenuation_of
from XRayTo3DLib.methods.data import DataConfiguration, Part, exposures_of
from XRayTo3DLib.methods.translation import ViewTranslators
from XRayTo3DLib.projection.engines import make_projector

FORMAT = "xrayto3d.comparison-trials/1"
_CONDITION = {**dict.fromkeys(("key", "family", "column", "text"), str), "amount": float}
DESCRIPTION = {"cases": [str], "refused": {"*": str}, "conditions": {"*": _CONDITION}, "cameras": {"*": [dict]}}
SUBPIXELS = 2
TISSUE_SHOWN = 0.02
"""Line integral beside the bones from which on a CT counts as one with soft tissue."""
Report = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Asked:
    """What one condition shows.

    Attributes:
        condition: Which.
        images: (N, views, n, n) line integrals; the first N people.
        poses: (N, 4, 4) how they were held, anatomical to reconstruction frame, mm.
        cameras: One per view, where it truly stood, in the reconstruction frame; the same for everybody.
    """

    condition: Condition
    images: NDArray[np.float32]
    poses: NDArray[np.float64]
    cameras: tuple[XRayCamera, ...]


@dataclass(frozen=True, eq=False)
class TrialSet:
    """All conditions for one geometry of pictures.

    Attributes:
        cases: Names of the test people, in order.
        asked: By the condition's key.
        refused: Why a condition is not there, by its key.
    """

    cases: tuple[str, ...]
    asked: Mapping[str, Asked]
    refused: Mapping[str, str] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write everything into one safetensors file."""
        from safetensors.numpy import save_file

        about = {
            "format": FORMAT,
            "cases": list(self.cases),
            "refused": dict(self.refused),
            "conditions": {key: asdict(each.condition) for key, each in self.asked.items()},
            "cameras": {key: [camera.to_dict() for camera in each.cameras] for key, each in self.asked.items()},
        }
        arrays: dict[str, NDArray[Any]] = {f"{key}/images": each.images for key, each in self.asked.items()}
        arrays |= {f"{key}/poses": each.poses for key, each in self.asked.items()}
        with atomic_path(path) as temporary:
            save_file(arrays, temporary, metadata={"about": json.dumps(about)})

    @classmethod
    def load(cls, path: Path) -> TrialSet:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: Missing or another file.
        """
        what, again = "pictures of the comparison", "delete it and compare again"
        with described_arrays(path, what, FORMAT, DESCRIPTION, again) as (file, about):
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            asked = {
                key: Asked(
                    Condition(**content),
                    arrays[f"{key}/images"],
                    arrays[f"{key}/poses"],
                    tuple(XRayCamera.from_dict(camera) for camera in about["cameras"][key]),
                )
                for key, content in about["conditions"].items()
            }
            return cls(tuple(about["cases"]), asked, about["refused"])


@dataclass(frozen=True, eq=False)
class TrialMaker:
    """Renders the conditions.

    Attributes:
        data: Views, pictures and grid of a method.
        part: The test people.
        poses: How each of them is held, the same for every method.
        hard: How many of them, the first ones, are asked under the harder conditions.
        seed: Of noise, metal and directions.
    """

    data: DataConfiguration
    part: Part
    poses: Sequence[RigidPose]
    hard: int
    seed: int

    def made(self, translators: Mapping[str, ViewTranslators | str], report: Report) -> TrialSet:
        """All conditions; with translators by name also theirs.

        Args:
            translators: By name; or why one cannot be used with these pictures.
            report: Told what is rendered, and the share done.
        """
        asked, refused = {}, {}
        exposures = exposures_of(self.data, self.part, self.seed)
        for number, condition in enumerate(conditions.CONDITIONS):
            report(f"pictures: {condition.text}", number / len(conditions.CONDITIONS))
            found = self._asked(exposures, condition, asked)
            if isinstance(found, str):
                refused[condition.key] = found
            else:
                asked[condition.key] = found
        for name, each in translators.items():
            condition = conditions.translated(name)
            raw = asked.get(conditions.TISSUE)
            if raw is None or isinstance(each, str):
                refused[condition.key] = each if isinstance(each, str) else refused[conditions.TISSUE]
                continue
            report(f"pictures: {condition.text}", 1.0)
            asked[condition.key] = Asked(condition, each.translate(raw.images), raw.poses, raw.cameras)
        return TrialSet(tuple(case.id for case in self.part.cases), asked, refused)

    def _asked(self, exposures: Exposures, condition: Condition, before: Mapping[str, Asked]) -> Asked | str:
        """One condition, or why it cannot be."""
        views, family = self.data.canonical_views, condition.family
        if family == conditions.PLAIN:
            return self._exposed(exposures, condition, self.poses)
        held = list(self.poses[: self.hard])
        if family == conditions.TURNED:
            turns = conditions.turns_of(views, condition.amount)
            return self._exposed(exposures, condition, held, turns) if turns else "it takes no lateral view"
        if family == conditions.SHIFTED:
            shifts = [conditions.shift_of(number, condition.amount, self.seed) for number in range(len(held))]
            return self._exposed(exposures, condition, [shift @ pose for shift, pose in zip(shifts, held, strict=True)])
        plain = before[AS_TRAINED.key]
        images = self._spoilt(condition, plain.images[: self.hard], plain.cameras, held)
        return images if isinstance(images, str) else Asked(condition, images, plain.poses[: self.hard], plain.cameras)

    def _exposed(
        self, exposures: Exposures, condition: Condition, held: Sequence[RigidPose], turns: Sequence[float] = ()
    ) -> Asked:
        images, cameras = [], ()
        for number, pose in enumerate(held):  # of each the pictures alone are kept: labels would fill the memory
            sample = exposures.exposed(number, [pose], turns_deg=turns)
            images.append(sample.images.cpu().numpy())
            cameras = sample.cameras[0]
        return Asked(condition, np.concatenate(images), np.stack([pose.matrix for pose in held]), cameras)

    def _spoilt(
        self,
        condition: Condition,
        plain: NDArray[np.float32],
        cameras: Sequence[XRayCamera],
        held: Sequence[RigidPose],
    ) -> NDArray[np.float32] | str:
        if condition.family == conditions.TISSUE:
            return self._with_tissue(plain, held)
        grid, found = self.data.voxels, []
        for number, images in enumerate(plain):
            seeds = [self.seed, number]
            if condition.family == conditions.NOISE:
                found.append(conditions.noisy(images, cameras, condition.amount, seeds))
            else:
                centre, half = np.array(grid.centre_mm), 0.5 * grid.extent_mm
                found.append(conditions.with_metal(images, cameras, centre, half, seeds))
        return np.stack(found)

    def _with_tissue(self, plain: NDArray[np.float32], held: Sequence[RigidPose]) -> NDArray[np.float32] | str:
        whole = [
            whole_limb(case, self.part.prepared[number].frame.from_lps, self.data.canonical_views, pose)
            for number, (case, pose) in enumerate(zip(self.part.cases, held, strict=False))
        ]
        beside = [images[bones == 0] for images, bones in zip(whole, plain, strict=True)]
        if max(float(np.quantile(values, 0.9)) if values.size else 0.0 for values in beside) < TISSUE_SHOWN:
            return "the CTs of this data set show no soft tissue"
        return np.stack(whole)


def whole_limb(
    case: DatasetCase, from_lps: NDArray[np.float64], views: Sequence[CanonicalView], pose: RigidPose
) -> NDArray[np.float32]:
    """(views, n, n) line integrals of a whole CT, soft tissue and all, held like the bones.

    Args:
        case: Its CT is read.
        from_lps: (4, 4) CT to anatomical frame, mm; mirrors a left limb.
        views: The cameras.
        pose: Anatomical to reconstruction frame, mm.
    """
    import torch

    ct = case.ct()
    part = attenuation_of(ct, energy_kev=preparation_of(case).energy_kev)
    with torch.no_grad():
        project = make_projector(part.mu, from_lps @ part.voxel_to_lps, engine="auto")
        fine = torch.stack([project(view.camera(SUBPIXELS), pose) for view in views])
        return torch.nn.functional.avg_pool2d(fine[:, None], SUBPIXELS)[:, 0].cpu().numpy().astype(np.float32)
