"""A killed training ends in the same bits; two processes follow the curve of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file
from training_cases import TinyTask, files_under, same_bits

from XRayTo3DLib.training.logs import read_metrics
from XRayTo3DLib.training.loop import train

HERE = Path(__file__).parent
posix = pytest.mark.skipif(os.name == "nt", reason="SIGKILL and fork are POSIX")


def run_script(*arguments: str | Path) -> str:
    """Standard output of ``python ARGUMENTS``."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def final_weights(folder: Path) -> dict:
    latest = json.loads((folder / "checkpoint" / "latest.json").read_text())
    return load_file(folder / "checkpoint" / latest["name"] / "state.safetensors")


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("nursery")
    return folder, json.loads(run_script(HERE / "training_nursery.py", folder, "10", "1"))


@posix
def test_killed_at_ten_random_moments_of_each_stage_ends_in_the_same_bits(nursery: tuple[Path, dict]) -> None:
    folder, told = nursery
    assert len([step for step in told["near"] if step < 60]) == len([step for step in told["near"] if step >= 60]) == 10
    assert same_bits(final_weights(folder / "whole"), final_weights(folder / "killed"))


@posix
def test_the_killed_training_has_the_same_log_and_leaves_nothing_behind(nursery: tuple[Path, dict]) -> None:
    folder, _ = nursery
    assert (folder / "whole/metrics.csv").read_bytes() == (folder / "killed/metrics.csv").read_bytes()
    whole, killed = (
        {name for name in files_under(folder / kind) if not name.startswith("tensorboard/")}
        for kind in ("whole", "killed")
    )
    assert whole == killed


@posix
def test_a_checkpoint_killed_before_any_file_operation_is_the_old_or_the_new_one(nursery: tuple[Path, dict]) -> None:
    assert nursery[1]["operations"] > 10


def test_two_processes_with_half_the_batch_follow_the_curve_of_one(tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    run_script(*launcher, HERE / "training_ranks.py", tmp_path / "two")
    train(TinyTask(20, 8, 0.0), tmp_path / "one", device="cpu", threads=1, log_every=1, tensorboard=False)
    one, two = read_metrics(tmp_path / "one"), read_metrics(tmp_path / "two")
    assert [(row["step"], row["name"]) for row in one] == [(row["step"], row["name"]) for row in two]
    np.testing.assert_allclose([row["value"] for row in two], [row["value"] for row in one], rtol=1e-5, atol=1e-5)
    first, second = final_weights(tmp_path / "one"), final_weights(tmp_path / "two")
    assert max(float((first[name].float() - second[name].float()).abs().max()) for name in first) < 1e-5
