"""Hounsfield units to linear attenuation, and the attenuation volume of one bone for projection.

Mass attenuation: Hubbell and Seltzer, NIST Standard Reference Database 126 (NISTIR 5632), liquid water and cortical
bone (ICRU-44). Between water and bone a voxel is a mixture by volume, so that the curve over HU has two straight
parts (bilinear, as in Schneider, Pedroni and Lomax, Phys Med Biol 41:111, 1996).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.frames import FloatArray, apply_matrix
from XRayTo3DLib.imaging.types import CtVolume

ENERGIES_KEV = (30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 150.0)
WATER_CM2_G = (0.3756, 0.2683, 0.2269, 0.2059, 0.1837, 0.1707, 0.1505)
BONE_CM2_G = (1.331, 0.6655, 0.4242, 0.3148, 0.2229, 0.1855, 0.1480)
WATER_G_CM3, BONE_G_CM3 = 1.0, 1.92
CT_ENERGY_KEV = 70.0
"""Effective energy at which a 120 kV scanner measures Hounsfield units."""
METAL_HU = 3071.0
BONE_HU = 200.0
TISSUE_HU = 150.0
"""Fat and muscle lie within this of water."""
AIR_BELOW_HU = -500.0
SOFT_TISSUE_HU = 40.0
"""Muscle, tendon and fat round a bone, taken together."""
PADDING = 2


@dataclass(frozen=True, eq=False)
class Attenuation:
    """A volume of linear attenuation coefficients, ready to project.

    Attributes:
        mu: (slices, rows, columns) float32, 1/mm; the outermost two voxels on every side are 0 (air).
        voxel_to_lps: (4, 4) from voxel centres (column, row, slice, 1) to LPS mm.
        centre_lps: (3,) centroid of the bone, LPS mm.
        note: What was done, for the person at the screen.
        synthetic: Whether the anatomy is simulated.
        cuts: Faces where the CT's border cuts the anatomy, as (axis, end): axis 0 column, 1 row, 2 slice; end 0 or 1.
            Past them the patient goes on, the volume does not: its edge there is none of a radiograph's.
        whole: Whether this is all that throws a shadow there: a whole CT with soft tissue in it, not a bone cut out.
        metal: Whether it is solid metal, which a picture shows as a flat shadow: scatter drowns what little passes.
    """

    mu: NDArray[np.float32]
    voxel_to_lps: FloatArray
    centre_lps: FloatArray
    note: str
    synthetic: bool = False
    cuts: tuple[tuple[int, int], ...] = ()
    whole: bool = False
    metal: bool = False

    @property
    def spacing(self) -> FloatArray:
        """(3,) voxel size along (column, row, slice), mm."""
        return np.linalg.norm(self.voxel_to_lps[:3, :3], axis=0)

    def thinned(self, voxel_mm: float) -> tuple[NDArray[np.float32], FloatArray]:
        """Voxels about ``voxel_mm`` apart (a view, no copy), and their matrix: for extents and moments."""
        x, y, z = (max(1, int(voxel_mm / step)) for step in self.spacing)
        return self.mu[::z, ::y, ::x], self.voxel_to_lps @ np.diag([x, y, z, 1.0])


def water_attenuation(energy_kev: float) -> float:
    """Linear attenuation of water, 1/mm."""
    return _linear(energy_kev, WATER_CM2_G, WATER_G_CM3)


def bone_attenuation(energy_kev: float) -> float:
    """Linear attenuation of cortical bone (ICRU-44), 1/mm."""
    return _linear(energy_kev, BONE_CM2_G, BONE_G_CM3)


def hu_to_attenuation(
    hu: NDArray[np.floating], *, energy_kev: float = 60.0, metal_hu: float = METAL_HU
) -> tuple[NDArray[np.float32], str]:
    """Linear attenuation in 1/mm (same shape, float32) of Hounsfield units, and a note.

    Up to 0 HU: mu = mu_water (1 + HU / 1000). Above, bone and water by volume: mu = mu_water (1 + k HU / 1000) where
    k corrects from the scanner's effective energy (:data:`CT_ENERGY_KEV`) to ``energy_kev``.

    Args:
        hu: Hounsfield units.
        energy_kev: Effective energy of the radiograph, 30 to 150 keV (about half its kV).
        metal_hu: Values above are clipped to it: scanners do not measure metal.

    Raises:
        InputError: Energy outside the table.
    """
    water = water_attenuation(energy_kev)
    excess = bone_attenuation(energy_kev) / water - 1
    slope = excess / (bone_attenuation(CT_ENERGY_KEV) / water_attenuation(CT_ENERGY_KEV) - 1)
    metal = int(np.count_nonzero(hu > metal_hu))
    relative = np.clip(hu, -1000.0, metal_hu).astype(np.float32) / np.float32(1000.0)
    mu = np.float32(water) * (1 + np.where(relative > 0, np.float32(slope) * relative, relative))
    note = f"Attenuation at {energy_kev:g} keV (water {water:.4g}/mm, bone by mixture with cortical bone)."
    if metal:
        note += f" {metal} voxels above {metal_hu:g} HU (metal) were clipped."
    return np.maximum(mu, 0, dtype=np.float32), note


def attenuation_of(
    ct: CtVolume,
    label: str | int | None = None,
    *,
    feather_mm: float | None = None,
    energy_kev: float = 60.0,
    in_tissue: bool = False,
) -> Attenuation:
    """The attenuation of one labelled bone alone (or of the whole CT), cropped and padded with air.

    A label's edge fades out over ``feather_mm`` outside its voxels (never into another label), and over the same
    length inwards where the bone is cut by the volume's border, so that no cut edge draws.

    With ``in_tissue`` the bone's **excess** over the soft tissue that it displaces is taken (below zero in fatty
    marrow): what its shadow adds to that of the limb. Moving a bone within its limb changes a radiograph by just that.

    Args:
        ct: The CT.
        label: Label name or number; ``None`` takes everything.
        feather_mm: Fading length, mm; ``None`` is the largest voxel size, 0 cuts hard.
        energy_kev: Effective energy of the radiograph.
        in_tissue: Take the excess over soft tissue (:data:`SOFT_TISSUE_HU`); for a label only.

    Raises:
        InputError: No such label, an empty one, or an unusable energy or length.
    """
    if label is None:
        mu, note = hu_to_attenuation(ct.hu, energy_kev=energy_kev)
        cuts = cut_faces(ct.hu > AIR_BELOW_HU)
        part = padded_part(mu, ct.voxel_to_lps, bone_centre(ct), f"Whole CT. {note}", ct.synthetic, cuts)
        return replace(part, whole=_holds_a_limb(ct.hu))
    feather = checked_feather(ct, feather_mm)
    mask = ct.label_mask(label)
    box = bounding_box(mask, np.ceil(feather / ct.spacing[::-1]).astype(int))
    mu, note = hu_to_attenuation(ct.hu[box], energy_kev=energy_kev)
    if in_tissue:
        mu -= tissue_attenuation(energy_kev)
        note = f"Excess over soft tissue ({SOFT_TISSUE_HU:g} HU). {note}"
    mu *= bone_weights(ct, mask, box, feather) * _border_weights(mask, box, ct.spacing[::-1], feather)
    to_lps = ct.voxel_to_lps.copy()
    to_lps[:3, 3] = ct.voxel_points([axis.start for axis in reversed(box)])
    note = f"Only label {label}, edges faded over {feather:.3g} mm. {note}"
    return padded_part(mu, to_lps, ct.mask_centre(mask), note, ct.synthetic, cut_faces(mask))


def _holds_a_limb(hu: NDArray[np.float32]) -> bool:
    """Whether soft tissue outweighs bone, as in patients (6 to 30 times) and never in a bone cut out (0.1 to 0.7)."""
    soft = np.count_nonzero(np.abs(hu) < TISSUE_HU)
    return soft > 2 * np.count_nonzero(hu > BONE_HU)


def tissue_attenuation(energy_kev: float) -> np.float32:
    """Linear attenuation of the soft tissue round a bone, 1/mm."""
    return np.float32(hu_to_attenuation(np.array(SOFT_TISSUE_HU), energy_kev=energy_kev)[0])


def checked_feather(ct: CtVolume, feather_mm: float | None) -> float:
    """A fading length in mm, the largest voxel size if ``None``; InputError below zero."""
    feather = float(ct.spacing.max()) if feather_mm is None else float(feather_mm)
    if not np.isfinite(feather) or feather < 0:
        raise InputError(f"the fading length must be 0 or more mm, not {feather:g}.")
    return feather


def bone_weights(
    ct: CtVolume, mask: NDArray[np.bool_], box: tuple[slice, slice, slice], feather: float
) -> NDArray[np.float32]:
    """How much of each voxel of a box counts as the bone's; see :func:`_weights`."""
    others = (ct.labels[box] != 0) & ~mask[box]  # type: ignore[index]
    return _weights(mask[box], others, ct.spacing[::-1], feather)


