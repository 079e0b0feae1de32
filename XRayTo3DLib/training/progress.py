"""What a training says while it runs, and how it is asked to stop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from XRayTo3DLib.errors import Cancelled


@dataclass(frozen=True)
class TrainingState:
    """Where a training is, told after a step.

    Attributes:
        stage: Name of the stage.
        stage_number: Its number, counted from 1.
        stages: How many stages there are.
        step: Steps done in this stage.
        steps: Steps of this stage.
        losses: Last losses; their names begin with the optimiser's (``discriminator/loss``) where a stage has several.
        metrics: Last validation of this stage (surface distances in mm), empty before the first.
        seconds: Time spent training so far, s, also that before an interruption.
        eta_s: Seconds to the end of the last stage, as if its steps took as long as those of this stage;
            None until a step was timed.
    """

    stage: str
    stage_number: int
    stages: int
    step: int
    steps: int
    losses: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    eta_s: float | None = None


class Watcher(Protocol):
    """Who is told about a training, and may stop it: a job folder, a progress bar, a test."""

    def update(self, state: TrainingState) -> None:
        """Take note of ``state``; called after the first and last step of a stage and about once a second between."""

    def cancelled(self) -> bool:
        """Whether to stop; asked before every step, so answer quickly."""


class TrainingCancelled(Cancelled):
    """The training was stopped between two steps; its checkpoint is written and it goes on from there."""


class Pace:
    """How long steps take, as a running mean that forgets, so that the estimate follows a machine's load."""

    FORGET = 0.05

    def __init__(self) -> None:
        self._mean: float | None = None
        self._begun = time.monotonic()

    def step_done(self) -> float:
        """Note the end of a step; returns how long it took, s."""
        now = time.monotonic()
        taken, self._begun = now - self._begun, now
        self._mean = taken if self._mean is None else self._mean + self.FORGET * (taken - self._mean)
        return taken

    def pause(self) -> float:
        """Leave out what happened since the last step (validation, a checkpoint); returns how long that took, s."""
        now = time.monotonic()
        taken, self._begun = now - self._begun, now
        return taken

    def eta_s(self, steps_left: int) -> float | None:
        """Seconds that ``steps_left`` further steps will take; None before the first step."""
        return None if self._mean is None else self._mean * steps_left
