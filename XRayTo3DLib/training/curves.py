"""The curves of a training, read from ``metrics.csv`` while it grows; no torch, no whole file at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from XRayTo3DLib.training.logs import METRICS

PIECE = 60_000
"""Bytes read at once: about a thousand rows, some milliseconds."""
LOSS, VALIDATION = "loss", "validation"


@dataclass
class Curve:
    """One figure over the steps of one stage.

    Attributes:
        stage: The stage's name.
        name: The figure's ("loss", "generator/l1", "radius_mm").
        kind: "loss" (a part of what is minimised, or its gradient) or "validation".
        steps: Steps of all stages.
        values: As many; NaN where there was nothing to measure.
    """

    stage: str
    name: str
    kind: str
    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


class CurveReader:
    """Reads on where it stopped; begins anew where a resumed training has rewritten the file.

    Args:
        folder: The training's.
    """

    def __init__(self, folder: Path | str) -> None:
        self._path = Path(folder) / METRICS
        self._begin()

    def _begin(self, file: tuple[int, int] | None = None) -> None:
        self._file, self._place, self._in_losses = file, 0, False
        self._curves: dict[tuple[str, str], Curve] = {}

    @property
    def curves(self) -> list[Curve]:
        """What was read so far, in the file's order."""
        return list(self._curves.values())

    def read(self, most: int = PIECE) -> bool:
        """Read at most so many bytes further; True where there is more at once.

        A half-written last row waits for its end.
        """
        if not self._path.exists():
            self._begin()
            return False
        with self._path.open("rb") as stream:
            about = self._path.stat()
            file = (about.st_dev, about.st_ino)
            if file != self._file or about.st_size < self._place:
                self._begin(file)
            stream.seek(self._place)
            piece = stream.read(most)
        whole = piece[: piece.rfind(b"\n") + 1]
        first, self._place = self._place == 0, self._place + len(whole)
        rows = whole.decode("utf-8", errors="replace").splitlines()
        for row in rows[1:] if first else rows:
            self._take(row)
        return bool(whole) and self._place < about.st_size

    def _take(self, row: str) -> None:
        """One row: step, stage, stage_step, name, value. The losses of a step begin with "loss", end with the norm."""
        try:
            step, stage, _, name, value = row.split(",")
            point = int(step), float(value)
        except ValueError:  # a row that a full disk has cut
            return
        last = name.rpartition("/")[2]
        self._in_losses = self._in_losses or last == "loss"
        kind = LOSS if self._in_losses or "/" in name else VALIDATION
        self._in_losses = self._in_losses and last != "gradient_norm"
        curve = self._curves.setdefault((stage, name), Curve(stage, name, kind))
        curve.steps.append(point[0])
        curve.values.append(point[1])


def read_curves(folder: Path | str) -> list[Curve]:
    """All curves of a training, as far as it is."""
    reader = CurveReader(folder)
    while reader.read():
        pass
    return reader.curves
