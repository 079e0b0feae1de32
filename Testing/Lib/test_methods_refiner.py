"""Refiners of bundles: left limbs as mirror images, any world, what a reconstruction carries, what is refused."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from phantoms_analytic import looking_camera
from shape_intensity_cases import Egg, egg, egg_picture, egg_surface

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose, XRayCamera
from XRayTo3DLib.geometry.anatomical_frame import MIRROR
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.methods.data import DataConfiguration, GridConfiguration, PoseConfiguration
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.refiner import METHOD, UNCERTAINTY, Refiner
from XRayTo3DLib.methods.shape_intensity_fit.configuration import METHOD as SHAPE_FIT
from XRayTo3DLib.methods.shape_intensity_fit.configuration import ShapeIntensityConfiguration
from XRayTo3DLib.methods.shape_intensity_fit.predictor import ShapeIntensityPredictor
from XRayTo3DLib.methods.types import Reconstruction
from XRayTo3DLib.refinement.options import Level, RefineOptions
from XRayTo3DLib.refinement.posterior import Trust, Trusts
from XRayTo3DLib.refinement.prior import PosePrior, independent
from XRayTo3DLib.shape.meshes import make_surface, points_of, transformed, triangles_of, vertex_normals
from XRayTo3DLib.shape.shape_intensity_building import BuiltModel
from XRayTo3DLib.shape.surface_distance import surface_distance

BONE = "radius"
GRID = GridConfiguration(16, 5.0)
PERSON = Egg((15.0, 19.0, 33.0), 0.028, 0.043)
LIES = RigidPose.from_rotation([4.0, -6.0, 5.0], [2.0, -1.5, 2.0])
WORLD = RigidPose.from_rotation([30.0, -70.0, 110.0], [120.0, -300.0, 45.0])
CAMERAS = [looking_camera((30, 34), 4.4, turn_deg=turn, target=(0.0, 0.0, 0.0)) for turn in ((3, 5, 11), (-8, 12, 74))]
OPTIONS = RefineOptions(
    data=1500.0, draws=0, levels=(Level(3.0, 6.0, 2, True, 0, 0, False, 4), Level(3.0, 6.0, 1, False, 9, 9, True, 6))
)
NOTE = IntensityNote("line-integral", None, True, "closed form")


@functools.cache
def refiner() -> Refiner:
    """Of a bundle of one bone, made by hand."""
    pose = PoseConfiguration((4.0, 4.0, 4.0), (2.0, 2.0, 2.0), "normal")
    configuration = ShapeIntensityConfiguration(SHAPE_FIT, "egg", DataConfiguration("x", (BONE,), grid=GRID, pose=pose))
    model = egg()
    prior = independent({BONE: (model.size, model.density_size)}, {BONE: PosePrior((2.0,) * 3, (1.0,) * 3)})
    trust = Trusts((Trust(1.0, {BONE: 0.3}),))
    predictor = ShapeIntensityPredictor(configuration, {BONE: BuiltModel(model, 2.0, 1.0)}, prior, trust)
    mean = np.zeros((1, 16, 16, 16), np.float32)
    loaded = GridReconstructor(SHAPE_FIT, configuration.data, cast(Any, predictor), mean)
    loaded.synthetic = True
    return Refiner(loaded, OPTIONS)


def radiographs(matrix: np.ndarray) -> list[Radiograph]:
    """Of the person in the frame, seen by cameras in a world where ``matrix`` puts the frame; left ones mirrored."""
    return [
        Radiograph(egg_picture(camera, [(PERSON, LIES)]), camera.moved(matrix), NOTE, SpacingSource.USER, name=name)
        for name, camera in zip(("PA", "LAT"), CAMERAS, strict=True)
    ]


@functools.cache
def right() -> Reconstruction:
    return refiner().reconstruct(radiographs(WORLD.matrix), WORLD)


@functools.cache
def left() -> Reconstruction:
    return refiner().reconstruct(radiographs(WORLD.matrix @ MIRROR), WORLD, mirrored=True)


def truth(matrix: np.ndarray) -> Any:
    return transformed(make_surface(*egg_surface(PERSON)), matrix @ LIES.matrix)


def test_a_bone_is_found_in_its_world() -> None:
    found = right().meshes[BONE]
    assert surface_distance(truth(WORLD.matrix), found, samples=1500).assd < 0.5
    usual = transformed(egg().surface(), WORLD.matrix)
    assert surface_distance(truth(WORLD.matrix), usual, samples=1500).assd > 1.2


def test_in_the_world_as_in_the_frame() -> None:
    """Only rounding differs: where the world's origin lies is no matter."""
    own = refiner().refine(refiner().views(radiographs(np.eye(4)), RigidPose.identity())).bones[BONE]
    assert points_of(right().meshes[BONE]) == pytest.approx(WORLD.apply(own.points), abs=0.02)
    assert right().uncertainty_mm[BONE] == pytest.approx(own.normal_sd_mm, rel=0.02)


