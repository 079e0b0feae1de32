"""Fields inside collimator blades: made-up radiographs whose blades are where they were put."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phantoms_analytic import Ellipsoid, line_integrals, looking_camera
from scipy.ndimage import gaussian_filter

from XRayTo3DLib.imaging.collimation import MARGIN, inside_blades, usable_field
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource

ROWS, COLUMNS = 120, 100
CAMERA = looking_camera((COLUMNS, ROWS), 1.2, target=(0.0, 0.0, 0.0))
WIDE = max(2, round(MARGIN * min(ROWS, COLUMNS)))


def limb() -> np.ndarray:
    """(rows, columns) line integrals of a limb with two bones, which leaves the picture above and below."""
    shapes = [
        Ellipsoid((0, 0, 0), (32, 30, 200), (0, 0, 0), 0.02),
        Ellipsoid((-11, 2, 0), (7, 7, 150), (0, 3, 0), 0.04),
        Ellipsoid((12, -2, 0), (5, 6, 150), (0, -2, 0), 0.04),
    ]
    return line_integrals(shapes, CAMERA)


def bladed(picture: np.ndarray, depths: tuple[int, int, int, int], opaque: float = 3.0, seed: int = 0) -> np.ndarray:
    """Blades over so many rows and columns from top, bottom, left and right; scatter and noise over everything."""
    rows, columns = picture.shape
    top, bottom, left, right = depths
    shadow = np.ones(picture.shape)
    shadow[top : rows - bottom, left : columns - right] = 0.0
    scatter = gaussian_filter(np.random.default_rng(seed).normal(size=picture.shape), 12.0)
    uneven = 1.0 + 0.1 * scatter / np.abs(scatter).max()
    noise = 0.01 * np.random.default_rng(seed + 1).normal(size=picture.shape)
    # Beyond a blade what lies in the beam is hidden: all that arrives is scatter.
    return np.asarray(np.where(shadow > 0, opaque * uneven, picture) + noise)


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Rows and columns left out from top, bottom, left and right; the mask is a rectangle."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
    return (
        int(rows[0]),
        int(mask.shape[0] - 1 - rows[-1]),
        int(columns[0]),
        int(mask.shape[1] - 1 - columns[-1]),
    )


@settings(max_examples=30, deadline=None)
@example((0, 0, 18, 25), 3.0, 0)  # each within reach of the other
@given(st.tuples(*[st.one_of(st.just(0), st.integers(5, 25))] * 4), st.floats(2.6, 5.0), st.integers(0, 20))
def test_blades_are_found_where_they_are(depths: tuple[int, int, int, int], opaque: float, seed: int) -> None:
    """On none to four sides; a pixel or two beside counts as the same place."""
    found = bounds(inside_blades(bladed(limb(), depths, opaque, seed)))
    for put, seen in zip(depths, found, strict=True):
        assert seen == 0 if put == 0 else put + WIDE - 1 <= seen <= put + WIDE + 2


@pytest.mark.parametrize("sides", range(16))
def test_every_choice_of_sides(sides: int) -> None:
    depths = tuple(13 if sides >> side & 1 else 0 for side in range(4))
    found = bounds(inside_blades(bladed(limb(), depths)))  # type: ignore[arg-type]
    assert [each > 0 for each in found] == [each > 0 for each in depths]


def test_a_picture_turned_over_has_its_field_turned_over() -> None:
    picture = bladed(limb(), (11, 0, 17, 6))
    mask = inside_blades(picture)
    for turn in (np.flipud, np.fliplr, np.transpose):
        assert np.array_equal(inside_blades(turn(picture)), turn(mask))
    assert np.array_equal(inside_blades(3.0 * picture + 7.0), mask)


def test_without_blades_everything_is_kept() -> None:
    picture = limb()
    row, column = np.mgrid[:ROWS, :COLUMNS]
    # Bones and soft tissue that end in the picture, a shade, noise, an even picture, hardly any picture.
    noise = np.random.default_rng(0).normal(size=picture.shape)
    for each in (
        picture,
        picture + 0.01 * row,
        picture + 0.005 * column + 0.02 * noise,
        np.where(row > 60, 0.0, 0.0) + 2.0,
        noise,
        picture[:20],
        picture[:3],
        picture[:3, :3],
    ):
        assert inside_blades(each).all()


@pytest.mark.parametrize("flesh_mm", [32.0, 62.0], ids=["air beside", "flesh all over"])
@pytest.mark.parametrize("bones", [1, 2])
def test_straight_shafts_are_no_blades(bones: int, flesh_mm: float) -> None:
    """Their edges are as straight as a blade's and may run along the picture's columns from end to end."""
    camera = looking_camera((COLUMNS, ROWS), 1.2, target=(0.0, 0.0, 0.0), turn_deg=(0.0, 0.0, 0.0))
    upright = (0.0, 0.0, 0.0)
    shapes = [
        Ellipsoid(upright, (flesh_mm, 50, 2000), upright, 0.02),
        Ellipsoid((-11, 2, 0), (7, 7, 2000), upright, 0.04),
        Ellipsoid((12, -2, 0), (5, 6, 2000), upright, 0.04),
    ]
    picture = line_integrals(shapes[: 1 + bones], camera)
    assert inside_blades(picture).all() and inside_blades(picture.T).all()
    covered = bounds(inside_blades(bladed(picture, (0, 12, 15, 0), 6.0)))
    assert [each > 0 for each in covered] == [False, True, True, False]


def test_an_opaque_band_of_bone_is_no_blade() -> None:
    """A pelvis or a plate across the picture with anatomy beyond: nothing lies beyond a blade."""
    picture = limb()
    picture[40:60] += 1.0
    assert inside_blades(picture).all()


def test_the_field_of_a_radiograph_leaves_out_its_even_surround_as_well() -> None:
    row, column = np.mgrid[:ROWS, :COLUMNS]
    round_field = (row - 60) ** 2 + (column - 50) ** 2 < 48**2
    picture = np.where(round_field, limb(), 6.0)
    note = IntensityNote("line-integral", None, True, "made up")
    radiograph = Radiograph(picture, CAMERA, note, SpacingSource.USER)
    field = usable_field(radiograph)
    assert not field[~round_field].any() and field[(row - 60) ** 2 + (column - 50) ** 2 < 40**2].all()
    assert inside_blades(picture)[55:65, 45:55].all()
