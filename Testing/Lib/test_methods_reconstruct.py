"""From radiographs in a world to meshes in it: what the predictor is shown, and where its answer lands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from exposure_cases import Ball, balls_of
from numpy.typing import NDArray
from phantoms_analytic import line_integrals, relative_rms

from XRayTo3DLib.dataset.canonical_view import CanonicalView, frame_from_views
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.methods.data import DataConfiguration, GridConfiguration, ImageConfiguration
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.types import Reconstruction, ShapeFields
from XRayTo3DLib.shape.meshes import boundary_length, enclosed_volume, points_of

GRID = VoxelGrid(40, 2.0)
BONES = balls_of(0)
"""A "radius" and a smaller "ulna" on either side of x = 0, in the frame of a right wrist."""
PERSON = RigidPose.from_rotation((20, -35, 50), (100, -40, 260))
"""Anatomical frame to a world in which nothing is aligned."""
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])


def distances(bones: tuple[Ball, ...]) -> NDArray[np.float32]:
    return np.stack([ball.distances(GRID.points()) for ball in bones]).astype(np.float32)


class Oracle:
    """Knows the bones; keeps what it was shown."""

    def __init__(self, *lost: int, calibrated: bool = False) -> None:
        self.lost, self.calibrated, self.shown, self.cameras = lost, calibrated, None, None

    def predict(self, images: NDArray[np.float32], cameras: object = None) -> list[ShapeFields]:
        self.shown, self.cameras = images, cameras
        values = -distances(BONES)
        values[list(self.lost)] = -6
        return [ShapeFields(values, 0.0, GRID)] * len(images)


def reconstructor(views: tuple[str, ...], predictor: Oracle) -> GridReconstructor:
    data = DataConfiguration(
        "", views=views, grid=GridConfiguration(GRID.size, GRID.spacing_mm), image=ImageConfiguration(48, 2.0)
    )
    mean = distances((Ball((4.0, 2.0, -20.0), 8.0), Ball((-24.0, -3.0, -30.0), 5.0)))
    return GridReconstructor("oracle", data, predictor, mean)


def exposed(view: str, mirrored: bool, world: RigidPose = PERSON) -> Radiograph:
    """The bones before the view's own source, on a finer, larger detector turned in its plane; analytic."""
    camera = CanonicalView(view, 320, 0.3).camera()
    turned = replace(
        camera,
        column_direction=-camera.row_direction,
        row_direction=camera.column_direction,
        origin=camera.pixel_to_world([0, 319]),
    )
    pixels = line_integrals([ball.shape() for ball in BONES], turned)
    there = in_mirror(turned) if mirrored else turned
    note = IntensityNote("line-integral", None, True, "analytic")
    return Radiograph(
        pixels.astype(np.float32), there.moved(world.matrix), note, SpacingSource.USER, name=view, synthetic=True
    )


def exposed_from(view: str, swung: RigidPose, mirrored: bool) -> Radiograph:
    """As :func:`exposed`, the camera swung in the person's frame."""
    straight = exposed(view, False, RigidPose.identity())
    camera = straight.camera.moved(swung.matrix)
    pixels = line_integrals([ball.shape() for ball in BONES], camera).astype(np.float32)
    there = in_mirror(camera) if mirrored else camera
    return replace(straight, pixels=pixels, camera=there.moved(PERSON.matrix))


def in_mirror(camera: XRayCamera) -> XRayCamera:
    names = ("source", "origin", "column_direction", "row_direction")
    return replace(camera, **{name: getattr(camera, name) * [-1.0, 1, 1] for name in names})


def true_centre(ball: Ball, mirrored: bool, world: RigidPose = PERSON) -> NDArray[np.float64]:
    return world.apply(np.array(ball.centre) * ([-1.0, 1, 1] if mirrored else [1.0, 1, 1]))


def check_in_place(found: Reconstruction, mirrored: bool, world: RigidPose = PERSON) -> None:
    """Every vertex lies on the true ball in the world, and the surface encloses its volume, facing outward."""
    assert set(found.meshes) == {"radius", "ulna"}
    for mesh, ball in zip(found.meshes.values(), BONES, strict=True):
        radii = np.linalg.norm(points_of(mesh) - true_centre(ball, mirrored, world), axis=1)
        assert radii == pytest.approx(ball.radius, abs=0.1)
        assert boundary_length(mesh) == 0
        assert enclosed_volume(mesh) == pytest.approx(4 / 3 * np.pi * ball.radius**3, rel=0.05)


