"""The standard geometry is an exact homography; depth views are exact, kept with the cases and made anew when stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantoms_analytic import Ellipsoid, line_integrals
from phantoms_limb import radiograph as drawn
from solids import vtk_sphere
from vtkmodules.vtkCommonDataModel import vtkPolyData

from XRayTo3DLib.dataset.dataset_folder import CaseEntry, DatasetCase, DatasetFolder, write_dataset_json
from XRayTo3DLib.dataset.depth_view_files import STEP_MM, depth_file, depth_views
from XRayTo3DLib.dataset.depth_views import case_surfaces, depth_view, trusted_views, views_of
from XRayTo3DLib.dataset.standard_geometry import StandardGeometry
from XRayTo3DLib.dataset.view_pairs import write_true_pose
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging.ct_writer import write_ct, write_labels
from XRayTo3DLib.imaging.radiograph_header import write_radiograph
from XRayTo3DLib.imaging.types import CtVolume, Radiograph
from XRayTo3DLib.registration.result import Review, record_review
from XRayTo3DLib.shape.meshes import make_surface, points_of, triangles_of
from XRayTo3DLib.shape.surfaces import write_surface

GEOMETRY = StandardGeometry(size=48, field_mm=240.0)
BALLS = {"near": ((-12.0, -30.0, 6.0), 31.0), "far": ((10.0, 25.0, -8.0), 24.0)}
POSE = RigidPose.from_rotation((4, -7, 11), (3, 9, -5))


def ball(centre: tuple[float, float, float], radius: float, resolution: int = 260) -> vtkPolyData:
    unit = vtk_sphere(1.0, resolution, resolution, double=True)
    return make_surface(points_of(unit) * radius + centre, triangles_of(unit))


def radiograph(pixels: np.ndarray, seen: XRayCamera, name: str) -> Radiograph:
    """An AP picture."""
    return replace(drawn(pixels, seen, name), view="AP")


def camera(sdd: float = 1040.0, foot: tuple[float, float] | None = None) -> XRayCamera:
    return standard_camera(sdd, (0.9, 1.1), (300, 240), source_isocentre=880.0, view="AP", principal_point=foot)


def crossings(seen: XRayCamera, centre: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """z (mm from the source, along the detector's normal) where rays enter and leave a ball, in closed form."""
    columns, rows = seen.size
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    direction = seen.rays(np.stack([column, row], axis=-1))
    away = centre - seen.source
    along = direction @ away
    half = np.sqrt(np.where(radius**2 - away @ away + along**2 > 0, radius**2 - away @ away + along**2, np.nan))
    towards = direction @ (seen.normal * np.sign((seen.origin - seen.source) @ seen.normal))
    return (along - half) * towards, (along + half) * towards


# ---- standard geometry ----------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(st.floats(910, 1090), st.floats(90, 210), st.floats(70, 170), st.floats(0.4, 2.0), st.integers(8, 300))
def test_the_standard_camera_sees_along_the_same_rays(sdd: float, u: float, v: float, ratio: float, size: int) -> None:
    old = replace(camera(sdd, (u, v)), spacing=(0.9, 0.9 * ratio))
    new = StandardGeometry(size, 400.0, 1000.0).camera_for(old)
    assert new.size == (size, size) and new.sdd == pytest.approx(1000.0)
    assert new.principal_point == pytest.approx([(size - 1) / 2] * 2, abs=1e-6)
    assert new.source == pytest.approx(old.source) and new.normal == pytest.approx(old.normal)
    point = np.array([13.0, -40.0, 22.0])
    assert old.project(new.pixel_to_world(new.project(point))) == pytest.approx(old.project(point), abs=1e-6)


@settings(deadline=None, max_examples=15)
@given(st.integers(24, 300), st.floats(920, 1080), st.floats(120, 180), st.floats(100, 140))
def test_a_ramp_stays_the_same_ramp(size: int, sdd: float, u: float, v: float) -> None:
    """Means and linear interpolation both keep a picture that is linear on the detector, coarser or finer."""
    old = camera(sdd, (u, v))
    slope = np.array([0.010, -0.007])

    def ramp(seen: XRayCamera) -> np.ndarray:
        columns, rows = seen.size
        at = (np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1) - seen.principal_point) * seen.spacing
        return 5.0 + at @ slope * (1000.0 / seen.sdd)

    image, new, _ = StandardGeometry(size, 250.0).resampled(radiograph(ramp(old), old, "ramp"))
    columns, rows = np.meshgrid(np.arange(size), np.arange(size))
    at = old.project(new.pixel_to_world(np.stack([columns, rows], axis=-1)))
    edge = 1.0 + 250.0 / size
    within = ((at > edge) & (at < np.array(old.size) - 1 - edge)).all(axis=-1)
    assert within.sum() > 0.5 * size**2 and np.abs(image - ramp(new))[within].max() < 2e-3  # A fifth of a pixel.


