"""Pairs of canonical images to learn from and to test on: actual radiographs and the DRRs of their bones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.dataset.canonical_view import CanonicalView
from XRayTo3DLib.dataset.dataset_folder import DatasetCase
from XRayTo3DLib.dataset.prepared_files import prepared_file, read_prepared
from XRayTo3DLib.dataset.view_pairs import read_pair
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.data import split_cases
from XRayTo3DLib.methods.image_translation.configuration import PairsConfiguration


@dataclass(frozen=True, eq=False)
class Pairs:
    """Canonical pairs of some cases.

    Attributes:
        cases: Whose.
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
    """The data set's pairs, as canonical images.

    Raises:
        InputError: No such data set, a case without an accepted registration of that view, or nobody left in a part.
    """
    dataset, parts = split_cases(configuration.folder, near, configuration)
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
    image = configuration.image
    view = CanonicalView(configuration.view, image.size, image.pixel_mm, image.source_mm)
    pairs = [read_pair(case, configuration.view, read_prepared(prepared_file(case))) for case in cases]
    found = [pair.canonical(view) for pair in pairs]
    return Pairs(
        tuple(cases),
        np.stack([pair.image for pair in found]),
        np.stack([pair.drr for pair in found]),
        tuple(pair.pose for pair in found),
        any(pair.case.synthetic or pair.radiograph.synthetic for pair in pairs),
    )
