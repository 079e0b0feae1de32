"""What is trained, in which order and how: stages, optimisers, schedules, and what a method provides for them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

ScheduleKind = Literal["constant", "one-cycle", "linear-decay", "cosine", "warm-restarts"]
WARM_SHARE, FIRST_SHARE, LAST_SHARE = 0.3, 1 / 25, 1 / 25e4
"""One cycle as torch's OneCycleLR has it: share of steps that rise, first and last rate as shares of the highest."""


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes over the steps of a stage.

    Attributes:
        lr: Highest learning rate.
        kind: "constant"; "one-cycle" (rises over 30 % of the steps, then falls, both as half a cosine: Smith and Topin
            2018, as ``torch.optim.lr_scheduler.OneCycleLR``); "linear-decay" (constant over the first half of the
            steps, then linearly towards zero, as pix2pix's 100 + 100 epochs); "cosine" (half a cosine from ``lr``
            towards zero); "warm-restarts" (such half cosines one after the other: SGDR, Loshchilov and Hutter 2017, as
            ``torch.optim.lr_scheduler.CosineAnnealingWarmRestarts``).
        first: Warm restarts: steps of the first period.
        factor: Warm restarts: how many times longer than the last each period is.

    Raises:
        InputError: A rate that is not positive, an unknown kind, or a period or factor below 1.
    """

    lr: float
    kind: ScheduleKind = "constant"
    first: int = 10
    factor: int = 2

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise InputError(f"learning rate: {self.lr} is not a positive number.")
        if self.kind not in get_args(ScheduleKind):
            raise InputError(f"schedule: there is no {self.kind!r}; choose one of {', '.join(get_args(ScheduleKind))}.")
        if self.first < 1 or self.factor < 1:
            raise InputError(f"schedule: first ({self.first}) and factor ({self.factor}) of warm restarts begin at 1.")

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of ``step`` (0 is the first) in a stage of ``steps`` steps."""
        if self.kind == "constant":
            return self.lr
        if self.kind == "cosine":
            return _half_cosine(self.lr, 0.0, step / steps)
        if self.kind == "linear-decay":
            return self.lr * min(1.0, 2.0 * (steps - step) / steps)
        if self.kind == "warm-restarts":
            return self._warm_restarts(step)
        return self._one_cycle(step, steps)

    def _one_cycle(self, step: int, steps: int) -> float:
        top, last = WARM_SHARE * steps - 1, steps - 1
        if top > 0 and step <= top:
            return _half_cosine(self.lr * FIRST_SHARE, self.lr, step / top)
        top = max(top, 0.0)
        return _half_cosine(self.lr, self.lr * LAST_SHARE, (step - top) / (last - top)) if last > top else self.lr

    def _warm_restarts(self, step: int) -> float:
        period = self.first
        while step >= period:
            step, period = step - period, period * self.factor
        return _half_cosine(self.lr, 0.0, step / period)


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * share))


@dataclass(frozen=True)
class OptimiserPlan:
    """One optimiser (AdamW, which without weight decay is Adam) of a stage.

    While its loss is computed, the networks it trains are in training mode, and all others are frozen: no gradient,
    evaluation mode (dropout off, running statistics kept). Gradients still flow through frozen networks.

    Attributes:
        name: Unique in its stage; the task's ``loss`` is asked for by it.
        networks: Names of the networks it trains.
        schedule: Learning rate over the stage.
        betas: Adam's decay rates of the first and second moment.
        weight_decay: Decoupled weight decay (Loshchilov and Hutter 2019).
        running: Frozen networks that stay in training mode all the same (a generator with dropout while its
            discriminator is trained).

    Raises:
        InputError: No network, or a number out of range.
    """

    name: str
    networks: tuple[str, ...]
    schedule: Schedule
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    running: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.networks:
            raise InputError(f"optimiser {self.name}: it trains no network; name at least one.")
        if not all(0 <= beta < 1 for beta in self.betas) or len(self.betas) != 2:
            raise InputError(f"optimiser {self.name}: betas must be two numbers in [0, 1), not {self.betas}.")
        if self.weight_decay < 0:
            raise InputError(f"optimiser {self.name}: weight decay must not be negative, it is {self.weight_decay}.")


@dataclass(frozen=True)
class StagePlan:
    """One stage: so many steps of the same optimisers, taken in their order at every step.

    Attributes:
        name: Unique in the training.
        steps: Number of steps.
        batch: Samples per step, of all processes together.
        optimisers: At least one. They begin the stage without memory (fresh moments).
        validate_every: Steps between validations; 0: only at the end of the stage, which always validates.

    Raises:
        InputError: A count out of range, no optimiser, or two of one name.
    """

    name: str
    steps: int
    batch: int
    optimisers: tuple[OptimiserPlan, ...]
    validate_every: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InputError(f"stage {self.name}: steps ({self.steps}) and batch ({self.batch}) must be at least 1.")
        if self.validate_every < 0:
            raise InputError(f"stage {self.name}: validate_every must not be negative, it is {self.validate_every}.")
        names = [optimiser.name for optimiser in self.optimisers]
        if not names or len(set(names)) < len(names):
            raise InputError(f"stage {self.name}: it needs one or more optimisers of different names, it has {names}.")


class Task(Protocol):
    """What a method provides for its training.

    Attributes:
        networks: All networks by name, also those that some stage leaves frozen, initialised from the seed.
        stages: What is done, in this order.
    """

    networks: nn.ModuleDict
    stages: Sequence[StagePlan]

    def batch(self, stage: str, items: Sequence[int], step: int, device: torch.device) -> Any:
        """Samples ``items`` of ``step``, on ``device``; computed without gradients.

        Items are global sample numbers, ``step * batch + i``; each process asks for its own part of them. Random
        numbers may come from (seed, stage, item) only, as from ``seed_of``: the samples then do not depend on how many
        processes there are or on interruptions.
        """

    def loss(self, stage: str, optimiser: str, batch: Any) -> dict[str, torch.Tensor]:
        """Scalars; ``"loss"``, a mean over the batch, is minimised by ``optimiser``, the others are logged."""

    def validate(self, stage: str, device: torch.device) -> dict[str, float]:
        """Figures of the validation set, surface distances in mm; first process, evaluation mode, no gradients."""


def check_task(task: Task) -> None:
    """Refuse a task whose plan does not fit its networks.

    Raises:
        InputError: No stage, two of one name, or a network that is not there or has nothing to train.
    """
    names = [stage.name for stage in task.stages]
    if not names or len(set(names)) < len(names):
        raise InputError(f"training: the plan needs one or more stages of different names, it has {names}.")
    for stage in task.stages:
        for optimiser in stage.optimisers:
            where = f"stage {stage.name}, optimiser {optimiser.name}"
            for name in (*optimiser.networks, *optimiser.running):
                if name not in task.networks:
                    raise InputError(f"{where}: there is no network {name!r}, only {', '.join(task.networks)}.")
            parameters = (p for name in optimiser.networks for p in task.networks[name].parameters())
            if not any(parameter.requires_grad for parameter in parameters):
                raise InputError(f"{where}: {', '.join(optimiser.networks)} has no parameter to train.")


def description_of(task: Task) -> dict[str, Any]:
    """Plan and shapes of the networks, as JSON values: what must be the same when a training goes on."""
    shapes = {name: list(tensor.shape) for name, tensor in task.networks.state_dict().items()}
    return {"stages": {stage.name: asdict(stage) for stage in task.stages}, "networks": shapes}


def seed_of(*parts: int | str) -> int:
    """A seed of 63 bits from ``parts`` (seed, stage, item, ...): the same on every machine and in every process."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
