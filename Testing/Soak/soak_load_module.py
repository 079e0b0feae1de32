"""The Slicer module for a long day, on the test host: cases opened and closed, bones registered, scenes closed.

Run: ``python Testing/Soak/soak_load_module.py [--opened 50] [--registered 20]`` (about 5 minutes on one core; needs the
extra ``host``). After every round nodes, observers of the scene, Qt objects and memory are counted: each round must
leave what the one before left. Exits 1 on a fault.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "Testing" / "Host"), str(REPOSITORY / "Testing" / "Module")]

from load_runs import ended
from memory_curve import line, memory, table

MOST_KB_EACH = 200.0
"""Growth with every round that is allowed once half of them are over, kB; a case of this wrist holds 4 MB."""


@dataclass(frozen=True)
class Counts:
    """What is there after a round."""

    nodes: Counter[str]
    observers: int
    widgets: int
    timers: int
    own_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--opened", type=int, default=50, metavar="N", help="cases opened and closed (50)")
    parser.add_argument("--registered", type=int, default=20, metavar="N", help="registrations in one session (20)")
    parser.add_argument("--scenes", type=int, default=10, metavar="N", help="scenes filled and closed (10)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "artifacts" / "soak" / "load", metavar="FOLDER")
    args = parser.parse_args()
    import slicerhost

    slicerhost.boot(testing=True)
    from slicerhost import modules

    widget = modules.make_module_widget(modules.load_module(REPOSITORY / "XRayTo3D" / "XRayTo3D.py"))
    modules.enter_module(widget)
    with tempfile.TemporaryDirectory(prefix="xrayto3d-soak-") as folder:
        rounds = {
            "case opened and closed": repeated(opening(widget, Path(folder)), args.opened),
            "registered": repeated(registering(widget), args.registered),
            "scene filled and closed": repeated(closing(widget, Path(folder)), args.scenes),
        }
    return judged(rounds, args.output)


def repeated(work: Callable[[int], None], times: int) -> list[Counts]:
    """Counts after every round."""
    found = []
    for number in range(times):
        work(number)
        found.append(counted())
        print(f"  {number + 1}: {found[-1].own_mb:.0f} MB, {sum(found[-1].nodes.values())} nodes", file=sys.stderr)
    return found


def counted() -> Counts:
    """What is there now, when everything that waits has happened."""
    import qt
    import slicer
    from module_cases import settle
    from PySide6 import QtCore

    settle(0.4)
    gc.collect()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
    scene = slicer.mrmlScene
    nodes = [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]
    observers = sum(observers_of(subject) for subject in (scene, *nodes))
    alive = [each for each in gc.get_objects() if isinstance(each, QtCore.QTimer)]
    widgets = len(qt.QApplication.allWidgets())
    return Counts(
        Counter(node.GetClassName() for node in nodes), observers, widgets, len(alive), memory(os.getpid())[1]
    )


def observers_of(subject: Any) -> int:
    """How many observers a VTK object prints of itself."""
    return sum(each.strip().startswith("Event:") for each in str(subject).splitlines())


def judged(rounds: dict[str, list[Counts]], output: Path) -> int:
    rows, faults, curves = [], [], {}
    for name, counts in rounds.items():
        first, last, half = counts[min(2, len(counts) - 1)], counts[-1], counts[len(counts) // 2 :]
        growth = line(range(len(half)), [each.own_mb for each in half]) if len(half) > 2 else None
        slope = 1000 * growth.slope if growth else 0.0
        error = 1000 * growth.error if growth else 0.0
        curves[name] = [each.own_mb for each in counts]
        rows.append(
            [name, len(counts), *(f"{sum(c.nodes.values())}" for c in (first, last)), first.observers, last.observers]
            + [first.widgets, last.widgets, first.timers, last.timers, f"{first.own_mb:.0f}", f"{last.own_mb:.0f}"]
            + [f"{slope:+.0f} +- {error:.0f}"]
        )
        more = last.nodes - first.nodes
        faults += [f"{name}: nodes are left, {dict(more)}"] if more else []
        for what in ("observers", "widgets", "timers"):
            left = getattr(last, what) - getattr(first, what)
            faults += [f"{name}: {left} {what} are left after {len(counts)} rounds"] if left > 0 else []
        if slope - 2 * error > MOST_KB_EACH:
            faults.append(f"{name}: {slope:.0f} kB more memory with every round")
    header = ["round", "times", "nodes", "at end", "observers", "at end", "widgets", "at end", "timers", "at end"]
    print("SYNTHETIC wrist on the test host; after the third round, and after the last:")
    print(table([*header, "MB", "at end", "kB a round"], rows))
    well = "no node, observer, widget, timer or memory is left behind"
    return ended(output / "module.json", faults, well, own_mb=curves)


# ---- rounds ----------------------------------------------------------------------------------------------------------


def opening(widget: Any, folder: Path) -> Callable[[int], None]:
    """Open one of four cases by the panel, look at it in section 2, close it."""
    import dataset_cases
    from module_cases import settle

    panel = widget.dataset
    widget.ui.datasetSection.collapsed = False
    dataset_cases.choose(panel, dataset_cases.dataset(folder))

    def work(number: int) -> None:
        panel.cases.open(f"case-{number % 4 + 1:03d}")
        dataset_cases.opened(panel)
        assert Path(widget.parameters.caseFolder).name == f"case-{number % 4 + 1:03d}", panel.ui.openStatusLabel.text
        settle(0.3)
        widget.logic.closeCase()
        settle(0.2)

    return work


def registering(widget: Any) -> Callable[[int], None]:
    """The same bone from the same rough pose again and again, in one session."""
    from module_cases import settle, wait_until

    panel = widget.registration

    def work(number: int) -> None:
        if not number:
            widget.logic.loadExample(ctSpacing=1.4, pixelSpacing=1.0)
            widget.ui.registrationSection.collapsed = False
            parameters = widget.parameters
            parameters.starts, parameters.pixelSizes, parameters.overlayWidth = 6, "2.8, 1.4", 96
            wait_until(lambda: not panel.overlay.busy)
            panel.ui.startCombo.currentText = "By the views' names"
        panel.ui.placeButton.click()
        settle(0.2)
        panel.ui.registerButton.click()
        assert panel.ui.registerButton.text == "Cancel", panel.ui.statusLabel.text
        wait_until(lambda: not panel.run.running, 600)
        wait_until(lambda: not panel.overlay.busy)

    return work


def closing(widget: Any, folder: Path) -> Callable[[int], None]:
    """Load the example and a bone model, outline it, close the scene."""
    import slicer
    from module_cases import settle, wait_until

    panel = widget.registration

    def work(_number: int) -> None:
        widget.logic.loadExample(ctSpacing=1.4, pixelSpacing=1.0)
        widget.ui.registrationSection.collapsed = False
        settle(0.3)
        panel.ui.boneModelButton.click()
        wait_until(lambda: not panel.overlay.busy)
        slicer.mrmlScene.Clear(False)
        settle(0.3)

    return work


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.stdout.flush()
    os._exit(code)
