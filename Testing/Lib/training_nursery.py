"""Raises trainings in processes of their own and kills them with SIGKILL; run as a script, prints JSON.

This process itself never computes with torch, so that its forked children may. They begin with Lightning imported:
twenty trainings start in the time of one.

    training_nursery.py FOLDER KILLS SEED

FOLDER/whole: trained undisturbed. FOLDER/killed: killed KILLS times in each stage at random moments. FOLDER/operations:
checkpoints killed before every single file operation of theirs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from functools import partial
from pathlib import Path

import lightning.fabric  # noqa: F401  imported before the children are forked
import lightning.fabric.loggers  # noqa: F401
import safetensors.torch  # noqa: F401
import torch
import torch.utils.tensorboard  # noqa: F401
from killed_children import child_of, in_child, killed_before, wait_for
from training_cases import TinyTask

from XRayTo3DLib.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from XRayTo3DLib.training.loop import train

STEPS, CHECKPOINT_EVERY = 60, 4


def train_here(folder: Path) -> None:
    """One training, or the rest of it."""
    task = TinyTask(steps=STEPS, pause_s=0.002)
    train(task, folder, device="cpu", threads=1, checkpoint_every=CHECKPOINT_EVERY, log_every=1)


def steps_done(folder: Path) -> int:
    """Steps in the latest checkpoint."""
    latest = folder / "checkpoint" / "latest.json"
    return int(json.loads(latest.read_text())["name"].removeprefix("step-")) if latest.exists() else -1


def kill_at_random(folder: Path, kills: int, seed: int) -> list[int]:
    """Kill the training ``kills`` times in each stage, then let it finish; returns the steps it was killed near."""
    chance = random.Random(seed)
    moments = sorted(chance.sample(range(1, STEPS - 2 * CHECKPOINT_EVERY), kills))
    near = []
    for target in (*moments, *(STEPS + moment for moment in moments)):
        child = child_of(partial(train_here, folder))
        while steps_done(folder) < target - target % CHECKPOINT_EVERY:
            if os.waitpid(child, os.WNOHANG)[0]:
                raise SystemExit(f"the training ended by itself before step {target}")
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        if wait_for(child) != -signal.SIGKILL:
            raise SystemExit(f"the training had ended before it was killed near step {target}")
        near.append(steps_done(folder))
    if in_child(partial(train_here, folder)):
        raise SystemExit("the training could not go on after the last kill")
    return near


def checkpoint_of(total: int) -> Checkpoint:
    """A small checkpoint that tells its step in every part."""
    return Checkpoint(0, total, total, {"network/a": torch.full((50,), float(total))}, {"a": 1}, {"seconds": total})


def save_killed(folder: Path, before: int, after: int, operation: int) -> None:
    """Write two checkpoints; before a file operation (counted from 0) of the second one this process is killed."""
    save_checkpoint(folder, checkpoint_of(before))
    killed_before(operation, partial(save_checkpoint, folder, checkpoint_of(after)))


def check_after_kill(folder: Path, before: int, after: int) -> None:
    """What is found is the old or the new checkpoint, whole; written again it is alone, and so is the next one."""
    found = load_checkpoint(folder)
    if found is None or found.total not in (before, after):
        raise AssertionError(f"no checkpoint of step {before} or {after}: {found}")
    if not torch.equal(found.tensors["network/a"], torch.full((50,), float(found.total))):
        raise AssertionError("tensors of another step")
    for total in (after, after + 1):
        save_checkpoint(folder, checkpoint_of(total))
        names = sorted(path.name for path in (folder / "checkpoint").iterdir())
        if names != ["latest.json", f"step-{total:07d}"]:
            raise AssertionError(f"left behind: {names}")


def kill_at_each_operation(folder: Path) -> int:
    """Returns how many moments there were to kill a checkpoint at."""
    for operation in range(1000):
        here = folder / str(operation)
        ended = in_child(partial(save_killed, here, 7, 9, operation))
        if ended == 0:
            return operation
        if ended != -signal.SIGKILL or in_child(partial(check_after_kill, here, 7, 9)):
            raise SystemExit(f"killed before file operation {operation}: the checkpoints are damaged")
    raise SystemExit("a checkpoint takes more than 1000 file operations")


def main(folder: str, kills: str, seed: str) -> None:
    """See above."""
    if in_child(partial(train_here, Path(folder) / "whole")):
        raise SystemExit("the undisturbed training failed")
    near = kill_at_random(Path(folder) / "killed", int(kills), int(seed))
    operations = kill_at_each_operation(Path(folder) / "operations")
    print(json.dumps({"near": near, "operations": operations}))


if __name__ == "__main__":
    main(*sys.argv[1:])
