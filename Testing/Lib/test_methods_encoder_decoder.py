"""The encoder-decoder on the engine: its losses written out, its validation, its bundle, what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_cases import TL_NET, changed, write_yaml
from monai.losses import DiceLoss

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.data import People, people_of
from XRayTo3DLib.methods.encoder_decoder.configuration import EncoderDecoderConfiguration
from XRayTo3DLib.methods.encoder_decoder.predictor import EncoderDecoderPredictor, bone_probabilities
from XRayTo3DLib.methods.encoder_decoder.task import NETWORK, STAGE, EncoderDecoderTask
from XRayTo3DLib.methods.registry import method_named
from XRayTo3DLib.models.bundle import load_bundle, save_bundle
from XRayTo3DLib.networks.encoder_decoder import EncoderDecoder
from XRayTo3DLib.networks.layers import count_parameters

CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "format": TL_NET["format"],
    "method": "encoder-decoder",
    "name": "tiny",
    "data": changed(TL_NET, data={"views": ["PA", "LAT"]})["data"],
    "network": {"channels": 2, "code": 8, "norm": "group"},
    "training": {"steps": 3, "batch": 2, "lr": 1.0e-3, "validate_every": 0},
}


def settings_of(wrists: Path, **changes: Any) -> EncoderDecoderConfiguration:
    return parsed(EncoderDecoderConfiguration, changed(changed(TINY, data={"folder": str(wrists)}), **changes))


@pytest.fixture(scope="module")
def people(wrists: Path) -> People:
    return people_of(settings_of(wrists).data, Path())


def loss_of(task: EncoderDecoderTask) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor]:
    """Losses of a batch, the network's logits for it, and its labels."""
    task.networks.eval()
    sample = task.batch(STAGE, [0, 1], 0, CPU)
    with torch.no_grad():
        logits = task.networks[NETWORK](sample.images / task.configuration.data.image.scale)
        return task.loss(STAGE, "adam", sample), logits, sample.soft_labels


def test_softmax_loss_is_cross_entropy_with_the_background(wrists: Path, people: People) -> None:
    task = EncoderDecoderTask(settings_of(wrists, data={"noise": 0.0, "image": {"scale": 3.0}}), people)
    losses, logits, labels = loss_of(task)
    assert logits.shape == (2, 3, 16, 16, 16)
    shares = torch.cat([1 - labels.sum(dim=1, keepdim=True), labels], dim=1)
    expected = torch.nn.functional.cross_entropy(logits, shares)
    assert losses["loss"] == pytest.approx(float(expected), rel=1e-5) and losses.keys() == {"loss", "cross_entropy"}


def test_sigmoid_loss_is_each_bone_s_own_and_dice_is_dice(wrists: Path, people: People) -> None:
    options = {"network": {"head": "sigmoid"}, "loss": {"cross_entropy": 0.5, "dice": 2.0}, "data": {"noise": 0.0}}
    task = EncoderDecoderTask(settings_of(wrists, **options), people)
    sharp = task.batch(STAGE, [0, 1], 0, CPU)
    sharp.soft_labels.round_()
    task.batch = lambda *_: sharp  # type: ignore[method-assign]
    losses, logits, labels = loss_of(task)
    assert logits.shape == (2, 2, 16, 16, 16)
    p = logits.sigmoid()
    entropy = -(labels * p.log() + (1 - labels) * (1 - p).log()).mean()
    dice = DiceLoss(sigmoid=True, smooth_nr=1e-3, smooth_dr=1e-3)(logits, labels)  # of labels 0 and 1 both agree
    assert losses["cross_entropy"] == pytest.approx(0.5 * float(entropy), rel=1e-4)
    assert losses["dice"] == pytest.approx(2 * float(dice), rel=1e-4)
    assert losses["loss"] == pytest.approx(float(0.5 * entropy + 2 * dice), rel=1e-4)


def test_probabilities_of_both_heads() -> None:
    logits = torch.log(torch.tensor([0.5, 0.2, 0.3]))[None, :, None, None, None].expand(1, 3, 2, 2, 2)
    soft, own = (bone_probabilities(logits + 7 * (head == "softmax"), head) for head in ("softmax", "sigmoid"))
    assert soft[0, :, 0, 0, 0].tolist() == pytest.approx([0.2, 0.3])
    assert own[0, :, 0, 0, 0].tolist() == pytest.approx([1 / 3, 1 / 6, 3 / 13])


