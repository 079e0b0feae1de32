"""One of several processes of a training, or the only one: ``training_ranks.py FOLDER [DEVICES]``."""

from __future__ import annotations

import sys
from pathlib import Path

from training_cases import TinyTask

from XRayTo3DLib.training.loop import train


def main(folder: str, devices: str = "1") -> None:
    """Without dropout: its random numbers would be drawn for half the batch."""
    task = TinyTask(steps=20, batch=8, dropout=0.0)
    train(task, Path(folder), device="cpu", threads=1, log_every=1, devices=int(devices), tensorboard=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
