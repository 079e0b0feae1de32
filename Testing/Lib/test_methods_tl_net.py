"""TL-net's stages on the engine: what each trains, its losses written out slowly, its validation, its bundle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_cases import TL_NET, changed, with_steps
from numpy.typing import NDArray
from torch import Tensor, nn

from XRayTo3DLib.dataset.exposure_sampler import Sample
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.experiments.trials import Trials, judge
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import People, exposures_of, people_of
from XRayTo3DLib.methods.reconstruct import GridReconstructor
from XRayTo3DLib.methods.registry import TrainingRun, method_named
from XRayTo3DLib.methods.tl_net.configuration import TlNetConfiguration
from XRayTo3DLib.methods.tl_net.predictor import BATCH, TlNetPredictor, fields_of
from XRayTo3DLib.methods.tl_net.task import AUTOENCODER, JOINT, PREDICTOR, TlNetTask, moved
from XRayTo3DLib.models.bundle import Bundle, load_bundle, save_bundle
from XRayTo3DLib.networks.losses import with_background
from XRayTo3DLib.shape.meshes import points_of
from XRayTo3DLib.training.loop import train
from XRayTo3DLib.training.progress import TrainingState

Array = NDArray[np.float64]
CPU = torch.device("cpu")
LABELS = ("radius", "ulna")


def settings_of(wrists: Path, **changes: Any) -> TlNetConfiguration:
    return parsed(TlNetConfiguration, changed(changed(TL_NET, data={"folder": str(wrists)}), **changes))


@pytest.fixture(scope="module")
def people(wrists: Path) -> People:
    return people_of(settings_of(wrists).data, Path())


@pytest.fixture
def make(wrists: Path, people: People) -> Callable[..., TlNetTask]:
    return lambda **changes: TlNetTask(settings_of(wrists, **changes), people)


# ---- stages ----------------------------------------------------------------------------------------------------------


class Snapshots:
    """Weights at the start and after every stage, as a watcher sees them."""

    def __init__(self, task: TlNetTask) -> None:
        self.task, self.stages = task, []
        self.taken = [self._weights()]

    def update(self, state: TrainingState) -> None:
        self.stages.append(state.stage)
        self.taken.append(self._weights())

    def cancelled(self) -> bool:
        return False

    def _weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.task.networks.state_dict().items()}

    def changed(self, number: int) -> set[str]:
        """Networks of which a tensor changed in a stage."""
        before, after = self.taken[number], self.taken[number + 1]
        return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("norm", ["group", "batch"])
def test_every_stage_trains_what_it_should_and_freezes_the_rest(norm: str, make, tmp_path: Path) -> None:
    task = make(network={"norm": norm, "predictor_norm": norm}, stages=with_steps(TL_NET, 1)["stages"])
    seen = Snapshots(task)
    train(task, tmp_path, device="cpu", watcher=seen, tensorboard=False)
    assert seen.stages == [AUTOENCODER, PREDICTOR, JOINT]
    found = [seen.changed(number) for number in range(3)]
    assert found == [{"encoder", "decoder"}, {"predictor"}, {"predictor", "decoder"}]
    assert not any(network.training for network in task.networks.values())


def test_rates_and_steps_are_the_configuration_s(make) -> None:
    plans = make(stages={"joint": {"lr": 0.5, "schedule": "cosine", "steps": 9, "batch": 3}}).stages
    assert [plan.name for plan in plans] == [AUTOENCODER, PREDICTOR, JOINT]
    trained = [plan.optimisers[0].networks for plan in plans]
    assert trained == [("encoder", "decoder"), ("predictor",), ("predictor", "decoder")]
    (adam,) = plans[2].optimisers
    assert (plans[2].steps, plans[2].batch, adam.schedule.lr, adam.schedule.kind) == (9, 3, 0.5, "cosine")
    assert adam.betas == (0.9, 0.999) and adam.weight_decay == 0


def test_what_a_stage_is_shown(make) -> None:
    task = make(data={"views": ["PA", "LAT"]})
    shapes_only, both = task.batch(AUTOENCODER, [0, 1], 0, CPU), task.batch(JOINT, [0, 1], 0, CPU)
    assert shapes_only.images.numel() == 0
    assert both.images.shape == (2, 2, 32, 32) and both.soft_labels.shape == (2, 2, 16, 16, 16)
    assert not torch.equal(both.images[:, 0], both.images[:, 1])


def test_the_seed_says_how_networks_begin(make) -> None:
    one, same, other = (make(seed=seed).networks.state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


# ---- losses ----------------------------------------------------------------------------------------------------------


def slow_entropy(logits: Tensor, labels: Tensor) -> float:
    """Mean over voxels of -sum_c t_c log p_c, in loops."""
    scores, shares = logits.double().numpy(), labels.double().numpy()
    total = 0.0
    batch, bones, *size = shares.shape
    for b, z, y, x in np.ndindex(batch, *size):
        wanted = [shares[b, c, z, y, x] for c in range(bones)]
        powers = [math.exp(scores[b, c, z, y, x]) for c in range(bones + 1)]
        for target, power in zip([1 - sum(wanted), *wanted], powers, strict=True):
            total -= target * math.log(power / sum(powers))
    return total / (batch * math.prod(size))


def slow_distance(one: Tensor, two: Tensor, squared: bool) -> float:
    squares = [
        sum((float(a) - float(b)) ** 2 for a, b in zip(*rows, strict=True)) for rows in zip(one, two, strict=True)
    ]
    return sum(square if squared else math.sqrt(square) for square in squares) / len(squares)


def test_the_autoencoder_s_loss(make) -> None:
    task = make(loss={"noise": 0.0, "code": 0.25})
    batch, nets = task.batch(AUTOENCODER, [0, 1], 0, CPU), task.networks.eval()
    with torch.no_grad():
        code = nets["encoder"](batch.soft_labels)
        entropy = slow_entropy(nets["decoder"](code), batch.soft_labels)
        found = task.loss(AUTOENCODER, "adam", batch)
    size = sum(abs(float(value)) for value in code.ravel()) / 2
    assert float(found["cross_entropy"]) == pytest.approx(entropy, rel=1e-4)
    assert float(found["code"]) == pytest.approx(size, rel=1e-4) and size > 0
    assert float(found["loss"]) == pytest.approx(entropy + 0.25 * size, rel=1e-4)


@pytest.mark.parametrize("squared", [False, True])
def test_the_predictor_s_loss(squared: bool, make) -> None:
    task = make(loss={"squared": squared}, data={"noise": 0.0, "image": {"scale": 2.0}})
    batch, nets = task.batch(PREDICTOR, [0, 1, 2], 0, CPU), task.networks.eval()
    with torch.no_grad():
        expected = slow_distance(nets["predictor"](batch.images / 2), nets["encoder"](batch.soft_labels), squared)
        assert float(task.loss(PREDICTOR, "adam", batch)["loss"]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("variant", ["formula", "text"])
def test_the_joint_loss(variant: str, squared: bool, make) -> None:
    task = make(loss={"latent_of": variant, "squared": squared, "latent": 0.5}, data={"noise": 0.0})
    batch, nets = task.batch(JOINT, [0, 1], 0, CPU), task.networks.eval()
    with torch.no_grad():
        code = nets["predictor"](batch.images)
        logits = nets["decoder"](code)
        powers = logits.exp()
        seen = nets["encoder"]((powers / powers.sum(dim=1, keepdim=True))[:, 1:]) if variant == "formula" else code
        latent = slow_distance(nets["encoder"](batch.soft_labels), seen, squared)
        entropy = slow_entropy(logits, batch.soft_labels)
        found = task.loss(JOINT, "adam", batch)
    assert float(found["latent"]) == pytest.approx(latent, rel=1e-3) and latent > 0
    assert float(found["loss"]) == pytest.approx(entropy + 0.5 * latent, rel=1e-4)


@pytest.mark.parametrize(("stage", "network", "size"), [(AUTOENCODER, "encoder", 0.3), (PREDICTOR, "predictor", 0.2)])
def test_noise_is_added_where_it_belongs(stage: str, network: str, size: float, make) -> None:
    task = make(loss={"noise": 0.3}, data={"noise": 0.2, "image": {"scale": 2.0}})
    batch, seen = task.batch(stage, range(4), 0, CPU), []
    task.networks[network].register_forward_hook(lambda module, given, result: seen.append(given[0]))
    task.loss(stage, "adam", batch)
    clean = batch.soft_labels if stage == AUTOENCODER else batch.images / 2
    noise = seen[0] - clean
    assert float(noise.std()) == pytest.approx(size, rel=0.05) and abs(float(noise.mean())) < 0.02
    if stage == PREDICTOR:  # the codes that it should find are those of clean bones
        task.networks["encoder"].register_forward_hook(lambda module, given, result: seen.append(given[0]))
        task.loss(stage, "adam", batch)
        assert torch.equal(seen[-1], batch.soft_labels) or torch.equal(seen[-2], batch.soft_labels)


# ---- validation ------------------------------------------------------------------------------------------------------


class Told(nn.Module):
    """A decoder that gives back what the "encoder" passed through: the truth, some of its bones left out."""

    def __init__(self, *lost: int) -> None:
        super().__init__()
        self.lost = lost

    def forward(self, soft_labels: Tensor) -> Tensor:
        kept = soft_labels.clone()
        kept[:, list(self.lost)] = 0
        return with_background(kept).clamp(1e-6).log()


def test_validation_of_the_truth_is_near_nothing(make) -> None:
    task = make(data={"grid": {"size": 48, "spacing_mm": 1.6667}})
    task.networks["encoder"], task.networks["decoder"] = nn.Identity(), Told()
    found = task.validate(AUTOENCODER, CPU)
    assert found["lost"] == 0
    assert 0 < found["radius_mm"] < 0.15 and 0 < found["ulna_mm"] < 0.15  # a tenth of a voxel


def test_validation_counts_bones_that_are_lost(make, people: People) -> None:
    task = make()
    task.networks["encoder"], task.networks["decoder"] = nn.Identity(), Told(1)
    found = task.validate(AUTOENCODER, CPU)
    assert found["lost"] == len(people.validation) == 2
    assert np.isfinite(found["radius_mm"]) and np.isnan(found["ulna_mm"])


def test_validation_looks_at_images_once_there_is_a_predictor(make) -> None:
    task, seen = make(), []
    task.networks["predictor"].register_forward_hook(lambda module, given, result: seen.append(given[0]))
    task.validate(PREDICTOR, CPU)
    assert seen[0].shape == (2, 1, 32, 32) and float(seen[0].max()) > 0.3


def test_validation_goes_on_where_people_are_held_out_of_the_grid(make) -> None:
    far = {"rotation_deg": [0, 0, 0], "translation_mm": [300, 300, 300], "distribution": "uniform"}
    task = make(data={"pose": far})
    task.networks["encoder"], task.networks["decoder"] = nn.Identity(), Told()
    found = task.validate(AUTOENCODER, CPU)
    assert found["lost"] == 0 and np.isnan(found["radius_mm"])


def test_validation_measures_a_scrap_at_the_border(make) -> None:
    class Scrap(nn.Module):
        def forward(self, soft_labels: Tensor) -> Tensor:
            return with_background(self.shown.expand_as(soft_labels)).clamp(1e-6).log()

        shown = torch.zeros(2, 16, 16, 16)

    Scrap.shown[0, 0, 0, 0] = 0.9  # a radius of one voxel in a corner
    task = make()
    task.networks["encoder"], task.networks["decoder"] = nn.Identity(), Scrap()
    found = task.validate(AUTOENCODER, CPU)
    assert found["lost"] == 2 and found["radius_mm"] > 20


def test_a_grid_without_bones_is_refused(make) -> None:
    with pytest.raises(InputError, match=r"nothing of the first person's radius lies in data\.grid"):
        make(data={"grid": {"centre_mm": [0, 0, 200]}})


def test_a_sample_can_be_moved(make) -> None:
    sample = make().batch(JOINT, [0], 0, CPU)
    there: Sample = moved(sample, "meta")
    assert there.images.is_meta and there.soft_labels.is_meta and there.poses is sample.poses


# ---- a trained one, through a bundle ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(wrists: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingRun, Path]:
    """A finished training and its bundle."""
    run = method_named("tl-net").prepare_training(changed(TL_NET, data={"folder": "wrists"}), wrists.parent, "cpu")
    folder = tmp_path_factory.mktemp("tl-net")
    train(run.task, folder, device="cpu", tensorboard=False)
    model = run.finish()
    bundle = Bundle(
        method="tl-net", configuration=run.configuration, anatomy="distal forearm", labels=model.labels,
        views=model.views, grid=model.grid, training=model.summary, metrics=model.metrics, intended_use="tests",
        licence="none", synthetic=model.synthetic,
    )  # fmt: skip
    return run, save_bundle(folder / "bundle", bundle, model.networks, dict(model.arrays))


def loaded(folder: Path, configuration: dict[str, Any] | None = None) -> GridReconstructor:
    found = load_bundle(folder)
    return method_named("tl-net").load_model(configuration or found.bundle.configuration, found.weights, found.array)


def test_a_bundle_predicts_as_the_networks_that_were_trained(trained: tuple[TrainingRun, Path]) -> None:
    run, folder = trained
    images = run.task.batch(JOINT, range(BATCH + 2), 0, CPU).images.numpy()
    there, here = TlNetPredictor(run.task.configuration, run.task.networks).predict(images), loaded(folder)
    found = here.predictor.predict(images)
    assert len(found) == BATCH + 2 and here.data == replace(run.task.configuration.data)
    for one, two in zip(there, found, strict=True):
        assert np.array_equal(one.values, two.values)
        assert one.values.shape == (2, 16, 16, 16) and one.level == 0.5
        assert one.values.min() >= 0 and one.values.sum(axis=0).max() <= 1 + 1e-5
    assert not np.allclose(found[0].values, found[1].values, atol=1e-6)


def test_probabilities_are_softmaxes() -> None:
    logits = torch.log(torch.tensor([0.5, 0.2, 0.3]))[None, :, None, None, None].expand(2, 3, 4, 4, 4) + 7
    (first, _) = fields_of(logits, loaded_grid())
    assert first.values[0] == pytest.approx(np.full((4, 4, 4), 0.2)) and first.values[1] == pytest.approx(0.3)


def loaded_grid() -> Any:
    return parsed(TlNetConfiguration, {"data": {"folder": "", "grid": {"size": 4}}}).data.voxels


def test_the_mean_shape_in_the_bundle_is_the_mean_of_training_people(trained, people: People) -> None:
    run, folder = trained
    mean = loaded(folder).mean
    exposures = exposures_of(run.task.configuration.data, people.training, 0)
    still = [
        exposures.exposed(case, [RigidPose.identity()], distances=True).distances[0]
        for case in range(len(people.training))
    ]
    expected = torch.stack(still).mean(dim=0).numpy()
    near = np.abs(expected) < 5
    assert near.mean() > 0.05
    assert np.abs(-mean.values - expected)[near].mean() < 0.6  # the bundle's people are held at random


def test_the_figures_are_of_people_never_shown(trained, wrists: Path, people: People) -> None:
    run, folder = trained
    names = [{case.patient for case in getattr(people, part).cases} for part in ("training", "validation", "test")]
    assert [len(part) for part in names] == [6, 2, 3] and len(set.union(*names)) == 11
    about = load_bundle(folder).bundle
    assert about.synthetic and 0 <= about.metrics["lost"] <= 6  # two bones of three people
    assert [view["view"] for view in about.views] == ["PA"] and about.grid["size"] == 16


def test_a_bone_that_the_model_loses_is_the_mean_shape_and_counted(trained, people: People) -> None:
    class Forgetful:
        """Finds the truth of radii and nothing of ulnae."""

        calibrated = False

        def predict(self, images: NDArray[np.float32], cameras: object = None) -> Sequence[Any]:
            labels = sample.soft_labels.clone()
            labels[:, 1] = 0
            return fields_of(with_background(labels).clamp(1e-6).log(), model.data.voxels)

    model = loaded(trained[1])
    sample = exposures_of(model.data, people.test, 5).sample("test", range(3))
    cases = [people.test.cases[index] for index in sample.case_index]
    judged = judge("forgetful", Forgetful(), model, Trials(cases, sample.images.numpy(), sample.poses))
    assert [(outcome.bone, outcome.empty) for outcome in judged.outcomes] == [("radius", False), ("ulna", True)] * 3
    stand_in, missing = model.meshes(model.mean)
    assert missing == ()
    for outcome in judged.outcomes:
        ulna = judged.meshes[outcome.case]["ulna"]
        assert np.array_equal(points_of(ulna), points_of(stand_in["ulna"]))
        assert np.isfinite(outcome.assd_mm) and outcome.method == "forgetful"
    errors = {bone: np.mean([o.assd_mm for o in judged.outcomes if o.bone == bone]) for bone in LABELS}
    assert errors["radius"] < errors["ulna"]


def test_weights_of_other_networks_do_not_load(trained) -> None:
    configuration = changed(load_bundle(trained[1]).bundle.configuration, network={"latent": 7})
    with pytest.raises(InputError, match="its weights are not those of its networks: predictor has code.weight of"):
        loaded(trained[1], configuration)