@pytest.mark.parametrize("mirrored", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("views", [("PA",), ("LAT",), ("PA", "LAT")], ids="+".join)
def test_bones_land_where_they_are(views: tuple[str, ...], mirrored: bool) -> None:
    oracle = Oracle()
    radiographs = [exposed(view, mirrored) for view in views]
    found = reconstructor(views, oracle).reconstruct(radiographs, PERSON, mirrored)
    check_in_place(found, mirrored)
    assert np.linalg.det(found.frame_to_world[:3, :3]) == pytest.approx(-1 if mirrored else 1)
    assert found.views == views and found.synthetic and found.missing == () and found.notes == ()


@pytest.mark.parametrize("mirrored", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("views", [("PA",), ("PA", "LAT")], ids="+".join)
def test_the_predictor_sees_a_right_wrist_in_the_canonical_views(views: tuple[str, ...], mirrored: bool) -> None:
    oracle = Oracle()
    reconstructor(views, oracle).reconstruct([exposed(view, mirrored) for view in views], PERSON, mirrored)
    assert oracle.shown.shape == (1, len(views), 48, 48)
    for shown, view in zip(oracle.shown[0], views, strict=True):
        fine = line_integrals([ball.shape() for ball in BONES], CanonicalView(view, 48, 2.0).camera(4))
        assert relative_rms(shown, fine.reshape(48, 4, 48, 4).mean(axis=(1, 3))) < 0.02


@pytest.mark.parametrize("mirrored", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("told", [False, True], ids=["found", "told"])
def test_from_landmarks_in_two_radiographs(told: bool, mirrored: bool) -> None:
    """Both rays through the joint's middle meet there; the limb lies as the first picture shows it."""
    views = ("PA", "LAT")
    radiographs = [exposed(view, mirrored) for view in views]
    pixels = [radiograph.camera.project(PERSON.translation) for radiograph in radiographs]
    frame = frame_from_views(
        [CanonicalView(view) for view in views], [each.camera for each in radiographs], pixels, mirrored=mirrored,
        up=_distal(radiographs[0]), shows_first=_side(radiographs[0]) if told else "",
    )  # fmt: skip
    oracle = Oracle()
    found = reconstructor(views, oracle).reconstruct(radiographs, frame, mirrored)
    check_in_place(found, mirrored)


@pytest.mark.parametrize("mirrored", [False, True], ids=["right", "left"])
@pytest.mark.parametrize("told", [False, True], ids=["found", "told"])
@pytest.mark.parametrize("view", ["PA", "LAT"])
def test_from_a_landmark_in_one_radiograph_the_depth_is_assumed(view: str, told: bool, mirrored: bool) -> None:
    radiograph = exposed(view, mirrored)
    camera = radiograph.camera
    depth = float((PERSON.translation - camera.source) @ camera.view_direction)
    distance = camera.sdd - depth
    canonical = CanonicalView(view)
    options = {"up": _distal(radiograph), "shows_first": _side(radiograph, view) if told else "", "mirrored": mirrored}
    pixel = camera.project(PERSON.translation)
    right = canonical.frame_from_landmark(camera, pixel, object_detector_mm=distance, **options)
    check_in_place(reconstructor((view,), Oracle()).reconstruct([radiograph], right, mirrored), mirrored)
    wrong = canonical.frame_from_landmark(camera, pixel, object_detector_mm=distance - 20, **options)
    found = reconstructor((view,), Oracle()).reconstruct([radiograph], wrong, mirrored)
    ray = (PERSON.translation - camera.source) / np.linalg.norm(PERSON.translation - camera.source)
    moved = points_of(found.meshes["radius"]).mean(axis=0) - true_centre(BONES[0], mirrored)
    assert moved == pytest.approx(
        20 / (ray @ camera.view_direction) * ray, abs=0.2
    )  # along the ray, away from the source


def _distal(radiograph: Radiograph) -> tuple[float, float]:
    camera = radiograph.camera
    axis = PERSON.rotation @ [0.0, 0, 1]
    return float(axis @ camera.column_direction), float(axis @ camera.row_direction)


def _side(radiograph: Radiograph, view: str = "PA") -> str:
    """Where the picture shows +x (PA) or +y (LAT) of the frame before mirroring, distal held up."""
    up, camera = np.array(_distal(radiograph)), radiograph.camera
    right_of_up = -up[1] * camera.column_direction + up[0] * camera.row_direction
    axis = PERSON.rotation @ {"PA": [1.0, 0, 0], "LAT": [0.0, 1, 0]}[view]
    return "right" if float(axis @ right_of_up) > 0 else "left"


# ---- lost bones, wrong input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirrored", [False, True], ids=["right", "left"])
def test_a_lost_bone_is_the_mean_shape_in_its_place_and_said_so(mirrored: bool) -> None:
    found = reconstructor(("PA",), Oracle(1)).reconstruct([exposed("PA", mirrored)], PERSON, mirrored)
    assert found.missing == ("ulna",) and "ulna: not found" in found.notes[0] and "mean shape" in found.notes[0]
    radii = np.linalg.norm(points_of(found.meshes["ulna"]) - true_centre(BONES[1], mirrored), axis=1)
    assert radii == pytest.approx(5.0, abs=0.2)
    assert enclosed_volume(found.meshes["ulna"]) > 0
    own = np.linalg.norm(points_of(found.meshes["radius"]) - true_centre(BONES[0], mirrored), axis=1)
    assert own == pytest.approx(BONES[0].radius, abs=0.1)


@pytest.mark.parametrize("mirrored", [False, True], ids=["right", "left"])
def test_a_calibrated_predictor_sees_the_radiographs_own_cameras_at_any_angle(mirrored: bool) -> None:
    oracle = Oracle(calibrated=True)
    swung = RigidPose.from_rotation((0, 0, 33), centre=CanonicalView().centre_mm)
    radiographs = [exposed("PA", mirrored), exposed_from("LAT", swung, mirrored)]
    found = reconstructor(("PA", "LAT"), oracle).reconstruct(radiographs, PERSON, mirrored)
    assert oracle.shown.shape == (1, 2, 48, 48)
    for image, camera in zip(oracle.shown[0], oracle.cameras[0], strict=True):
        fine = line_integrals([ball.shape() for ball in BONES], camera.resampled((480, 480)))
        assert relative_rms(image, fine.reshape(48, 10, 48, 10).mean(axis=(1, 3))) < 0.02
    between = oracle.cameras[0][0].view_direction @ oracle.cameras[0][1].view_direction
    assert abs(np.rad2deg(np.arccos(between)) - 90) > 30
    for name, ball in zip(("radius", "ulna"), BONES, strict=True):
        middle = points_of(found.meshes[name]).mean(axis=0)
        np.testing.assert_allclose(middle, true_centre(ball, mirrored), atol=0.2)


def test_all_bones_lost() -> None:
    found = reconstructor(("PA",), Oracle(0, 1)).reconstruct([exposed("PA", False)], PERSON)
    assert found.missing == ("radius", "ulna") and set(found.meshes) == {"radius", "ulna"}


def test_a_mean_without_surface_stands_in_for_nothing() -> None:
    """People held very differently have a mean distance above zero everywhere."""
    model = reconstructor(("PA",), Oracle(1))
    model.mean = ShapeFields(np.full_like(model.mean.values, -3.0), 0.0, model.data.voxels)
    found = model.reconstruct([exposed("PA", False)], PERSON)
    assert found.missing == ("ulna",) and set(found.meshes) == {"radius"} and "there is no such file" in found.notes[0]


def test_a_translation_that_failed_is_no_picture() -> None:
    model, radiographs = reconstructor(("PA",), Oracle()), [exposed("PA", False)]
    images = model.canonical_images(radiographs, PERSON, False)
    images[0, 0, 5, 7] = np.nan
    with pytest.raises(InputError, match="not finite"):
        model.reconstruct_images(images, radiographs, PERSON)


def test_what_does_not_fit_the_model() -> None:
    model = reconstructor(("PA", "LAT"), Oracle())
    with pytest.raises(InputError, match="reconstructs from PA and LAT, not from 1 radiographs"):
        model.reconstruct([exposed("PA", False)], PERSON)
    with pytest.raises(InputError, match="90 degrees off the PA view"):
        model.reconstruct([exposed("LAT", False), exposed("PA", False)], PERSON)
    with pytest.raises(InputError, match="middle of the bones is not in the picture"):
        reconstructor(("PA",), Oracle()).reconstruct(
            [exposed("PA", False)], PERSON @ RigidPose.from_rotation((0, 0, 0), (0, 0, 200))
        )
