"""The training loop of all methods: stages, freezing, mixed precision, several processes, going on after a kill.

A run is a function of the task and the seed: every step seeds torch from (seed, stage, step), so that dropout and noise
need no stored random state, and a training that was killed at any moment ends in the same weights as one that was not
(bitwise on one CPU with the same number of threads).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.projection.precision import full_precision
from XRayTo3DLib.projection.threads import torch_threads
from XRayTo3DLib.training.checkpoint import Checkpoint, load_checkpoint, require_same, save_checkpoint
from XRayTo3DLib.training.faults import disk_explained, memory_explained, require_data, require_finite, require_loss
from XRayTo3DLib.training.logs import NoLog, TrainingLog
from XRayTo3DLib.training.optimisers import moments, new_optimisers, only_trained, restore_moments
from XRayTo3DLib.training.plan import OptimiserPlan, StagePlan, Task, check_task, description_of, seed_of
from XRayTo3DLib.training.progress import Pace, TrainingCancelled, TrainingState, Watcher
from XRayTo3DLib.training.ranks import agreed, averaged, launched_fabric, repeatable, same_weights, share_of
from XRayTo3DLib.training.samples import GivesSamples, write_samples

__all__ = ["TrainingCancelled", "TrainingResult", "train"]

TOLD_EVERY_S = 1.0
MOMENTS = "optimiser"


@dataclass(frozen=True)
class TrainingResult:
    """What a training ended with.

    Attributes:
        folder: Where checkpoint and logs are.
        steps: Steps of all stages.
        resumed_at: How many of them were done before this call; 0 where it began anew.
        seconds: Time spent training, s, also before an interruption.
        losses: By stage, the last step's losses.
        metrics: By stage, the last validation.
    """

    folder: Path
    steps: int
    resumed_at: int
    seconds: float
    losses: dict[str, dict[str, float]] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)


def train(
    task: Task,
    folder: Path | str,
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    precision: str = "32-true",
    checkpoint_every: int = 200,
    watcher: Watcher | None = None,
    configuration: Mapping[str, Any] | None = None,
    log_every: int = 10,
    devices: int = 1,
    nodes: int = 1,
    tensorboard: bool = True,
    samples: int = 0,
) -> TrainingResult:
    """Train ``task``'s networks, or go on where ``folder``'s checkpoint is; they end on the device, evaluation mode.

    Args:
        task: Networks, stages, samples, losses and validation.
        folder: Holds ``checkpoint/``, ``metrics.csv`` and ``tensorboard/``; shared by all computers.
        seed: Same seed, same result.
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads of torch; None leaves them as they are.
        precision: "32-true", "bf16-mixed" or "16-mixed".
        checkpoint_every: Steps between checkpoints; there is one at the start and end of every stage besides.
        watcher: Told about progress; may cancel. Only the first process has one.
        configuration: Further settings (JSON values) that must not change when training goes on.
        log_every: Steps between rows in the logs.
        devices: Processes on each computer, if no launcher (torchrun) says so.
        nodes: Computers, if no launcher says so.
        tensorboard: Write TensorBoard's files where TensorBoard is installed.
        samples: Validation people whose present bones (or pictures) are written at every validation, see ``samples``;
            nothing that is learnt depends on it.

    Raises:
        InputError: A plan that does not fit, a checkpoint of another configuration or a damaged one, no such device,
            an empty batch, a loss that is no number, no memory or disk space left (see ``faults``).
        TrainingCancelled: The watcher asked to stop; the checkpoint is written.
    """
    check_task(task)
    if checkpoint_every < 1 or log_every < 1:
        raise InputError(f"training: checkpoint_every ({checkpoint_every}) and log_every ({log_every}) begin at 1.")
    fabric = launched_fabric(device, precision, devices, nodes)
    with torch_threads(threads or torch.get_num_threads()), repeatable(fabric.device):
        training = _Training(task, Path(folder), seed, fabric, checkpoint_every, log_every, watcher, samples)
        training.begin({"seed": seed, "precision": precision, "task": dict(configuration or {})}, tensorboard)
        try:
            return training.run()
        finally:
            training.log.close()


class _Training:
    """One call of :func:`train`: the state that a checkpoint holds, and how it moves on."""

    def __init__(
        self,
        task: Task,
        folder: Path,
        seed: int,
        fabric: Any,
        checkpoint_every: int,
        log_every: int,
        watcher: Watcher | None,
        samples: int,
    ) -> None:
        self.task, self.folder, self.seed, self.fabric = task, folder, seed, fabric
        self.checkpoint_every, self.log_every, self.samples = checkpoint_every, log_every, samples
        self.first = fabric.is_global_zero
        self.watcher = watcher if self.first else None
        self.ranks = fabric.world_size
        self.stage = self.step = self.total = self.resumed_at = 0
        self.seconds, self.told_at = 0.0, -TOLD_EVERY_S
        self.losses: dict[str, dict[str, float]] = {}
        self.metrics: dict[str, dict[str, float]] = {}
        self.optimisers: dict[str, torch.optim.Optimizer] = {}

    # ---- beginning, and going on ---------------------------------------------------------------------------------

    def begin(self, configuration: dict[str, Any], tensorboard: bool) -> None:
        """Take the checkpoint's state if there is one, else write the first checkpoint."""
        self.configuration = {**configuration, **description_of(self.task)}
        self.scaled = configuration["precision"] == "16-mixed"
        for stage in self.task.stages:
            share_of(0, stage.batch, 0, self.ranks)
        self.task.networks.to(self.fabric.device)
        found = load_checkpoint(self.folder, self.fabric.device)
        if found is not None:
            require_same(self.folder, found.configuration, self.configuration)
            self._restore(found)
        same_weights(self.task.networks, self.ranks)
        self.fabric.barrier()
        self.log = TrainingLog(self.folder, self.total, tensorboard) if self.first else NoLog()
        self._save()

    def _restore(self, found: Checkpoint) -> None:
        self.stage, self.step, self.total = found.stage, found.step, found.total
        self.resumed_at = found.total
        self.seconds, self.losses = found.values["seconds"], found.values["losses"]
        self.metrics = found.values["metrics"]
        weights = {name: tensor for name, tensor in found.tensors.items() if name.startswith("network/")}
        self.task.networks.load_state_dict({name.removeprefix("network/"): t for name, t in weights.items()})
        self.fabric.strategy.precision.load_state_dict(found.values["precision"])
        if self.step < self.task.stages[self.stage].steps:
            self.optimisers = self._new_optimisers(self.task.stages[self.stage])
            for name, optimiser in self.optimisers.items():
                restore_moments(optimiser, f"{MOMENTS}/{name}/", found.tensors)

    def _new_optimisers(self, stage: StagePlan) -> dict[str, torch.optim.Optimizer]:
        return new_optimisers(self.task.networks, stage, fused=not self.scaled)

    def _save(self) -> None:
        if self.first:
            tensors = {f"network/{name}": tensor for name, tensor in self.task.networks.state_dict().items()}
            unfinished = self.step < self.task.stages[self.stage].steps
            for name, optimiser in self.optimisers.items() if unfinished else ():
                tensors |= moments(optimiser, f"{MOMENTS}/{name}/")
            values = {
                "seconds": self.seconds,
                "losses": self.losses,
                "metrics": self.metrics,
                "precision": self.fabric.strategy.precision.state_dict(),
            }
            state = Checkpoint(self.stage, self.step, self.total, tensors, self.configuration, values)
            save_checkpoint(self.folder, state)
        self.fabric.barrier()

    # ---- steps ---------------------------------------------------------------------------------------------------

    def run(self) -> TrainingResult:
        """Every stage from where it is."""
        stages = self.task.stages
        while True:
            stage = stages[self.stage]
            if self.step < stage.steps:
                self._run_stage(stage)
            if self.stage + 1 == len(stages):
                break
            self.stage, self.step, self.optimisers = self.stage + 1, 0, {}
        self.task.networks.eval()
        return TrainingResult(self.folder, self.total, self.resumed_at, self.seconds, self.losses, self.metrics)

    def _run_stage(self, stage: StagePlan) -> None:
        if not self.optimisers:
            self.optimisers = self._new_optimisers(stage)
        steppers = dict(
            zip(self.optimisers, _as_list(self.fabric.setup_optimizers(*self.optimisers.values())), strict=True)
        )
        pace = Pace()
        while self.step < stage.steps:
            self._stop_if_cancelled(stage)
            with memory_explained(stage, self.step):
                losses = self._step(stage, steppers)
            self.step, self.total = self.step + 1, self.total + 1
            self.losses[stage.name] = losses
            self.seconds += pace.step_done()
            self._after_step(stage)
            self.seconds += pace.pause()
            self._tell(stage, pace)

    def _step(self, stage: StagePlan, steppers: Mapping[str, Any]) -> dict[str, float]:
        """One step of every optimiser on one batch; returns what is logged."""
        items = share_of(self.step, stage.batch, self.fabric.global_rank, self.ranks)
        torch.manual_seed(seed_of(self.seed, stage.name, self.step, "batch"))
        with torch.no_grad():
            batch = self.task.batch(stage.name, items, self.step, self.fabric.device)
        require_data(batch, stage, self.step)
        told: dict[str, float] = {}
        for plan in stage.optimisers:
            torch.manual_seed(seed_of(self.seed, stage.name, self.step, "loss", plan.name))
            with only_trained(self.task.networks, plan):
                values = self._update(stage, plan, steppers[plan.name], batch)
            several = len(stage.optimisers) > 1
            told |= {f"{plan.name}/{name}" if several else name: value for name, value in values.items()}
        return told

    def _update(self, stage: StagePlan, plan: OptimiserPlan, optimiser: Any, batch: Any) -> dict[str, float]:
        """Lower one loss; nothing that is not a number reaches a weight."""
        optimiser.zero_grad(set_to_none=True)
        with self.fabric.autocast():
            losses = self.task.loss(stage.name, plan.name, batch)
        require_loss(losses, stage, plan)
        self.fabric.backward(losses["loss"])
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        values = torch.stack([loss.detach().float().reshape(()) for loss in losses.values()])
        values = averaged(gradients, values, self.ranks)
        self.fabric.strategy.precision.unscale_gradients(optimiser.optimizer)
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients]))
        figures = dict(zip((*losses, "gradient_norm"), torch.cat([values, norm.float()[None]]).tolist(), strict=True))
        # An infinite gradient of a scaled loss leaves the step out and halves the scale.
        checked = {name: value for name, value in figures.items() if name != "gradient_norm" or not self.scaled}
        require_finite(checked, stage, plan, self.step)
        for group in optimiser.param_groups:
            group["lr"] = plan.schedule.lr_at(self.step, stage.steps)
        optimiser.step()
        return figures

    def _after_step(self, stage: StagePlan) -> None:
        """Log, validate and write a checkpoint where they are due."""
        last = self.step == stage.steps
        if last or self.step % self.log_every == 0:
            self.log.add(stage.name, self.step, self.total, self.losses[stage.name])
        if last or (stage.validate_every and self.step % stage.validate_every == 0):
            self._validate(stage)
        if last or self.step % self.checkpoint_every == 0:
            self._save()

    def _validate(self, stage: StagePlan) -> None:
        self.task.networks.eval()
        torch.manual_seed(seed_of(self.seed, stage.name, "validation"))  # equal draws, so that steps can be compared
        if self.first:
            with torch.no_grad(), full_precision(self.fabric.device), memory_explained(stage, self.step - 1):
                self.metrics[stage.name] = dict(self.task.validate(stage.name, self.fabric.device))
            self.log.add(stage.name, self.step, self.total, self.metrics[stage.name])
            if self.samples and isinstance(self.task, GivesSamples):
                self._write_samples(stage, self.task)
        self.fabric.barrier()

    def _write_samples(self, stage: StagePlan, task: GivesSamples) -> None:
        """Show some validation people; the next step seeds its own random numbers, whatever was drawn here."""
        torch.manual_seed(seed_of(self.seed, stage.name, "samples"))
        with torch.no_grad(), full_precision(self.fabric.device), memory_explained(stage, self.step - 1):
            samples = task.samples(stage.name, self.fabric.device, self.samples)
        with disk_explained(self.folder):
            write_samples(self.folder, self.total, stage.name, self.step, samples)

    # ---- whoever watches -----------------------------------------------------------------------------------------

    def _stop_if_cancelled(self, stage: StagePlan) -> None:
        if agreed(self.fabric, self.watcher is not None and self.watcher.cancelled()):
            self._save()
            raise TrainingCancelled(
                f"training stopped in stage {stage.name} after step {self.step} of {stage.steps}; "
                f"start it again in {self.folder} to go on from there."
            )

    def _tell(self, stage: StagePlan, pace: Pace) -> None:
        ends = self.step in (1, stage.steps)
        if self.watcher is None or not (ends or self.seconds - self.told_at >= TOLD_EVERY_S):
            return
        self.told_at = self.seconds
        left = sum(later.steps for later in self.task.stages[self.stage :]) - self.step
        self.watcher.update(
            TrainingState(
                stage=stage.name,
                stage_number=self.stage + 1,
                stages=len(self.task.stages),
                step=self.step,
                steps=stage.steps,
                losses=dict(self.losses[stage.name]),
                metrics=dict(self.metrics.get(stage.name, {})),
                seconds=self.seconds,
                eta_s=pace.eta_s(left),
            )
        )


def _as_list(found: Any) -> list[Any]:
    return list(found) if isinstance(found, tuple) else [found]