def test_a_left_limb_is_the_mirror_image_of_a_right_one() -> None:
    back = np.linalg.inv(WORLD.matrix)
    frame = [points_of(transformed(each.meshes[BONE], back)) for each in (right(), left())]
    assert frame[1] == pytest.approx(frame[0] * [-1.0, 1.0, 1.0], abs=0.02)
    assert surface_distance(truth(WORLD.matrix @ MIRROR), left().meshes[BONE], samples=1500).assd < 0.5
    assert np.linalg.det(left().frame_to_world[:3, :3]) == pytest.approx(-1.0)
    for found in (right(), left()):
        points, triangles = points_of(found.meshes[BONE]), triangles_of(found.meshes[BONE])
        outward = vertex_normals(points, triangles) * (points - points.mean(axis=0))
        assert np.mean(outward.sum(axis=1) > 0) > 0.99
    for one, other in zip(right().quality.views, left().quality.views, strict=True):  # type: ignore[union-attr]
        assert one.after == pytest.approx(other.after, abs=1e-3)


def test_cameras_are_given_back_in_the_world() -> None:
    """As the refinement corrected them: those that were right stay where they are, also of left limbs."""
    for found, matrix in ((right(), WORLD.matrix), (left(), WORLD.matrix @ MIRROR)):
        assert found.quality is not None
        for view, given in zip(found.quality.views, radiographs(matrix), strict=True):
            assert view.name == given.name and view.after > 0.97 and view.after > view.before
            assert view.moved_deg < 0.2 and view.moved_mm < 2.0
            middle = matrix[:3, 3]
            assert view.camera.project(middle) == pytest.approx(given.camera.project(middle), abs=0.3)
            assert view.picture.shape == view.residual.shape == given.pixels.shape


def test_what_a_reconstruction_carries() -> None:
    found = right()
    array = found.meshes[BONE].GetPointData().GetArray(UNCERTAINTY)
    assert UNCERTAINTY == "NormalSD_mm" and array is not None
    values = np.array([array.GetValue(number) for number in range(array.GetNumberOfTuples())])
    assert values == pytest.approx(found.uncertainty_mm[BONE], rel=1e-5)
    assert len(values) == found.meshes[BONE].GetNumberOfPoints()
    assert values.min() >= 0.3  # the bundle's floor
    assert found.method == f"the mean shape + {METHOD}" and found.views == ("PA", "LAT") and found.synthetic
    assert np.array_equal(found.frame_to_world, WORLD.matrix)


def test_any_methods_result_is_a_start() -> None:
    """In its own world, of a left limb; what it says beside the meshes is kept."""
    matrix = WORLD.matrix @ MIRROR
    mesh = transformed(make_surface(*egg_surface(PERSON, 20)), matrix @ LIES.matrix)
    start = Reconstruction({BONE: mesh}, matrix, "tl-net", ("PA",), notes=("as it was",))
    found = refiner().reconstruct(radiographs(matrix), WORLD, mirrored=True, start=start)
    assert surface_distance(mesh, found.meshes[BONE], samples=1500).assd < 0.4
    assert found.method == f"tl-net + {METHOD}" and found.notes == ("as it was",) and found.views == ("PA", "LAT")
    assert start.meshes[BONE] is mesh and not start.uncertainty_mm
    assert found.quality is not None and found.quality.views[0].before > right().quality.views[0].before  # type: ignore[union-attr]


def test_steps_can_be_stopped_and_the_last_one_has_the_result() -> None:
    views = refiner().views(radiographs(WORLD.matrix)[:1], WORLD)
    steps = list(refiner().steps(views))
    assert len(steps) > 3 and all(found is None for _, found in steps[:-1])
    last, found = steps[-1]
    assert found is not None and found.steps == len(steps)
    assert found.bones[BONE].placed.pose.matrix == pytest.approx(last.state.bones[BONE].pose.matrix)


def test_views_know_their_field_and_how_far_they_may_be_wrong() -> None:
    given = radiographs(WORLD.matrix)[:1]
    pixels = given[0].pixels.copy()
    pixels[:, :6] = 9.0
    loose = PosePrior((3.0,) * 3, (3.0,) * 3)
    blade = Radiograph(pixels, given[0].camera, NOTE, SpacingSource.USER, name="PA")
    (view,) = refiner().views([blade], WORLD, prior=loose)
    assert view.prior is loose and view.name == "PA" and not view.mask[:, :6].any() and view.mask[:, 12:].all()
    assert isinstance(view.camera, XRayCamera) and view.camera.is_close(CAMERAS[0], 1e-6)


def test_what_is_refused() -> None:
    other = cast(GridReconstructor, SimpleNamespace(predictor=object(), method="tl-net"))
    with pytest.raises(InputError, match="shape and intensity models, not of tl-net"):
        Refiner(other)
    with pytest.raises(InputError, match="at least one radiograph"):
        refiner().reconstruct([], WORLD)
    start = Reconstruction({"femur": make_surface(*egg_surface(PERSON, 20))}, WORLD.matrix, "by hand", ())
    with pytest.raises(InputError, match="no model of femur"):
        refiner().reconstruct(radiographs(WORLD.matrix), WORLD, start=start)
    elsewhere = RigidPose.from_rotation([0.0] * 3, [0.0, 0.0, 500.0])
    with pytest.raises(InputError, match="check pose"):
        refiner().reconstruct(radiographs(WORLD.matrix), elsewhere @ WORLD)
