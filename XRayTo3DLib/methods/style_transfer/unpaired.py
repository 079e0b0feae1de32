"""Radiographs of some people and DRRs of others: what is learnt from is never a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.image_translation.pairs import Pairs


@dataclass(frozen=True, eq=False)
class Unpaired:
    """Canonical images of two groups of people who have nobody in common.

    Attributes:
        radiographs: (N, n, n) line integrals as the radiographs show them.
        drrs: (M, n, n) line integrals of the bones alone.
        radiograph_patients: Whose radiographs.
        drr_patients: Whose bones.
    """

    radiographs: NDArray[np.float32]
    drrs: NDArray[np.float32]
    radiograph_patients: frozenset[str]
    drr_patients: frozenset[str]


def unpaired(pairs: Pairs) -> Unpaired:
    """The radiographs of every second patient and the DRRs of the others; the rest of both is not used.

    Raises:
        InputError: Fewer than two patients.
    """
    patients = sorted({case.patient for case in pairs.cases})
    if len(patients) < 2:
        raise InputError("style transfer: it learns from radiographs and DRRs of different people; two are needed.")
    first, second = frozenset(patients[0::2]), frozenset(patients[1::2])
    chosen = np.array([case.patient in first for case in pairs.cases])
    return Unpaired(pairs.radiographs[chosen], pairs.drrs[~chosen], first, second)