def test_a_picture_is_that_of_the_standard_camera() -> None:
    shapes = [Ellipsoid((5, 0, -4), (50, 30, 40), (10, 20, 5), 0.02)]
    fine = standard_camera(1060.0, (0.35, 0.4), (640, 560), source_isocentre=900.0, principal_point=(300.0, 290.0))
    image, new, _ = GEOMETRY.resampled(radiograph(line_integrals(shapes, fine), fine, "ellipsoid"))
    exact = line_integrals(shapes, StandardGeometry(480, 240.0).camera_for(fine)).reshape(48, 10, 48, 10).mean((1, 3))
    assert image.dtype == np.float32 and np.abs(image - exact).max() < 0.01 * exact.max()
    assert np.abs(image - exact).mean() < 0.001 * exact.max()


def test_what_was_done_is_said_and_what_cannot_be_done_refused() -> None:
    def picture(sdd: float, spacing: float = 1.0, count: int = 240, **about: str):
        seen = standard_camera(sdd, (spacing, spacing), (count, count), source_isocentre=880.0)
        return replace(radiograph(np.ones((count, count)), seen, "hip"), **about)

    assert GEOMETRY.resampled(picture(1000.0))[2] == ()
    assert "1060 mm" in GEOMETRY.resampled(picture(1060.0, 1.06))[2][0]
    assert "lie outside" in GEOMETRY.resampled(picture(1000.0, 1.2))[2][0]
    image, _, notes = GEOMETRY.resampled(picture(1000.0, 0.8))
    assert "fills 64 %" in notes[0] and image[0, 0] == 0 and image[24, 24] == pytest.approx(1.0)
    for wrong, message in (
        (picture(1150.0), "more than 10 % apart"),
        (picture(1000.0, 0.5), "pixel spacing"),
        (picture(1000.0, 2.0), "pixel spacing"),
        (picture(1000.0, view="LAT"), "reads AP views only"),
    ):
        with pytest.raises(InputError, match=message):
            GEOMETRY.resampled(wrong)
    with pytest.raises(InputError, match="8 or more"):
        StandardGeometry(4)
    with pytest.raises(InputError, match="greater than zero"):
        StandardGeometry(64, 0.0)


def test_a_mirror_image_is_turned_round() -> None:
    seen = camera()
    pixels = np.random.default_rng(0).uniform(size=seen.size[::-1])
    across = (seen.size[0] - 1) * seen.spacing[0] * seen.column_direction
    behind = replace(seen, origin=seen.origin + across, column_direction=-seen.column_direction)
    plain, mirrored = radiograph(pixels, seen, "hips"), radiograph(pixels[:, ::-1], behind, "hips")
    (image, new, _), (other, same, notes) = GEOMETRY.resampled(plain), GEOMETRY.resampled(mirrored)
    np.testing.assert_allclose(other, image, atol=1e-6)
    np.testing.assert_allclose(same.projection_matrix, new.projection_matrix, atol=1e-9)
    assert any("mirror image" in note for note in notes)


