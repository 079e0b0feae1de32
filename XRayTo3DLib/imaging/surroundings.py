"""What lies round a bone in its CT: whether it is soft tissue, and all of it as a body of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.attenuation import (
    AIR_BELOW_HU,
    TISSUE_HU,
    Attenuation,
    bone_centre,
    bone_weights,
    bounding_box,
    checked_feather,
    cut_faces,
    hu_to_attenuation,
    padded_part,
    tissue_attenuation,
)
from XRayTo3DLib.imaging.types import CtVolume

SHELL_MM = (2.0, 6.0)
"""The shell round a bone that is looked at, distances from the label, mm."""


def surroundings_of(
    ct: CtVolume, labels: Sequence[str | int], *, feather_mm: float | None = None, energy_kev: float = 60.0
) -> Attenuation:
    """The whole CT with soft tissue in the place of some bones: what else throws a shadow when those bones move.

    With each bone's :func:`attenuation_of` ``in_tissue`` at the same pose it adds up to the whole CT again (but where
    the CT's border cuts a bone).

    Args:
        ct: The CT.
        labels: Names or numbers of the bones to leave out.
        feather_mm: As in :func:`attenuation_of`.
        energy_kev: Effective energy of the radiograph.

    Raises:
        InputError: No labels, an unknown one, or an unusable energy or length.
    """
    if not labels:
        raise InputError("surroundings: name the bones that move by themselves.")
    for label in labels:
        if not in_soft_tissue(ct, label):
            raise InputError(
                f"surroundings: label {label!r} of CT {ct.name} does not lie in soft tissue (the CT shows the bone "
                f"alone, or other units); register without surroundings."
            )
    feather = checked_feather(ct, feather_mm)
    mu, note = hu_to_attenuation(ct.hu, energy_kev=energy_kev)
    for label in labels:
        mask = ct.label_mask(label)
        box = bounding_box(mask, np.ceil(feather / ct.spacing[::-1]).astype(int))
        # Of the CT's own values: where two bones fade into one gap, each takes away what it will add again.
        excess = hu_to_attenuation(ct.hu[box], energy_kev=energy_kev)[0] - tissue_attenuation(energy_kev)
        mu[box] -= bone_weights(ct, mask, box, feather) * excess
    names = ", ".join(str(label) for label in labels)
    cuts = cut_faces(ct.hu > AIR_BELOW_HU)
    return padded_part(
        mu, ct.voxel_to_lps, bone_centre(ct), f"Whole CT without label {names}. {note}", ct.synthetic, cuts
    )


def in_soft_tissue(ct: CtVolume, label: str | int) -> bool:
    """Whether a label lies in soft tissue as CTs of patients show it, and not in air or in a blanked-out volume.

    Looked at is a shell of :data:`SHELL_MM` round the label: its median is that of fat or muscle.

    Raises:
        InputError: No such label.
    """
    mask = ct.label_mask(label)
    box = bounding_box(mask, np.ceil(SHELL_MM[1] / ct.spacing[::-1]).astype(int))
    from scipy.ndimage import distance_transform_edt

    outside = distance_transform_edt(~mask[box], sampling=ct.spacing[::-1])
    assert ct.labels is not None  # label_mask has seen to it
    shell = ct.hu[box][(outside > SHELL_MM[0]) & (outside <= SHELL_MM[1]) & (ct.labels[box] == 0)]
    # A blanked-out volume has one value everywhere, which may be 0 HU.
    return shell.size > 0 and abs(float(np.median(shell))) < TISSUE_HU and float(shell.std()) > 1


def joined(parts: Sequence[Attenuation]) -> Attenuation:
    """Parts of one CT put together again on the grid of the first, which must hold the others.

    Raises:
        InputError: A part does not lie on the first one's grid.
    """
    first = parts[0]
    mu = first.mu.copy()
    for part in parts[1:]:
        shift = np.linalg.solve(first.voxel_to_lps, part.voxel_to_lps)
        corner = np.round(shift[:3, 3]).astype(int)
        low, high = np.maximum(corner, 0), np.minimum(corner + part.mu.shape[::-1], mu.shape[::-1])
        if np.abs(shift[:3] - np.column_stack([np.eye(3), corner])).max() > 0.01 or np.any(high <= low):
            raise InputError("surroundings and bones are not parts of one CT; make them from the same volume.")
        there = tuple(slice(low[axis], high[axis]) for axis in (2, 1, 0))
        here = tuple(slice(low[axis] - corner[axis], high[axis] - corner[axis]) for axis in (2, 1, 0))
        mu[there] += part.mu[here]
    note = f"{len(parts)} parts of one CT together. {first.note}"
    return Attenuation(mu, first.voxel_to_lps, parts[-1].centre_lps, note, first.synthetic, first.cuts)
