"""Pictures for the documentation: section 4 before and while a TL-net is trained on SYNTHETIC wrists, really.

Run: ``python Testing/Module/make_train_screenshots.py [folder]`` (default: Resources/Screenshots). Two minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Host"), str(REPOSITORY / "Testing" / "Module")]
PEOPLE, TEST = 24, 4
LENGTHS = {"autoencoder": 240, "predictor": 240, "joint": 200}


def main(folder: Path) -> None:
    import slicerhost

    slicerhost.boot()
    with tempfile.TemporaryDirectory(prefix="XRayTo3D-") as place:
        take(folder, make_people(Path(place) / "wrists"), Path(place) / "wrist-model")


def make_people(folder: Path) -> Path:
    """A small data set, prepared."""
    from XRayTo3DLib.dataset.population import write_population
    from XRayTo3DLib.dataset.prepared_files import prepare_all

    write_population(folder, PEOPLE, 3, test=TEST, workers=1, spacing=1.6, length_mm=80.0, soft_tissue=False)
    prepare_all(folder, 1)
    return folder


def take(folder: Path, data: Path, run: Path) -> None:
    import slicer
    from module_cases import settle, wait_until
    from slicerhost import modules, screenshots

    from XRayTo3DLib.jobs.run import kill_worker

    module = modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")
    widget = modules.make_module_widget(module)
    modules.enter_module(widget)
    widget.ui.trainSection.collapsed = False
    panel = widget.train
    fill_in(panel, data, run)
    wait_until(lambda: not panel.form.check.running)
    settle(0.3)
    screenshots.capture(folder / "panel_train_new.png", widget, size=(420, 700), views=False, panel_width=420)
    panel.ui.trainButton.click()
    panel.ui.trainCurvesButton.click()
    wait_until(lambda: at_stage(panel, "joint", 170), 600.0)
    panel.run.refresh()
    settle(1.0)
    panel.ui.trainCurvesButton.click()
    panel.ui.trainSampleButton.click()
    panel.ui.trainLogCheckBox.click()
    settle(0.5)
    prepare_views(slicer)
    settle(0.3)
    screenshots.capture(folder / "panel_train.png", widget, size=(1600, 1000))
    kill_worker(panel.run.job)


def fill_in(panel: Any, data: Path, run: Path) -> None:
    """As a person would: one PA view, short, samples often."""
    panel.form.setMethod("tl-net")
    panel.ui.trainDataEdit.text = str(data)
    panel.ui.trainFolderEdit.text = str(run)
    panel.parameters.trainThreads = 1
    for name, steps in LENGTHS.items():
        panel.form.onChange(f"stages.{name}.steps={steps}", f"stages.{name}.validate_every=40")


def at_stage(panel: Any, stage: str, step: int) -> bool:
    """Whether the worker has come so far, or has ended."""
    state = panel.run.state
    record = (state.progress or {}) if state is not None else {}
    ended = state is not None and state.status.ended
    return ended or (record.get("stage") == stage and record.get("step", 0) >= step)


def prepare_views(slicer: Any) -> None:
    """The bones from the front, without box."""
    for view in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
    slicer.app.processEvents()
    view = slicer.app.layoutManager().threeDWidget(0).threeDView()
    view.resetFocalPoint()
    view.resetCamera()
    camera = view.cameraNode().GetCamera()
    camera.Azimuth(25)
    camera.Zoom(1.4)
    view.renderer().ResetCameraClippingRange()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "Resources" / "Screenshots")
