"""XRayCamera against cases worked out by hand: rays, magnification, pixel centres, derived cameras, files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from geometry_cases import cameras, finite, flat_camera, oblique_camera, rotations, vectors
from hypothesis import given
from hypothesis import strategies as st

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera

CAMERAS = {
    "flat": flat_camera(),
    "oblique": oblique_camera(),
    "mirrored": replace(flat_camera(), column_direction=(-1, 0, 0), origin=(100.0, -50.0, 1000.0)),
}
every_camera = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)


# ---- projection ------------------------------------------------------------------------------------------


def test_central_ray_meets_the_principal_point() -> None:
    camera = flat_camera()
    assert camera.sdd == 1000.0
    assert camera.principal_point == pytest.approx([200.0, 200.0])
    assert camera.project([0, 0, 500.0]) == pytest.approx([200.0, 200.0])
    assert camera.rays([200.0, 200.0]) == pytest.approx([0, 0, 1])


def test_a_point_half_way_is_shown_twice_as_large() -> None:
    camera = flat_camera()
    # 3 mm to the side and 2 mm down at half the distance: 6 mm and 4 mm on the detector, in 0.5 and 0.25 mm pixels.
    assert camera.project([3.0, 2.0, 500.0]) == pytest.approx([200 + 12, 200 + 16])
    assert camera.magnification([3.0, 2.0, 500.0]) == pytest.approx(2.0)
    assert camera.magnification([77.0, 0.0, 1000.0]) == pytest.approx(1.0)


def test_pixel_coordinates_are_of_pixel_centres() -> None:
    """The first pixel's centre is (0, 0) and its outer corner (-0.5, -0.5): no half pixel either way."""
    camera = flat_camera()
    assert camera.pixel_to_world([0, 0]) == pytest.approx([-100.0, -50.0, 1000.0])
    assert camera.pixel_to_world([-0.5, -0.5]) == pytest.approx([-100.25, -50.125, 1000.0])
    assert camera.centre == pytest.approx([0, 0, 1000.0])
    even = replace(camera, size=(400, 400))
    assert even.centre == pytest.approx([-0.25, -0.125, 1000.0])


def test_a_tilted_detector_is_not_a_perpendicular_one() -> None:
    """Detector turned 30 degrees about the row axis: distances along it grow by similar triangles, not by 1/cos."""
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    camera = XRayCamera((0, 0, 0), (0, 0, 1000.0), (cos, 0, sin), (0, 1, 0), (1.0, 1.0), (100, 100))
    assert camera.sdd == pytest.approx(1000.0 * cos)
    # The point t along the detector is (t cos, 0, 1000 + t sin): tan = t cos / (1000 + t sin).
    tangent = 50 * cos / (1000 + 50 * sin)
    assert camera.project([tangent * 400, 0, 400.0]) == pytest.approx([50.0, 0.0])
    assert camera.principal_point == pytest.approx([-1000.0 * sin, 0.0])


def test_a_mirrored_detector_runs_the_other_way() -> None:
    camera, mirrored = CAMERAS["flat"], CAMERAS["mirrored"]
    column, row = camera.project([3.0, 2.0, 500.0])
    assert mirrored.project([3.0, 2.0, 500.0]) == pytest.approx([400 - column, row])
    assert mirrored.normal == pytest.approx(-camera.normal)
    assert mirrored.sdd == camera.sdd
    assert mirrored.magnification([0, 0, 250.0]) == pytest.approx(4.0)


def test_an_off_centre_principal_point_may_lie_off_the_detector() -> None:
    camera = replace(flat_camera(), origin=(20.0, -50.0, 1000.0))
    assert camera.principal_point == pytest.approx([-40.0, 200.0])
    assert camera.project([15.0, 0.0, 500.0]) == pytest.approx([20.0, 200.0])
    assert camera.view_direction @ [1, 0, 0] > 0.1


@every_camera
def test_points_behind_the_source_have_no_pixel(camera: XRayCamera) -> None:
    behind = 2 * camera.source - camera.centre
    assert np.isnan(camera.project([behind, camera.source])).all()
    assert camera.project([camera.centre, behind])[0] == pytest.approx(
        [(camera.size[0] - 1) / 2, (camera.size[1] - 1) / 2]
    )
    with pytest.raises(InputError, match="behind the source"):
        camera.magnification(behind)


