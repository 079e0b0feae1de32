"""Biplanar networks: which cameras they look at, their losses written out slowly, bundles, fitting to one person."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from exposure_cases import ball_case
from learning_cases import changed, write_yaml
from scipy.ndimage import gaussian_filter
from test_networks_projection_losses import literal

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.models_used import adapting, loaded_model
from XRayTo3DLib.dataset.canonical_view import CanonicalView, turned_camera
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.dataset.exposure_sampler import Exposures, PoseRange, Sample
from XRayTo3DLib.dataset.view_pairs import read_pair
from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.biplanar.adaptation import Adaptation
from XRayTo3DLib.methods.biplanar.attenuation import bone_attenuation, true_likeness
from XRayTo3DLib.methods.biplanar.configuration import CALIBRATED, LIFTS, REPLICATED, BiplanarConfiguration
from XRayTo3DLib.methods.biplanar.networks import VOLUME, Lift, make_networks
from XRayTo3DLib.methods.biplanar.predictor import BiplanarPredictor
from XRayTo3DLib.methods.biplanar.task import STAGE, BiplanarTask
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import People, exposures_of, people_of
from XRayTo3DLib.methods.finish import mean_distances
from XRayTo3DLib.networks.projection_losses import BLUR_REACH, SHELL_MM, whole_rays
from XRayTo3DLib.projection.drr import DrrProjector

CPU = torch.device("cpu")
BIPLANAR: dict[str, Any] = {
    "format": "xrayto3d.training/1",
    "method": "biplanar",
    "name": "tiny biplanar",
    "anatomy": "distal forearm",
    "data": {
        "folder": "wrists",
        "labels": ["radius", "ulna"],
        "views": ["PA", "LAT"],
        "grid": {"size": 16, "spacing_mm": 5.0},
        "image": {"size": 32, "pixel_mm": 3.0, "scale": 2.0},
        "pose": {"rotation_deg": [4, 4, 4], "translation_mm": [1, 1, 1], "distribution": "normal"},
        "view_turn_deg": 10,
        "validation_share": 0.25,
    },
    "network": {"channels": [4, 8], "convolutions": [1, 1], "norm": "group"},
    "loss": {"surface": 3.0, "surface_mm": 4.0, "projection": 0.5},
    "training": {"steps": 3, "batch": 2, "lr": 3.0e-3, "validate_every": 0},
}


def settings_of(wrists: Path, **changes: Any) -> BiplanarConfiguration:
    return parsed(BiplanarConfiguration, changed(changed(BIPLANAR, data={"folder": str(wrists)}), **changes))


@pytest.fixture(scope="module")
def people(wrists: Path) -> People:
    return people_of(settings_of(wrists).data, Path())


@pytest.fixture
def make(wrists: Path, people: People) -> Callable[..., BiplanarTask]:
    return lambda **changes: BiplanarTask(settings_of(wrists, **changes), people)


def predictor_of(configuration: BiplanarConfiguration, adaptation: Adaptation | None = None) -> BiplanarPredictor:
    torch.manual_seed(3)
    return BiplanarPredictor(configuration, make_networks(configuration), [[0.04, 0.1]] * 2, 1.0, adaptation)


# ---- which cameras ----------------------------------------------------------------------------------------------


def mark_pictures(configuration: BiplanarConfiguration, voxel: tuple[int, ...], turn: float) -> tuple[Any, Any]:
    """DRRs of one filled voxel [z, y, x], the second view swung by ``turn`` degrees, and the cameras."""
    data = configuration.data
    cameras = [view.camera() for view in data.canonical_views]
    cameras[1] = turned_camera(cameras[1], data.grid.centre_mm, turn)
    mark = np.zeros((16, 16, 16), dtype=np.float32)
    mark[voxel] = 1.0
    project = DrrProjector(mark, data.voxels.voxel_to_frame)
    return torch.stack([project(camera, RigidPose.identity()) for camera in cameras])[None], [cameras]


@pytest.mark.parametrize(
    ("turn", "lift", "meets"),
    [(0, CALIBRATED, True), (0, REPLICATED, True), (30, CALIBRATED, True), (30, REPLICATED, False)],
)
@pytest.mark.parametrize("voxel", [(8, 8, 8), (3, 3, 12), (12, 2, 4)])
def test_a_swung_view_meets_the_other_where_the_bone_is_only_for_who_is_told(
    voxel: tuple[int, ...], turn: float, lift: str, meets: bool, wrists: Path
) -> None:
    configuration = settings_of(wrists, network={"lift": lift}, data={"view_turn_deg": 0})
    images, cameras = mark_pictures(configuration, voxel, turn)
    lifted = Lift(configuration.data, lift)(images, cameras)[0]
    most = np.unravel_index(int(lifted.prod(dim=0).argmax()), (16, 16, 16))
    off = np.abs(np.subtract(most, voxel)).max()
    assert off <= 1 if meets or voxel == (8, 8, 8) else off >= 2  # who stands in the middle stays there


def test_only_a_calibrated_lift_looks_at_cameras(wrists: Path) -> None:
    for lift in LIFTS:
        configuration = settings_of(wrists, network={"lift": lift}, data={"view_turn_deg": 0})
        images, swung = mark_pictures(configuration, (3, 3, 12), 12.0)
        predictor = predictor_of(configuration)
        there, here = predictor.predict(images.numpy(), swung)[0], predictor.predict(images.numpy())[0]
        assert np.array_equal(there.values, here.values) == (lift == REPLICATED)
        assert predictor.calibrated == (lift == CALIBRATED)
        canonical = [[view.camera() for view in configuration.data.canonical_views]]
        assert np.array_equal(predictor.predict(images.numpy(), canonical)[0].values, here.values)


@pytest.mark.parametrize("views", [("PA",), ("PA", "LAT", "AP")])
def test_any_number_of_views_but_always_the_same(views: tuple[str, ...], wrists: Path) -> None:
    predictor = predictor_of(settings_of(wrists, data={"views": list(views)}))
    images = np.random.default_rng(0).random((3, len(views), 32, 32)).astype(np.float32)
    assert [fields.values.shape for fields in predictor.predict(images)] == [(2, 16, 16, 16)] * 3
    for wrong in (images[:, :0], np.concatenate([images, images], axis=1), images[0]):
        with pytest.raises(InputError, match=rf"reconstructs from {len(views)} radiograph\(s\)"):
            predictor.predict(wrong)
    cameras = [[view.camera() for view in predictor.configuration.data.canonical_views]]
    for told in (cameras * 2, [cameras[0] * 2] * 3):
        with pytest.raises(InputError, match="with one camera each"):
            predictor.predict(images, told)


def test_pictures_of_another_size_are_refused(wrists: Path) -> None:
    predictor = predictor_of(settings_of(wrists))
    with pytest.raises(InputError, match=r"shape \(1, 2, 64, 64\) were given, not \(people, 2, 32, 32\)"):
        predictor.predict(np.zeros((1, 2, 64, 64), dtype=np.float32))


def test_one_view_twice_or_in_the_wrong_order_is_refused_unless_no_camera_is_looked_at(wrists: Path) -> None:
    for lift in LIFTS:
        predictor = predictor_of(settings_of(wrists, network={"lift": lift}, data={"view_turn_deg": 0}))
        images, views = np.zeros((1, 2, 32, 32), dtype=np.float32), predictor.configuration.data.canonical_views
        pa, lateral = (view.camera() for view in views)
        for wrong, told in (((pa, pa), "radiograph 2: .* off the LAT"), ((lateral, pa), "radiograph 1: .* off the PA")):
            if lift == REPLICATED:
                predictor.predict(images, [wrong])
            else:
                with pytest.raises(InputError, match=rf"{told} view of the model; .* in the order PA, LAT"):
                    predictor.predict(images, [wrong])
        behind = turned_camera(lateral, views[1].centre_mm, 180.0)
        assert len(predictor.predict(images, [(turned_camera(pa, views[0].centre_mm, 40.0), behind)])) == 1


# ---- training ---------------------------------------------------------------------------------------------------


def test_training_shows_swung_views_and_validation_canonical_ones(make: Callable[..., BiplanarTask]) -> None:
    task, seen_by = make(), []
    sample = task.batch(STAGE, range(6), 0, CPU)
    canonical = task.lift.canonical
    turns = [
        float(np.rad2deg(np.arccos(np.clip(one.view_direction @ other.view_direction, -1, 1))))
        for each in sample.cameras
        for one, other in zip(each, canonical, strict=True)
    ]
    assert 0.1 < max(turns) <= 10.0 + 1e-6 and len({round(turn, 6) for turn in turns}) > 6
    lift = task.lift
    task.lift = lambda images, cameras: (seen_by.extend(cameras), lift(images, cameras))[1]  # type: ignore[assignment]
    found = task.validate(STAGE, CPU)
    assert all(one.is_close(other) for each in seen_by for one, other in zip(each, canonical, strict=True))
    assert len(seen_by) == 2 and set(found) == {"radius_mm", "ulna_mm", "lost"}


def bones_mu(bones: np.ndarray, attenuation: np.ndarray) -> np.ndarray:
    """(Z, Y, X) attenuation of probabilities (labels, Z, Y, X), 5 mm voxels: bone, and cortex under its surface."""
    blurred = [gaussian_filter(bone, SHELL_MM / 5.0, mode="nearest", truncate=BLUR_REACH) for bone in bones]
    shells = bones * (1 - np.stack(blurred))
    return sum(whole * a + shell * b for whole, shell, (a, b) in zip(bones, shells, attenuation, strict=True))


def likeness(mu: np.ndarray, images: np.ndarray, cameras: Any, grid: VoxelGrid) -> float:
    """Sum over views of the literal gradient correlation, where rays cross the grid from side to side."""
    project, total = DrrProjector(mu, grid.voxel_to_frame, shear_warp=False), 0.0
    for camera, image in zip(cameras, images, strict=True):
        made = project(camera, RigidPose.identity()).double().numpy()
        total += literal(made, image, whole_rays(camera, grid.voxel_to_frame, mu.shape))
    return total


def slow_loss(task: BiplanarTask, sample: Sample, logits: torch.Tensor) -> tuple[float, float]:
    """Weighted entropy by voxels, and minus the literal gradient correlations of views."""
    options, grid = task.configuration.loss, task.configuration.data.voxels
    shares = torch.cat([1 - sample.soft_labels.sum(dim=1, keepdim=True), sample.soft_labels], dim=1).double()
    assert sample.distances is not None
    nearest = sample.distances.double().abs().min(dim=1).values
    weights = 1 + options.surface * torch.exp(-(nearest**2) / options.surface_mm**2)
    powers = logits.double().exp()
    bones = powers / powers.sum(dim=1, keepdim=True)
    entropy = float((weights * -(shares * bones.log()).sum(dim=1)).mean())
    correlations = 0.0
    for person, cameras in enumerate(sample.cameras):
        mu = bones_mu(bones[person, 1:].float().numpy(), task.attenuation)
        correlations += likeness(mu, sample.images[person].double().numpy(), cameras, grid)
    return entropy, -correlations / len(sample.cameras)


def test_the_loss(make: Callable[..., BiplanarTask]) -> None:
    task = make()
    sample = task.batch(STAGE, [0, 1], 0, CPU)
    with torch.no_grad():
        logits = task.networks[VOLUME](task.lift(sample.images / 2.0, sample.cameras))
        found = task.loss(STAGE, "adam", sample)
        entropy, projection = slow_loss(task, sample, logits)
    assert float(found["cross_entropy"]) == pytest.approx(entropy, rel=1e-4)
    assert float(found["projection"]) == pytest.approx(projection, abs=1e-3)
    assert float(found["loss"]) == pytest.approx(entropy + 0.5 * projection, abs=1e-3)


def test_parts_of_the_loss_that_weigh_nothing_are_left_out(make: Callable[..., BiplanarTask]) -> None:
    task = make(loss={"surface": 0, "projection": 0})
    sample = task.batch(STAGE, [0, 1], 0, CPU)
    assert sample.distances is None
    assert set(task.loss(STAGE, "adam", sample)) == {"loss"}


def test_noise_is_on_the_pictures_of_the_training_alone(make: Callable[..., BiplanarTask]) -> None:
    task, seen = make(data={"noise": 0.3}, loss={"projection": 0}), []
    sample = task.batch(STAGE, range(4), 0, CPU)
    lift = task.lift
    task.lift = lambda images, cameras: (seen.append(images), lift(images, cameras))[1]  # type: ignore[assignment]
    task.loss(STAGE, "adam", sample)
    noise = seen[0] - sample.images / 2.0
    assert float(noise.std()) == pytest.approx(0.3, rel=0.05) and abs(float(noise.mean())) < 0.02


def test_attenuation_is_learnt_from_pictures() -> None:
    """Balls without a cortex attenuate what they are made of; with one, it is found."""
    plain = ball_case()
    crust = ((plain.distances < 0) & (plain.distances > -2.0)).any(axis=0)
    hollow = replace(plain, mu=(plain.mu * np.where(crust, 2.0, 0.5)).astype(np.float16))
    views = [CanonicalView(view, 40, 2.2) for view in ("PA", "LAT")]
    found = [
        bone_attenuation(Exposures([case], views, VoxelGrid(32, 2.5), PoseRange(5.0, 2.0), 0))
        for case in (plain, hollow)
    ]
    assert found[0][:, 0] == pytest.approx([0.06, 0.06], abs=0.004) and np.abs(found[0][:, 1]).max() < 0.02
    assert np.all(found[1][:, 0] < 0.045) and np.all(found[1][:, 1] > 0.1)


@pytest.mark.parametrize("up_mm", [38.0, 46.0])
def test_attenuation_is_learnt_where_the_grid_cuts_bones_or_holds_one_alone(up_mm: float) -> None:
    """The grid ends in the middle of the larger ball, or far above the smaller one."""
    centre = (-8.0, 0.0, -26.0 + up_mm)
    views = [CanonicalView(view, 40, 2.2, centre_mm=centre) for view in ("PA", "LAT")]
    exposures = Exposures([ball_case()], views, VoxelGrid(32, 2.5, centre), PoseRange(5.0, 2.0), 0)
    assert bone_attenuation(exposures)[0, 0] == pytest.approx(0.06, abs=0.004)


def test_likeness_is_a_standard_deviation_below_what_true_bones_reach() -> None:
    people = [ball_case(number) for number in (0, 2, 4)]
    people = [replace(each, mu=(each.mu * (1 + 0.3 * k)).astype(np.float16)) for k, each in enumerate(people)]
    views, grid = [CanonicalView(view, 32, 3.0) for view in ("PA", "LAT")], VoxelGrid(16, 5.0)
    exposures = Exposures(people, views, grid, PoseRange(8.0, 4.0), 0)
    attenuation = np.array([[0.05, 0.1], [0.06, 0.05]], dtype=np.float32)
    samples = [exposures.sample("attenuation", [item]) for item in range(8)]
    reached = [
        likeness(bones_mu(each.soft_labels[0].numpy(), attenuation), each.images[0].double().numpy(), cameras, grid) / 2
        for each in samples
        for cameras in each.cameras
    ]
    assert np.std(reached) > 1e-3
    assert true_likeness(exposures, attenuation) == pytest.approx(np.mean(reached) - np.std(reached), abs=2e-4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"network": {"lift": "parallel"}}, "network.lift must be one of"),
        ({"network": {"lift": "replicated"}}, "view_turn_deg must be 0"),
        ({"loss": {"surface_mm": 0}}, "surface_mm above it"),
        ({"loss": {"projection": float("nan")}}, "loss.projection must be a number"),
        ({"data": {"views": []}}, "data.views must each name one or more"),
        ({"data": {"image": {"scale": 0.0}}}, "data.image.scale must be above zero"),
        ({"data": {"image": {"scale": float("nan")}}}, "data.image.scale must be a number"),
        ({"data": {"noise": -0.1}}, "data.noise and data.prerendered must be 0 or more"),
        ({"data": {"prerendered": -1}}, "data.noise and data.prerendered must be 0 or more"),
        ({"data": {"grid": {"size": 18}}, "network": {"folded": True}}, "needs a multiple of 4"),
        ({"data": {"grid": {"centre_mm": [0, 0, 200]}}}, "nothing of the first person's radius"),
    ],
)
def test_what_cannot_be_learnt_is_refused(change: dict, told: str, make: Callable[..., BiplanarTask]) -> None:
    with pytest.raises(InputError, match=told):
        make(**change)


# ---- a trained one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lift", LIFTS)
def test_train_and_use_a_bundle(lift: str, wrists: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    views = {CALIBRATED: {"views": ["PA"]}, REPLICATED: {"view_turn_deg": 0}}[lift]
    content = changed(BIPLANAR, network={"lift": lift}, data={"folder": str(wrists), **views}, training={"steps": 2})
    config = write_yaml(tmp_path / "tiny.yaml", content)
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--device", "cpu", "--json"]) == 0
    bundle = tmp_path / "run" / "bundle"
    model = loaded_model(str(bundle), "biplanar")
    assert model.synthetic and model.predictor.calibrated == (lift == CALIBRATED)
    configuration = replace(model.predictor.configuration, data=replace(model.data, folder=str(wrists)))
    people = people_of(configuration.data, Path())
    task = BiplanarTask(configuration, people)
    mean = mean_distances(exposures_of(configuration.data, people.training, configuration.seed))
    assert np.array_equal(-model.mean.values, np.float32(mean))
    assert np.allclose(model.predictor.attenuation.numpy(), task.attenuation)
    assert model.predictor.likeness == pytest.approx(task.likeness)
    sample = task.batch(STAGE, range(3), 0, CPU)
    found = model.predictor.predict(sample.images.numpy(), sample.cameras)
    with torch.no_grad():
        logits = model.predictor.network(task.lift(sample.images / 2.0, sample.cameras))
    for fields, expected in zip(found, logits.softmax(dim=1)[:, 1:].numpy(), strict=True):
        assert fields.level == 0.5 and np.allclose(fields.values, expected, atol=1e-5)
    capsys.readouterr()
    if lift == CALIBRATED:
        reconstruct_adapted(wrists, bundle, tmp_path, capsys)


def reconstruct_adapted(wrists: Path, bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand: ``--adapt`` fits the network to the radiograph, which changes the bones and is told."""
    case = next(case for case in DatasetFolder.open(wrists).cases() if case.side == "right")
    place, pair = case.folder / "views" / "pa", read_pair(case, "PA")
    column, row = pair.radiograph.camera.project(pair.frame_to_world.translation)
    words = ["reconstruct", "--model", str(bundle), "--view", f"{place / 'drr'}.nrrd:{place / 'camera.json'}"]
    words += ["--origin", f"{column:.2f},{row:.2f}", "--side", "right", "--json"]
    assert main([*words, "-o", str(folder / "plain")]) == 0
    assert main([*words, "-o", str(folder / "fitted"), "--adapt", "3"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [each["adaptation_steps"] for each in told] == [0, 3]
    assert told[1]["bones"] == ["radius", "ulna"]


def test_other_models_cannot_be_fitted() -> None:
    with pytest.raises(InputError, match="only a biplanar model"):
        adapting(SimpleNamespace(predictor=None), 3)


# ---- fitted to one person ---------------------------------------------------------------------------------------


def test_fitting_raises_the_likeness_of_the_person_s_own_pictures_and_leaves_the_model(
    make: Callable[..., BiplanarTask],
) -> None:
    task = make()
    sample = task.batch(STAGE, [0, 1], 0, CPU)
    predictor = BiplanarPredictor(task.configuration, task.networks, task.attenuation)
    before = {name: tensor.clone() for name, tensor in predictor.network.state_dict().items()}
    images, voxels = sample.images.numpy(), task.configuration.data.voxels

    def alike(fields: list) -> np.ndarray:
        mus = [bones_mu(each.values, task.attenuation) for each in fields]
        people = zip(mus, images.astype(np.float64), sample.cameras, strict=True)
        return np.array([likeness(*each, voxels) for each in people])

    plain = predictor.predict(images, sample.cameras)
    fitting = predictor.adapting(Adaptation(8, 3e-3))
    with torch.inference_mode():
        fitted = fitting.predict(images, sample.cameras)
    assert np.all(alike(fitted) > alike(plain) + 0.05)
    alone = fitting.predict(images[1:], sample.cameras[1:])[0]
    assert np.array_equal(alone.values, fitted[1].values)  # nobody's fit touches anybody else's
    assert all(torch.equal(before[name], tensor) for name, tensor in predictor.network.state_dict().items())
