"""Computed pictures lie on their radiographs pixel by pixel, and outlines know how sure the bone is under them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from shape_intensity_cases import three_cameras
from solids import sphere

from XRayTo3DLib.evaluation.refinement_bones import picture_of_bones
from XRayTo3DLib.evaluation.refinement_overlay import refinement_overlay, sd_range_mm
from XRayTo3DLib.evaluation.refinement_pictures import (
    along_outlines,
    at_pixels,
    computed_radiographs,
    corrected_camera,
    outlines,
)
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.refinement.quality import ViewQuality
from XRayTo3DLib.shape.meshes import points_of, set_point_array

FACTOR = 3
MOTION = RigidPose.from_rotation([0.4, -0.3, 0.6], [1.0, -2.0, 5.0])


def camera() -> XRayCamera:
    """100 columns and 80 rows: blocks of three leave a column and two rows over."""
    return three_cameras()[0].resampled((100, 80))


def radiograph() -> Radiograph:
    note = IntensityNote("line-integral", None, True, "made up")
    pixels = np.random.default_rng(0).random(camera().size[::-1])
    return Radiograph(pixels, camera(), note, SpacingSource.DETECTOR, name="AP")


def quality() -> ViewQuality:
    """Picture and residual are linear in the radiograph's own pixels, so that their values say where they are."""
    blocks = camera().moved(MOTION.matrix).binned(FACTOR)
    columns, rows = np.meshgrid(*(FACTOR * np.arange(count) + (FACTOR - 1) / 2 for count in blocks.size))
    residual = np.where(columns > 60, np.nan, rows.astype(float))
    return ViewQuality("AP", 0.2, 0.9, blocks, 0.7, 5.5, columns, residual)


def test_the_corrected_camera_has_all_pixels() -> None:
    assert corrected_camera(radiograph(), quality()).is_close(camera().moved(MOTION.matrix), 1e-6)


def test_every_pixel_gets_what_belongs_there() -> None:
    view = quality()
    found = at_pixels(view, view.picture, corrected_camera(radiograph(), view))
    columns = np.arange(100.0)
    assert found[:, 1:98] == pytest.approx(np.tile(columns[1:98], (80, 1)), abs=1e-6)
    residual = at_pixels(view, view.residual, corrected_camera(radiograph(), view))
    assert np.isfinite(residual[:, :58]).all() and np.isnan(residual[:, 64:]).all()
    assert residual[1:77, 30] == pytest.approx(np.arange(1.0, 77.0), abs=1e-6)


def test_written_pictures_cover_the_detector() -> None:
    made = computed_radiographs(radiograph(), quality())
    assert set(made) == {"drr", "residual"}
    for picture in made.values():
        assert picture.synthetic and np.isfinite(picture.pixels).all()
        across = np.multiply(picture.camera.size, picture.camera.spacing)
        assert across == pytest.approx(np.multiply(camera().size, camera().spacing))
    drr = made["drr"]
    size = drr.camera.size[0]
    middles = (np.arange(size) + 0.5) * 100 / size - 0.5
    assert drr.pixels[10, 1:-1] == pytest.approx(middles[1:-1], abs=1e-4)


def test_outlines_take_what_the_rim_says() -> None:
    """A ball whose vertices say their height: a shadow's outline says it again, not what lies before or behind."""
    ball = sphere(30.0, 48)
    points = points_of(ball)
    set_point_array(ball, "sd", points[:, 2])
    own = camera().resampled((400, 320))
    lines = outlines(own, ball)
    (values,) = along_outlines(own, ball, "sd", lines)
    rows = lines[0][:, 1]
    assert len(lines) == 1 and values.max() > 28 and values.min() < -28
    assert np.corrcoef(rows, values)[0, 1] < -0.995  # rows run downwards
    front = points[:, 1] == points[:, 1].min()
    set_point_array(ball, "sd", np.where(front, 99.0, 0.5))
    assert max(each.max() for each in along_outlines(own, ball, "sd", lines)) == 0.5


def test_colours_reach_what_is_there() -> None:
    assert sd_range_mm({"a": np.full(10, 0.2)}) == 1.0
    assert sd_range_mm({"a": np.full(10, 0.2), "b": np.full(10, 2.6)}) == 3.0


def test_pictures_can_be_drawn() -> None:
    from matplotlib.image import imread

    ball = sphere(30.0, 24)
    set_point_array(ball, "sd", np.abs(points_of(ball)[:, 2]) / 10)
    bones, begun = {"ball": ball}, {"ball": sphere(25.0, 24)}
    first = imread(io.BytesIO(refinement_overlay(radiograph(), quality(), begun, bones, "sd", 3.0)))
    other = imread(io.BytesIO(refinement_overlay(radiograph(), quality(), begun, bones, "sd", 30.0)))
    assert first.shape == other.shape and not np.array_equal(first, other)  # the colours tell the uncertainty
    drawn = imread(io.BytesIO(picture_of_bones(bones, "sd", 3.0)))
    assert (np.ptp(drawn[..., :3], axis=2) > 0.3).mean() > 0.05  # coloured bones on white
