"""What a training leaves to look at: ``metrics.csv``, and TensorBoard's files where TensorBoard is installed."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import write_text
from XRayTo3DLib.files.unfinished import remove_abandoned
from XRayTo3DLib.training.faults import disk_explained

METRICS, TENSORBOARD = "metrics.csv", "tensorboard"
COLUMNS = ("step", "stage", "stage_step", "name", "value")


class TrainingLog:
    """Figures over the steps: one row per figure in ``metrics.csv``, one curve per figure in TensorBoard.

    Rows of steps that an interrupted training did after its last checkpoint are removed: they are done again.

    Args:
        folder: The training's folder.
        resumed_at: Steps done in all stages where training goes on; 0 begins anew.
        tensorboard: Write TensorBoard's files too, if TensorBoard is installed.
    """

    def __init__(self, folder: Path, resumed_at: int = 0, tensorboard: bool = True) -> None:
        self._folder = folder
        with disk_explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(folder)
            _keep_rows(folder / METRICS, resumed_at)
            self._file = (folder / METRICS).open("a", encoding="utf-8", newline="")
            self._rows = csv.writer(self._file, lineterminator="\n")
            wanted = tensorboard and importlib.util.find_spec("tensorboard") is not None
            self._board = _board(folder, resumed_at) if wanted else None

    def add(self, stage: str, stage_step: int, total: int, figures: Mapping[str, float]) -> None:
        """Log ``figures`` after ``stage_step`` steps of ``stage``, ``total`` of all stages.

        Raises:
            InputError: The files cannot be written (``DiskFull`` where there is no space left).
        """
        rows = [(total, stage, stage_step, name, repr(float(value))) for name, value in figures.items()]
        with disk_explained(self._folder):
            self._rows.writerows(rows)
            self._file.flush()
            if self._board is not None:
                self._board.log_metrics({f"{stage}/{name}": float(value) for name, value in figures.items()}, total)

    def close(self) -> None:
        """Write what is left and close the files."""
        with disk_explained(self._folder):
            self._file.close()
        if self._board is not None:
            self._board.finalize("success")


class NoLog:
    """What the processes after the first log with: nothing."""

    def add(self, stage: str, stage_step: int, total: int, figures: Mapping[str, float]) -> None:
        """Log nothing."""

    def close(self) -> None:
        """Nothing to close."""


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Rows of ``folder``'s ``metrics.csv`` by column name; steps are int, values float.

    A half-written last row is left out.

    Raises:
        InputError: Rows of something else.
    """
    path = folder / METRICS
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    try:
        return [
            {**row, "step": int(row["step"]), "stage_step": int(row["stage_step"]), "value": float(row["value"])}
            for row in csv.DictReader(io.StringIO(whole))
        ]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"training: {path} is damaged ({error}); copy it back, or remove it.") from error


def _keep_rows(path: Path, last: int) -> None:
    kept = [row for row in read_metrics(path.parent) if row["step"] <= last] if last else []
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((row["step"], row["stage"], row["stage_step"], row["name"], repr(row["value"])) for row in kept)
    write_text(path, text.getvalue())


def _board(folder: Path, resumed_at: int) -> Any:
    from lightning.fabric.loggers import TensorBoardLogger

    board = TensorBoardLogger(folder, name=TENSORBOARD, version="", purge_step=resumed_at + 1)
    with _computer_unnamed():
        _ = board.experiment  # makes the file
    return board


@contextlib.contextmanager
def _computer_unnamed() -> Iterator[None]:
    """TensorBoard puts the computer's name into its files' names, and that may be a person's."""
    asked = socket.gethostname
    socket.gethostname = lambda: "computer"
    try:
        yield
    finally:
        socket.gethostname = asked