@every_camera
def test_project_keeps_the_shape_of_its_points(camera: XRayCamera) -> None:
    points = camera.pixel_to_world(np.random.default_rng(0).uniform(0, 100, (4, 5, 2)))
    assert points.shape == (4, 5, 3)
    assert camera.project(points).shape == (4, 5, 2)
    assert camera.project(points[0, 0]).shape == (2,)


@given(cameras(), finite(-0.5, 1.5), finite(-0.5, 1.5), finite(0.05, 1.5))
def test_every_point_of_a_ray_falls_on_its_pixel(camera: XRayCamera, u: float, v: float, depth: float) -> None:
    pixel = np.array([u * camera.size[0], v * camera.size[1]])
    on_detector = camera.pixel_to_world(pixel)
    point = camera.source + depth * (on_detector - camera.source)
    assert camera.project(point) == pytest.approx(pixel, abs=1e-4)
    along = camera.source + np.linalg.norm(on_detector - camera.source) * camera.rays(pixel)
    assert along == pytest.approx(on_detector, abs=1e-6)
    assert camera.magnification(point) == pytest.approx(1 / depth, rel=1e-6)


@given(cameras())
def test_the_matrices_say_the_same_as_the_methods(camera: XRayCamera) -> None:
    column, row, w = camera.projection_matrix @ [*camera.centre, 1.0]
    assert w == pytest.approx(1.0, rel=1e-6)  # scaled so that depth is one on the detector
    assert [column, row] == pytest.approx([(n - 1) / 2 for n in camera.size], abs=1e-4)
    assert camera.projection_matrix @ [*camera.source, 1.0] == pytest.approx([0, 0, 0], abs=1e-5)
    assert camera.ray_matrix @ [3.0, 7.0, 1.0] == pytest.approx(camera.pixel_to_world([3.0, 7.0]) - camera.source)
    assert camera.detector_to_world @ [3.0, 7.0, 0.0, 1.0] == pytest.approx([*camera.pixel_to_world([3.0, 7.0]), 1.0])
    assert np.linalg.norm(camera.detector_to_world[:3, 2]) == pytest.approx(1.0)


# ---- derived cameras: a world point's pixel moves exactly as the pixels do ----------------------------------


def point_and_pixel(camera: XRayCamera) -> tuple[np.ndarray, np.ndarray]:
    """Points between source and detector, and their pixels."""
    pixels = np.array([[0.0, 0.0], [10.0, 20.0], [123.4, 56.7]])
    return camera.source + 0.7 * (camera.pixel_to_world(pixels) - camera.source), pixels


@every_camera
def test_cropping_shifts_pixels_by_whole_numbers(camera: XRayCamera) -> None:
    points, pixels = point_and_pixel(camera)
    cropped = camera.cropped(40, -7, 50, 60)
    assert cropped.project(points) == pytest.approx(pixels - [40, -7])
    assert cropped.size == (50, 60)
    assert cropped.sdd == pytest.approx(camera.sdd)


@every_camera
@pytest.mark.parametrize("size", [(100, 55), (600, 440), (301, 221)])
def test_resampling_scales_pixels_about_the_outer_edge(camera: XRayCamera, size: tuple[int, int]) -> None:
    """A pixel c becomes (c + 0.5) n / N - 0.5, as in every image library that keeps the pixels' edges."""
    points, pixels = point_and_pixel(camera)
    scale = np.array(size) / camera.size
    resampled = camera.resampled(size)
    assert resampled.project(points) == pytest.approx((pixels + 0.5) * scale - 0.5)
    for corner in ([-0.5, -0.5], [camera.size[0] - 0.5, camera.size[1] - 0.5]):
        moved = (np.array(corner) + 0.5) * scale - 0.5
        assert resampled.pixel_to_world(moved) == pytest.approx(camera.pixel_to_world(corner))
    assert resampled.centre == pytest.approx(camera.centre)


