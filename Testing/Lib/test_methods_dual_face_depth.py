"""Dual-face depth: statistics, what is made of the networks' numbers, stages, and a bundle's arrays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from depth_cases import (
    CONTENT,
    DEPTH_MM,
    LABELS,
    SIZE,
    ap_camera,
    configuration,
    ellipsoid,
    sphere_z,
    write_depth_dataset,
)
from torch import Tensor, nn

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.types import IntensityNote, Radiograph, SpacingSource
from XRayTo3DLib.methods.configuration import changed, plain
from XRayTo3DLib.methods.dual_face_depth.completion import completed, model_arrays, models_from
from XRayTo3DLib.methods.dual_face_depth.data import TrainingViews, split_views, unlabelled_pictures
from XRayTo3DLib.methods.dual_face_depth.measures import depth_errors, dice
from XRayTo3DLib.methods.dual_face_depth.method import load_model, prepare_training
from XRayTo3DLib.methods.dual_face_depth.networks import DEPTH, PRETRAINING, SEGMENTATION
from XRayTo3DLib.methods.dual_face_depth.predictor import DualFacePredictor
from XRayTo3DLib.methods.dual_face_depth.reconstruct import DualFaceReconstructor
from XRayTo3DLib.methods.dual_face_depth.statistics import ViewStatistics, statistics_of
from XRayTo3DLib.shape.depth_surface import depth_surface
from XRayTo3DLib.shape.meshes import boundary_edges, points_of, triangles_of
from XRayTo3DLib.shape.statistical_shape_model import ShapeModel
from XRayTo3DLib.shape.surface_distance import surface_distance
from XRayTo3DLib.training.loop import train

CAMERA = ap_camera()


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_depth_dataset(tmp_path_factory.mktemp("depth") / "people", 4, 1)


# ---- stages ----------------------------------------------------------------------------------------------------------


def test_epochs_become_steps_and_their_first_period_too(people: Path) -> None:
    plan = ["stages.depth={epochs: 30, batch: 4, first: 10}", f"data.folder={people}"]
    stage = prepare_training(changed(CONTENT, plan), people, "cpu").task.stages[1]
    # Three training people of two views each: six views are two steps of four.
    assert stage.steps == 60 and stage.optimisers[0].schedule.first == 20


def test_deep_bones_keep_their_depth_in_memory(people: Path) -> None:
    view = split_views(replace(configuration().data, folder=str(people)), people).training.views[0]
    far = replace(view.camera, origin=view.camera.source + 1.9 * (view.camera.origin - view.camera.source))
    deep = replace(view, camera=far, front_mm=view.front_mm + 800, back_mm=view.back_mm + 800)
    depth = TrainingViews([deep], LABELS, 2.0).item(0)[1].numpy()
    np.testing.assert_allclose(depth[:2], deep.front_mm, atol=0.02)


# ---- data ---------------------------------------------------------------------------------------------------------


def test_views_are_the_same_packed_in_memory_or_read_when_needed(people: Path) -> None:
    views = split_views(replace(configuration().data, folder=str(people)), people).training.views
    packed, lazy = TrainingViews(views, LABELS[::-1], 2.0), TrainingViews(views, LABELS[::-1], 2.0, memory=0)
    assert len(packed) == len(lazy) == 6
    for index in range(6):
        for mine, other in zip(packed.item(index), lazy.item(index), strict=True):
            assert torch.equal(mine.nan_to_num(), other.nan_to_num())
    image, depth = packed.item(3)
    assert depth.shape == (4, SIZE, SIZE) and depth.dtype == image.dtype == torch.float32
    np.testing.assert_allclose(depth[0].numpy(), views[3].front_mm[1], atol=0.0101)  # labels are turned round
    np.testing.assert_allclose(depth[3].numpy(), views[3].back_mm[0], atol=0.0101)
    np.testing.assert_allclose(image.numpy(), views[3].image / 2, atol=1e-3)


def test_statistics_are_those_of_all_pixels(people: Path) -> None:
    views = TrainingViews(
        split_views(replace(configuration().data, folder=str(people)), people).training.views, LABELS, 2.0
    )
    every = torch.stack([views.item(index)[1] for index in range(len(views))]).numpy()
    found = statistics_of(views, 4)
    base = np.array([np.nanmean(every[:, channel]) for channel in range(4)])
    np.testing.assert_allclose(found.base_mm, base, atol=1e-3)
    assert found.span_mm == pytest.approx(np.sqrt(np.nanmean((every - base[:, None, None]) ** 2)), abs=1e-3)
    assert found.mean_mm == pytest.approx(np.nanmean(every), abs=1e-3)
    images = torch.stack([views.item(index)[0] for index in range(len(views))]).numpy()
    assert found.grey == pytest.approx((images.mean(), images.std()), abs=1e-4)
    seen = found.seen(torch.from_numpy(images))
    assert float(seen.mean()) == pytest.approx(0, abs=1e-3) and float(seen.std()) == pytest.approx(1, abs=1e-3)
    assert statistics_of(views, 2).mean_mm == pytest.approx(np.nanmean(every[:, :2]), abs=1e-3)
    kept = found.to_arrays()
    again = ViewStatistics.from_arrays(kept.__getitem__)
    assert again.mean_mm == pytest.approx(found.mean_mm) and np.array_equal(again.base_mm, found.base_mm)


def test_a_bone_that_the_data_set_lacks_is_refused(people: Path) -> None:
    with pytest.raises(InputError, match="wants bone_middle"):
        split_views(replace(configuration().data, folder=str(people), labels=("bone_middle",)), people)


def test_unlabelled_radiographs_are_found_below_a_folder(people: Path, tmp_path: Path) -> None:
    data = replace(configuration().data, unlabelled="cases")
    pictures = unlabelled_pictures(data, people)
    assert len(pictures) == 10 and all(each.shape == (SIZE, SIZE) for each in pictures)
    own = replace(data, folder=str(people))  # also those who are tested
    for place in ("cases", "cases/p-4", ".."):
        with pytest.raises(InputError, match="the data set's own people"):
            unlabelled_pictures(replace(own, unlabelled=place), people)
    with pytest.raises(InputError, match="holds no radiograph"):
        unlabelled_pictures(replace(data, unlabelled=str(tmp_path)), people)


# ---- measures -----------------------------------------------------------------------------------------------------


def test_depth_errors_as_they_are_and_aligned() -> None:
    wanted = torch.full((2, 2, 4, 4), 900.0)
    mask = torch.zeros_like(wanted, dtype=torch.bool)
    mask[0, :, :2], mask[1, 0, 0, 0] = True, True
    found = wanted + torch.tensor([5.0, 9.0])[:, None, None, None]
    found[0, 1] += 2.0  # one picture: half of the pixels 5 off, half 7
    found[~mask] = torch.nan
    assert depth_errors(found, wanted, mask) == {"depth_mae_mm": 7.5, "depth_mae_aligned_mm": 0.5}


def test_dice_leaves_out_bones_that_are_not_shown() -> None:
    wanted, found = torch.zeros(2, 1, 2, 4, 4, dtype=torch.bool)
    wanted[0, 0, :2], found[0, 0, 1:3] = True, True
    assert dice(found, wanted) == 0.5


# ---- predictor ----------------------------------------------------------------------------------------------------


class Fixed(nn.Module):
    """A network that answers the same whatever it sees."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = nn.Parameter(answer[None])

    def forward(self, images: Tensor) -> Tensor:
        return self.answer


