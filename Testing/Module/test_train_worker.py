"""Section 4 with its real worker: started by a click, paused, killed, found again by a new widget.

The weights at the end are, to the last bit, those of a training that nobody disturbed. What a killed Slicer leaves is
found again, too: test_host_killed.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import panel_audit as audit
import pytest
from event_loop import EventLoop
from module_cases import settle, wait_until
from test_module_quality import Findings, look
from train_cases import (
    TL_NET,
    changed,
    choose,
    configuration,
    in_training,
    open_section,
    status,
    write_yaml,
)

pytestmark = pytest.mark.host
STEPS, EVERY = 20, 10
CHANGES = {"steps": STEPS, "validate_every": EVERY}
RECENT = "XRayTo3D/RecentJobs/training"


@pytest.fixture(scope="module")
def undisturbed(
    made_once: Callable[[str, Callable[[Path], object]], Path],
    wrists: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The bundle of the same training, done at once on the command line, without samples."""
    from XRayTo3DLib.cli.main import main

    config = configuration(tmp_path_factory.mktemp("whole"), STEPS, EVERY)
    words = ["--data", str(wrists), "--device", "cpu", "--threads", "1", "--json"]

    def train(folder: Path) -> None:
        assert main(["train", str(config), "-o", str(folder), *words]) == 0

    return made_once("undisturbed-training", train) / "bundle"


@pytest.fixture
def widgets(slicer_module: Any, slicer_app: Any) -> Iterator[list[Any]]:
    """Module widgets, the newest last; no worker outlives the test, and no training is remembered."""
    import slicer
    from slicerhost import modules

    from XRayTo3DLib.jobs.run import kill_worker

    slicer.app.settings().setValue(RECENT, "")
    widget = modules.make_module_widget(slicer_module)
    modules.enter_module(widget)
    made = [widget]
    yield made
    if made[-1].train.run.job is not None:
        kill_worker(made[-1].train.run.job)
    modules.discard_module_widget(slicer_module, made[-1])
    slicer.app.settings().setValue(RECENT, "")
    slicer.app.settings().setValue("XRayTo3D/ModelFolders", "")


@pytest.fixture
def panel(widgets: list[Any]) -> Any:
    """Section 4, open."""
    return open_section(widgets[-1])


def same_weights(bundle: Path, other: Path) -> None:
    import torch

    from XRayTo3DLib.models.bundle import load_bundle

    first, second = load_bundle(bundle), load_bundle(other)
    assert first.networks == second.networks
    for network in first.networks:
        for name, tensor in first.weights(network).items():
            assert torch.equal(tensor, second.weights(network)[name]), f"{network} {name}"


def freeze(panel: Any) -> int:
    """Stop the worker where it is, as a busy computer would; returns its number."""
    import json

    pid = json.loads((panel.run.job.path / "worker.json").read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_start_pause_kill_and_find_again_end_in_the_same_weights(
    panel: Any, widgets: list[Any], wrists: Path, undisturbed: Path, tmp_path: Path, slicer_module: Any
) -> None:
    from slicerhost import modules

    folder = tmp_path / "run"
    choose(panel, configuration(tmp_path, STEPS, EVERY), wrists, folder)
    with EventLoop() as loop:
        panel.ui.trainButton.click()
        assert panel.ui.trainButton.text == "Pause" and not panel.ui.trainInputsWidget.isVisibleTo(panel.ui.Train)
        wait_until(lambda: in_training(panel), 120.0)
        panel.ui.trainButton.click()  # Pause
        wait_until(lambda: not panel.run.running, 60.0)
    print(loop.report("training started, watched, paused"))
    assert loop.letIn
    assert "nothing is lost" in status(panel) and panel.ui.trainButton.text == "Resume"
    assert (folder / "configuration.yaml").exists() and str(wrists) not in (folder / "configuration.yaml").read_text()
    paused = dict(panel.run.state.progress)

    panel.ui.trainButton.click()  # Resume
    wait_until(lambda: in_training(panel) and panel.run.state.progress != paused, 120.0)
    pid = freeze(panel)
    look_closely(widgets[0], panel)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not panel.run.running, 60.0)
    assert "The worker ended without a word" in status(panel) and "Resume goes on" in status(panel)

    panel.ui.trainButton.click()  # Resume
    wait_until(lambda: panel.run.running, 30.0)
    modules.discard_module_widget(slicer_module, widgets[0])  # reloaded, or Slicer closed: the worker goes on
    again = modules.make_module_widget(slicer_module)
    widgets.append(again)
    modules.enter_module(again)
    newest = open_section(again)
    assert newest.run.job is not None and newest.run.job.path == folder
    wait_until(lambda: newest.run.state is not None and not newest.run.running, 120.0)
    settle(0.3)
    finished(again, newest, folder, undisturbed)


def look_closely(widget: Any, panel: Any) -> None:
    """Nothing of a running training's panel is cut off, silent or without a reason."""
    found = Findings()
    settle(0.5)
    with audit.shown(widget.parent) as area:
        audit.unfold(widget.ui.trainSection)
        settle(0.5)
        look(found, "running: train", widget.ui.trainSection, area)
    assert (found.narrow, found.cut, found.silent, found.unreached) == ([], [], set(), set())
    assert panel.ui.trainProgressBar.isVisibleTo(panel.ui.Train) and "step" in status(panel)


