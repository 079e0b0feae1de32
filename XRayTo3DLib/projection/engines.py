"""Which projector draws the DRRs: torch (CPU, CUDA, all gradients) or the compiled shear-warp (CPU, much faster)."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, Literal

import torch

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.projection.drr import DrrProjector

if TYPE_CHECKING:
    from XRayTo3DLib.projection.shear_warp import ShearWarpProjector

    Projector = DrrProjector | ShearWarpProjector
else:
    Projector = DrrProjector

Engine = Literal["auto", "torch", "numba"]
ENGINES: tuple[Engine, ...] = ("auto", "torch", "numba")


def make_projector(
    mu: Any, voxel_to_lps: Any, device: str | torch.device = "cpu", engine: Engine = "auto"
) -> Projector:
    """A projector of one volume: the fastest that serves, or the one asked for.

    Args:
        mu: (slices, rows, columns) linear attenuation, 1/mm; array or tensor.
        voxel_to_lps: (4, 4) voxel centres (column, row, slice, 1) to CT points, LPS mm.
        device: Where to compute, for instance "cpu" or "cuda".
        engine: "torch", "numba" (CPU only, no gradients to voxels) or "auto": numba wherever it is installed and can.

    Raises:
        InputError: Another engine, or numba asked for where it is not installed or cannot serve; or what
            :class:`DrrProjector` refuses.
    """
    if engine not in ENGINES:
        raise InputError(f"projector engine {engine!r} is not known; choose {', '.join(ENGINES)}.")
    wants_gradients = isinstance(mu, torch.Tensor) and mu.requires_grad
    chosen, why = _choose(torch.device(device).type, engine, wants_gradients)
    if chosen == "torch":
        if engine == "numba":
            raise InputError(f"the numba projector cannot be used: {why}.")
        return DrrProjector(mu, voxel_to_lps, device)
    from XRayTo3DLib.projection.shear_warp import ShearWarpProjector

    return ShearWarpProjector(mu, voxel_to_lps)


def engine_note(device: str | torch.device = "cpu", engine: Engine = "auto") -> str:
    """One line for people: which engine :func:`make_projector` takes, and why."""
    chosen, why = _choose(torch.device(device).type, engine, False)
    return f"projector engine: {chosen} ({why})"


def _choose(device: str, engine: Engine, wants_gradients: bool) -> tuple[Literal["torch", "numba"], str]:
    """The engine, and the reason in words."""
    if engine == "torch":
        return "torch", "as asked"
    if device != "cpu":
        return "torch", f"numba draws on the CPU only, not on {device}"
    if wants_gradients:
        return "torch", "gradients to voxels are wanted, which numba does not have"
    problem = _numba_problem()
    if problem:
        return "torch", problem
    return "numba", "compiled shear-warp on the CPU"


@functools.cache
def _numba_problem() -> str:
    """Why the compiled engine cannot be loaded; empty if it can."""
    try:
        importlib.import_module("numba")
    except ImportError:
        return "install numba (pip install XRayTo3DLib[fast]) for DRRs 2 to 10 times as fast on the CPU"
    try:
        importlib.import_module("XRayTo3DLib.projection.shear_warp")
    except Exception as error:  # numba: a version too old for this numpy, or no folder to keep compiled code in
        return f"numba is installed but does not work here: {error}"
    return ""
