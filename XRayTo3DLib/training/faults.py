"""What goes wrong in a training, told as what to change."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.errors import InputError, lacks_memory

if TYPE_CHECKING:
    from XRayTo3DLib.training.plan import OptimiserPlan, StagePlan

NO_SPACE = ("no space left", "quota exceeded")


class TrainingDiverged(InputError):
    """A loss or gradient is no longer a number."""


class OutOfMemory(InputError):
    """The computer or the graphics card has not enough memory for a step."""


class DiskFull(InputError):
    """A checkpoint could not be written; the one before it is untouched."""


class EmptyData(InputError):
    """There is nothing to train on."""


def require_finite(values: Mapping[str, float], stage: StagePlan, optimiser: OptimiserPlan, step: int) -> None:
    """Refuse values of ``step`` (counted from 0) that are NaN or infinite, before they reach a weight.

    Raises:
        TrainingDiverged: Names the stage, the step (counted from 1), the value and what to change.
    """
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    if bad:
        rate = optimiser.schedule.lr_at(step, stage.steps)
        raise TrainingDiverged(
            f"training: stage {stage.name}, step {step + 1}, optimiser {optimiser.name}: {', '.join(bad)}. Lower the "
            f"learning rate ({rate:.3g} here), train in 32-true precision, or look for damaged cases; the last "
            f"checkpoint is from before this."
        )


def require_loss(losses: Mapping[str, Any], stage: StagePlan, optimiser: OptimiserPlan) -> None:
    """Refuse losses without a ``"loss"`` that depends on what the optimiser trains.

    Raises:
        InputError: Names the stage and optimiser.
    """
    where = f"training: stage {stage.name}, optimiser {optimiser.name}"
    if "loss" not in losses:
        raise InputError(f'{where}: the task returned {", ".join(losses) or "nothing"}, but no "loss" to minimise.')
    if not losses["loss"].requires_grad:
        raise InputError(f"{where}: the loss does not depend on {', '.join(optimiser.networks)}.")


def require_data(batch: Any, stage: StagePlan, step: int) -> None:
    """Refuse a batch that is None, an empty list or holds a tensor of no sample.

    Raises:
        EmptyData: Names the stage and step.
    """
    if _is_empty(batch):
        raise EmptyData(
            f"training: stage {stage.name}, step {step + 1}: the batch is empty. Check that the data set has cases in "
            f"its training split."
        )


def _is_empty(batch: Any) -> bool:
    if batch is None:
        return True
    if hasattr(batch, "numel"):
        return len(batch) == 0  # pictures of no pixels are pictures not asked for
    if dataclasses.is_dataclass(batch):
        return any(_is_empty(getattr(batch, field.name)) for field in _tensor_fields(batch))
    if isinstance(batch, Mapping):
        return not batch or any(_is_empty(value) for value in batch.values() if hasattr(value, "numel"))
    if isinstance(batch, list | tuple):
        return not batch or any(_is_empty(value) for value in batch if hasattr(value, "numel"))
    return False


def _tensor_fields(batch: Any) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(batch) if hasattr(getattr(batch, field.name), "numel")]


@contextlib.contextmanager
def memory_explained(stage: StagePlan, step: int) -> Iterator[None]:
    """Turn running out of memory inside the block into an error that says what to make smaller.

    Raises:
        OutOfMemory: Names the stage, step and batch.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise OutOfMemory(
            f"training: stage {stage.name}, step {step + 1}: out of memory with batch {stage.batch}. Take a smaller "
            f"batch, a coarser grid or narrower networks, or bf16-mixed precision on a graphics card; the last "
            f"checkpoint is kept, but training must begin in a new folder where the configuration changes."
        ) from error


@contextlib.contextmanager
def disk_explained(folder: Path) -> Iterator[None]:
    """Turn a failed write inside the block into an error that says where and what to do.

    Raises:
        DiskFull: The disk or the quota is full.
        InputError: The folder cannot be written to for another reason.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        if full or any(text in str(error).lower() for text in NO_SPACE):
            raise DiskFull(
                f"training: the disk of {folder} is full. Free some space and start again: the checkpoint before this "
                f"one is whole, training goes on from there."
            ) from error
        raise InputError(
            f"training: cannot write to {folder} ({error}). Check that the folder may be written to; the checkpoint "
            f"before this one is whole."
        ) from error