STATISTICS = ViewStatistics((0.5, 0.25), np.array([870, 872, 890, 892], dtype=np.float32), 20.0, 881.0)


def sphere_maps() -> np.ndarray:
    """(channels, N, N) z of two spheres: fronts, then backs."""
    faces = [sphere_z(CAMERA, [side * 45, 6 * side, 10], 30) for side in (-1, 1)]
    return np.array([each[0] for each in faces] + [each[1] for each in faces], dtype=np.float32)


def predictor_of(depth: np.ndarray, mask: np.ndarray, *changes: str) -> DualFacePredictor:
    """A predictor whose networks say this depth (mm) and these masks."""
    settings = configuration(*changes)
    statistics = replace(STATISTICS, base_mm=STATISTICS.base_mm[: settings.outputs])
    raw = (np.nan_to_num(depth, nan=500.0) - statistics.base_mm[:, None, None]) / statistics.span_mm
    networks = {DEPTH: Fixed(torch.from_numpy(raw)), SEGMENTATION: Fixed(torch.from_numpy(mask * 8.0 - 4.0).float())}
    return DualFacePredictor(settings, nn.ModuleDict(networks), statistics)


IMAGE = np.zeros((SIZE, SIZE), dtype=np.float32)


def test_absolute_depth_stays_with_si_and_is_put_in_place_with_casi() -> None:
    depth = sphere_maps()
    mask = np.isfinite(depth[:2])
    kept = predictor_of(depth, mask, "loss.kind=si").predict_depth(IMAGE, CAMERA)
    np.testing.assert_allclose(kept.front_mm, depth[:2], atol=1e-2)
    np.testing.assert_allclose(kept.back_mm, depth[2:], atol=1e-2)
    placed = predictor_of(depth, mask).predict_depth(IMAGE, CAMERA)
    every = np.stack([placed.front_mm, placed.back_mm])
    assert np.nanmean(every) == pytest.approx(STATISTICS.mean_mm, abs=1e-2)
    shift = every - np.stack([depth[:2], depth[2:]])
    assert np.nanstd(shift) < 1e-2 and abs(np.nanmean(shift)) > 0.5
    assert placed.labels == LABELS and np.array_equal(placed.mask, mask) and placed.camera is CAMERA