def finished(widget: Any, panel: Any, folder: Path, undisturbed: Path) -> None:
    """The whole curve, samples, the card; the model is used; its weights are those of an undisturbed training."""
    from XRayTo3DGui.train import curves, samples

    assert status(panel).startswith("Trained.") and not panel.ui.trainButton.isVisibleTo(panel.ui.Train)
    same_weights(folder / "bundle", undisturbed)
    loss = curves.chartOf("loss", folder).GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    assert [loss.GetValue(row, 0).ToDouble() for row in range(2)] == [10, 20]
    panel.ui.trainSampleButton.click()
    assert {node.GetName().split(",")[0] for node in samples.nodes()} >= {"radius", "ulna"}
    assert all(node.GetName().endswith("(synthetic)") for node in samples.nodes())
    assert [each.step for each in panel.watching._samples] == [10, 20, 30, 40, 50, 60]
    assert "SYNTHETIC" in panel.ui.trainBundleLabel.text
    panel.ui.trainUseButton.click()
    settle(0.3)
    assert not widget.ui.reconstructSection.collapsed
    assert Path(panel.parameters.reconstructBundle) == (folder / "bundle").resolve()
    assert widget.reconstruct.inputs.entry.title == "tiny"


def test_what_the_worker_refuses_is_said(panel: Any, wrists: Path, tmp_path: Path) -> None:
    config = write_yaml(tmp_path / "far.yaml", changed(TL_NET, data={"grid": {"centre_mm": [500, 0, 0]}}))
    choose(panel, config, wrists, tmp_path / "run")
    panel.ui.trainButton.click()
    wait_until(lambda: not panel.run.running, 60.0)
    assert "radius lies in data.grid" in status(panel)
    panel.ui.trainJobCombo.currentIndex = 0  # mend it, and start again in the same folder
    panel.form.onChange("data.grid.centre_mm=[-8, 0, -26]")
    wait_until(lambda: not panel.form.check.running)
    settle(0.1)
    assert panel.ui.trainButton.enabled, panel.ui.trainButton.toolTip


def test_a_script_trains_pauses_and_goes_on(
    widgets: list[Any], wrists: Path, undisturbed: Path, tmp_path: Path
) -> None:
    from XRayTo3DLib.jobs.state import JobStatus

    logic = widgets[0].logic
    config = write_yaml(tmp_path / "tiny.yaml", TL_NET)
    changes = {f"stages.{name}.{key}": value for name in TL_NET["stages"] for key, value in CHANGES.items()}
    options = {"device": "cpu", "threads": 1, "samples": 1, "licence": "CC0"}
    folder = logic.startTraining(config, wrists, tmp_path / "run", changes, **options)
    while not (logic.trainingState(folder).progress or {}).get("stage"):
        settle(0.05)
    assert logic.pauseTraining(folder).status is JobStatus.CANCELLED
    with pytest.raises(ValueError, match="holds a training"):
        logic.startTraining(config, wrists, folder, changes)
    logic.resumeTraining(folder)
    assert logic.waitForTraining(folder, 120.0).status is JobStatus.FINISHED
    same_weights(folder / "bundle", undisturbed)
    assert logic.trainingSamples(folder)[-1] == 3 * STEPS and logic.showTrainingSample(folder)
    assert "CC0" in (folder / "bundle" / "bundle.json").read_text()


def test_an_experiment_runs_as_a_job_and_writes_its_report(
    panel: Any, widgets: list[Any], wrists: Path, undisturbed: Path, tmp_path: Path
) -> None:
    from XRayTo3DGui.reconstruct import bundles

    bundles.rememberFolder(undisturbed)
    ui = panel.ui
    ui.experimentSection.collapsed = False
    settle(0.1)
    assert ui.experimentButton.toolTip == "Choose the model first" and not ui.experimentReportButton.enabled
    titles = [ui.experimentModelCombo.itemText(index) for index in range(ui.experimentModelCombo.count)]
    ui.experimentModelCombo.currentIndex = titles.index("tiny")
    assert ui.experimentKindCombo.currentText == "reconstruction" and "ridge regression" in ui.experimentKindLabel.text
    ui.experimentDataEdit.text, ui.experimentFolderEdit.text = str(wrists), str(tmp_path / "experiment")
    settle(0.1)
    ui.experimentButton.click()
    assert ui.experimentButton.text == "Cancel" and ui.experimentProgressBar.isVisibleTo(ui.Train)
    wait_until(lambda: not panel.experiment._watch.watching, 180.0)
    assert str(ui.experimentStatusLabel.text) == "Done: the report is written."
    assert panel.experiment.report == tmp_path / "experiment" / "report" / "report.html"
    assert ui.experimentReportButton.enabled
    with pytest.raises(ValueError, match="no experiment magic"):
        widgets[0].logic.startExperiment("magic", undisturbed, wrists, tmp_path / "more")


def test_a_method_without_steps_is_ready_at_once_and_says_what_it_lacks(
    panel: Any, wrists: Path, tmp_path: Path
) -> None:
    content = {key: TL_NET[key] for key in ("format", "name", "data")} | {"method": "mean-shape"}
    choose(panel, write_yaml(tmp_path / "mean.yaml", content), wrists, tmp_path / "run")
    panel.ui.trainButton.click()
    assert panel.ui.trainButton.text == "Stop"
    said: set[str] = set()
    wait_until(lambda: said.add(status(panel)) or not panel.run.running, 60.0)
    assert any("data set" in text.lower() or "test" in text.lower() for text in said), said
    settle(0.3)
    assert status(panel).startswith("Trained.") and panel.ui.trainDoneWidget.isVisibleTo(panel.ui.Train)
    assert panel.ui.trainCurvesButton.toolTip == "This method takes no steps: it has no curves"
    assert panel.ui.trainSampleButton.toolTip == "This method takes no steps: it shows no samples"