def test_resampling_agrees_with_an_image_library() -> None:
    """A blurred spot, resized by OpenCV, is found where the resampled camera projects its world point."""
    cv2 = pytest.importorskip("cv2")
    camera = replace(flat_camera(), size=(120, 80), origin=(-30.0, -10.0, 1000.0))
    column, row = camera.project([1.3, 2.1, 600.0])
    x, y = np.meshgrid(np.arange(120.0), np.arange(80.0))
    image = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 4.0**2))
    small = cv2.resize(image, (40, 20), interpolation=cv2.INTER_AREA)
    x, y = np.meshgrid(np.arange(40.0), np.arange(20.0))
    found = [(x * small).sum() / small.sum(), (y * small).sum() / small.sum()]
    assert camera.resampled((40, 20)).project([1.3, 2.1, 600.0]) == pytest.approx(found, abs=1e-3)


@every_camera
@pytest.mark.parametrize("factor", [1, 2, 3, 7])
def test_binning_averages_whole_blocks_of_pixels(camera: XRayCamera, factor: int) -> None:
    points, pixels = point_and_pixel(camera)
    binned = camera.binned(factor)
    assert binned.size == (camera.size[0] // factor, camera.size[1] // factor)
    assert binned.project(points) == pytest.approx((pixels + 0.5) / factor - 0.5)
    block = np.mean([[c, r] for c in range(factor) for r in range(factor)], axis=0)
    assert binned.origin == pytest.approx(camera.pixel_to_world(block))
    assert binned.spacing == pytest.approx(np.array(camera.spacing) * factor)


@every_camera
@pytest.mark.parametrize("factor", [(1, 3), (4, 2)])
def test_binning_may_differ_by_axis(camera: XRayCamera, factor: tuple[int, int]) -> None:
    points, pixels = point_and_pixel(camera)
    binned = camera.binned(factor)
    assert binned.size == (camera.size[0] // factor[0], camera.size[1] // factor[1])
    assert binned.project(points) == pytest.approx((pixels + 0.5) / factor - 0.5)


def test_a_pixel_s_size_at_a_point_is_its_spacing_over_the_magnification() -> None:
    """Half way to the detector 0.5 x 0.25 mm pixels cover 0.25 x 0.125 mm; a step that size moves one pixel."""
    camera = flat_camera()
    assert camera.pixel_size_at([3.0, 2.0, 500.0]) == pytest.approx((0.25, 0.125))
    column, row = camera.pixel_size_at(point := np.array([3.0, 2.0, 500.0]))
    assert camera.project(point + [column, row, 0]) == pytest.approx(camera.project(point) + 1)


@pytest.mark.parametrize("factor", [0, -1, 402, (2, 0), (1, 402), (1, 2, 3), 1.5])
def test_binning_to_nothing_is_refused(factor: int) -> None:
    with pytest.raises(InputError, match="cannot be binned"):
        flat_camera().binned(factor)


@given(cameras(), rotations(), vectors(500.0))
def test_moving_camera_and_world_together_changes_no_pixel(
    camera: XRayCamera, rotation: np.ndarray, shift: np.ndarray
) -> None:
    motion = np.eye(4)
    motion[:3, :3], motion[:3, 3] = rotation, shift
    point = (camera.source + camera.centre) / 2
    moved = camera.moved(motion)
    assert moved.project(rotation @ point + shift) == pytest.approx(camera.project(point), abs=1e-4)
    assert moved.moved(np.linalg.inv(motion)).is_close(camera)


# ---- what is no camera ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": (0, 0, float("nan"))}, "source.*not finite"),
        ({"origin": (0, float("inf"), 0)}, "origin.*not finite"),
        ({"source": (1, 2)}, r"source.*shape \(3,\)"),
        ({"origin": "here"}, "origin.*must be numbers"),
        ({"column_direction": (0, 0, 0)}, "column_direction.*length zero"),
        ({"row_direction": (1, 0, 0)}, "not at right angles"),
        ({"row_direction": (0.01, 1, 0)}, "not at right angles"),
        ({"spacing": (0.5, 0.0)}, "spacing.*greater than zero"),
        ({"spacing": (-0.5, 0.5)}, "spacing.*greater than zero"),
        ({"size": (0, 10)}, "size.*greater than zero"),
        ({"size": (10.5, 10)}, "size.*whole numbers"),
        ({"source": (5, 5, 1000.0)}, "source lies on the detector plane"),
    ],
)
def test_what_is_no_camera_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(flat_camera(), **change)


def test_directions_are_made_unit_and_square() -> None:
    camera = replace(flat_camera(), column_direction=(5, 0, 0), row_direction=(0.00005, 1, 0))
    assert camera.column_direction == pytest.approx([1, 0, 0])
    assert camera.column_direction @ camera.row_direction == pytest.approx(0, abs=1e-15)


