"""A bundle's files: safetensors in and out, and a folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.tensor_files import checked_shapes
from XRayTo3DLib.files.unfinished import whole_folder
from XRayTo3DLib.models.checksums import AGAIN

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

ARRAYS = "arrays.safetensors"
HALF_LIMIT = 65504.0
"""Largest float16."""


def safetensors_for(library: str) -> ModuleType:
    """``safetensors.torch`` or ``safetensors.numpy``.

    Raises:
        InputError: safetensors is not installed.
    """
    try:
        return importlib.import_module(f"safetensors.{library}")
    except ModuleNotFoundError as error:
        if error.name and not error.name.startswith("safetensors"):
            raise
        raise InputError(
            "Model bundles need the Python package safetensors, which is not installed here. In Slicer's console: "
            "slicer.util.pip_install('safetensors'); elsewhere: pip install safetensors."
        ) from error


def write_network(path: Path, name: str, tensors: Mapping[str, Tensor], half: bool) -> None:
    """Write a state dict; with ``half`` its floating numbers as float16.

    Raises:
        InputError: No tensor at all, a value that is not finite, or one too large for float16.
    """
    import torch

    if not tensors:
        raise InputError(f"network {name!r} has no tensors; there is nothing to store.")
    ready = {}
    for key, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise InputError(f"network {name!r}: {key} is a {type(tensor).__name__}, a tensor is needed.")
        plain = tensor.detach().to("cpu", copy=True).contiguous()
        if plain.is_floating_point():
            _check_range(plain, f"network {name!r}: {key}", half)
            plain = plain.to(torch.float16) if half else plain
        ready[key] = plain
    path.write_bytes(safetensors_for("torch").save(ready))


def rounded_as_stored(networks: nn.Module) -> None:
    """Round a network's floating numbers, in place, to what :func:`write_network` keeps of them with ``half``.

    What is measured afterwards is of the weights that a bundle holds, not of others.

    Raises:
        InputError: A value that is not finite, or too large for float16.
    """
    import torch

    with torch.no_grad():
        for name, tensor in networks.state_dict().items():
            if tensor.is_floating_point():
                _check_range(tensor, name, half=True)
                tensor.copy_(tensor.to(torch.float16))


def tensors_from(content: bytes, what: str) -> dict[str, Tensor]:
    """Tensors of safetensors bytes on the CPU; float16 becomes float32.

    Raises:
        InputError: Not safetensors, or numbers that are not finite.
    """
    import torch

    tensors = _parsed("torch", content, what)
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{what}: {key} holds NaN or infinite values, which no trained model has. {AGAIN}")
    return {key: each.float() if each.dtype == torch.float16 else each for key, each in tensors.items()}


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays of numbers by name.

    Raises:
        InputError: Something that is not numbers, or numbers that are not finite.
    """
    import numpy as np

    ready = {}
    for name, array in arrays.items():
        plain = np.ascontiguousarray(array).reshape(np.shape(array))
        if plain.dtype.kind not in "fiub":
            raise InputError(f"array {name!r} holds {plain.dtype}, a model bundle stores numbers only.")
        if plain.dtype.kind == "f" and not np.isfinite(plain).all():
            raise InputError(f"array {name!r} holds NaN or infinite values; a model bundle cannot use them.")
        ready[name] = plain.astype(plain.dtype.newbyteorder("="), copy=False)
    path.write_bytes(safetensors_for("numpy").save(ready))


def array_from(content: bytes, name: str, what: str) -> np.ndarray:
    """One array of safetensors bytes.

    Raises:
        InputError: Not safetensors, without that array, or numbers that are not finite.
    """
    import numpy as np

    arrays = _parsed("numpy", content, what)
    if name not in arrays:
        raise InputError(f"{what} does not hold the array {name!r} that bundle.json names.")
    array = arrays[name]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{what}: {name} holds NaN or infinite values, which no trained model has. {AGAIN}")
    return array


@contextlib.contextmanager
def folder_to_write(folder: Path, mark: str) -> Iterator[Path]:
    """Yield an empty folder beside ``folder`` that takes its place only if the block succeeds.

    A process that is killed just between the two renames that this takes leaves the new one in a ``.writing-`` folder
    beside, whole; it is put in its place when bundles are next written or looked for there.

    Args:
        folder: The target; new, empty, or a folder that holds ``mark`` and is replaced.
        mark: Name of the file that tells an older folder of this kind.

    Raises:
        InputError: The target is a file or a folder of something else.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another folder for the model bundle.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).is_file():
        raise InputError(f"{folder} holds something else than a model bundle; choose a new folder for it.")
    with whole_folder(folder) as new:
        yield new


def _check_range(tensor: Tensor, what: str, half: bool) -> None:
    if tensor.numel() == 0:
        return
    largest = float(tensor.abs().max())
    if not largest <= float("inf") or largest == float("inf"):
        raise InputError(f"{what} holds NaN or infinite values: the training failed. Use an earlier checkpoint.")
    if half and largest > HALF_LIMIT:
        raise InputError(f"{what} reaches {largest:.3g}, too large for float16; store this bundle as float32.")


def _parsed(library: str, content: bytes, what: str) -> dict[str, Any]:
    module = safetensors_for(library)
    checked_shapes(content, what)
    try:
        return module.load(content)
    except Exception as error:  # the package's own error class is no ValueError and moved between versions
        raise InputError(f"{what} is not a safetensors file ({error}). Write the bundle again.") from error
