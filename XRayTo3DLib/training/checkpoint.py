"""Checkpoints of a training: tensors as safetensors, the rest as JSON; whole or not there, whenever power goes.

On disk: ``checkpoint/step-0000200/{state.safetensors,state.json}`` and ``checkpoint/latest.json``, which names the
folder that counts and the checksums of its files. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import atomic_path, read_json
from XRayTo3DLib.files.unfinished import UNFINISHED, remove_folder, remove_unfinished, to_disk
from XRayTo3DLib.training.faults import disk_explained

if TYPE_CHECKING:
    import torch

FORMAT = "xrayto3d.checkpoint/1"
FOLDER, LATEST, TENSORS, VALUES = "checkpoint", "latest.json", "state.safetensors", "state.json"
NAME = re.compile(r"step-\d+")
STATE = {"position": {"stage": int, "step": int, "total": int}, "configuration": dict, "values": dict}
"""Fields of a checkpoint's state.json."""


@dataclass(frozen=True)
class Checkpoint:
    """A training between two steps.

    Attributes:
        stage: Number of the stage, counted from 0.
        step: Steps done in it.
        total: Steps done in all stages.
        tensors: Networks (``network/<name>/<parameter>``) and optimisers (``optimiser/<name>/<number>/<moment>``).
        configuration: What was trained and how, to compare with when training goes on.
        values: Everything else (seconds, metrics, loss scale), as JSON has it; NaN is kept.
    """

    stage: int
    step: int
    total: int
    tensors: Mapping[str, torch.Tensor]
    configuration: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write ``checkpoint`` under ``folder``, make it the latest, and only then remove those before it.

    A step that already is the latest is not written again: training is deterministic.

    Returns:
        The checkpoint's own folder.

    Raises:
        DiskFull: No space left; the checkpoint before stays the latest.
        InputError: The folder cannot be written to.
    """
    parent = folder / FOLDER
    with disk_explained(folder):
        parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(parent)
        final = parent / f"step-{checkpoint.total:07d}"
        if _latest(parent).get("name") == final.name:
            _remove_others(parent, final.name)  # a kill may have come before they went
            return final
        temporary = parent / f"{UNFINISHED}{final.name}"
        try:
            checksums = _write_state(temporary, checkpoint)
            _replace_folder(temporary, final)
            _write_latest(parent, final.name, checksums)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _remove_others(parent, final.name)
    return final


def load_checkpoint(folder: Path, device: str | torch.device = "cpu") -> Checkpoint | None:
    """The latest checkpoint under ``folder``, its tensors on ``device``; None where training has not begun.

    Raises:
        InputError: A file of it is missing or not what was written.
    """
    parent = folder / FOLDER
    latest = _latest(parent)
    if not latest:
        return None
    state = parent / latest["name"]
    for name, expected in latest["sha256"].items():
        if not (state / name).is_file() or sha256_of(state / name) != expected:
            raise InputError(
                f"checkpoint: {state / name} is missing or damaged, training cannot go on from it. {_again(parent)}"
            )
    values = read_json(state / VALUES, f"checkpoint {parent.parent.name}", FORMAT, STATE)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(state / TENSORS, device=str(device))
    except SafetensorError as error:
        raise InputError(f"checkpoint: {state / TENSORS} is damaged ({error}). {_again(parent)}") from error
    try:
        known = _with_nan(values["values"])
    except (TypeError, ValueError) as error:
        raise InputError(f"checkpoint: {state / VALUES} is damaged ({error}). {_again(parent)}") from error
    position = values["position"]
    return Checkpoint(
        stage=position["stage"],
        step=position["step"],
        total=position["total"],
        tensors=tensors,
        configuration=values["configuration"],
        values=known,
    )


def seconds_of(folder: Path) -> float | None:
    """Time spent on updates under ``folder`` so far, s; None where training has not begun or was moved away."""
    parent = folder / FOLDER
    state = parent / _latest(parent).get("name", "") / VALUES
    if not state.is_file():
        return None
    return float(read_json(state, "checkpoint", FORMAT, {"values": {"seconds": float}})["values"]["seconds"])


def _latest(parent: Path) -> dict[str, Any]:
    """What ``latest.json`` says, {} without one; the names in it lead nowhere else."""
    if not (parent / LATEST).exists():
        return {}
    what = f"checkpoint {parent.parent.name}"
    content = read_json(parent / LATEST, what, FORMAT, {"name": str, "sha256": {"*": str}})
    if not NAME.fullmatch(content["name"]) or set(content["sha256"]) != {TENSORS, VALUES}:
        raise InputError(f"{what}: {LATEST} names no checkpoint; copy it back, or remove the folder {FOLDER}.")
    return content


def _again(parent: Path) -> str:
    return f"Copy it back, or remove {parent} to begin again."


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_same(folder: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse to go on with another configuration than the checkpoint's.

    Raises:
        InputError: Names the first settings that differ.
    """
    old, new = _flat(there), _flat(json.loads(json.dumps(here)))
    changed = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    if changed:
        shown = "; ".join(f"{key}: {old.get(key)} there, {new.get(key)} here" for key in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise InputError(
            f"training: {folder} holds a checkpoint of another configuration ({shown}{more}). "
            f"Change it back to go on, or train into another folder."
        )


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        parts = [_flat(inner, f"{key}.{name}" if key else str(name)) for name, inner in value.items()]
    elif isinstance(value, list):
        parts = [_flat(inner, f"{key}[{number}]") for number, inner in enumerate(value)]
    else:
        return {key: value}
    return {name: inner for part in parts for name, inner in part.items()}


def _write_state(folder: Path, checkpoint: Checkpoint) -> dict[str, str]:
    """Write both files into ``folder``, down to the disk; returns their checksums."""
    from safetensors.torch import save_file

    folder.mkdir()
    save_file({name: _plain(tensor) for name, tensor in checkpoint.tensors.items()}, folder / TENSORS)
    content = {
        "format": FORMAT,
        "position": {"stage": checkpoint.stage, "step": checkpoint.step, "total": checkpoint.total},
        "configuration": dict(checkpoint.configuration),
        "values": _without_nan(checkpoint.values),
    }
    (folder / VALUES).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for path in (folder / TENSORS, folder / VALUES, folder):
        to_disk(path)
    return {name: sha256_of(folder / name) for name in (TENSORS, VALUES)}


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    """On the CPU, contiguous, with memory of its own: safetensors refuses tensors that share it."""
    return tensor.detach().cpu().contiguous().clone()


def _replace_folder(temporary: Path, final: Path) -> None:
    """Rename; a folder of that name was left by a kill before it became the latest."""
    if final.exists():
        remove_folder(final)
    temporary.rename(final)
    to_disk(final.parent)


def _write_latest(parent: Path, name: str, checksums: dict[str, str]) -> None:
    content = {"format": FORMAT, "name": name, "sha256": checksums}
    with atomic_path(parent / LATEST) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    to_disk(parent)


def _remove_others(parent: Path, name: str) -> None:
    for path in parent.glob("step-*"):
        if path.name != name:
            remove_folder(path)


def _without_nan(value: Any) -> Any:
    """``value`` with NaN and infinities as ``{"non-finite": "nan"}``: JSON has no such numbers."""
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"non-finite": str(value)}
    return value


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"non-finite"}:
            return float(value["non-finite"])
        return {key: _with_nan(inner) for key, inner in value.items()}
    return [_with_nan(inner) for inner in value] if isinstance(value, list) else value
