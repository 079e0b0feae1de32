"""Networks with stored weights: their shapes are compared before memory is taken for either."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.tensor_files import require_shapes


def loaded_networks(
    make: Callable[[], nn.ModuleDict], names: Sequence[str], weights: Callable[[str], Mapping[str, Any]]
) -> nn.ModuleDict:
    """What ``make`` makes, with stored weights; floating numbers become float32.

    The networks are made without memory first, and once more only when their shapes are those that are stored: a
    configuration that asks for a giant network with a small file is refused.

    Args:
        make: Networks by name, with any weights.
        names: Of those that get stored ones.
        weights: A network's tensors by its name. Where it is a method of an object that has ``shapes``, as a bundle's
            is, shapes are taken from there, and tensors are read only once they fit.

    Raises:
        InputError: Tensors that are not those of the networks.
    """
    with torch.device("meta"), _NoRandomNumbers():
        planned = make()
    shapes = getattr(getattr(weights, "__self__", None), "shapes", None)
    for name in names:
        stored = shapes(name) if shapes is not None else {key: tuple(each.shape) for key, each in weights(name).items()}
        wanted = {key: tuple(each.shape) for key, each in planned[name].state_dict().items()}
        require_shapes(stored, wanted, f"its weights are not those of its networks: {name}")
    networks = make()
    for name in names:
        state = {key: each.float() if each.is_floating_point() else each for key, each in weights(name).items()}
        try:
            networks[name].load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"its weights are not those of its networks: {name}. Train it again.") from error
    return networks


class _NoRandomNumbers(TorchFunctionMode):
    """Tensors without memory are not filled: for them PyTorch would load its compiler, which takes a second."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if function is torch.Tensor.normal_ else function(*args, **(kwargs or {}))
