"""Style transfer: nobody gives a pair, losses written out slowly, going on with the pools, learning, bundle."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from learning_cases import PIX2PIX, changed, write_yaml
from numpy.typing import NDArray
from scipy import ndimage
from training_cases import Recorder, same_bits, weights_of

from XRayTo3DLib.cli.main import main
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.methods.configuration import parsed
from XRayTo3DLib.methods.image_translation.pairs import Pairs, SplitPairs, split_pairs
from XRayTo3DLib.methods.registry import method_named
from XRayTo3DLib.methods.style_transfer.configuration import StyleTransferConfiguration
from XRayTo3DLib.methods.style_transfer.task import DISCRIMINATORS, CycleGanTask
from XRayTo3DLib.methods.style_transfer.unpaired import unpaired
from XRayTo3DLib.models.bundle import load_bundle
from XRayTo3DLib.training.loop import TrainingCancelled, train
from XRayTo3DLib.training.optimisers import only_trained

CPU = torch.device("cpu")
QUIET = {"device": "cpu", "threads": 1, "tensorboard": False}
CYCLEGAN: dict[str, Any] = {
    **PIX2PIX,
    "method": "style-transfer",
    "gan": {"channels": 4, "blocks": 1, "discriminator_channels": 4, "layers": 1, "norm": "group", "structure": 0.5,
            "pool": 2, "steps": 6, "batch": 2, "validate_every": 0},
}  # fmt: skip


def settings_of(**changes: Any) -> StyleTransferConfiguration:
    return parsed(StyleTransferConfiguration, changed(CYCLEGAN, **changes))


def smooth(seed: int, count: int, size: int = 32) -> NDArray[np.float32]:
    """(count, size, size) smooth pictures between 0 and 1."""
    noise = np.random.default_rng(seed).standard_normal((count, size, size))
    pictures = np.stack([ndimage.gaussian_filter(each, 3, mode="wrap") for each in noise])
    return ((pictures - pictures.min()) / np.ptp(pictures)).astype(np.float32)


def made_up(name: str, count: int, seed: int) -> Pairs:
    """Pairs whose pictures tell whose they are: a radiograph is its DRR, twice as opaque and one more."""
    drrs = smooth(seed, count)
    cases = tuple(SimpleNamespace(id=f"{name}-{n}", patient=f"{name}-{n // 2}") for n in range(count))
    return Pairs(cases, 2 * drrs + 1, drrs, (), True)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pairs() -> SplitPairs:
    """Two radiographs of every patient."""
    return SplitPairs(made_up("train", 12, 0), made_up("validation", 3, 1), made_up("test", 2, 2), True)


# ---- no pairs --------------------------------------------------------------------------------------------------------


def test_nobody_gives_a_radiograph_and_a_drr(pairs: SplitPairs) -> None:
    found = unpaired(pairs.training)
    assert len(found.radiographs) == len(found.drrs) == 6
    assert not found.radiograph_patients & found.drr_patients
    assert found.radiograph_patients | found.drr_patients == {case.patient for case in pairs.training.cases}
    for pictures, patients, of in (
        (found.radiographs, found.radiograph_patients, pairs.training.radiographs),
        (found.drrs, found.drr_patients, pairs.training.drrs),
    ):
        owners = {
            case.patient
            for case, picture in zip(pairs.training.cases, of, strict=True)
            if any(np.array_equal(picture, each) for each in pictures)
        }
        assert owners == patients


def test_training_never_sees_the_other_half_of_a_pair(pairs: SplitPairs) -> None:
    """Other pictures in the place of what must not be seen change nothing in a hundred batches."""
    found = unpaired(pairs.training)
    shown = np.array([case.patient in found.radiograph_patients for case in pairs.training.cases])[:, None, None]
    hidden = Pairs(
        pairs.training.cases,
        np.where(shown, pairs.training.radiographs, np.nan).astype(np.float32),
        np.where(shown, np.nan, pairs.training.drrs).astype(np.float32),
        (),
        True,
    )
    one, other = (
        CycleGanTask(settings_of(), SplitPairs(each, pairs.validation, pairs.test, True))
        for each in (pairs.training, hidden)
    )
    for step in range(100):
        items = [2 * step, 2 * step + 1]
        first, second = (task.batch("cyclegan", items, step, CPU) for task in (one, other))
        assert torch.equal(first.radiographs, second.radiographs)
        assert torch.equal(first.drrs, second.drrs)


def test_which_radiograph_meets_which_drr_changes(pairs: SplitPairs) -> None:
    """Of six by six meetings more than those of one fixed order come up in six epochs."""
    task = CycleGanTask(settings_of(), pairs)
    met = {(task._moved[0].pair_of(item, 6)[0], task._moved[1].pair_of(item, 6)[0]) for item in range(36)}
    assert len(met) > 12


def test_one_patient_is_too_few(pairs: SplitPairs) -> None:
    training = pairs.training
    one = Pairs(training.cases[:2], training.radiographs[:2], training.drrs[:2], (), True)
    with pytest.raises(InputError, match="two are needed"):
        unpaired(one)


# ---- training --------------------------------------------------------------------------------------------------------


def test_each_optimiser_trains_its_networks_alone(pairs: SplitPairs) -> None:
    task = CycleGanTask(settings_of(), pairs)
    (stage,) = task.stages
    assert [plan.name for plan in stage.optimisers] == ["generators", "discriminators"]
    batch = task.batch("cyclegan", [0, 1], 0, CPU)
    for plan in stage.optimisers:
        task.networks.zero_grad(set_to_none=True)
        with only_trained(task.networks, plan):
            # As the authors do: with batch norm a frozen discriminator in evaluation mode would judge otherwise.
            assert all(task.networks[name].training for name in DISCRIMINATORS)
            task.loss("cyclegan", plan.name, batch)["loss"].backward()
        for name, network in task.networks.items():
            for parameter in network.parameters():
                assert (parameter.grad is not None) == (name in plan.networks), (plan.name, name)
        assert plan.betas == (0.5, 0.999) and plan.schedule.kind == "linear-decay"


def ncc(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    return float(np.corrcoef(one.ravel(), two.ravel())[0, 1])


def structure(one: torch.Tensor, two: torch.Tensor) -> float:
    """Mean gradient correlation of (B, 1, N, N), by scipy's Sobel."""
    found = []
    for a, b in zip(one[:, 0].double().numpy(), two[:, 0].double().numpy(), strict=True):
        edges = [[ndimage.sobel(each, axis)[1:-1, 1:-1] for each in (a, b)] for axis in (0, 1)]
        found.append((ncc(*edges[0]) + ncc(*edges[1])) / 2)
    return float(np.mean(found))


