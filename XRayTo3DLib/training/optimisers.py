"""The optimisers of a stage: what each trains and freezes, and their moments as tensors for the checkpoint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import nn

from XRayTo3DLib.training.plan import OptimiserPlan, StagePlan


def trainable_parameters(networks: nn.ModuleDict, plan: OptimiserPlan) -> list[nn.Parameter]:
    """Parameters of the networks that ``plan`` trains, each once, without those that ask for no gradient."""
    parameters = (parameter for name in plan.networks for parameter in networks[name].parameters())
    return [parameter for parameter in dict.fromkeys(parameters) if parameter.requires_grad]


@contextlib.contextmanager
def only_trained(networks: nn.ModuleDict, plan: OptimiserPlan) -> Iterator[None]:
    """Freeze everything inside the block but what ``plan`` trains; afterwards each parameter is as it was.

    Trained and ``running`` networks are in training mode inside, all others in evaluation mode; all are in evaluation
    mode afterwards. A part that two networks share is trained if one of them is.
    """
    trained = set(trainable_parameters(networks, plan))
    frozen = [parameter for parameter in networks.parameters() if parameter.requires_grad and parameter not in trained]
    networks.eval()
    for name in (*plan.networks, *plan.running):
        networks[name].train()
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
        networks.eval()


def new_optimisers(networks: nn.ModuleDict, stage: StagePlan, fused: bool = True) -> dict[str, torch.optim.Optimizer]:
    """The optimisers of ``stage`` by name, without memory. AdamW without weight decay is Adam (Kingma and Ba 2015).

    ``fused`` is torch's kernel in one pass, ten times faster on a CPU; it does not go with a scaled loss.
    """
    return {
        plan.name: torch.optim.AdamW(
            trainable_parameters(networks, plan),
            lr=plan.schedule.lr_at(0, stage.steps),
            betas=plan.betas,
            weight_decay=plan.weight_decay,
            fused=fused,
        )
        for plan in stage.optimisers
    }


def moments(optimiser: torch.optim.Optimizer, prefix: str) -> dict[str, torch.Tensor]:
    """An optimiser's tensors by ``<prefix><number of the parameter>/<name>``."""
    state = optimiser.state_dict()["state"]
    return {f"{prefix}{number}/{name}": tensor for number, kept in state.items() for name, tensor in kept.items()}


def restore_moments(optimiser: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give ``optimiser`` what :func:`moments` told."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(prefix):
            number, name = key.removeprefix(prefix).split("/")
            state.setdefault(int(number), {})[name] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
