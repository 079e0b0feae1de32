"""Hounsfield units to attenuation against NIST's numbers, and the volume of one bone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from phantoms_analytic import looking_camera, relative_rms
from scipy.spatial.transform import Rotation

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging import CtVolume, attenuation_of, hu_to_attenuation, read_ct
from XRayTo3DLib.imaging.attenuation import CT_ENERGY_KEV, bone_attenuation, water_attenuation
from XRayTo3DLib.imaging.surroundings import in_soft_tissue, joined, surroundings_of
from XRayTo3DLib.projection.engines import Engine, make_projector


def mu(hu: float, energy_kev: float = 60.0) -> float:
    return float(hu_to_attenuation(np.array([hu]), energy_kev=energy_kev)[0][0])


@pytest.mark.parametrize(
    ("energy", "water", "bone"),
    [(30, 0.3756, 1.331), (60, 0.2059, 0.3148), (80, 0.1837, 0.2229), (150, 0.1505, 0.1480)],
)
def test_water_and_cortical_bone_are_nist_s(energy: float, water: float, bone: float) -> None:
    """NIST tables in cm2/g: water 1.000 g/cm3, ICRU-44 cortical bone 1.920 g/cm3; ours in 1/mm."""
    assert mu(0, energy) == pytest.approx(water / 10, rel=1e-6)
    assert mu(-1000, energy) == 0
    bone_hu = 1000 * (bone_attenuation(CT_ENERGY_KEV) / water_attenuation(CT_ENERGY_KEV) - 1)
    assert 1400 < bone_hu < 1800
    assert mu(bone_hu, energy) == pytest.approx(1.920 * bone / 10, rel=1e-5)


def test_the_table_is_interpolated_log_log() -> None:
    """Water at 70 keV: XCOM gives 0.1929 cm2/g."""
    assert water_attenuation(70) * 10 == pytest.approx(0.1929, rel=0.01)


@given(st.lists(st.floats(-2000, 5000), min_size=2, max_size=20), st.floats(30, 150))
def test_attenuation_never_falls_with_hu_and_is_never_negative(hu: list[float], energy: float) -> None:
    values, _ = hu_to_attenuation(np.sort(np.array(hu)), energy_kev=energy)
    assert values.dtype == np.float32 and values.min() >= 0 and np.all(np.diff(values) >= 0)


def test_metal_is_clipped_with_a_note_and_the_energy_is_said() -> None:
    values, note = hu_to_attenuation(np.array([3071.0, 9000.0, 100.0]))
    assert values[0] == values[1] and "1 voxels above 3071 HU (metal)" in note and "60 keV" in note
    with pytest.raises(InputError, match="keV"):
        hu_to_attenuation(np.zeros(3), energy_kev=3)


def ct(cut: bool = False) -> CtVolume:
    """A bone with a neighbour in soft tissue in air, oblique; ``cut`` ends the volume inside the bone."""
    to_lps = np.eye(4)
    to_lps[:3, :3] = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() * [0.5, 0.8, 1.2]
    to_lps[:3, 3] = [10, -20, 30]
    hu, labels = np.full((20, 24, 30), -1000.0), np.zeros((20, 24, 30), np.uint8)
    hu[2:18, 2:22, 2:28] = 40
    hu[5:14, 6:16, 8:16], labels[5:14, 6:16, 8:16] = 900, 1
    hu[5:14, 6:16, 17:24], labels[5:14, 6:16, 17:24] = 900, 2
    end = 10 if cut else 20
    return CtVolume(hu[:end], to_lps, labels[:end], {"radius": 1, "ulna": 2})


def test_a_label_keeps_its_values_and_its_place() -> None:
    volume = ct()
    bone = attenuation_of(volume, "radius", feather_mm=0)
    assert bone.mu.shape == (9 + 4, 10 + 4, 8 + 4)
    assert np.count_nonzero(bone.mu) == 9 * 10 * 8 and bone.mu.max() == pytest.approx(mu(900), rel=1e-6)
    assert not bone.mu[:2].any() and not bone.mu[:, -2:].any() and not bone.mu[:, :, :2].any()
    index = np.argwhere(bone.mu > 0).mean(axis=0)[::-1]
    found = bone.voxel_to_lps[:3, :3] @ index + bone.voxel_to_lps[:3, 3]
    np.testing.assert_allclose(found, volume.mask_centre(volume.labels == 1), atol=1e-9)
    np.testing.assert_allclose(bone.centre_lps, found, atol=1e-9)
    assert bone.spacing == pytest.approx(volume.spacing)


def test_the_edge_fades_outwards_but_not_into_the_neighbour() -> None:
    volume = ct()
    bone = attenuation_of(volume, "radius", feather_mm=1.0)
    inside = bone.mu == np.float32(mu(900))
    assert inside.sum() == 9 * 10 * 8, "the bone itself stays whole"
    assert (bone.mu > 0).sum() > inside.sum(), "soft tissue fades out around it"
    assert bone.mu[~inside].max() < mu(40)
    slices, rows, columns = (axis.max() for axis in np.argwhere(inside).T)
    beside = bone.mu[slices - 8 : slices + 1, rows - 9 : rows + 1, columns + 1 :]
    assert beside[..., 0].all() and not beside[..., 1:].any(), "a voxel of soft tissue, then the ulna"


def test_a_bone_cut_by_the_volume_fades_out_at_the_cut() -> None:
    hard, soft = attenuation_of(ct(True), "radius", feather_mm=0), attenuation_of(ct(True), "radius", feather_mm=3.0)
    profile = soft.mu[:, soft.mu.shape[1] // 2, soft.mu.shape[2] // 2]
    inside = profile[profile > mu(40)]
    assert np.count_nonzero(hard.mu[-3]) == 80, "without fading the cut is a full-strength face"
    assert inside[-1] < 0.35 * mu(900) or profile[-3] < 0.35 * mu(900)
    assert profile.max() == pytest.approx(mu(900), rel=1e-5)


def test_the_whole_ct_and_its_line_integral() -> None:
    volume = ct()
    whole = attenuation_of(volume)
    assert whole.mu.shape == (24, 28, 34)
    assert float(whole.mu.sum()) == pytest.approx(float(hu_to_attenuation(volume.hu)[0].sum()), rel=1e-5)
    np.testing.assert_allclose(whole.centre_lps, volume.mask_centre(volume.hu > 200), atol=1e-9)
    through = whole.mu[8, :, 12].sum() * volume.spacing[1]
    assert through == pytest.approx((10 * mu(900) + 10 * mu(40)) * 0.8, rel=1e-5)


def test_labels_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="radius, ulna"):
        attenuation_of(ct(), "tibia")
    with pytest.raises(InputError, match="empty"):
        attenuation_of(CtVolume(ct().hu, ct().voxel_to_lps, ct().labels, {"femur": 7}), "femur")
    with pytest.raises(InputError, match="fading"):
        attenuation_of(ct(), 1, feather_mm=-1)


# ---- bones in tissue ------------------------------------------


def test_faces_that_cut_are_told() -> None:
    """Axis 0 column, 1 row, 2 slice; end 0 or 1. The whole CT is cut where its tissue meets a face."""
    volume = ct()
    assert attenuation_of(volume, "radius").cuts == () and attenuation_of(volume).cuts == ()
    assert attenuation_of(ct(True), "radius").cuts == ((2, 1),)
    assert attenuation_of(ct(True)).cuts == ((2, 1),)
    touching = np.array(volume.labels)
    touching[8, 0, 10], touching[8, 10, 29] = 1, 1
    assert attenuation_of(replace(volume, labels=touching), "radius").cuts == ((0, 1), (1, 0))
    full = replace(volume, hu=np.full_like(volume.hu, 40))
    assert attenuation_of(full).cuts == tuple((axis, end) for axis in range(3) for end in (0, 1))


def test_only_the_whole_ct_is_whole() -> None:
    assert attenuation_of(ct()).whole
    assert not attenuation_of(ct(), "radius").whole and not surroundings_of(ct(), ["radius"]).whole


def test_in_tissue_a_bone_is_what_it_has_more_than_flesh() -> None:
    volume = ct()
    volume.hu[8, 10, 10] = -60  # fatty marrow
    alone, more = (attenuation_of(volume, "radius", feather_mm=0, in_tissue=excess) for excess in (False, True))
    inside = alone.mu > 0
    assert alone.mu[inside] - more.mu[inside] == pytest.approx(mu(40), rel=1e-5)
    assert more.mu.min() == pytest.approx(mu(-60) - mu(40), rel=1e-4) and more.mu.min() < 0
    assert not more.mu[~inside].any()
    assert "Excess over soft tissue (40 HU)" in more.note and "Excess" not in alone.note
    np.testing.assert_allclose(more.centre_lps, alone.centre_lps)


@pytest.mark.parametrize("names", [["radius"], ["ulna"], ["radius", "ulna"], ["ulna", 1]])
@pytest.mark.parametrize("feather", [0.0, None, 3.0])
def test_surroundings_and_bones_are_the_whole_ct(names: list[str | int], feather: float | None) -> None:
    """Voxel by voxel, the narrow gap between two bones that both fade into it included."""
    volume = textured(ct())
    parts = [attenuation_of(volume, name, feather_mm=feather, in_tissue=True) for name in names]
    rest = surroundings_of(volume, names, feather_mm=feather)
    again, whole = joined([rest, *parts]), attenuation_of(volume)
    np.testing.assert_allclose(again.mu, whole.mu, atol=1e-7)
    np.testing.assert_allclose(again.voxel_to_lps, whole.voxel_to_lps)
    np.testing.assert_allclose(again.centre_lps, parts[-1].centre_lps)
    for name in names:
        hidden = volume.label_mask(name)
        middle = np.pad(hidden, 2)
        assert rest.mu[middle] == pytest.approx(mu(40), rel=1e-5)


@pytest.mark.parametrize("engine", ["torch", "numba"])
def test_at_one_pose_they_draw_the_whole_ct(engine: Engine) -> None:
    if engine == "numba":
        pytest.importorskip("numba")
    volume = ct()
    parts = [
        attenuation_of(volume),
        surroundings_of(volume, ["radius", "ulna"]),
        *(attenuation_of(volume, name, in_tissue=True) for name in ("radius", "ulna")),
    ]
    camera = looking_camera((70, 60), 0.8, target=volume.voxel_points([15.0, 12.0, 10.0]))
    with torch.no_grad():
        whole, *pieces = (
            make_projector(part.mu, part.voxel_to_lps, engine=engine)(camera, RigidPose.identity()).numpy()
            for part in parts
        )
    assert relative_rms(sum(pieces), whole) < 2e-3
    assert relative_rms(pieces[0], whole) > 0.1, "without the bones something is missing"


def test_a_cut_bone_is_missing_only_where_it_is_cut() -> None:
    volume = ct(True)
    parts = [surroundings_of(volume, ["radius"]), attenuation_of(volume, "radius", in_tissue=True)]
    wrong = np.abs(joined(parts).mu - attenuation_of(volume).mu).max(axis=(1, 2))
    assert wrong[-3] > 0.1 * mu(900), "it fades at the border"
    assert wrong[:-4].max() < 1e-7


def test_parts_of_different_cts_are_not_joined() -> None:
    volume = ct()
    rest, bone = surroundings_of(volume, ["radius"]), attenuation_of(volume, "radius", in_tissue=True)
    shifted = np.array(bone.voxel_to_lps)
    shifted[:3, 3] += 0.3 * volume.voxel_to_lps[:3, 0]
    turned = np.array(bone.voxel_to_lps)
    turned[:3, :3] = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    away = np.array(bone.voxel_to_lps)
    away[:3, 3] += 60 * volume.voxel_to_lps[:3, 0]
    for matrix in (shifted, turned, away):
        with pytest.raises(InputError, match="not parts of one CT; make them from the same volume"):
            joined([rest, replace(bone, voxel_to_lps=matrix)])


def test_flesh_is_known_from_air_and_from_blanked_volumes() -> None:
    volume = textured(ct())
    assert in_soft_tissue(volume, "radius") and in_soft_tissue(volume, 2)
    fat = replace(volume, hu=np.where(volume.labels == 0, volume.hu - 130, volume.hu))
    assert in_soft_tissue(fat, "radius"), "fat round a bone is soft tissue too"
    bones = volume.labels > 0
    for blank in (-1000.0, 0.0, 40.0, -2000.0, 3000.0):
        assert not in_soft_tissue(replace(volume, hu=np.where(bones, volume.hu, blank)), "radius"), blank
    counts = replace(volume, hu=volume.hu + 1024)
    assert not in_soft_tissue(counts, "radius"), "raw counts are no Hounsfield units"
    with pytest.raises(InputError, match="label 'tibia' is not in the label map"):
        in_soft_tissue(volume, "tibia")


def textured(volume: CtVolume) -> CtVolume:
    """With the noise of a scanner: 10 HU."""
    return replace(volume, hu=volume.hu + np.random.default_rng(0).normal(scale=10, size=volume.hu.shape))


def test_surroundings_are_refused_where_there_are_none() -> None:
    alone = replace(ct(), hu=np.where(ct().labels > 0, ct().hu, -1000), name="scan")
    with pytest.raises(InputError) as refusal:
        surroundings_of(alone, ["radius"])
    assert str(refusal.value) == (
        "surroundings: label 'radius' of CT scan does not lie in soft tissue (the CT shows the bone alone, or other "
        "units); register without surroundings."
    )
    with pytest.raises(InputError, match="name the bones that move by themselves"):
        surroundings_of(ct(), [])
    with pytest.raises(InputError, match="label 'tibia' is not in the label map"):
        surroundings_of(ct(), ["tibia"])


@pytest.mark.data
def test_the_real_pelvis(data_dir: Path) -> None:
    folder = data_dir / "ct_pelvis_totalsegmentator"
    volume = read_ct(folder / "example_ct.nii.gz", labels=folder / "example_seg_fast_force_split.nii.gz")
    femur = attenuation_of(volume, 75)
    assert "metal" in femur.note and 0.05 < femur.mu.max() < 0.12
    assert femur.mu.size < 0.1 * volume.hu.size
