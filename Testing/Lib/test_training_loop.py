"""The loop against one written out by hand, freezing, going on, progress and logs."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest
import torch
from training_cases import ALONE, CRITIC, MAKER, Recorder, TinyTask, same_bits, weights_of

from XRayTo3DLib.errors import Cancelled, InputError
from XRayTo3DLib.training import loop
from XRayTo3DLib.training.checkpoint import load_checkpoint
from XRayTo3DLib.training.logs import read_metrics
from XRayTo3DLib.training.loop import TrainingCancelled, train
from XRayTo3DLib.training.optimisers import only_trained
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan, seed_of

QUIET = {"device": "cpu", "threads": 1, "log_every": 1, "tensorboard": False}


def trained(folder: Path, **options: object) -> dict[str, torch.Tensor]:
    task = TinyTask()
    train(task, folder, **{**QUIET, **options})
    return weights_of(task)


def written_out() -> dict[str, torch.Tensor]:
    """TinyTask's two stages with nothing but PyTorch: who learns, in which mode, and in which order."""
    task = TinyTask()
    nets = task.networks
    device = torch.device("cpu")

    def adam(names: tuple[str, ...], betas: tuple[float, float]) -> torch.optim.Optimizer:
        parameters = [parameter for name in names for parameter in nets[name].parameters()]
        return torch.optim.Adam(parameters, betas=betas)

    def lower(stage: str, name: str, step: int, optimiser: torch.optim.Optimizer, lr: float, running: tuple) -> None:
        nets.eval()
        for net in running:
            nets[net].train()
        batch = task.batch(stage, range(step * 4, step * 4 + 4), step, device)
        torch.manual_seed(seed_of(0, stage, step, "loss", name))
        optimiser.zero_grad()
        task.loss(stage, name, batch)["loss"].backward()
        optimiser.param_groups[0]["lr"] = lr
        optimiser.step()

    alone = adam(("maker",), (0.9, 0.999))
    for step in range(12):
        lower("alone", "maker", step, alone, Schedule(1e-2, "one-cycle").lr_at(step, 12), ("maker",))
    critic, maker = adam(("critic",), (0.5, 0.999)), adam(("maker", "head"), (0.5, 0.999))
    for step in range(12):
        lower("pair", "critic", step, critic, 2e-3, ("critic", "maker"))
        lower("pair", "maker", step, maker, 4e-3 * min(1, (12 - step) / 6), ("maker", "head"))
    return weights_of(task)


def test_the_loop_does_what_one_written_out_by_hand_does(tmp_path: Path) -> None:
    ours, by_hand = trained(tmp_path), written_out()
    start = weights_of(TinyTask())
    assert ours.keys() == by_hand.keys()
    for name, weights in ours.items():
        torch.testing.assert_close(weights, by_hand[name], rtol=1e-5, atol=1e-6)
    moved = {name for name in ours if not torch.equal(ours[name], start[name])}
    assert moved == {name for name in ours if not name.startswith("fixed.")}


@pytest.mark.parametrize(
    ("plan", "learn", "run"),
    [
        (ALONE, {"maker"}, {"maker"}),
        (CRITIC, {"critic"}, {"critic", "maker"}),
        (MAKER, {"maker", "head"}, {"maker", "head"}),
        (OptimiserPlan("x", ("fixed",), Schedule(1.0)), {"fixed"}, {"fixed"}),
    ],
)
def test_each_optimiser_freezes_all_it_does_not_train(plan: OptimiserPlan, learn: set[str], run: set[str]) -> None:
    networks = TinyTask().networks
    networks["head"].bias.requires_grad_(False)  # as it came; it must stay frozen, always
    before = {name: parameter.requires_grad for name, parameter in networks.named_parameters()}
    with only_trained(networks, plan):
        learning = {name for name, parameter in networks.named_parameters() if parameter.requires_grad}
        running = {name for name, network in networks.items() if network.training}
        assert all(module.training == network.training for network in networks.values() for module in network.modules())
    assert {name.split(".")[0] for name in learning} == learn
    assert "head.bias" not in learning
    assert running == run
    assert {name: parameter.requires_grad for name, parameter in networks.named_parameters()} == before
    assert not any(module.training for module in networks.modules())


@pytest.mark.parametrize("plan", [ALONE, CRITIC, MAKER])
def test_one_stage_of_one_optimiser_changes_what_it_trains_and_nothing_else(
    tmp_path: Path, plan: OptimiserPlan
) -> None:
    task = TinyTask()
    stage = "alone" if plan is ALONE else "pair"
    task.stages = (StagePlan(stage, 3, 4, (plan,)),)
    before = weights_of(task)
    train(task, tmp_path, **QUIET)
    after = weights_of(task)
    changed = {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}
    assert changed == set(plan.networks)
    assert all(torch.equal(before[name], after[name]) for name in after if name.split(".")[0] not in plan.networks)