def test_specks_are_no_bone_and_a_back_never_lies_before_the_front() -> None:
    depth = sphere_maps()
    mask = np.isfinite(depth[:2])
    specks = mask.copy()
    specks[0, 2:4, 2:4] = True
    depth[2] = depth[0] - 4.0
    found = predictor_of(depth, specks, "loss.kind=si").predict_depth(IMAGE, CAMERA)
    assert np.array_equal(found.mask, mask)
    assert found.back_mm is not None
    np.testing.assert_allclose(found.front_mm[0][mask[0]], (depth[0] - 2.0)[mask[0]], atol=1e-2)
    np.testing.assert_array_equal(found.front_mm[0], found.back_mm[0])


def test_a_single_face_has_no_back_and_no_bone_at_all_has_nothing() -> None:
    depth = sphere_maps()[:2]
    found = predictor_of(depth, np.isfinite(depth), "faces=single").predict_depth(IMAGE, CAMERA)
    assert found.back_mm is None
    nothing = predictor_of(depth, np.zeros_like(depth, dtype=bool), "faces=single").predict_depth(IMAGE, CAMERA)
    assert np.isnan(nothing.front_mm).all() and not nothing.mask.any()
    with pytest.raises(InputError, match="pictures of 64 x 64"):
        predictor_of(depth, np.isfinite(depth), "faces=single").predict_depth(IMAGE[:32, :32], ap_camera(32))


# ---- reconstruction -----------------------------------------------------------------------------------------------


def radiograph_of(camera: object = CAMERA) -> Radiograph:
    note = IntensityNote("line-integral", None, True, "made up")
    return Radiograph(IMAGE, camera, note, SpacingSource.DETECTOR, "AP", name="hips")


def test_what_networks_see_comes_out_as_surfaces_in_the_world() -> None:
    depth = sphere_maps()
    masks = np.isfinite(depth[:2])
    model = DualFaceReconstructor(predictor_of(depth, masks, "loss.kind=si"))
    found = model.reconstruct_view(radiograph_of())
    assert set(found.meshes) == set(LABELS) and not found.missing and found.depth is not None
    for side, label in zip((-1, 1), LABELS, strict=True):
        away = np.linalg.norm(points_of(found.meshes[label]) - [side * 45, 6 * side, 10], axis=1)
        assert np.abs(away - 30).mean() < 0.2
        assert not len(boundary_edges(found.meshes[label]))  # watertight: nothing cuts it
    assert any("no shape models" in note for note in found.notes) and not any("not estimated" in n for n in found.notes)
    masks[1] = False
    lost = DualFaceReconstructor(predictor_of(depth, masks)).reconstruct_view(radiograph_of())
    assert lost.missing == ("bone_left",) and set(lost.meshes) == {"bone_right"}
    assert any("bone_left: not found" in note for note in lost.notes)
    assert any("119 mm before it" in note for note in lost.notes)
    with pytest.raises(InputError, match="no shape models"):
        model.complete(found.depth)
    with pytest.raises(InputError, match="no bone was found in hips"):
        DualFaceReconstructor(predictor_of(depth, masks & False)).reconstruct_view(radiograph_of())


