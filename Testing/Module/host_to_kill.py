"""Another Slicer, for test_host_killed.py: started with a folder, it works or looks, tells one line, and is killed.

``python host_to_kill.py work|look MODULE.py FOLDER``: "work" starts a training, a data set's job and a reconstruction
by clicks, freezes their workers as soon as they work, and saves the scene; "look" opens the module in an empty scene,
reloads it, and tells what it found.
Settings and temporary files are those of ``FOLDER/slicer``, as a restarted Slicer finds its own again.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import train_cases
from dataset_cases import button
from module_cases import settle, wait_until
from reconstruct_cases import ONE_VIEW, choose_model, load_views, mark_joint

from XRayTo3DLib.jobs.process_mark import ProcessMark

HOST = "slicerhost-"
"""How the host's temporary folder begins, which has the settings too."""
STEPS = 2000
PEOPLE = 500


def main(what: str, module: str, folder: Path) -> None:
    """Do it, tell it, and wait for the end."""
    home = folder / "slicer"
    home.mkdir(exist_ok=True)
    import slicerhost

    fresh = tempfile.mkdtemp
    with mock.patch("tempfile.mkdtemp", lambda *a, **k: str(home) if k.get("prefix") == HOST else fresh(*a, **k)):
        slicerhost.boot()
    from slicerhost import modules

    widget = modules.make_module_widget(modules.load_module(Path(module)))
    modules.enter_module(widget)
    print("\n" + json.dumps(work(widget, folder) if what == "work" else look(widget)), flush=True)
    settle(600)


def work(widget: Any, folder: Path) -> dict[str, Any]:
    """All three at once; the scene is saved while they run. Returns the jobs' folders."""
    import slicer

    jobs = {"dataset": make_people(widget, folder / "people")}
    jobs["train"] = train(widget, folder)
    jobs["reconstruct"] = reconstruct(widget)
    assert slicer.util.saveScene(str(folder / "saved.mrb"))
    return jobs


def freeze(job: str) -> str:
    """Stop the worker where it is: it lives, and costs the test no time."""
    pid = ProcessMark.load(Path(job) / "worker.json").pid
    assert os.getpgid(pid) == pid, "a worker leads a group of its own"
    os.killpg(pid, signal.SIGSTOP)
    return job


def make_people(widget: Any, folder: Path) -> str:
    """Section 3, until the worker is at work."""
    widget.ui.datasetSection.collapsed = False
    ui = widget.dataset.ui
    ui.newFolderPath.currentPath = str(folder)
    ui.newKindCombo.currentText = "SYNTHETIC people"
    ui.newPeopleSpinBox.value, ui.newTestSpinBox.value, ui.workersSpinBox.value = PEOPLE, 1, 1
    settle(0.1)
    button(widget.dataset, "makeDatasetButton").click()
    job = widget.parameters.datasetJob
    wait_until(lambda: (Path(job) / "progress.jsonl").exists())
    return freeze(job)


def train(widget: Any, folder: Path) -> str:
    """Section 4, until the first step is done."""
    panel = train_cases.open_section(widget)
    config = train_cases.configuration(folder, STEPS)
    train_cases.choose(panel, config, folder / "wrists", folder / "run")
    panel.ui.trainButton.click()
    wait_until(lambda: train_cases.in_training(panel))
    return freeze(widget.parameters.trainJob)


def reconstruct(widget: Any) -> str:
    """Section 5: one coarse view, not refined, until the worker is there."""
    load_views()
    widget.ui.reconstructSection.collapsed = False
    choose_model(widget.reconstruct, ONE_VIEW)
    widget.parameters.reconstructSide, widget.parameters.reconstructRefine = "Right", False
    mark_joint(widget.reconstruct, 1)
    button(widget.reconstruct, "reconstructButton").click()
    wait_until(lambda: (Path(widget.parameters.reconstructJob) / "worker.json").exists())
    return freeze(widget.parameters.reconstructJob)


def look(widget: Any) -> dict[str, Any]:
    """What is found in an empty scene, and again after the developer's Reload."""
    import slicer

    first = found(widget)
    widget.onReload()
    return {"opened": first, "reloaded": found(slicer.modules.XRayTo3DWidget)}


def found(widget: Any) -> dict[str, Any]:
    """Which jobs are watched, and what is said of them."""
    settle(0.5)
    return {
        "running": [widget.dataset.job.running, widget.train.run.running, widget.reconstruct.run.running],
        "jobs": [getattr(widget.parameters, f"{name}Job") for name in ("dataset", "train", "reconstruct")],
        "said": [
            widget.dataset.ui.jobStatusLabel.text,
            widget.train.ui.trainStatusLabel.text,
            widget.reconstruct.ui.reconstructStatusLabel.text,
        ],
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
