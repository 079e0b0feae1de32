"""Crops keep every pixel's place in the world; boxes and collimators become windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.imaging.crop import Window, box_of_window, crop_to, exposed_window, uncropped_camera, window_of_box

SIZE = (120, 90)


def oblique() -> XRayCamera:
    return standard_camera(
        1000.0, (0.5, 0.7), SIZE, source_isocentre=800.0, angles_deg=(25.0, -15.0), principal_point=(70.0, 20.0)
    )


def picture(camera: XRayCamera | None = None) -> Radiograph:
    camera = camera or oblique()
    pixels = np.arange(SIZE[0] * SIZE[1], dtype=np.float32).reshape(SIZE[1], SIZE[0]) / 1e4
    return Radiograph(pixels, camera, IntensityNote("line-integral", None, True, "made"), SpacingSource.DETECTOR)


windows = st.builds(Window, st.integers(0, 60), st.integers(0, 50), st.integers(16, 60), st.integers(16, 40))


@given(window=windows)
def test_a_cropped_pixel_stays_where_it_was(window: Window) -> None:
    whole, part = picture(), crop_to(picture(), window)
    assert part.pixels[3, 5] == whole.pixels[window.row + 3, window.column + 5]
    first = whole.camera.pixel_to_world([window.column + 5, window.row + 3])
    assert part.camera.pixel_to_world([5, 3]) == pytest.approx(first, abs=1e-9)
    assert part.camera.source == pytest.approx(whole.camera.source)
    assert uncropped_camera(part.camera, window, SIZE).is_close(whole.camera, 1e-9)


@given(window=windows, thickness=st.floats(0.0, 40.0))
def test_a_box_drawn_on_the_picture_is_its_window(window: Window, thickness: float) -> None:
    camera = oblique()
    corners = box_of_window(camera, window)
    box = np.concatenate([corners - camera.normal * thickness, corners + camera.normal * thickness])
    assert window_of_box(camera, box) == window


def test_a_box_before_the_detector_counts_with_its_shadow() -> None:
    """A cube of 20 mm at the isocentre, by similar triangles: near face magnified most."""
    camera = standard_camera(1000.0, (0.5, 0.5), (200, 200), source_isocentre=800.0, view="AP")
    cube = np.array([[x, y, z] for x in (-10, 10) for y in (-10, 10) for z in (-10, 10)], dtype=float)
    half = 10 * 1000 / 790 / 0.5
    window = window_of_box(camera, cube)
    assert window.column == np.ceil(99.5 - half) and window.columns == 2 * np.floor(half + 0.5)


def test_a_crop_of_a_crop_is_counted_in_the_first_picture() -> None:
    first, second = Window(10, 5, 60, 50), Window(7, 8, 20, 30)
    both = crop_to(crop_to(picture(), first), second)
    direct = crop_to(picture(), second.inside(first))
    assert np.array_equal(both.pixels, direct.pixels) and both.camera.is_close(direct.camera, 1e-9)
    assert Window.from_text(second.inside(first).to_text()) == Window(17, 13, 20, 30)


@pytest.mark.parametrize("window", [Window(0, 0, 8, 40), Window(100, 0, 40, 40), Window(-1, 0, 40, 40)])
def test_what_is_no_window_is_refused(window: Window) -> None:
    with pytest.raises(InputError):
        crop_to(picture(), window)


def test_a_box_beside_the_picture_is_refused() -> None:
    camera = oblique()
    with pytest.raises(InputError, match="does not lie on"):
        window_of_box(camera, box_of_window(camera, Window(500, 0, 20, 20)))
    with pytest.raises(InputError, match="does not lie on"):
        window_of_box(camera, camera.source + 500 * (camera.source - camera.centre) / 1000 + np.eye(3)[[0, 1, 2, 0]])


def test_the_exposed_field_is_found_inside_the_blades() -> None:
    """Blades leave columns 30 to 89 and rows 20 to 69; the margin that keeps their edge out is known."""
    rng = np.random.default_rng(0)
    pixels = np.full((90, 120), 3.0) + rng.normal(0, 0.01, (90, 120))
    column = np.arange(60)[None, :] / 60
    pixels[20:70, 30:90] = 0.3 + np.exp(-(((column - 0.5) / 0.15) ** 2)) + rng.normal(0, 0.01, (50, 60))
    window = exposed_window(replace(picture(), pixels=pixels))
    assert 30 <= window.column <= 36 and 20 <= window.row <= 26
    assert 84 <= window.column + window.columns <= 90 and 64 <= window.row + window.rows <= 70
    assert exposed_window(picture()) == Window.whole(SIZE)


def test_a_large_picture_is_looked_at_in_every_other_pixel() -> None:
    """The same field, four times as large, to within a step."""
    rng = np.random.default_rng(0)
    pixels = np.full((600, 800), 3.0) + rng.normal(0, 0.01, (600, 800))
    pixels[100:500, 200:600] = 0.3 + 0.5 * np.exp(-(((np.arange(400) - 200) / 60.0) ** 2))
    camera = standard_camera(1000.0, (0.5, 0.5), (800, 600))
    small = exposed_window(replace(picture(), pixels=pixels, camera=camera))
    large = exposed_window(
        replace(picture(), pixels=np.kron(pixels, np.ones((4, 4))), camera=camera.resampled((3200, 2400)))
    )
    for one, other in zip(small.to_text().split(), large.to_text().split(), strict=True):
        assert int(other) == pytest.approx(4 * int(one), abs=8)
