"""Data set building killed: synthetic people, their preparation, simulated radiographs, and cases imported.

.venv/bin/python Testing/Soak/soak_kills_dataset.py --kills 60 --fresh 4 --seed 0
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numba  # noqa: F401  imported before the children are forked, as all that follow
import scipy.ndimage  # noqa: F401
import SimpleITK  # noqa: F401
import skimage.measure  # noqa: F401
import torch  # noqa: F401
from kill_checks import differences, faults_of_files
from kill_harness import Job, done_in_child
from kill_program import soak

import XRayTo3DLib.cli.dataset
import XRayTo3DLib.dataset.hip_population
import XRayTo3DLib.dataset.population
import XRayTo3DLib.dataset.prepared_files
import XRayTo3DLib.dataset.view_pairs  # noqa: F401
from XRayTo3DLib.dataset.dataset_folder import DatasetFolder
from XRayTo3DLib.errors import InputError

WRISTS = ("--people", "8", "--test", "2", "--spacing", "3", "--length", "60", "--soft-tissue", "--workers", "1")
OTHERS = ("--people", "5", "--test", "1", "--spacing", "4", "--length", "60", "--workers", "2")
HIPS = ("--anatomy", "hips", "--people", "3", "--test", "1", "--spacing", "4", "--exposures", "2", "--pixel-mm", "8")


def jobs(scratch: Path) -> Sequence[Job]:
    """The steps of building a data set, each of them on what the steps before have made."""
    wrists = _made(scratch, "wrists", ("synthetic", *WRISTS))
    table = _table(scratch, wrists)

    def job(name: str, words: Sequence[str], before: Path | None, **more: object) -> Job:
        return Job(
            name,
            lambda folder: ["dataset", words[0], *_where(words[0], folder), *words[1:]],
            (lambda folder: _copied(before, folder)) if before is not None else (lambda folder: None),
            faults=_faults,
            differences=differences,
            **more,  # type: ignore[arg-type]
        )

    started = _made(scratch, "started", ("new", "--bones", "radius", "ulna"))
    return (
        job("synthetic wrists", ("synthetic", *WRISTS), None),
        job("synthetic, two processes", ("synthetic", *OTHERS), None),
        job("synthetic, other options", ("synthetic", *OTHERS), wrists),
        job("synthetic hips", ("synthetic", *HIPS, "--workers", "1"), None),
        job("prepare", ("prepare", "--workers", "2"), wrists),
        job("pairs", ("pairs", "--view", "PA", "--pixel", "4"), wrists),
        job("import", ("import", str(table)), started),
    )


def _where(action: str, folder: Path) -> list[str]:
    return ["-o", str(folder / "set")] if action == "synthetic" else [str(folder / "set")]


def _copied(before: Path, folder: Path) -> None:
    shutil.copytree(before / "set", folder / "set")


def _made(scratch: Path, name: str, words: Sequence[str]) -> Path:
    """A data set that a job begins with."""
    folder = scratch / name
    folder.mkdir()
    action, *options = words
    from XRayTo3DLib.cli.main import main

    def make() -> None:
        if main(["dataset", action, *_where(action, folder), *options]) != 0:
            raise SystemExit(1)

    done_in_child(make, scratch / f"{name}.log")
    return folder


def _table(scratch: Path, wrists: Path) -> Path:
    """A table of the wrists' CTs and labels."""
    path = scratch / "cases.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(("id", "ct", "labels"))
        for case in sorted((wrists / "set" / "cases").iterdir()):
            rows.writerow((f"own-{case.name}", case / "ct.nrrd", case / "labels.seg.nrrd"))
    return path


def _faults(folder: Path) -> list[str]:
    """Every file is whole, and what dataset.json names can be opened."""
    found = faults_of_files(folder)
    if (folder / "set" / "dataset.json").exists():
        try:
            dataset = DatasetFolder.open(folder / "set")
            for case in dataset.cases():
                case.ct()
                if dataset.synthetic and set(case.mesh_paths()) != set(case.labels):
                    found.append(f"case {case.id} lacks a mesh")
        except InputError as error:
            if "is empty: dataset.json names no" not in str(error):
                found.append(f"the data set cannot be used: {error}")
    return found


if __name__ == "__main__":
    sys.exit(soak("Kills, data set building", jobs))