def test_there_is_no_bone_beyond_the_radiograph() -> None:
    whole = camera()
    half = replace(whole, size=(whole.size[0] // 2 + 5, whole.size[1]))
    full, cut = (depth_view(empty(seen), {"near": ball(*BALLS["near"], 40)}, ("near",), GEOMETRY, pose=POSE)
                 for seen in (whole, half))  # fmt: skip
    shown = full.camera.pixel_to_world([[column, 0] for column in range(48)])
    inside = whole.project(shown)[:, 0] <= half.size[0] - 0.5
    assert 0 < cut.mask.sum() < full.mask.sum()
    assert np.array_equal(cut.mask, full.mask & inside) and np.array_equal(cut.mask, np.isfinite(cut.back_mm))


# ---- depth views ------------------------------------------------------------------------------------------------


def empty(seen: XRayCamera):
    pixels = np.zeros(seen.size[::-1])
    pixels[100:140, 120:180] = 1.0
    return replace(radiograph(pixels, seen, "balls"), synthetic=True)


def test_front_and_back_of_balls_are_exact_and_overlap_in_maps_of_their_own() -> None:
    surfaces = {name: ball(*where) for name, where in BALLS.items()}
    view = depth_view(empty(camera()), surfaces, ("far", "near"), GEOMETRY, pose=POSE, patient="p")
    assert view.labels == ("far", "near") and view.front_mm.shape == (2, 48, 48) and view.front_mm.dtype == np.float32
    assert (view.mask[0] & view.mask[1]).sum() > 30 and view.synthetic
    for label, front, back, thickness in zip(view.labels, view.front_mm, view.back_mm, view.thickness_mm, strict=True):
        centre, radius = BALLS[label]
        wanted = crossings(view.camera, POSE.apply(np.array(centre)), radius)
        sure = wanted[1] - wanted[0] > 8.0  # At the rim a facet moves the crossing along the ray.
        assert sure.sum() > 60 and not (np.isfinite(front) & np.isnan(wanted[0])).any()
        assert np.abs(front - wanted[0])[sure].max() < 0.05 and np.abs(back - wanted[1])[sure].max() < 0.05
        towards = (wanted[1] - wanted[0]) / thickness
        assert towards[sure].max() < 1.001 and towards[sure].min() > 0.95


def test_a_bone_outside_the_picture_is_empty_and_none_at_all_is_refused() -> None:
    surfaces = {"near": ball(*BALLS["near"], 40), "away": ball((500.0, 0.0, 0.0), 10.0, 20)}
    view = depth_view(empty(camera()), surfaces, ("near", "away"), GEOMETRY)
    assert view.mask[0].any() and not view.mask[1].any()
    with pytest.raises(InputError, match="no bone is in the picture"):
        depth_view(empty(camera()), surfaces, ("away",), GEOMETRY)
    with pytest.raises(InputError, match="hip has no surface; there are near, away"):
        depth_view(empty(camera()), surfaces, ("hip",), GEOMETRY)


# ---- cases on disk ----------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> DatasetFolder:
    """One case with two registered views and one that is not reviewed."""
    place = tmp_path / "cases" / "one"
    for label, where in BALLS.items():
        (place / "meshes").mkdir(parents=True, exist_ok=True)
        write_surface(ball(*where, 40), place / "meshes" / f"{label}.vtp")
    for number in (1, 2, 10):
        view = place / "views" / f"ap-{number}"
        view.mkdir(parents=True)
        picture = empty(camera())
        write_radiograph(picture, view / "radiograph.nrrd")
        picture.camera.save(view / "camera.json")
        write_true_pose(view, RigidPose.from_rotation((0, 0, 0), (number, 0, 0)), np.zeros(3), picture.name, 0.9)
    record_review(place / "views" / "ap-2" / "registration.json", Review.REJECTED, "slipped", "tester")
    about = {"anatomy": "balls", "labels": list(BALLS), "frame": "lps", "synthetic": True}
    entries = [CaseEntry("one", "someone", group="round")]
    write_dataset_json(tmp_path, entries, about | {"provenance": "a test", "licence": "none"})
    return DatasetFolder.open(tmp_path)


def test_accepted_views_only_in_order_of_their_numbers(dataset: DatasetFolder) -> None:
    case = dataset.case("one")
    assert views_of(case) == ("ap-1", "ap-10") and case.group == "round"
    (case.folder / "views" / "ap-1").rename(case.folder / "views" / "lat-1")
    assert views_of(case, "AP") == ("ap-10",) and views_of(case) == ("ap-10", "lat-1")
    (case.folder / "views" / "lat-1").rename(case.folder / "views" / "ap-1")
    for number in (1, 10):
        record_review(case.folder / f"views/ap-{number}/registration.json", Review.REJECTED, "slipped", "tester")
    with pytest.raises(InputError, match="no view with an accepted registration .*ap-2 is rejected"):
        views_of(case)
    assert trusted_views(case) == ()
    with pytest.raises(InputError, match="case one"):
        depth_views([case], GEOMETRY, workers=1)


def test_views_come_back_from_disk_and_are_made_again_when_stale(dataset: DatasetFolder) -> None:
    seen = []
    views = depth_views(dataset.cases(), GEOMETRY, workers=1, report=lambda name, share: seen.append((name, share)))
    assert len(views) == 2 and seen == [("one", 1.0)]
    view = views[1]
    assert (view.case, view.patient, view.group, view.view) == ("one", "someone", "round", "ap-10")
    case = dataset.case("one")
    pose = RigidPose.from_rotation((0, 0, 0), (10, 0, 0))
    fresh = depth_view(empty(camera()), case_surfaces(case), case.labels, GEOMETRY, pose=pose)
    assert view.labels == fresh.labels and view.camera.is_close(fresh.camera) and view.notes == fresh.notes != ()
    for name in ("front_mm", "back_mm", "thickness_mm"):
        kept, made = getattr(view, name), getattr(fresh, name)
        assert np.array_equal(np.isnan(kept), np.isnan(made)) and kept.dtype == np.float32
        assert np.nanmax(np.abs(kept - made)) <= 0.5 * STEP_MM + 1e-4
    path = depth_file(case, GEOMETRY)
    written = path.stat().st_mtime_ns
    assert depth_file(case, GEOMETRY) == path and path.stat().st_mtime_ns == written
    other = depth_file(case, replace(GEOMETRY, size=32))
    assert other != path and depth_file(case, GEOMETRY).stat().st_mtime_ns == written
    shifted = RigidPose.from_rotation((0, 0, 0), (14, 0, 0))
    write_true_pose(case.folder / "views" / "ap-10", shifted, np.zeros(3), "ap-10", 0.9)
    moved = depth_views(dataset.cases(), GEOMETRY, workers=1)[1]
    assert path.stat().st_mtime_ns > written and not np.array_equal(moved.mask, view.mask)
    path.write_bytes(b"nothing")
    assert np.array_equal(depth_views(dataset.cases(), GEOMETRY, workers=1)[1].mask, moved.mask)


def test_a_bone_without_mesh_is_taken_from_the_label_map(dataset: DatasetFolder) -> None:
    case = dataset.case("one")
    (case.folder / "meshes" / "far.vtp").unlink()
    with pytest.raises(InputError, match="case one: there is no CT"):
        case_surfaces(case)
    axes = np.arange(-60.0, 61.0, 2.0)
    z, y, x = np.meshgrid(axes, axes, axes, indexing="ij")
    labels = np.zeros(x.shape, np.uint8)
    for value, (centre, radius) in enumerate(BALLS.values(), 1):
        labels[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < radius**2] = value
    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    matrix[:3, 3] = -60.0
    ct = CtVolume(np.where(labels > 0, 1000.0, -1000.0).astype(np.float32), matrix, labels, {"near": 1, "far": 2})
    write_ct(ct, case.folder / "ct.nrrd")
    write_labels(ct, case.folder / "labels.seg.nrrd")
    view = depth_views([case], GEOMETRY, workers=1)[0]
    wanted = crossings(view.camera, RigidPose.load(case.folder / "views/ap-1/pose.tfm").apply(BALLS["far"][0]), 24.0)
    sure = wanted[1] - wanted[0] > 20.0
    assert np.abs(view.front_mm[1] - wanted[0])[sure].max() < 1.5


def test_a_case_is_asked_by_name_in_errors(dataset: DatasetFolder) -> None:
    case: DatasetCase = dataset.case("one")
    (case.folder / "views/ap-1/camera.json").unlink()
    with pytest.raises(InputError, match="case one"):
        depth_views([case], GEOMETRY, workers=1)
