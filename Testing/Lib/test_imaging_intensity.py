"""Grey values to line integrals, and the guess whether bone is dark or bright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imaging_cases import correlation, limb, shown, transmitted

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging import IntensityNote, Radiograph, SpacingSource, read_radiograph
from XRayTo3DLib.imaging.intensity import StoredPicture, to_line_integrals
from XRayTo3DLib.imaging.polarity import guess_polarity
from XRayTo3DLib.imaging.radiograph_edit import bin_radiograph, crop_radiograph, exposed_field, resample_radiograph


def stored(values: np.ndarray, bits: int = 12, **fields: object) -> StoredPicture:
    return StoredPicture(values.astype(float), 0.0, 2.0**bits - 1, 1.0, **fields)


def test_known_counts_give_known_line_integrals() -> None:
    counts = np.array([[1000.0, 1000 / np.e], [1000 / np.e**2, 10.0]])
    pixels, note = to_line_integrals(stored(counts), "transmitted", i0=1000)
    np.testing.assert_allclose(pixels, [[0, 1], [2, np.log(100)]], rtol=1e-6)
    assert note.i0 == 1000 and note.absolute


def test_zeros_are_raised_to_one_grey_level_and_counted() -> None:
    counts = np.full((50, 50), 400.0)
    counts[:5] = 0
    counts[20:30, 20:30] = 100
    pixels, note = to_line_integrals(stored(counts), "transmitted", i0=400)
    assert np.all(np.isfinite(pixels)) and pixels.max() == pytest.approx(np.log(400))
    assert "250 pixels (10.0 %)" in note.how


def test_i0_is_the_air_of_an_unsaturated_picture() -> None:
    noisy = np.random.default_rng(1).normal(transmitted(2000), 15)
    _, note = to_line_integrals(stored(np.round(noisy)), "transmitted")
    assert note.i0 == pytest.approx(2000, rel=0.03) and "percentile 99" in note.how
    assert not note.absolute, "nobody said that the detector is linear"
    _, note = to_line_integrals(stored(np.round(noisy), linear=True), "transmitted")
    assert note.absolute


def test_a_saturated_background_is_said_and_is_not_absolute() -> None:
    clipped = np.minimum(transmitted(6000), 4095)
    pixels, note = to_line_integrals(stored(clipped, linear=True), "transmitted")
    assert note.i0 == 4095 and "saturated" in note.how and not note.absolute
    assert correlation(pixels, limb()) > 0.98


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_attenuation_has_the_same_scale_at_every_bit_depth(bits: int) -> None:
    pixels, note = to_line_integrals(stored(shown(bits), bits), "attenuation")
    assert pixels.min() == 0 and pixels.max() == pytest.approx(1.6, abs=0.02)
    assert not note.absolute and "arbitrary" in note.how
    assert correlation(pixels, limb()) > 0.9999


def test_air_keeps_soft_tissue() -> None:
    """Blacked-out text must not become the air level's stand-in, nor tissue be cut off."""
    picture = shown(8) + 20
    picture[:4, :8] = 0
    pixels, note = to_line_integrals(stored(picture, 8), "attenuation")
    assert note.i0 == pytest.approx(picture[-1, -1], abs=1)
    assert correlation(pixels[10:], limb()[10:]) > 0.999


def test_line_integrals_stay_as_they_are() -> None:
    pixels, note = to_line_integrals(stored(limb()), "line-integral")
    np.testing.assert_array_equal(pixels, limb().astype(np.float32))
    assert note == IntensityNote("line-integral", None, True, note.how)
    with pytest.raises(InputError, match="--i0"):
        to_line_integrals(stored(limb()), "line-integral", i0=3)


@given(st.floats(0.3, 3.0), st.integers(0, 1), st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_guess_is_right_on_limbs_of_any_thickness(scale: float, quarter_turns: int, bright: bool) -> None:
    """A limb before air, either way round, upright or lying."""
    line = np.rot90(limb(200, 180) * scale, quarter_turns)
    line = line + 0.01 * np.random.default_rng(0).standard_normal(line.shape)
    picture = line if bright else np.exp(-line)
    assert guess_polarity(picture).mode == ("attenuation" if bright else "transmitted")


@pytest.mark.parametrize("bright", [True, False])
def test_a_round_field_with_dark_corners_is_understood(bright: bool) -> None:
    """An image intensifier: no beam in the corners, whichever way the picture is shown."""
    line = limb(240, 240)
    row, column = np.mgrid[:240, :240] - 119.5
    counts = np.where(np.hypot(row, column) < 118, np.exp(-line), 0)
    guess = guess_polarity(1 - counts if bright else counts)
    assert guess.mode == ("attenuation" if bright else "transmitted")


def test_weak_evidence_is_said() -> None:
    """A picture full of tissue, without air."""
    inside = limb(300, 300)[:, 120:170]
    _, note = to_line_integrals(stored(np.round(inside * 1000)), "auto")
    assert "evidence is weak" in note.how and "--intensity" in note.how


# ---- crop, bin, resample -------------------------------------------------------------------------------------


def ball_radiograph(size: tuple[int, int] = (160, 120)) -> tuple[Radiograph, np.ndarray]:
    """A radiograph of a small ball, whose true projection is known, and the ball's centre (LPS mm)."""
    camera = standard_camera(1000, (0.8, 0.6), size, source_isocentre=800, view="AP")
    centre = np.array([14.0, -5.0, 9.0])
    column, row = camera.project(centre)
    rows, columns = np.mgrid[: size[1], : size[0]]
    blob = np.exp(-(((columns - column) * 0.8) ** 2 + ((rows - row) * 0.6) ** 2) / (2 * 6.0**2))
    note = IntensityNote("line-integral", None, True, "made")
    return Radiograph(blob, camera, note, SpacingSource.USER), centre


def blob_centre(radiograph: Radiograph) -> np.ndarray:
    rows, columns = np.mgrid[: radiograph.pixels.shape[0], : radiograph.pixels.shape[1]]
    weight = radiograph.pixels.astype(float)
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: r,
        lambda r: crop_radiograph(r, 30, 3, 120, 107),
        lambda r: bin_radiograph(r, 2),
        lambda r: bin_radiograph(r, 3),
        lambda r: bin_radiograph(r, (1, 3)),
        lambda r: resample_radiograph(r, (100, 90)),
        lambda r: resample_radiograph(r, (320, 200)),
        lambda r: resample_radiograph(bin_radiograph(crop_radiograph(r, 30, 3, 121, 107), 2), (50, 50)),
    ],
    ids=["as it is", "crop", "bin 2", "bin 3", "bin 1 x 3", "smaller", "larger", "all"],
)
def test_edited_pictures_still_fit_their_camera(edit: object) -> None:
    radiograph, centre = ball_radiograph()
    edited = edit(radiograph)
    assert blob_centre(edited) == pytest.approx(edited.camera.project(centre), abs=0.02)


