"""Devices, precision and processes, by Lightning Fabric; gradients of several processes are averaged in one go.

The networks are not wrapped in DistributedDataParallel: a GAN's two losses and frozen parts would need its special
cases, one flat all-reduce per optimiser step needs none. A launcher (``torchrun``, SLURM) may have started the
processes; otherwise Fabric starts them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as processes
from torch import nn

from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from lightning.fabric import Fabric

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def launched_fabric(device: str = "auto", precision: str = "32-true", devices: int = 1, nodes: int = 1) -> Fabric:
    """Fabric on ``device``, its processes started.

    Args:
        device: "auto" (a graphics card where there is one), "cpu", "cuda" or "mps".
        precision: One of ``PRECISIONS``; mixed precision keeps the weights in 32 bit.
        devices: Processes on each computer; under torchrun what it started.
        nodes: Computers; under torchrun what it started.

    Raises:
        InputError: Lightning is not installed, or there is no such device or precision.
    """
    try:
        from lightning.fabric import Fabric
    except ImportError as error:
        raise InputError(
            f"training needs PyTorch Lightning ({error}): pip install 'XRayTo3DLib[train]'. "
            f"Reconstructing with a trained model does not."
        ) from error

    kind = _device_kind(device)
    if precision not in PRECISIONS:
        raise InputError(f"precision: there is no {precision!r}; choose one of {', '.join(PRECISIONS)}.")
    if precision == "16-mixed" and kind == "cpu":
        raise InputError("precision: 16-mixed needs a graphics card; on a CPU take 32-true or bf16-mixed.")
    devices, nodes = _launched() or (devices, nodes)
    if kind == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS is not deterministic
    strategy = "ddp" if devices * nodes > 1 else "auto"
    fabric = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy=strategy, precision=precision)
    fabric.launch()
    return fabric


def _device_kind(device: str) -> str:
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there.get(device, False):
        usable = ", ".join(name for name, found in there.items() if found)
        raise InputError(
            f"device: this computer has no {device!r} that PyTorch can use; choose auto or one of: {usable}."
        )
    return device


def _launched() -> tuple[int, int] | None:
    """Processes per computer and computers, where torchrun started this process."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return None
    local, world = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    return local, world // local


def share_of(step: int, batch: int, rank: int, ranks: int) -> range:
    """The sample numbers of ``step`` that process ``rank`` of ``ranks`` computes: an equal, contiguous part.

    Raises:
        InputError: The batch cannot be divided equally.
    """
    if batch % ranks:
        raise InputError(f"training: a batch of {batch} cannot be divided between {ranks} processes; take a multiple.")
    each = batch // ranks
    first = step * batch + rank * each
    return range(first, first + each)


def same_weights(networks: nn.Module, ranks: int) -> None:
    """Give every process the first one's parameters and buffers."""
    if ranks > 1:
        with torch.no_grad():
            for tensor in (*networks.parameters(), *networks.buffers()):
                processes.broadcast(tensor, src=0)


def averaged(gradients: Sequence[torch.Tensor], values: torch.Tensor, ranks: int) -> torch.Tensor:
    """Average ``gradients``, in place, and ``values`` over all processes; returns the values.

    Every process must pass the same shapes. With one process nothing happens.
    """
    if ranks == 1:
        return values
    flat = torch.cat([tensor.reshape(-1).to(torch.float32) for tensor in (*gradients, values)])
    processes.all_reduce(flat)
    flat /= ranks
    parts = flat.split([tensor.numel() for tensor in (*gradients, values)])
    for gradient, part in zip(gradients, parts, strict=False):
        gradient.copy_(part.view_as(gradient))
    return parts[-1]


def agreed(fabric: Fabric, answer: Any) -> Any:
    """The first process's ``answer``, in all of them."""
    return fabric.broadcast(answer) if fabric.world_size > 1 else answer


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Deterministic kernels inside the block where ``device`` has them; the caller's random state is left untouched.

    Where an operation has none, torch warns once and names it.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filling, benchmark = torch.utils.deterministic.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filling
        torch.backends.cudnn.benchmark = benchmark
