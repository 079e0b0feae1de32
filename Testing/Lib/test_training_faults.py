"""Every fault of a training: it stops before it does harm, and says where and what to change."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from training_cases import Recorder, TinyTask, same_bits, weights_of

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.training import logs
from XRayTo3DLib.training.checkpoint import load_checkpoint
from XRayTo3DLib.training.faults import DiskFull, EmptyData, OutOfMemory, TrainingDiverged, memory_explained
from XRayTo3DLib.training.loop import train
from XRayTo3DLib.training.ranks import launched_fabric

QUIET = {"device": "cpu", "threads": 1, "log_every": 1, "tensorboard": False, "checkpoint_every": 4}


class Faulty(TinyTask):
    """Does what ``fault`` says in step 7 (6, counted from 0) of the second stage."""

    def __init__(self, fault: object) -> None:
        super().__init__()
        self.fault, self.now = fault, False

    def batch(self, stage: str, items: object, step: int, device: torch.device) -> object:
        self.now = (stage, step) == ("pair", 6)
        batch = super().batch(stage, items, step, device)
        return self.fault(batch) if self.now and self.fault.__name__.startswith("batch") else batch

    def loss(self, stage: str, optimiser: str, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        losses = super().loss(stage, optimiser, batch)
        hit = self.now and optimiser == "maker" and self.fault.__name__.startswith("loss")
        return self.fault(losses) if hit else losses


def fails(folder: Path, fault: object, kind: type[InputError]) -> str:
    """The message of a training that ``fault`` ends; its checkpoint is checked to be that of step 16, whole."""
    task = Faulty(fault)
    with pytest.raises(kind) as told:
        train(task, folder, **QUIET)
    found = load_checkpoint(folder)
    assert found.total == 16
    assert all(torch.isfinite(tensor).all() for tensor in found.tensors.values())
    assert all(torch.isfinite(weights).all() for weights in weights_of(task).values())
    return str(told.value)


def loss_nan(losses: dict) -> dict:
    return {**losses, "loss": losses["loss"] * float("nan")}


def loss_infinite(losses: dict) -> dict:
    return {**losses, "loss": losses["loss"] / 0}


def loss_infinite_slope(losses: dict) -> dict:
    """A loss that is a number, its gradient is not: the root of zero."""
    return {**losses, "loss": losses["loss"] + (losses["loss"] - losses["loss"].detach()).sqrt()}


@pytest.mark.parametrize(
    ("fault", "figure"),
    [(loss_nan, "loss is nan"), (loss_infinite, "loss is inf"), (loss_infinite_slope, "gradient_norm is (nan|inf)")],
)
def test_a_loss_or_gradient_that_is_no_number_never_reaches_a_weight(
    tmp_path: Path, fault: object, figure: str
) -> None:
    message = fails(tmp_path, fault, TrainingDiverged)
    assert re.search(rf"stage pair, step 7, optimiser maker: .*{figure}.* the learning rate \(0.004 here\)", message)


def test_after_a_passing_fault_the_training_ends_as_if_nothing_had_been(tmp_path: Path) -> None:
    fails(tmp_path / "cut", loss_nan, TrainingDiverged)
    task, whole = TinyTask(), TinyTask()
    assert train(task, tmp_path / "cut", **QUIET).resumed_at == 16
    train(whole, tmp_path / "whole", **QUIET)
    assert same_bits(weights_of(task), weights_of(whole))
    assert (tmp_path / "cut/metrics.csv").read_text() == (tmp_path / "whole/metrics.csv").read_text()


def batch_none(batch: torch.Tensor) -> None:
    return None


def batch_of_nothing(batch: torch.Tensor) -> torch.Tensor:
    return batch[:0]


def batch_list_of_nothing(batch: torch.Tensor) -> list:
    return []


def batch_pair_with_nothing(batch: torch.Tensor) -> tuple:
    return batch, batch[:0]


def batch_named_nothing(batch: torch.Tensor) -> dict:
    return {"images": batch, "labels": batch[:0]}


def batch_record_of_nothing(batch: torch.Tensor) -> object:
    @dataclass(frozen=True)
    class Sample:
        images: torch.Tensor
        case: str = "a"

    return Sample(batch[:0])


@pytest.mark.parametrize(
    "fault",
    [
        batch_none,
        batch_of_nothing,
        batch_list_of_nothing,
        batch_pair_with_nothing,
        batch_named_nothing,
        batch_record_of_nothing,
    ],
)
def test_empty_data_is_told(tmp_path: Path, fault: object) -> None:
    message = fails(tmp_path, fault, EmptyData)
    assert "stage pair, step 7: the batch is empty" in message
    assert "training split" in message


def loss_too_large_for_this_computer(losses: dict) -> dict:
    return {"loss": losses["loss"] + torch.zeros(1 << 55).sum()}


def loss_memory_error(losses: dict) -> dict:
    raise MemoryError


def loss_of_a_full_card(losses: dict) -> dict:
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize("fault", [loss_too_large_for_this_computer, loss_memory_error, loss_of_a_full_card])
def test_no_memory_left_says_what_to_make_smaller(tmp_path: Path, fault: object) -> None:
    message = fails(tmp_path, fault, OutOfMemory)
    assert "stage pair, step 7: out of memory with batch 4. Take a smaller batch, a coarser grid" in message


def test_other_errors_of_a_method_are_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_explained(TinyTask().stages[0], 0):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def loss_missing(losses: dict) -> dict:
    return {"error": losses["error"]}


def loss_constant(losses: dict) -> dict:
    return {"loss": losses["loss"].detach()}


@pytest.mark.parametrize(
    ("fault", "told"), [(loss_missing, 'no "loss" to minimise'), (loss_constant, "does not depend on maker, head")]
)
def test_a_loss_that_teaches_nothing_is_refused(tmp_path: Path, fault: object, told: str) -> None:
    assert re.search(f"stage pair, optimiser maker: .*{told}", fails(tmp_path, fault, InputError))


def test_a_log_on_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def writerows(self, rows: object) -> None:
            raise OSError(28, "No space left on device")

        def writerow(self, row: object) -> None:
            pass

    log = logs.TrainingLog(tmp_path, tensorboard=False)
    log._rows = Full()
    with pytest.raises(DiskFull, match="Free some space"):
        log.add("alone", 1, 1, {"loss": 1.0})
    log.close()


def test_without_lightning_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning.fabric", None)
    with pytest.raises(InputError, match=r"pip install 'XRayTo3DLib\[train\]'"):
        train(TinyTask(), tmp_path, **QUIET)


@pytest.mark.parametrize(
    ("device", "precision", "told"),
    [
        ("tpu", "32-true", "no 'tpu' that PyTorch can use"),
        ("cpu", "64", "no '64'; choose one of 32-true"),
        ("cpu", "16-mixed", "needs a graphics card"),
    ],
)
def test_a_device_or_precision_that_is_not_there_is_refused(device: str, precision: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        launched_fabric(device, precision)


@pytest.mark.parametrize("option", ["checkpoint_every", "log_every"])
def test_intervals_begin_at_one(tmp_path: Path, option: str) -> None:
    with pytest.raises(InputError, match=option):
        train(TinyTask(), tmp_path, **{**QUIET, option: 0})


def test_an_error_of_the_watcher_ends_the_training_with_its_checkpoint_whole(tmp_path: Path) -> None:
    class Broken(Recorder):
        def cancelled(self) -> bool:
            if len(self.states) > 1:
                raise KeyboardInterrupt
            return False

    with pytest.raises(KeyboardInterrupt):
        train(TinyTask(), tmp_path, watcher=Broken(), **QUIET)
    assert load_checkpoint(tmp_path).total == 12
