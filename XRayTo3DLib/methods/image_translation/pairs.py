"""Pairs of canonical images to learn from and to test on: actual radiographs and the DRRs of their bones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.depth_views import trusted_views
from XRayTo3DLib.dataset.prepared_files import prepared_file, read_prepared
from XRayTo3DLib.dataset.view_pairs import CanonicalPair, read_pair
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.data import split_cases
from XRayTo3DLib.methods.image_translation.configuration import PairsConfiguration
from XRayTo3DLib.training.samples import TrainingSample, as_grey


@dataclass(frozen=True, eq=False)
class Pairs:
    """Canonical pairs of some cases.

    Attributes:
        cases: Whose; of several views each case several times, view by view.
        radiographs: (N, n, n) line integrals as the radiographs show them.
        drrs: (N, n, n) line integrals of the bones alone.
        poses: How each person was held in the reconstruction frame, mm.
        synthetic: Whether any person or radiograph was made up.
    """

    cases: tuple[DatasetCase, ...]
    radiographs: NDArray[np.float32]
    drrs: NDArray[np.float32]
    poses: tuple[RigidPose, ...]
    synthetic: bool

    def __len__(self) -> int:
        return len(self.cases)


@dataclass(frozen=True, eq=False)
class SplitPairs:
    """Pairs of a data set; no patient is in two parts."""

    training: Pairs
    validation: Pairs
    test: Pairs
    synthetic: bool


def split_pairs(configuration: PairsConfiguration, near: Path) -> SplitPairs:
    """The data set's pairs, as canonical images. Cases whose views nobody has accepted (yet) are left out.

    Raises:
        InputError: No such data set, or nobody left in a part.
    """
    dataset, parts = split_cases(configuration.folder, near, configuration)
    views = {view.view.lower() for view in configuration.canonical_views}
    # Where nobody has been accepted, the first case says why when it is read.
    parts = tuple(tuple(case for case in part if views <= set(trusted_views(case))) or part for part in parts)
    training, validation, test = (canonical_pairs(part, configuration) for part in parts)
    synthetic = dataset.synthetic or any(part.synthetic for part in (training, validation, test))
    return SplitPairs(training, validation, test, synthetic)


def canonical_pairs(cases: tuple[DatasetCase, ...], configuration: PairsConfiguration) -> Pairs:
    """Pairs of some cases.

    Raises:
        InputError: There are none, or one has no accepted registration of that view.
    """
    if not cases:
        raise InputError("image translation: no pairs of radiograph and registration-DRR are left; add cases.")
    views = configuration.canonical_views
    by_view: list[list[CanonicalPair]] = [[] for _ in views]
    synthetic = False
    for case in cases:  # one after the other: bones and radiographs of all would fill the memory
        bones = read_prepared(prepared_file(case))
        for view, found in zip(views, by_view, strict=True):
            pair = read_pair(case, view.view, bones)
            found.append(pair.canonical(view))
            synthetic |= pair.case.synthetic or pair.radiograph.synthetic
    pairs = [pair for found in by_view for pair in found]
    return Pairs(
        tuple(cases) * len(views),
        np.stack([pair.image for pair in pairs]),
        np.stack([pair.drr for pair in pairs]),
        tuple(pair.pose for pair in pairs),
        synthetic,
    )


class Translates(Protocol):
    """A translator, as far as it is judged here."""

    def translate(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, rows, columns) radiographs to DRRs."""
        ...


def translation_metrics(translator: Translates, pairs: Pairs) -> dict[str, float]:
    """What a translator makes of some pairs: mean absolute error of line integrals ("mae"), and mean gradient
    correlation with the true DRR, -1 to 1 ("structure")."""
    import torch

    from XRayTo3DLib.networks.projection_losses import ngcc

    made = translator.translate(pairs.radiographs)
    alike = ngcc(*(torch.from_numpy(each)[:, None] for each in (made, pairs.drrs)))
    return {"mae": float(np.abs(made - pairs.drrs).mean()), "structure": float(alike.mean())}


def translation_samples(
    translator: Translates, pairs: Pairs, count: int, data: PairsConfiguration
) -> list[TrainingSample]:
    """The first pairs to look at: radiograph, what is made of it, the DRR it should be; equal scales for both DRRs."""
    made = translator.translate(pairs.radiographs[:count])
    return [
        TrainingSample(
            pairs.cases[number].id,
            pictures={
                "radiograph": as_grey(pairs.radiographs[number], 0.0, data.radiograph_scale),
                "made": as_grey(made[number], 0.0, data.image.scale),
                "true DRR": as_grey(pairs.drrs[number], 0.0, data.image.scale),
            },
        )
        for number in range(len(made))
    ]