@torch.no_grad()
def test_losses_written_out(pairs: SplitPairs) -> None:
    task = CycleGanTask(settings_of(gan={"cycle": 7.0, "identity": 0.3, "pool": 0}), pairs)
    nets = task.networks
    batch = task.batch("cyclegan", [0, 1], 0, CPU)
    found = {name: task.loss("cyclegan", name, batch)["loss"] for name in ("generators", "discriminators")}
    radiographs, drrs = batch.radiographs, batch.drrs
    made_drrs, made_radiographs = nets["to_drr"](radiographs), nets["to_radiograph"](drrs)

    def l1(one: torch.Tensor, two: torch.Tensor) -> float:
        return float((one - two).abs().sum()) / one.numel()

    def judged(name: str, picture: torch.Tensor, wanted: float) -> float:
        return float(((nets[name](picture) - wanted) ** 2).mean())

    fooled = judged("drrs", made_drrs, 1) + judged("radiographs", made_radiographs, 1)
    back = l1(nets["to_radiograph"](made_drrs), radiographs) + l1(nets["to_drr"](made_radiographs), drrs)
    same = l1(nets["to_drr"](drrs), drrs) + l1(nets["to_radiograph"](radiographs), radiographs)
    lost = 2 - structure(made_drrs, radiographs) - structure(made_radiographs, drrs)
    assert float(found["generators"]) == pytest.approx(fooled + 7 * back + 7 * 0.3 * same + 0.5 * lost, rel=1e-4)
    told = (judged("drrs", drrs, 1) + judged("drrs", made_drrs, 0)) / 2
    told += (judged("radiographs", radiographs, 1) + judged("radiographs", made_radiographs, 0)) / 2
    assert float(found["discriminators"]) == pytest.approx(told, rel=1e-4)


