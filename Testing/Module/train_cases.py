"""A data set, a configuration small enough for a test, and job folders made by hand; shared by tests of section 4."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

from module_cases import settle, wait_until

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lib"))
from learning_cases import PEOPLE, TESTED, TL_NET, changed, write_yaml  # noqa: E402, F401

LOSSES = {"loss": 0.5, "gradient_norm": 1.5}


def make_wrists(folder: Path) -> Path:
    """Prepared SYNTHETIC wrists, as the library's tests have them."""
    from XRayTo3DLib.dataset.population import write_population
    from XRayTo3DLib.dataset.prepared_files import prepare_all

    made = {"spacing": 2.5, "mesh_spacing": 2.0, "length_mm": 70.0, "soft_tissue": False}
    write_population(folder, PEOPLE, 3, test=TESTED, workers=1, **made)
    prepare_all(folder, 1)
    return folder


@cache
def configuration(folder: Path, steps: int, every: int = 0) -> Path:
    """A TL-net's configuration file whose stages all have so many steps."""
    stages = {name: {"steps": steps, "validate_every": every} for name in TL_NET["stages"]}
    return write_yaml(folder / f"tiny-{steps}-{every}.yaml", changed(TL_NET, stages=stages))


def open_section(widget: Any) -> Any:
    """Section 4 as a person opens it."""
    widget.ui.trainSection.collapsed = False
    settle()
    return widget.train


def choose(panel: Any, config: Path, data: Path, folder: Path) -> None:
    """Fill in the form: an own configuration file, the data set, the folder; wait until the data set was looked at."""
    panel.form.setFile(config)
    panel.ui.trainDataEdit.text = str(data)
    panel.ui.trainFolderEdit.text = str(folder)
    panel.parameters.trainThreads = 1
    panel.parameters.trainDevice = "Processor"
    panel.parameters.trainCheckpointEvery = 2
    settle()
    wait_until(lambda: not panel.form.check.running)
    settle()


def status(panel: Any) -> str:
    """The panel's sentence."""
    return str(panel.ui.trainStatusLabel.text)


def in_training(panel: Any) -> bool:
    """Whether the worker has done a step."""
    state = panel.run.state
    return state is not None and bool((state.progress or {}).get("stage"))


def made_by_hand(folder: Path, status: str = "", message: str = "", steps: int = 40) -> Path:
    """A job folder as a worker leaves it: configuration, curves, progress, and how it ended ("" for a dead worker)."""
    from XRayTo3DLib.jobs.folder import JobFolder
    from XRayTo3DLib.jobs.process_mark import ProcessMark

    job = JobFolder.create(folder, "training", {"config": "configuration.yaml", "options": ["--samples", "2"]})
    content = changed(TL_NET, data={"folder": "../wrists"})
    write_yaml(folder / "configuration.yaml", content)
    rows = ["step,stage,stage_step,name,value"]
    for step in range(10, steps + 1, 10):
        for name, value in (("loss", 1.0 / step), ("cross_entropy", 0.5 / step), ("gradient_norm", 1.0)):
            rows.append(f"{step},autoencoder,{step},{name},{value!r}")
        rows += [f"{step},autoencoder,{step},{bone}_mm,{20.0 / step!r}" for bone in ("radius", "ulna")]
        rows.append(f"{step},autoencoder,{step},lost,0.0")
        job.progress(
            {
                "stage": "autoencoder",
                "stage_number": 1,
                "stages": 3,
                "step": step,
                "steps": 100,
                "losses": {"loss": 1.0 / step},
                "metrics": {"radius_mm": 20.0 / step},
                "seconds": step / 4,
                "eta_s": 600.0,
            }
        )
    (folder / "metrics.csv").write_text("\n".join(rows) + "\n")
    if status:
        about = {"format": "xrayto3d.job-result/1", "status": status, "message": message, "result": {}}
        (folder / "result.json").write_text(json.dumps(about))
    else:
        ProcessMark(999_999, "1", ProcessMark.of(1).host).save(folder / "worker.json")
    (folder / "log.txt").write_text("train  preparing the data set\nsomething went wrong\n")
    return folder


def add_samples(folder: Path, step: int, stage: str = "joint", lost: str = "") -> None:
    """Two people's bones and truth in a training's folder."""
    from vtkmodules.vtkFiltersSources import vtkSphereSource

    from XRayTo3DLib.training.samples import TrainingSample, write_samples

    def ball(radius: float) -> Any:
        source = vtkSphereSource()
        source.SetRadius(radius)
        source.Update()
        return source.GetOutput()

    found = {bone: ball(10.0 + step) for bone in ("radius", "ulna") if bone != lost}
    truth = {bone: ball(20.0) for bone in ("radius", "ulna")}
    people = [TrainingSample(f"wrist-{number}", found, truth) for number in (1, 2)]
    write_samples(folder, step, stage, step, people)
