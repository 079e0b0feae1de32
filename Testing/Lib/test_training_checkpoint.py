"""Checkpoints: what goes in comes out, damage is refused, a full disk leaves the old one whole."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import SafetensorError
from training_cases import files_under

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.training.checkpoint import Checkpoint, load_checkpoint, require_same, save_checkpoint, seconds_of
from XRayTo3DLib.training.faults import DiskFull


def example(total: int = 30) -> Checkpoint:
    shared = torch.arange(6.0).reshape(2, 3)
    tensors = {
        "network/a": shared,
        "network/a.transposed": shared.T,
        "network/half": torch.tensor([1.5, math.inf], dtype=torch.bfloat16),
        "network/count": torch.tensor(7),
        "optimiser/x/0/step": torch.tensor(30.0),
    }
    values = {"seconds": 1.25, "metrics": {"s": {"assd_mm": math.nan, "far": [math.inf, 2]}}, "precision": {}}
    return Checkpoint(1, 10, total, tensors, {"seed": 3, "stages": {"s": {"steps": 10}}}, values)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None
    saved = example()
    save_checkpoint(tmp_path, saved)
    found = load_checkpoint(tmp_path)
    assert (found.stage, found.step, found.total, found.configuration) == (1, 10, 30, saved.configuration)
    assert found.tensors.keys() == saved.tensors.keys()
    for name, tensor in saved.tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert math.isnan(found.values["metrics"]["s"]["assd_mm"])
    assert found.values["metrics"]["s"]["far"] == [math.inf, 2]
    assert found.values["seconds"] == 1.25 == seconds_of(tmp_path) and seconds_of(tmp_path / "elsewhere") is None


def test_only_the_latest_is_kept_and_nothing_is_pickled(tmp_path: Path) -> None:
    for total in (10, 20, 30):
        save_checkpoint(tmp_path, example(total))
    folder = "checkpoint/step-0000030/"
    expected = {"checkpoint/latest.json", f"{folder}state.safetensors", f"{folder}state.json"}
    assert files_under(tmp_path) == expected
    for name in expected - {f"{folder}state.safetensors"}:
        json.loads((tmp_path / name).read_text(), parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_a_changed_byte_and_a_missing_file_are_refused(tmp_path: Path, name: str) -> None:
    path = save_checkpoint(tmp_path, example()) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is missing or damaged"):
        load_checkpoint(tmp_path)
    path.unlink()
    with pytest.raises(InputError, match=f"{name} is missing or damaged"):
        load_checkpoint(tmp_path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, example())
    latest = tmp_path / "checkpoint" / "latest.json"
    latest.write_text(latest.read_text().replace("checkpoint/1", "checkpoint/2"))
    with pytest.raises(InputError, match="xrayto3d.checkpoint/2"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    ],
)
def test_a_full_disk_leaves_the_checkpoint_before_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    save_checkpoint(tmp_path, example(10))
    before = files_under(tmp_path)

    def half_written(tensors: dict, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise error

    monkeypatch.setattr(safetensors.torch, "save_file", half_written)
    with pytest.raises(DiskFull, match=f"disk of {tmp_path} is full. Free some space"):
        save_checkpoint(tmp_path, example(20))
    assert files_under(tmp_path) == before
    assert load_checkpoint(tmp_path).total == 10


FULL_DISK = """
import sys
from pathlib import Path
import torch
from XRayTo3DLib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from XRayTo3DLib.training.faults import DiskFull
folder = Path(sys.argv[1])
save_checkpoint(folder, Checkpoint(0, 1, 1, {"a": torch.ones(100_000)}))
try:
    save_checkpoint(folder, Checkpoint(0, 2, 2, {"a": torch.ones(200_000)}))
except DiskFull as error:
    print(error)
assert load_checkpoint(folder).total == 1 and [p.name for p in (folder / "checkpoint").glob("s*")] == ["step-0000001"]
save_checkpoint(folder, Checkpoint(0, 3, 3, {"a": torch.ones(100_000)}))
assert load_checkpoint(folder).total == 3
print("went on")
"""


def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    """A file system of 1 MB in a mount namespace of its own; nothing outside sees it."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    mount = f"mount -t tmpfs -o size=1m none {tmp_path}"
    if not shutil.which("unshare") or subprocess.run([*alone, "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("this machine lets no user mount a small file system (unshare)")
    script = f'{mount} && exec "$0" "$@"'
    command = [*alone, "sh", "-c", script, sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "is full. Free some space" in done.stdout
    assert "went on" in done.stdout


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text("a file in the way")
    with pytest.raises(InputError, match=r"cannot write to .* Check that the folder"):
        save_checkpoint(tmp_path, example())


def test_another_configuration_is_refused_by_its_settings(tmp_path: Path) -> None:
    there = {"seed": 0, "stages": {"a": {"steps": 10, "optimisers": [{"betas": [0.9, 0.999]}]}}}
    require_same(tmp_path, there, {"seed": 0, "stages": {"a": {"steps": 10, "optimisers": [{"betas": (0.9, 0.999)}]}}})
    here = {"seed": 0, "stages": {"a": {"steps": 20, "optimisers": [{"betas": (0.5, 0.999)}]}}}
    with pytest.raises(InputError) as told:
        require_same(tmp_path, there, here)
    assert "stages.a.steps: 10 there, 20 here" in str(told.value)
    assert "stages.a.optimisers[0].betas[0]: 0.9 there, 0.5 here" in str(told.value)


@pytest.mark.parametrize("text", ["cm", {"a": 1}])
def test_a_number_that_is_none_is_refused(tmp_path: Path, text: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by the fuzzer, which makes checksums anew."""
    monkeypatch.setattr(
        "XRayTo3DLib.training.checkpoint._without_nan", lambda values: {"seconds": {"non-finite": text}}
    )
    save_checkpoint(tmp_path, example())
    with pytest.raises(InputError, match=r"state\.json is damaged"):
        load_checkpoint(tmp_path)