def test_no_bone_is_seen_where_the_radiograph_does_not_reach() -> None:
    depth = sphere_maps()
    half = replace(CAMERA, size=(SIZE // 2, SIZE))  # of the patient's right
    picture = replace(radiograph_of(), pixels=IMAGE[:, : SIZE // 2], camera=half)
    found = DualFaceReconstructor(predictor_of(depth, np.isfinite(depth[:2]))).reconstruct_view(picture)
    assert found.missing == ("bone_left",) and set(found.meshes) == {"bone_right"}


def ball_model() -> ShapeModel:
    """Spheres that grow: one mode, 2 mm of radius per SD; in the camera's frame, left of the middle."""
    ball = ellipsoid([0, 0, 0], [30, 30, 30])
    points, triangles = points_of(ball), triangles_of(ball)
    outward = points / np.linalg.norm(points, axis=1, keepdims=True)
    length = np.linalg.norm(outward)
    place = np.array([-40.0, 0.0, DEPTH_MM])
    return ShapeModel(points + place, (outward / length)[None], np.array([2.0 * length]), triangles, "bone_right", 9)


@pytest.mark.parametrize("direction", ["both", "to_model"])
def test_a_ball_cut_by_the_picture_is_made_whole_in_any_world(direction: str) -> None:
    motion = np.eye(4)
    motion[:3, :3] = [[0, -1, 0], [0, 0, -1], [1, 0, 0]]
    motion[:3, 3] = [300, -50, 20]
    camera = CAMERA.moved(motion)
    centre = (motion @ [-50, 5, -78, 1])[:3]  # its lower end lies below the picture
    front, back = sphere_z(camera, centre, 33)
    seen = depth_surface(camera, front, back if direction == "both" else None)
    assert len(boundary_edges(seen))
    whole = completed(ball_model(), seen, camera, direction, front_only=direction == "to_model")
    away = np.linalg.norm(points_of(whole) - centre, axis=1)
    assert np.abs(away - 33).mean() < 0.5 and np.abs(away - 33).max() < 1.5
    assert surface_distance(ellipsoid(centre, [33, 33, 33]), seen).assd > 1.5  # what was seen is not the whole


def test_left_bones_are_mirror_images_of_the_right_ones_model() -> None:
    kept = model_arrays({"bone_right": ball_model()})
    models = models_from(kept.__getitem__, LABELS)
    right, left = models["bone_right"], models["bone_left"]
    np.testing.assert_allclose(left.shape([1.5]), right.shape([1.5]) * [-1, 1, 1], atol=1e-9)
    np.testing.assert_allclose(right.shape([1.5]), ball_model().shape([1.5]), atol=0.02)
    depth = sphere_maps()
    model = DualFaceReconstructor(predictor_of(depth, np.isfinite(depth[:2]), "loss.kind=si"), models)
    found = model.reconstruct_view(radiograph_of())
    for side, label in zip((-1, 1), LABELS, strict=True):
        away = np.linalg.norm(points_of(found.meshes[label]) - [side * 45, 6 * side, 10], axis=1)
        assert np.abs(away - 30).mean() < 0.5
        assert found.seen[label].GetNumberOfPoints() != found.meshes[label].GetNumberOfPoints()


# ---- training -----------------------------------------------------------------------------------------------------


def test_every_stage_learns_and_pretraining_reaches_the_depth_network(people: Path, tmp_path: Path) -> None:
    changes = [
        f"data.folder={people}",
        f"data.unlabelled={write_depth_dataset(tmp_path / 'others', 2, 0, seed=1)}",
        "augmentation={operations: 1, mirror: true, rotation_deg: 3}",
        "stages.pretraining={steps: 4, batch: 4, lr: 0.002, schedule: constant}",
        "stages.segmentation={steps: 40, batch: 4, lr: 0.01, schedule: one-cycle}",
        "stages.depth={steps: 30, batch: 4, lr: 0.005, schedule: one-cycle}",
    ]
    run = prepare_training(changed(CONTENT, changes), people, "cpu")
    assert run.configuration["data"]["unlabelled"] == "others"  # no path of this machine goes into a bundle
    assert run.task.networks[PRETRAINING].encoder is run.task.networks[DEPTH].encoder
    with torch.no_grad():
        before = [run.task.validate(stage, "cpu") for stage in (PRETRAINING, SEGMENTATION, DEPTH)]
    result = train(run.task, tmp_path / "run", device="cpu", threads=1, tensorboard=False)
    after = [result.metrics[stage] for stage in (PRETRAINING, SEGMENTATION, DEPTH)]
    assert after[0]["masked_mse"] < before[0]["masked_mse"]
    assert after[1]["dice"] > 0.8 > before[1]["dice"]
    assert after[2]["depth_mae_aligned_mm"] < 0.8 * before[2]["depth_mae_aligned_mm"]


def test_samples_do_not_depend_on_who_asks_for_them(people: Path) -> None:
    task = prepare_training(changed(CONTENT, [f"data.folder={people}"]), people, "cpu").task
    whole, part = task.batch(DEPTH, range(4, 8), 1, "cpu"), task.batch(DEPTH, range(6, 8), 1, "cpu")
    assert torch.equal(whole.images[2:], part.images) and torch.equal(whole.depth[2:], part.depth)
    assert whole.depth.shape == (4, 4, SIZE, SIZE) and whole.mask.dtype == torch.bool
    assert task.batch(SEGMENTATION, range(2), 0, "cpu").mask.shape == (2, 2, SIZE, SIZE)


@pytest.mark.parametrize(("kind", "shifted"), [("casi", 0.0), ("si", 0.01)])
def test_only_si_minds_where_all_bones_are(kind: str, shifted: float, people: Path) -> None:
    changes = [f"data.folder={people}", f"loss.kind={kind}", "loss.aggregate=dependent"]
    task = prepare_training(changed(CONTENT, changes), people, "cpu").task
    batch = task.batch(DEPTH, range(4), 0, "cpu")
    further = SimpleNamespace(images=batch.images, depth=batch.depth + 30.0, mask=batch.mask)
    with torch.no_grad():
        here, there = (float(task.loss(DEPTH, "adamw", each)["loss"]) for each in (batch, further))
    # CASI: the shift cancels but for what 3 % of depth do to the logarithm.
    assert abs(there - here) > shifted if kind == "si" else abs(there / here - 1) < 0.04


def test_a_finished_segmentation_network_is_taken_over(people: Path, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    content = changed(CONTENT, [f"data.folder={people}"])
    first = prepare_training(content, people, "cpu").task.networks[SEGMENTATION]
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.mul_(0.5)
    half = {name: tensor.half() for name, tensor in first.state_dict().items()}
    save_file(half, tmp_path / "segmentation.safetensors")
    more = [f"network.segmentation_weights={tmp_path}/segmentation.safetensors", "stages.segmentation.steps=0"]
    task = prepare_training(changed(content, more), people, "cpu").task
    assert [stage.name for stage in task.stages] == [DEPTH]
    for name, tensor in task.networks[SEGMENTATION].state_dict().items():
        assert torch.equal(tensor, half[name].float())
    for name, theirs in {"labels": LABELS[::-1], "fold": 3}.items():
        data = {**plain(configuration())["data"], name: theirs}
        about = {"format": "xrayto3d.bundle/1", "configuration": {"data": data}}
        (tmp_path / "bundle.json").write_text(json.dumps(about))
        with pytest.raises(InputError, match=rf"a training whose data\.{name} is"):
            prepare_training(changed(content, more), people, "cpu")
    (tmp_path / "bundle.json").unlink()
    save_file({"other": torch.zeros(1)}, tmp_path / "segmentation.safetensors")
    with pytest.raises(InputError, match="segmentation_weights, segmentation.safetensors, is not of this"):
        prepare_training(changed(content, more), people, "cpu")
    with pytest.raises(InputError, match="network.weights are of network.encoder f0"):
        prepare_training(changed(content, ["network.weights=some.safetensors"]), people, "cpu")


def test_a_bundle_of_the_segmentation_alone_reconstructs_nothing(people: Path) -> None:
    run = prepare_training(changed(CONTENT, [f"data.folder={people}", "stages.depth={steps: 0}"]), people, "cpu")
    model = run.finish()
    assert set(model.networks) == {SEGMENTATION} and set(model.metrics) == {"dice"}
    with pytest.raises(InputError, match="segmentation network alone"):
        load_model(run.configuration, model.networks.__getitem__, model.arrays.__getitem__)