def test_binning_is_the_mean_and_resampling_keeps_the_level() -> None:
    radiograph, _ = ball_radiograph()
    binned = bin_radiograph(radiograph, 4)
    assert binned.pixels[3, 5] == pytest.approx(radiograph.pixels[12:16, 20:24].mean(), rel=1e-5)
    assert resample_radiograph(radiograph, (40, 30)).pixels.mean() == pytest.approx(radiograph.pixels.mean(), rel=0.01)


@pytest.mark.parametrize("window", [(-1, 0, 10, 10), (0, 0, 161, 10), (150, 0, 11, 10), (0, 0, 0, 5)])
def test_windows_beyond_the_picture_are_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="inside"):
        crop_radiograph(ball_radiograph()[0], *window)


def test_the_exposed_field_leaves_out_the_surround_only() -> None:
    radiograph, _ = ball_radiograph()
    assert exposed_field(radiograph).all()
    row, column = np.mgrid[:120, :160]
    outside = np.hypot(row - 60, column - 80) > 55
    pixels = np.where(outside, 5.5, radiograph.pixels)
    field = exposed_field(Radiograph(pixels, radiograph.camera, radiograph.intensity, SpacingSource.USER))
    assert not field[outside].any() and field[np.hypot(row - 60, column - 80) < 50].all()


def with_pixels(pixels: np.ndarray) -> Radiograph:
    camera = standard_camera(1000, (0.8, 0.6), (pixels.shape[1], pixels.shape[0]), view="AP")
    return Radiograph(pixels, camera, IntensityNote("line-integral", None, True, "made"), SpacingSource.USER)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("percentile", [95, 80, 70])
def test_a_saturated_shaft_that_reaches_the_border_is_no_surround(percentile: float, turns: int) -> None:
    line = np.rot90(limb(240, 200), turns)
    clipped = np.minimum(line, np.percentile(line, percentile))
    assert (clipped == clipped.max()).mean() > 0.04
    assert exposed_field(with_pixels(clipped)).all()


def test_a_saturated_shaft_that_reaches_the_surround_stays_in_the_field() -> None:
    line = limb(240, 240)
    row, column = np.mgrid[:240, :240] - 119.5
    outside = np.hypot(row, column) > 115
    line = np.minimum(line, 2.0)
    shaft = (line == 2.0) & (np.hypot(row, column) < 105)
    field = exposed_field(with_pixels(np.where(outside, 2.0, line)))
    assert shaft.mean() > 0.05 and field[shaft].mean() > 0.95 and not field[outside].any()


@pytest.mark.parametrize("side", ["left", "both", "all"])
def test_collimator_edges_are_a_surround(side: str) -> None:
    pixels = limb(240, 200)
    shut = np.zeros(pixels.shape, dtype=bool)
    shut[:, :25] = True
    shut[:, -25:] = side != "left"
    shut[:30] |= side == "all"
    shut[-30:] |= side == "all"
    pixels[shut] = 6.0
    field = exposed_field(with_pixels(pixels))
    assert not field[shut].any() and field.mean() > 0.9 * (~shut).mean()


def test_the_tissue_at_the_picture_s_end_is_not_flat_and_no_surround() -> None:
    """Thick tissue along a whole side, denser and denser towards it."""
    column = np.mgrid[:240, :200][1]
    assert exposed_field(with_pixels(np.clip(column / 100, 0, 2) ** 1.0 + 0.001 * column)).all()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("wrist_biplane_autoscoper/wrist_cam01_frame0099.png", 0.174),
        ("wrist_biplane_autoscoper/wrist_cam02_frame0099.png", 0.163),
        ("knee_biplane_autoscoper/left_knee_cam01_frame0138.png", 0.188),
        ("knee_biplane_autoscoper/left_knee_cam02_frame0138.png", 0.180),
        ("knee_tka_fluoro_jtml/mono_kneel/frame000.png", 0.235),
        ("cr_dicom_lower_leg/RG3_J2KR.dcm", 0.479),
        ("wrist_hand_radiographs/hand-1.png", 0.0),
    ],
)
def test_the_surround_of_real_pictures(data_dir: Path, name: str, share: float) -> None:
    radiograph = read_radiograph(data_dir / name, spacing=(0.2, 0.2), sdd=1000)
    assert (~exposed_field(radiograph)).mean() == pytest.approx(share, abs=0.005)
