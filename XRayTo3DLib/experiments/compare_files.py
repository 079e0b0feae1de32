"""What the processes of a comparison tell each other through files: tasks, and results that grow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from XRayTo3DLib.dataset.voxel_grid import VoxelGrid
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_results import RESULT_FORMAT, Measured
from XRayTo3DLib.files import read_json, write_json

TASK_FORMAT = "xrayto3d.comparison-task/1"
TASK, RESULT, SHOWN = "task.json", "measured.json", "shown"
"""Names of the files, and of the folder of meshes that the report shows."""


@dataclass(frozen=True)
class Task:
    """What a worker is told.

    Attributes:
        name: Of the row.
        bundle: The model.
        dataset: The data set.
        pictures: File of a ``TrialSet``; empty for a method that looks at radiographs of the data set.
        grid: Where every method is measured.
        samples: Points that surfaces are measured from.
        people: Test people, the first so many.
        hard: Of them, who are asked under the harder conditions.
        seed: Of what the worker draws.
        shown: Test people whose meshes are kept, by case name.
        refine: Bundle of shape models that refine what the method made; None: as the method has it.
    """

    name: str
    bundle: Path
    dataset: Path
    pictures: Path
    grid: VoxelGrid
    samples: int
    people: int
    hard: int
    seed: int
    shown: tuple[str, ...]
    refine: Path | None = None

    def save(self, path: Path) -> None:
        """Write it; paths absolute, for the worker runs somewhere else."""
        write_json(
            path,
            {
                "format": TASK_FORMAT,
                "name": self.name,
                "bundle": str(self.bundle.absolute()),
                "dataset": str(self.dataset.absolute()),
                "pictures": str(self.pictures.absolute()),
                "grid": self.grid.to_dict(),
                "samples": self.samples,
                "people": self.people,
                "hard": self.hard,
                "seed": self.seed,
                "shown": list(self.shown),
                "refine": None if self.refine is None else str(self.refine.absolute()),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Task:
        """Read it.

        Raises:
            InputError: Missing or another file.
        """
        content = read_json(path, "task of a comparison", TASK_FORMAT)
        try:
            places = {name: Path(content[name]) for name in ("bundle", "dataset", "pictures")}
            numbers = {name: int(content[name]) for name in ("samples", "people", "hard", "seed")}
            grid = VoxelGrid.from_dict(content["grid"])
            refine = None if content["refine"] is None else Path(content["refine"])
            shown = tuple(content["shown"])
            return cls(name=str(content["name"]), **places, grid=grid, **numbers, shown=shown, refine=refine)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"task of a comparison: {path} lacks or misnames {error}; compare again.") from error


def fingerprint(content: Mapping[str, Any]) -> str:
    """A short name for JSON values: the same for the same content."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def keep_result(path: Path, found: Measured, mark: str, complete: bool) -> None:
    """Write what is measured so far; ``mark`` says of what (see :func:`fingerprint`)."""
    write_json(path, {**found.to_dict(), "mark": mark, "complete": complete})


def kept_result(path: Path, mark: str) -> tuple[Measured | None, bool]:
    """What an earlier run measured of the same thing, and whether it came to its end; ``None`` if it did not begin."""
    if not path.exists():
        return None, False
    content = read_json(path, "result of a comparison", RESULT_FORMAT)
    if content.get("mark") != mark:
        return None, False
    return Measured.from_dict(content, f"result of a comparison: {path.name}"), bool(content.get("complete"))