def test_a_part_without_gradients_is_trained_around(tmp_path: Path) -> None:
    task = TinyTask()
    task.networks["maker"][0].requires_grad_(False)
    before = weights_of(task)
    train(task, tmp_path, **QUIET)
    after = weights_of(task)
    assert torch.equal(before["maker.0.weight"], after["maker.0.weight"])
    assert not torch.equal(before["maker.4.weight"], after["maker.4.weight"])


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = trained(tmp_path / "one")
    torch.manual_seed(2)
    torch.rand(100)
    assert same_bits(one, trained(tmp_path / "two"))
    assert not same_bits(one, trained(tmp_path / "other", seed=1))


def test_the_callers_random_numbers_and_settings_stay_as_they_were(tmp_path: Path) -> None:
    task, threads = TinyTask(), torch.get_num_threads()
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    train(task, tmp_path, **QUIET)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("stops", [(0, 5), (1, 1, 1), (12,), (13, 3), (11, 2, 10)])
def test_cancelled_and_gone_on_ends_in_the_same_bits(tmp_path: Path, stops: tuple[int, ...]) -> None:
    """The checkpoint is written where it was stopped, whatever ``checkpoint_every`` says."""
    done = 0
    for stop in stops:
        done += stop
        with pytest.raises(TrainingCancelled, match=r"stopped in stage (alone|pair) after step \d+ of 12") as told:
            train(TinyTask(), tmp_path / "cut", watcher=Recorder(stop_after=stop), **QUIET)
        assert isinstance(told.value, Cancelled)
        assert load_checkpoint(tmp_path / "cut").total == done
    task = TinyTask()
    torch.nn.init.zeros_(task.networks["maker"][0].weight)  # what it begins with no longer matters
    result = train(task, tmp_path / "cut", **QUIET)
    assert (result.steps, result.resumed_at) == (24, done)
    assert same_bits(weights_of(task), trained(tmp_path / "whole"))
    assert (tmp_path / "cut/metrics.csv").read_text() == (tmp_path / "whole/metrics.csv").read_text()


def test_a_finished_training_is_only_loaded(tmp_path: Path) -> None:
    first = TinyTask()
    result = train(first, tmp_path, **QUIET)
    assert (result.steps, result.resumed_at) == (24, 0)
    again, recorder = TinyTask(), Recorder()
    second = train(again, tmp_path, watcher=recorder, **QUIET)
    assert second.resumed_at == 24
    assert (second.losses, str(second.metrics)) == (result.losses, str(result.metrics))
    assert same_bits(weights_of(first), weights_of(again))
    assert recorder.states == []
    assert not any(module.training for module in again.networks.modules())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 4}, "seed: 0 there, 4 here"),
        ({"precision": "bf16-mixed"}, "precision: 32-true there, bf16-mixed here"),
        ({"configuration": {"grid": {"size": 48}}}, "task.grid.size: 32 there, 48 here"),
    ],
)
def test_going_on_with_another_configuration_is_refused(tmp_path: Path, change: dict, told: str) -> None:
    trained(tmp_path, configuration={"grid": {"size": 32}})
    with pytest.raises(InputError, match=told):
        trained(tmp_path, **{"configuration": {"grid": {"size": 32}}, **change})


def test_going_on_with_another_plan_or_network_is_refused(tmp_path: Path) -> None:
    trained(tmp_path)
    task = TinyTask()
    task.stages = (dataclasses.replace(task.stages[0], batch=8), task.stages[1])
    with pytest.raises(InputError, match="stages.alone.batch: 4 there, 8 here"):
        train(task, tmp_path, **QUIET)
    task = TinyTask()
    task.networks["head"] = torch.nn.Conv2d(1, 1, 3, padding=1)
    with pytest.raises(InputError, match="head.weight"):
        train(task, tmp_path, **QUIET)


def test_progress_is_told_from_the_first_step_to_the_last(tmp_path: Path) -> None:
    recorder = Recorder()
    result = train(TinyTask(), tmp_path, watcher=recorder, **QUIET)
    told = [(state.stage, state.stage_number, state.stages, state.step, state.steps) for state in recorder.states]
    assert {("alone", 1, 2, 1, 12), ("alone", 1, 2, 12, 12), ("pair", 2, 2, 1, 12), ("pair", 2, 2, 12, 12)} <= set(told)
    assert told == sorted(told, key=lambda row: (row[1], row[3]))
    first, last = recorder.states[0], recorder.states[-1]
    assert set(first.losses) == {"loss", "gradient_norm"}
    assert set(last.losses) == {f"critic/{n}" for n in first.losses} | {f"maker/{n}" for n in (*first.losses, "error")}
    assert first.metrics == {}
    assert last.metrics["assd_mm"] == result.metrics["pair"]["assd_mm"] > 0
    assert first.eta_s > last.eta_s == 0
    assert 0 < first.seconds <= last.seconds <= result.seconds
    assert recorder.asked == 24


def test_the_log_holds_every_figure_of_every_step(tmp_path: Path) -> None:
    trained(tmp_path)
    rows = read_metrics(tmp_path)
    assert {row["step"] for row in rows} == set(range(1, 25))
    assert [row["stage_step"] for row in rows if row["name"] == "assd_mm"] == [5, 10, 12, 5, 10, 12]
    assert [row["name"] for row in rows if row["step"] == 17] == [
        *(f"critic/{name}" for name in ("loss", "gradient_norm")),
        *(f"maker/{name}" for name in ("loss", "error", "gradient_norm")),
        *("assd_mm", "vanished_mm"),
    ]
    errors = [row["value"] for row in rows if row["stage"] == "alone" and row["name"] == "loss"]
    assert sum(errors[-4:]) < 0.8 * sum(errors[:4])