def test_validation_knows_who_is_right(wrists: Path, people: People) -> None:
    """A network told the truth errs by less than the grid; an empty one has lost every bone."""
    task = EncoderDecoderTask(settings_of(wrists), people)
    sample = task._validation.sample("validation", range(len(people.validation)))
    shares = torch.cat([1 - sample.soft_labels.sum(dim=1, keepdim=True), sample.soft_labels], dim=1)

    class Told(torch.nn.Linear):
        answer = shares.clamp(1e-6).log()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.answer[: len(images)]

    task.networks[NETWORK] = Told(1, 1)
    found = task.validate(STAGE, CPU)
    assert found["lost"] == 0 and found["radius_mm"] < 1.0 and found["ulna_mm"] < 1.0  # voxels of 5 mm
    Told.answer = torch.zeros_like(shares)
    assert task.validate(STAGE, CPU)["lost"] == 4


@pytest.fixture(scope="module")
def bundle(wrists: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder-decoder")
    config = write_yaml(folder / "tiny.yaml", changed(TINY, data={"folder": str(wrists)}))
    assert main(["train", str(config), "-o", str(folder / "run"), "--device", "cpu", "--json", "--float16"]) == 0
    return folder / "run" / "bundle"


def test_a_bundle_answers_as_the_network_that_was_trained(bundle: Path, wrists: Path, people: People) -> None:
    found = load_bundle(bundle)
    assert found.networks == (NETWORK,) and found.arrays == ("mean_distances",) and found.bundle.synthetic
    assert set(found.bundle.metrics) == {"radius_mm", "ulna_mm", "lost"}
    assert found.bundle.training["updates"] == {STAGE: 3}
    model = method_named("encoder-decoder").load_model(found.bundle.configuration, found.weights, found.array)
    assert not model.predictor.calibrated
    network = EncoderDecoder(2, 3, 16, 32, channels=2, code=8, norm="group", dropout=0.1)
    network.load_state_dict(found.weights(NETWORK))
    images = EncoderDecoderTask(settings_of(wrists), people).batch("test", range(6), 0, CPU).images
    with torch.no_grad():
        expected = network.eval()(images).softmax(dim=1)[:, 1:].numpy()
    shapes = model.predictor.predict(images.numpy(), cameras=None)
    for shape, values in zip(shapes, expected, strict=True):
        assert shape.values == pytest.approx(values, abs=1e-6) and shape.level == 0.5
        assert shape.grid == model.data.voxels


def test_weights_of_another_network_are_refused(bundle: Path, tmp_path: Path) -> None:
    found = load_bundle(bundle)
    weights = found.weights(NETWORK)
    weights.pop("code.bias")
    save_bundle(tmp_path / "cut", found.bundle, {NETWORK: weights}, {name: found.array(name) for name in found.arrays})
    with pytest.raises(InputError, match="bundle cut: its weights are not those of its networks"):
        loaded_model(str(tmp_path / "cut"), "encoder-decoder")


def test_a_radiograph_too_few(bundle: Path) -> None:
    found = load_bundle(bundle)
    model = method_named("encoder-decoder").load_model(found.bundle.configuration, found.weights, found.array)
    with pytest.raises(InputError, match=r"made for 2 view\(s\)"):
        model.predictor.predict(np.zeros((1, 1, 32, 32), np.float32))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": {"head": "tanh"}}, r"network\.head must be one of softmax, sigmoid"),
        ({"loss": {"cross_entropy": 0.0}}, "one of them more"),
        ({"loss": {"dice": -1.0}}, "must be 0 or more"),
        ({"loss": {"dice": float("nan")}}, "must be a number"),
        ({"network": {"channels": 0}}, "network.channels and network.code must be 1 or more"),
        ({"network": {"code": 0}}, "network.channels and network.code must be 1 or more"),
        ({"network": {"norm": "batch"}, "training": {"batch": 1}}, "Take norm: group for single exposures"),
        ({"network": {"channel": 3}}, "network.channel is not known"),
    ],
)
def test_configurations_that_cannot_be(wrists: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        settings_of(wrists, **changes)


def test_defaults_are_the_benchmark_s(wrists: Path) -> None:
    defaults = EncoderDecoderConfiguration(settings_of(wrists).data)
    assert (defaults.training.lr, defaults.training.batch, defaults.network.dropout) == (2e-3, 8, 0.1)
    network = EncoderDecoder(channels=defaults.network.channels, code=defaults.network.code, norm=defaults.network.norm)
    assert round(count_parameters(network) / 1e6, 2) == 40.62


def test_predictions_do_not_depend_on_how_many_are_asked(wrists: Path, people: People) -> None:
    task = EncoderDecoderTask(settings_of(wrists), people)
    images = task.batch(STAGE, range(5), 0, CPU).images.numpy()
    predictor = EncoderDecoderPredictor(task.configuration, task.networks[NETWORK])
    together = predictor.predict(images)
    for number in range(5):
        (alone,) = predictor.predict(images[[number]])
        assert alone.values == pytest.approx(together[number].values, abs=1e-5)
