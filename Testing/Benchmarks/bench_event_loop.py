"""How long Qt is kept waiting while XRayTo3D works: the longest pause of the event loop, printed, nothing asserted.

Run: ``python Testing/Benchmarks/bench_event_loop.py [NAME ...]``, names as in ``WORK`` below
(default: all). A pause's own CPU time tells what this module did in it; on a machine with other work the rest is other
processes'. The first overlay is cold: it reads the CT and imports PyTorch.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("XRAYTO3D_DATA", REPOSITORY.parent / "shared" / "data"))
sys.path[:0] = [str(REPOSITORY / "Testing" / folder) for folder in ("Host", "Module", "Lib")] + [str(REPOSITORY)]


def main(wanted: list[str]) -> None:
    import slicerhost

    slicerhost.boot()
    from slicerhost import modules

    widget = modules.make_module_widget(modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py"))
    modules.enter_module(widget)
    for name in wanted or list(WORK):
        if name not in WORK:
            raise SystemExit(f"{name} is not one of {', '.join(WORK)}.")
        _clear()
        WORK[name](widget)


def registration(widget: Any) -> None:
    """The synthetic wrist: two bones, two views, drawn with the rest of the CT, then dragged, then found everywhere."""
    import qt
    from module_cases import settle

    with measured("synthetic wrist loaded"):
        widget.logic.loadExample()
    panel = _opened(widget)
    with measured("first overlay, cold"):
        _idle(panel)
    panel.ui.furtherList.item(0).setCheckState(qt.Qt.Checked)
    panel.ui.surroundingsCheckBox.click()
    with measured("second bone's overlay"):
        _idle(panel)
    _registered(panel, "two bones in their surroundings, two views")
    for mode in ("Edges", "DRR", "Difference", "Outline"):
        panel.ui.overlayModeCombo.currentText = mode
        with measured(f"dragged with {mode}"):
            for step in range(25):
                panel.ui.moveLrSlider.value = 0.2 * step
                settle(0.02)
            _idle(panel)
    panel.ui.startCombo.currentText = "Search everywhere"
    _registered(panel, "searched everywhere")


def real(widget: Any) -> None:
    """The real wrist, two views, whole CT of the radius."""
    import real_wrist

    if not (DATA / real_wrist.FOLDER).is_dir():
        print(f"real wrist left out: no data at {DATA}")
        return
    truth = real_wrist.load(widget, DATA)
    panel = _opened(widget)
    with measured("real wrist, first overlay"):
        _idle(panel)
    panel.movePose(real_wrist.wrong(truth, panel.centre()))
    _registered(panel, "real wrist, two views")


def large(widget: Any) -> None:
    """A CT of 400 x 512 x 512 voxels with two bones in a segmentation; its overlay, not registered."""
    import numpy as np

    from XRayTo3DGui.scene import mrml
    from XRayTo3DLib.imaging.types import CtVolume

    widget.logic.loadExample(ctSpacing=1.5, pixelSpacing=0.5)
    hu, labels = np.full((400, 512, 512), -1000, np.float32), np.zeros((400, 512, 512), np.uint8)
    labels[60:340, 200:300, 200:300], labels[60:340, 320:400, 200:300] = 1, 2
    hu[labels > 0] = 700
    matrix = np.diag([0.4, 0.4, 0.4, 1.0])
    matrix[:3, 3] = -100, -100, -80
    volume, bones = mrml.ctToScene(CtVolume(hu, matrix, labels, {"first": 1, "second": 2}))
    del hu, labels
    panel = _opened(widget)
    with measured("large CT, first overlay"):
        widget.parameters.ctVolume, widget.parameters.segmentation = volume, bones
        widget.parameters.segmentId = "first"
        _idle(panel)


def dataset_panel(widget: Any) -> None:
    """A data set is listed in section 3, and its next case opened."""
    from dataset_cases import dataset
    from module_cases import settle

    folder = Path(tempfile.mkdtemp(prefix="xrayto3d-bench-"))
    try:
        place = dataset(folder)
        with measured("data set of four cases listed"):
            widget.parameters.datasetFolder = str(place)
            widget.ui.datasetSection.collapsed = False
            settle(3.0)
        with measured("case opened"):
            widget.dataset.openNext()
            _wait(lambda: not widget.dataset.cases.opening)
    finally:
        shutil.rmtree(folder)


def training(widget: Any) -> None:
    """A tiny TL-net trained in section 4, with its curves and samples, until its end."""
    from module_cases import settle
    from train_cases import choose, configuration, make_wrists, open_section

    folder = Path(tempfile.mkdtemp(prefix="xrayto3d-bench-"))
    try:
        data = make_wrists(folder / "wrists")
        panel = open_section(widget)
        with measured("training chosen, its data set looked at"):
            choose(panel, configuration(folder, 60, 10), data, folder / "run")
        panel.parameters.trainFollowSamples = True
        with measured("training started, watched to its end"):
            panel.ui.trainButton.click()
            settle(0.5)
            _wait(lambda: not panel.run.running)
        print(f"    {panel.ui.trainStatusLabel.text}")
    finally:
        shutil.rmtree(folder)


def reconstruction(widget: Any) -> None:
    """The sample knee: loaded, reconstructed in section 5, its femur measured in section 6."""
    import slicer
    from module_cases import settle
    from reconstruct_cases import choose_model

    with measured("synthetic knee loaded"):
        widget.logic.loadKneeExample()
    widget.ui.reconstructSection.collapsed = False
    settle(0.3)
    panel = widget.reconstruct
    with measured("model chosen"):
        choose_model(panel, "Biplanar network, knee, AP and lateral view, small")
    with measured("reconstructed by a worker, bones taken in"):
        panel.ui.reconstructButton.click()
        _wait(lambda: not panel.run.running)
        settle(0.5)
    print(f"    {panel.ui.reconstructStatusLabel.text}")
    widget.ui.evaluationSection.collapsed = False
    settle(0.3)
    for name, node in (("Reference", "Femur, truth (synthetic)"), ("Result", "femur right reconstructed (synthetic)")):
        setattr(widget.parameters, f"evaluation{name}", slicer.util.getNode(node))
    settle(0.3)
    with measured("femur measured, color map shown"):
        widget.evaluation.ui.evaluationMeasureButton.click()
        settle(0.1)
        _wait(lambda: not widget.evaluation.run.running)
        settle(0.5)


def measured(name: str) -> Any:
    """Context: prints the longest pause."""
    from event_loop import EventLoop

    return _Printed(EventLoop(), name)


class _Printed:
    def __init__(self, loop: Any, name: str) -> None:
        self._loop, self._name = loop, name

    def __enter__(self) -> None:
        self._loop.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._loop.__exit__(*error)
        print(self._loop.report(self._name), flush=True)


def _opened(widget: Any) -> Any:
    from module_cases import settle

    settle(0.2)
    widget.ui.registrationSection.collapsed = False
    widget.radiographs.ui.showLayoutButton.click()
    return widget.registration


def _idle(panel: Any) -> None:
    from module_cases import settle

    settle(0.2)
    _wait(lambda: not panel.overlay.busy and not panel.run.running)


def _registered(panel: Any, name: str) -> None:
    from module_cases import settle

    with measured(name):
        panel.ui.registerButton.click()
        settle(0.1)
        _idle(panel)
    print(f"    {panel.ui.statusLabel.text}")


def _wait(done: Callable[[], bool]) -> None:
    from module_cases import wait_until

    wait_until(done, 600)


def _clear() -> None:
    import slicer
    from module_cases import settle

    slicer.mrmlScene.Clear()
    settle(0.3)


WORK: dict[str, Callable[[Any], None]] = {
    "registration": registration,
    "real": real,
    "large": large,
    "dataset": dataset_panel,
    "training": training,
    "reconstruction": reconstruction,
}

if __name__ == "__main__":
    main(sys.argv[1:])