def test_half_precision_runs_with_weights_in_full(tmp_path: Path) -> None:
    seen = []

    class Half(TinyTask):
        def loss(self, stage: str, optimiser: str, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            seen.append(self.networks["maker"](batch).dtype)
            return super().loss(stage, optimiser, batch)

    task = Half()
    train(task, tmp_path, precision="bf16-mixed", **QUIET)
    assert set(seen) == {torch.bfloat16}
    assert {parameter.dtype for parameter in task.networks.parameters()} == {torch.float32}


def test_tensorboard_shows_each_step_once_after_going_on(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = {**QUIET, "tensorboard": True, "checkpoint_every": 4}

    class Interrupting(Recorder):
        def cancelled(self) -> bool:
            if super().cancelled():
                raise KeyboardInterrupt
            return False

    with pytest.raises(KeyboardInterrupt):
        train(TinyTask(), tmp_path, watcher=Interrupting(stop_after=11), **options)
    assert load_checkpoint(tmp_path).total == 8  # steps 9 to 11 are in the logs, and done again
    second = int(time.time())
    while int(time.time()) == second:  # TensorBoard orders files by it, and within it "10" comes before "9"
        time.sleep(0.05)
    train(TinyTask(), tmp_path, **options)
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    rows = [row for row in read_metrics(tmp_path) if row["name"] == "loss"]
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert [event.step for event in events.Scalars("alone/loss")] == list(range(1, 13))


def test_every_validation_of_a_stage_draws_the_same_random_numbers(tmp_path: Path) -> None:
    class Drawing(TinyTask):
        def validate(self, stage: str, device: torch.device) -> dict[str, float]:
            return {"drawn": float(torch.rand(1))}

    train(Drawing(), tmp_path, **QUIET)
    drawn = [(row["stage"], row["value"]) for row in read_metrics(tmp_path) if row["name"] == "drawn"]
    assert len(drawn) == 6
    assert len(set(drawn)) == 2


@pytest.fixture
def scaled(monkeypatch: pytest.MonkeyPatch) -> dict:
    """16-mixed on the CPU, which Lightning itself offers on graphics cards only: the same plugin and loss scale."""
    fabric = pytest.importorskip("lightning.fabric")
    from lightning.fabric.plugins import MixedPrecision

    def launched(device: str, precision: str, *_: object) -> object:
        plugins = [MixedPrecision("16-mixed", "cpu")] if precision == "16-mixed" else []
        return fabric.Fabric(accelerator=device, devices=1, plugins=plugins)

    monkeypatch.setattr(loop, "launched_fabric", launched)
    return {**QUIET, "precision": "16-mixed"}


def test_a_scaled_loss_follows_the_curve_of_full_precision(tmp_path: Path, scaled: dict) -> None:
    train(TinyTask(), tmp_path / "half", **scaled)
    half = read_metrics(tmp_path / "half")
    train(TinyTask(), tmp_path / "full", **QUIET)
    full = read_metrics(tmp_path / "full")
    kept = [number for number, row in enumerate(full) if row["stage"] == "alone" and row["name"] == "loss"]
    ours, exact = [half[number]["value"] for number in kept], [full[number]["value"] for number in kept]
    assert ours == pytest.approx(exact, rel=0.05)
    assert ours != exact


def test_an_infinite_scaled_gradient_leaves_the_step_out_and_going_on_remembers_the_scale(
    tmp_path: Path, scaled: dict
) -> None:
    class Steep(TinyTask):
        def loss(self, stage: str, optimiser: str, batch: torch.Tensor) -> dict[str, torch.Tensor]:
            losses = super().loss(stage, optimiser, batch)
            self.steps_taken = getattr(self, "steps_taken", 0) + 1
            if self.steps_taken == 2:
                losses["loss"] = losses["loss"] + (losses["loss"] - losses["loss"].detach()).sqrt()
            return losses

    with pytest.raises(TrainingCancelled):
        train(Steep(), tmp_path, watcher=Recorder(stop_after=1), **scaled)
    one = load_checkpoint(tmp_path)
    with pytest.raises(TrainingCancelled):
        train(Steep(), tmp_path / "on", watcher=Recorder(stop_after=2), **scaled)
    two = load_checkpoint(tmp_path / "on")
    assert (one.total, two.total) == (1, 2)
    assert all(torch.equal(one.tensors[name], two.tensors[name]) for name in one.tensors)
    assert two.values["precision"]["scale"] == one.values["precision"]["scale"] / 2
    with pytest.raises(TrainingCancelled):
        train(TinyTask(), tmp_path / "on", watcher=Recorder(stop_after=1), **scaled)
    assert load_checkpoint(tmp_path / "on").values["precision"]["scale"] == two.values["precision"]["scale"]