def cut_faces(filled: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Faces of a volume (slices, rows, columns) that cut what is filled, as (axis, end), axis 0 being the column."""
    return tuple((axis, end) for axis in range(3) for end in (0, 1) if filled.take(-end, axis=2 - axis).any())


def _linear(energy_kev: float, table: tuple[float, ...], density: float) -> float:
    """Log-log interpolation of a mass attenuation table (cm2/g), times density (g/cm3), as 1/mm."""
    if not ENERGIES_KEV[0] <= energy_kev <= ENERGIES_KEV[-1]:
        raise InputError(
            f"the energy must lie between {ENERGIES_KEV[0]:g} and {ENERGIES_KEV[-1]:g} keV, not {energy_kev:g} "
            f"(effective energy: about half the tube's kV)."
        )
    logarithm = np.interp(np.log(energy_kev), np.log(ENERGIES_KEV), np.log(table))
    return float(np.exp(logarithm)) * density / 10.0


def bounding_box(mask: NDArray[np.bool_], margin: NDArray[np.int_]) -> tuple[slice, slice, slice]:
    """Slices around a mask and its margin (slices, rows, columns), inside the volume."""
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        first, last = int(inside[0]) - int(margin[axis]), int(inside[-1]) + int(margin[axis]) + 1
        box.append(slice(max(first, 0), min(last, mask.shape[axis])))
    return box[0], box[1], box[2]


def _weights(
    mask: NDArray[np.bool_], others: NDArray[np.bool_], spacing: FloatArray, feather: float
) -> NDArray[np.float32]:
    """1 inside, falling to 0 at one voxel beyond ``feather`` mm outside, 0 in other labels."""
    if feather == 0:
        return mask.astype(np.float32)
    from scipy.ndimage import distance_transform_edt

    outside = distance_transform_edt(~mask, sampling=spacing)
    reach = feather + float(spacing.min())
    weights = np.clip(1 - outside / reach, 0, 1).astype(np.float32)
    weights[others] = 0
    return weights


def _border_weights(
    mask: NDArray[np.bool_], box: tuple[slice, slice, slice], spacing: FloatArray, feather: float
) -> NDArray[np.float32]:
    """Ramps up from the volume's faces that cut the mask, over ``feather`` mm; 1 elsewhere."""
    weights = np.ones([axis.stop - axis.start for axis in box], dtype=np.float32)
    if feather == 0:
        return weights
    for axis in range(3):
        count = mask.shape[axis]
        index = np.arange(box[axis].start, box[axis].stop)
        for face, distance in ((0, index + 0.5), (count - 1, count - 0.5 - index)):
            if mask.take(face, axis=axis).any():
                shape = [-1 if other == axis else 1 for other in range(3)]
                weights *= np.clip(distance * spacing[axis] / (feather + spacing[axis]), 0, 1).reshape(shape)
    return weights


def padded_part(
    mu: NDArray[np.float32],
    to_lps: FloatArray,
    centre: FloatArray,
    note: str,
    synthetic: bool,
    cuts: tuple[tuple[int, int], ...],
) -> Attenuation:
    """Two voxels of air all around, the matrix moved along."""
    moved = to_lps.copy()
    moved[:3, 3] = apply_matrix(to_lps, [-PADDING] * 3)
    moved.flags.writeable = False
    return Attenuation(np.pad(mu, PADDING).astype(np.float32, copy=False), moved, centre, note, synthetic, cuts)


def bone_centre(ct: CtVolume) -> FloatArray:
    """Centroid of everything above 200 HU, or the volume's middle where nothing is."""
    bone = ct.hu > BONE_HU
    if not bone.any():
        return ct.voxel_points((np.array(ct.size) - 1) / 2)
    return ct.mask_centre(bone)
