"""A training as a job: its folder made, started, paused, taken up again; no panel, for scripts too."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.job_watch import recent, remember, workerPython
from XRayTo3DGui.setup.packages import torchProblem, trainingProblem
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.jobs.folder import JobFolder
from XRayTo3DLib.jobs.run import start_training
from XRayTo3DLib.jobs.state import JobStatus
from XRayTo3DLib.methods.catalogue import MethodEntry, entry_named

KIND = "training"
CONFIGURATION = "configuration.yaml"
BUNDLE = "bundle"
PATHS = (("data", "unlabelled"), ("network", "weights"), ("network", "segmentation_weights"))
"""Places of files that a configuration names from where it lies."""


@dataclass(frozen=True)
class Options:
    """How it is computed; what is learnt is in the configuration.

    Attributes:
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads; 0 as torch takes them.
        precision: "32-true", "bf16-mixed" or "16-mixed".
        checkpointEvery: Steps between checkpoints.
        samples: Validation people shown at every validation.
        licence: Of data and weights, for the bundle.
    """

    device: str = "auto"
    threads: int = 0
    precision: str = "32-true"
    checkpointEvery: int = 200
    samples: int = 2
    licence: str = ""

    def words(self) -> list[str]:
        """As ``xrayto3d train`` takes them."""
        words = ["--device", self.device, "--precision", self.precision]
        words += ["--checkpoint-every", str(self.checkpointEvery), "--samples", str(self.samples)]
        words += ["--threads", str(self.threads)] if self.threads else []
        return [*words, "--licence", self.licence] if self.licence.strip() else words


def packagesProblem(entry: MethodEntry | None) -> str:
    """One sentence where this computer's Slicer cannot train that method, else empty; nothing is loaded."""
    return trainingProblem() if entry is None or entry.stepped else torchProblem()


def folderProblem(folder: str) -> str:
    """Why a new training cannot be put there, one sentence; empty where it can."""
    if not folder.strip():
        return _("Choose the folder of the training: new, or empty")
    path = Path(folder)
    if not path.is_absolute():
        return _("Give the folder of the training with its whole path")
    if path.is_file():
        return _("{name} is a file: choose a folder").format(name=path.name)
    if (path / "checkpoint").exists() or (path / BUNDLE).exists():
        return _("That folder holds a training: choose another, or go on with that one by 'Training' above")
    if (path / "job.json").exists():
        running = not JobFolder(path).state().status.ended
        return _("A worker runs in that folder: choose it by 'Training' above") if running else ""
    if path.is_dir() and any(path.iterdir()):
        return _("That folder is not empty: choose a new or an empty one")
    return ""


def start(content: Mapping[str, Any], near: Path, data: Path, folder: Path, options: Options) -> JobFolder:
    """Write the configuration into the job's folder and start the worker.

    Args:
        content: The configuration, changes made.
        near: Folder that its files' names start from.
        data: The data set.
        folder: New or empty.
        options: How to compute.

    Raises:
        InputError: A package is missing, the folder cannot be used, or Python cannot be started.
    """
    problem = packagesProblem(entry_named(str(content["method"]))) or folderProblem(str(folder))
    if problem:
        raise InputError(problem)
    job = JobFolder.create(folder, KIND, {})
    _write(_moved(content, near, data, job.path), job.path / CONFIGURATION)
    return _begin(job.path, options.words())


def resume(folder: Path) -> JobFolder:
    """Start the worker again; it goes on from its checkpoint, to the same result.

    Raises:
        InputError: No training, one that runs, or a package is missing.
    """
    job = trainingOf(folder)
    problem = packagesProblem(entryOf(job))
    if problem:
        raise InputError(problem)
    return _begin(job.path, optionsOf(job))


def trainingOf(folder: Path | str) -> JobFolder:
    """The training in a folder.

    Raises:
        InputError: There is none.
    """
    job = JobFolder.open(Path(folder))
    if job.description()["kind"] != KIND:
        raise InputError(_("{folder} holds a job of another kind, no training.").format(folder=folder))
    return job


def runningTraining() -> str:
    """Folder of a training that an earlier session has left at work; empty where there is none."""
    for folder in recent(KIND):
        try:
            if trainingOf(folder).state().status is JobStatus.RUNNING:
                return folder
        except InputError:
            continue
    return ""


def optionsOf(job: JobFolder) -> list[str]:
    """With which options it was started."""
    found = job.description()["configuration"].get("options", [])
    return [str(each) for each in found] if isinstance(found, list) else []


def configurationOf(job: JobFolder) -> dict[str, Any]:
    """The configuration that it trains with.

    Raises:
        InputError: It is gone or damaged.
    """
    from XRayTo3DLib.methods.configuration import read_configuration

    return read_configuration(configurationFile(job))


def configurationFile(job: JobFolder) -> Path:
    """Ours, in the job's folder; a training started on the command line names another one beside it."""
    own = job.path / CONFIGURATION
    named = Path(str(job.description()["configuration"].get("config", CONFIGURATION))).name
    return own if own.exists() else job.path / named


def entryOf(job: JobFolder) -> MethodEntry | None:
    """Its method; None where the configuration cannot be read."""
    try:
        return entry_named(str(configurationOf(job)["method"]))
    except InputError:
        return None


def isSynthetic(job: JobFolder) -> bool:
    """Whether its data set says that it is made up."""
    try:
        data = job.path / str(configurationOf(job)["data"]["folder"]) / "dataset.json"
        return bool(json.loads(data.read_text(encoding="utf-8")).get("synthetic"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # moved or gone: nothing is known of it
        return False


def bundleOf(job: JobFolder) -> Path | None:
    """The trained model, if there is one."""
    path = job.path / BUNDLE
    return path if (path / "bundle.json").is_file() else None


def _begin(folder: Path, words: Sequence[str]) -> JobFolder:
    job = start_training(configurationFile(JobFolder(folder)), folder, words, workerPython())
    remember(KIND, folder)
    return job


def _write(content: Mapping[str, Any], path: Path) -> None:
    import yaml

    from XRayTo3DLib.files import write_text

    write_text(path, yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True))


def _moved(content: Mapping[str, Any], near: Path, data: Path, folder: Path) -> dict[str, Any]:
    """The same configuration as read from another folder: its files' names start from there."""
    moved = {**content, "data": {**content.get("data", {}), "folder": _seenFrom(folder, data)}}
    for part, name in PATHS:
        if isinstance(moved.get(part), Mapping) and moved[part].get(name):
            moved[part] = {**moved[part], name: _seenFrom(folder, near / moved[part][name])}
    return moved


def _seenFrom(folder: Path, path: Path) -> str:
    """Relative where it can be, so that both can be moved together and no home folder's name is written."""
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:  # another drive of Windows
        return str(path.absolute())
