"""Schedules against PyTorch's own, seeds, refusals, and what importing the room brings in."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_layout_light_imports import PROGRAM, modules_of
from torch.optim import lr_scheduler
from training_cases import ALONE, TinyTask

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan, check_task, seed_of
from XRayTo3DLib.training.ranks import share_of


def torch_rates(make: object, steps: int) -> list[float]:
    """Learning rates that PyTorch's scheduler gives a rate of 0.3 over ``steps`` steps."""
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = make(optimiser)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step() if len(rates) < steps else None
    return rates


@pytest.mark.parametrize("steps", [7, 10, 40, 333])
@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("one-cycle", lambda o, n: lr_scheduler.OneCycleLR(o, max_lr=0.3, total_steps=n, cycle_momentum=False)),
        ("cosine", lambda o, n: lr_scheduler.CosineAnnealingLR(o, T_max=n)),
        ("constant", lambda o, n: lr_scheduler.ConstantLR(o, factor=1.0)),
    ],
)
def test_schedules_are_those_of_pytorch(kind: str, make: object, steps: int) -> None:
    ours = [Schedule(0.3, kind).lr_at(step, steps) for step in range(steps)]
    np.testing.assert_allclose(ours, torch_rates(lambda optimiser: make(optimiser, steps), steps), rtol=1e-9)


@pytest.mark.parametrize(("first", "factor"), [(10, 2), (3, 1), (1, 3)])
def test_warm_restarts_are_those_of_pytorch(first: int, factor: int) -> None:
    schedule = Schedule(0.3, "warm-restarts", first, factor)
    expected = torch_rates(lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, first, factor), 100)
    np.testing.assert_allclose([schedule.lr_at(step, 100) for step in range(100)], expected, rtol=1e-9)


def test_the_papers_630_epochs_end_just_before_a_restart() -> None:
    schedule = Schedule(2e-4, "warm-restarts", 10, 2)
    assert schedule.lr_at(629, 630) < 1e-8 and schedule.lr_at(630, 631) == 2e-4


def test_linear_decay_is_constant_for_half_and_then_falls_to_its_last_step() -> None:
    rates = [Schedule(1.0, "linear-decay").lr_at(step, 8) for step in range(8)]
    assert rates == [1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]


@given(st.sampled_from(["constant", "one-cycle", "linear-decay", "cosine", "warm-restarts"]), st.integers(1, 60))
def test_every_schedule_stays_between_zero_and_its_rate(kind: str, steps: int) -> None:
    rates = [Schedule(0.1, kind).lr_at(step, steps) for step in range(steps)]
    assert all(0 < rate <= 0.1 * (1 + 1e-12) for rate in rates)


def test_a_seed_depends_on_every_part_and_on_no_process() -> None:
    expected = 2393456838142399717  # first 16 digits of: printf "0\\0alone\\00012" | sha256sum, halved
    assert seed_of(0, "alone", 12) == expected
    assert len({seed_of(0, "a", 1), seed_of(0, "a", 2), seed_of(1, "a", 1), seed_of(0, "b", 1), seed_of(0, "a1")}) == 5
    assert all(0 <= seed_of(number) < 2**63 for number in range(200))


@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 8))
def test_the_processes_divide_every_batch_among_them(step: int, each: int, ranks: int) -> None:
    parts = [share_of(step, each * ranks, rank, ranks) for rank in range(ranks)]
    assert [item for part in parts for item in part] == list(range(step * each * ranks, (step + 1) * each * ranks))
    assert {len(part) for part in parts} == {each}


def test_a_batch_that_cannot_be_divided_is_refused() -> None:
    with pytest.raises(InputError, match="batch of 7 cannot be divided between 2"):
        share_of(0, 7, 0, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Schedule(0.0), "learning rate"),
        (lambda: Schedule(float("nan")), "learning rate"),
        (lambda: Schedule(1.0, "steps"), "no 'steps'"),
        (lambda: OptimiserPlan("x", (), Schedule(1.0)), "trains no network"),
        (lambda: OptimiserPlan("x", ("a",), Schedule(1.0), betas=(0.9, 1.0)), "betas"),
        (lambda: OptimiserPlan("x", ("a",), Schedule(1.0), weight_decay=-1), "weight decay"),
        (lambda: StagePlan("s", 0, 4, (ALONE,)), "at least 1"),
        (lambda: StagePlan("s", 4, 0, (ALONE,)), "at least 1"),
        (lambda: StagePlan("s", 4, 4, ()), "one or more optimisers"),
        (lambda: StagePlan("s", 4, 4, (ALONE, ALONE)), "different names"),
        (lambda: StagePlan("s", 4, 4, (ALONE,), validate_every=-1), "validate_every"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_task_whose_plan_does_not_fit_its_networks_is_refused() -> None:
    task = TinyTask()
    check_task(task)
    task.stages = (StagePlan("s", 1, 1, (OptimiserPlan("x", ("makers",), Schedule(1.0)),)),)
    with pytest.raises(InputError, match="no network 'makers', only maker, head"):
        check_task(task)
    task.stages = (StagePlan("s", 1, 1, (ALONE,)),)
    task.networks["maker"].requires_grad_(False)
    with pytest.raises(InputError, match="maker has no parameter to train"):
        check_task(task)
    task.stages = ()
    with pytest.raises(InputError, match="one or more stages"):
        check_task(task)


def test_importing_the_room_brings_no_lightning_and_its_plans_no_torch() -> None:
    def loaded(heavy: str, *names: str) -> str:
        command = [sys.executable, "-c", PROGRAM, heavy, *names]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert "XRayTo3DLib.training.loop" in modules_of("training")
    assert loaded("lightning,torchvision,tensorboard,monai", *modules_of("training")) == ""
    light = ("plan", "progress", "faults", "checkpoint", "logs")
    assert loaded("torch,lightning", *(f"XRayTo3DLib.training.{name}" for name in light)) == ""