def test_a_camera_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValueError, match="read-only"):
        flat_camera().source[0] = 1.0


@pytest.mark.parametrize("change", [{"size": (400, 401)}, {"source": (0, 0, 0.01)}, {"spacing": (0.5, 0.2501)}])
def test_is_close_sees_a_difference(change: dict[str, object]) -> None:
    camera = flat_camera()
    assert camera.is_close(replace(camera))
    assert not camera.is_close(replace(camera, **change))


# ---- camera.json ---------------------------------------------------------------------------------------------


@given(cameras())
def test_json_round_trip_is_exact(camera: XRayCamera) -> None:
    again = XRayCamera.from_dict(json.loads(json.dumps(camera.to_dict())))
    assert again.is_close(camera, tolerance_mm=1e-9)
    assert again.spacing == camera.spacing
    assert again.size == camera.size


def test_file_round_trip(tmp_path: Path) -> None:
    camera = oblique_camera()
    camera.save(tmp_path / "views" / "ap" / "camera.json")
    assert XRayCamera.load(tmp_path / "views" / "ap" / "camera.json").is_close(camera)
    content = json.loads((tmp_path / "views" / "ap" / "camera.json").read_text())
    assert [content["format"], content["frame"], content["unit"]] == ["xrayto3d.camera/1", "LPS", "mm"]


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Windows editors write one."""
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(oblique_camera().to_dict()), encoding="utf-8-sig")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert XRayCamera.load(path).is_close(oblique_camera())


@given(st.sampled_from(["source", "origin", "column_direction", "row_direction", "spacing", "size"]))
def test_every_missing_field_is_named(field: str) -> None:
    content = flat_camera().to_dict()
    del content[field]
    with pytest.raises(InputError, match=f"{field} is missing"):
        XRayCamera.from_dict(content)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame": "RAS"}, "frame 'RAS'.*in frame \"LPS\""),
        ({"frame": None}, "frame None"),
        ({"unit": "cm"}, "unit 'cm'.*unit \"mm\""),
        ({"format": "xrayto3d.camera/2"}, "format 'xrayto3d.camera/2', expected \"xrayto3d.camera/1\""),
        ({"format": None}, "format None"),
        ({"source": [0, 0, float("nan")]}, "NaN is no JSON number"),
        ({"source": [0, 0, "far"]}, r"the field source\[2\] must be a number, not text"),
        ({"source": [0, 0, -1e200]}, "source lies more than"),
        ({"size": [10**7, 10]}, "no detector's"),
        ({"origin": [0, 0]}, "origin.*shape"),
        ({"spacing": [0.5, -1]}, "spacing.*greater than zero"),
        ({"size": [10.5, 10]}, "size.*whole numbers"),
    ],
)
def test_a_camera_file_that_is_not_ours_is_refused(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**flat_camera().to_dict(), **change}))
    with pytest.raises(InputError, match=words) as caught:
        XRayCamera.load(path)
    assert "camera.json" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b'{"format": ', "not a JSON file"), (b"\xff\xfe", "JSON"), (b"[]", "format")],
)
def test_a_file_that_is_no_camera_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "camera.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        XRayCamera.load(path)


def test_no_file_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        XRayCamera.load(tmp_path / "camera.json")


def test_a_camera_that_is_not_finite_is_never_written(tmp_path: Path) -> None:
    """NaN in JSON is read by nobody else; write_json refuses it and leaves no file behind."""
    from XRayTo3DLib.files import write_json

    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "camera.json", {**flat_camera().to_dict(), "spacing": [float("nan"), 1.0]})
    assert list(tmp_path.iterdir()) == []


def test_a_camera_in_metres_is_refused(tmp_path: Path) -> None:
    """It was taken: a source 1 mm before the detector."""
    camera = standard_camera(1000.0, (0.2, 0.2), (100, 80), source_isocentre=900.0)
    content = camera.to_dict()
    for name in ("source", "origin", "spacing"):
        content[name] = [value / 1000 for value in content[name]]
    (tmp_path / "pa.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"pa\.json: its source lies 1 mm from the detector"):
        XRayCamera.load(tmp_path / "pa.json")