def test_discriminators_are_shown_the_pools(pairs: SplitPairs) -> None:
    task = CycleGanTask(settings_of(gan={"pool": 4}), pairs)
    made = []
    for step in range(2):
        batch = task.batch("cyclegan", [2 * step, 2 * step + 1], step, CPU)
        task.loss("cyclegan", "generators", batch)
        task.loss("cyclegan", "discriminators", batch)
        assert batch.made is not None
        made.append(batch.made)
    for number, name in enumerate(DISCRIMINATORS):
        pool = task.networks[f"pool_of_{name}"]
        assert torch.equal(pool.pictures, torch.cat([each[number] for each in made]))
    with pytest.raises(RuntimeError, match="comes first"):
        task.loss("cyclegan", "discriminators", task.batch("cyclegan", [0, 1], 0, CPU))


def test_without_identity_and_structure_there_is_less_to_compute(pairs: SplitPairs) -> None:
    task = CycleGanTask(settings_of(gan={"identity": 0.0, "structure": 0.0}), pairs)
    told = task.loss("cyclegan", "generators", task.batch("cyclegan", [0, 1], 0, CPU))
    told["loss"] = told["loss"].detach()
    assert set(told) == {"loss", "adversarial", "cycle"}
    assert float(told["loss"]) == pytest.approx(float(told["adversarial"]) + 10 * float(told["cycle"]), rel=1e-5)


def test_cancelled_and_gone_on_ends_in_the_same_bits(pairs: SplitPairs, tmp_path: Path) -> None:
    """The pools too, which by then have been full for long."""
    whole = CycleGanTask(settings_of(), pairs)
    train(whole, tmp_path / "whole", **QUIET)
    with pytest.raises(TrainingCancelled):
        train(CycleGanTask(settings_of(), pairs), tmp_path / "cut", watcher=Recorder(stop_after=4), **QUIET)
    cut = CycleGanTask(settings_of(), pairs)
    result = train(cut, tmp_path / "cut", **QUIET)
    assert (result.resumed_at, result.steps) == (4, 6)
    assert int(whole.networks["pool_of_drrs"].kept) == 2
    assert same_bits(weights_of(whole), weights_of(cut))  # type: ignore[arg-type]


def test_it_learns_the_way_there_and_back(pairs: SplitPairs, tmp_path: Path) -> None:
    """Without a single pair the translated radiographs come near the DRRs: both kinds differ in gain and offset."""
    gan = {"steps": 80, "lr": 4.0e-3, "channels": 8, "norm": "none", "batch": 4, "pool": 10}
    task = CycleGanTask(settings_of(gan=gan), pairs)
    before = task.validate("cyclegan", CPU)
    result = train(task, tmp_path, **QUIET)
    after = result.metrics["cyclegan"]
    assert after["mae"] < 0.5 * before["mae"]
    assert after["structure"] > 0.8 > before["structure"]


def test_what_cannot_be_configured() -> None:
    for changes, message in (
        ({"data": {"image": {"size": 30}}}, "multiple of 4"),
        ({"gan": {"layers": 4}}, "must be at least 48"),
        ({"gan": {"pool": -1}}, "must not be negative"),
        ({"gan": {"structure": -0.5}}, "must not be negative"),
        ({"gan": {"l1": 100}}, "gan.l1 is not known"),
    ):
        with pytest.raises(InputError, match=message):
            settings_of(**changes)


# ---- a trained one ---------------------------------------------------------------------------------------------------


def test_through_a_bundle(wrists: Path, tmp_path: Path) -> None:
    content = changed(CYCLEGAN, data={"folder": str(wrists)}, gan={"steps": 2})
    config = write_yaml(tmp_path / "cyclegan.yaml", content)
    assert main(["train", str(config), "-o", str(tmp_path / "run"), "--device", "cpu", "--json"]) == 0
    found = load_bundle(tmp_path / "run" / "bundle")
    told = found.bundle
    assert told.method == "style-transfer" and told.views[0]["view"] == "PA" and told.synthetic
    assert found.networks == ("to_drr",), "nothing that inference does not need"
    pictures = split_pairs(parsed(StyleTransferConfiguration, content).data, Path()).test
    load = method_named("style-transfer").load_model
    one, two = (load(told.configuration, found.weights, found.array).translate(pictures.radiographs) for _ in range(2))
    assert np.array_equal(one, two) and one.shape == (3, 32, 32)
    assert told.metrics["mae"] == pytest.approx(np.abs(one - pictures.drrs).mean(), rel=1e-5)
    alike = structure(*(torch.from_numpy(each)[:, None] for each in (one, pictures.drrs)))
    assert told.metrics["structure"] == pytest.approx(alike, abs=1e-4)
    assert (told.training["radiographs of"], told.training["DRRs of"]) == (3, 3)
