"""A tiny training with everything a real one has: two stages, a pair of opponents, dropout, random samples."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from XRayTo3DLib.training.plan import OptimiserPlan, Schedule, StagePlan, seed_of
from XRayTo3DLib.training.progress import TrainingState

CRITIC = OptimiserPlan("critic", ("critic",), Schedule(2e-3), betas=(0.5, 0.999), running=("maker",))
MAKER = OptimiserPlan("maker", ("maker", "head"), Schedule(4e-3, "linear-decay"), betas=(0.5, 0.999))
ALONE = OptimiserPlan("maker", ("maker",), Schedule(1e-2, "one-cycle"))


class TinyTask:
    """Images of 6 x 6 noise: "alone" teaches the maker to smooth them, "pair" sets it against a critic."""

    def __init__(self, steps: int = 12, batch: int = 4, dropout: float = 0.3, pause_s: float = 0.0) -> None:
        torch.manual_seed(5)
        maker = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.PReLU(), nn.Dropout(dropout))
        self.networks = nn.ModuleDict(
            {
                "maker": nn.Sequential(*maker, nn.Conv2d(4, 1, 3, padding=1)),
                "head": nn.Conv2d(1, 1, 1),
                "critic": nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1)),
                "fixed": nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)),
            }
        )
        self.stages: Sequence[StagePlan] = (
            StagePlan("alone", steps, batch, (ALONE,), validate_every=5),
            StagePlan("pair", steps, batch, (CRITIC, MAKER), validate_every=5),
        )
        self.pause_s = pause_s

    def batch(self, stage: str, items: Sequence[int], step: int, device: torch.device) -> Tensor:
        """(B, 1, 6, 6) noise, from the items alone."""
        time.sleep(self.pause_s)
        draws = [torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(seed_of(3, stage, i))) for i in items]
        return torch.stack(draws).to(device)

    def loss(self, stage: str, optimiser: str, batch: Tensor) -> dict[str, Tensor]:
        """Mean squared error against a blurred image; in the pair also the critic's opinion."""
        made = self.networks["maker"](batch)
        error = (made - nn.functional.avg_pool2d(batch, 3, 1, 1)).square().mean()
        if stage == "alone":
            return {"loss": error}
        opinion = self.networks["critic"](self.networks["fixed"](self.networks["head"](made)))
        if optimiser == "critic":
            truth = self.networks["critic"](batch)
            return {"loss": nn.functional.softplus(-truth).mean() + nn.functional.softplus(opinion).mean()}
        return {"loss": error + nn.functional.softplus(-opinion).mean(), "error": error}

    def validate(self, stage: str, device: torch.device) -> dict[str, float]:
        """A figure that also draws random numbers, and one that is not a number: a bone that vanished."""
        noise = torch.randn(8, 1, 6, 6, device=device)
        return {"assd_mm": float(self.networks["maker"](noise).square().mean()), "vanished_mm": float("nan")}


class Recorder:
    """A watcher that keeps what it is told and asks to stop after some steps of this call."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.states: list[TrainingState] = []
        self.asked, self.stop_after = 0, stop_after

    def update(self, state: TrainingState) -> None:
        self.states.append(state)

    def cancelled(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after


def weights_of(task: TinyTask) -> dict[str, Tensor]:
    """Copies of all parameters and buffers, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in task.networks.state_dict().items()}


def same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether both hold the same tensors, bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def files_under(folder: Path) -> set[str]:
    """Every file under ``folder``, as relative paths."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
