"""The developer's Reload button: our packages come anew from their files, panels are rebuilt, a running job is found.

In a process of its own: two generations of one package in a process would confuse the other tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.host
REPOSITORY = Path(__file__).resolve().parents[2]
MODEL = "Biplanar network, knee, AP and lateral view, small"

PROGRAM = """
import json, sys
from pathlib import Path
import slicerhost
slicerhost.boot()
import slicer
from module_cases import settle, wait_until
from slicerhost import modules
module = modules.load_module(Path(sys.argv[1]))
before = modules.make_module_widget(module)
modules.enter_module(before)
before.logic.loadKneeExample(ctSpacing=2.0, pixelSpacing=1.6)
settle()
before.ui.caseNameEdit.text = "kept"
before.ui.reconstructSection.collapsed = False
panel = before.reconstruct
combo = panel.ui.bundleCombo
combo.currentIndex = [combo.itemText(each) for each in range(combo.count)].index(sys.argv[2])
settle()
panel.ui.reconstructButton.click()
wait_until(lambda: before.parameters.reconstructJob != "", 60)
wait_until(lambda: (Path(before.parameters.reconstructJob) / "start.json").exists(), 60)  # its inputs are written
settle()
library, panel_module = sys.modules["XRayTo3DLib"], sys.modules["XRayTo3DGui.panel"]
before.onReload()
settle()
after = slicer.modules.XRayTo3DWidget
told = {
    "new widget": after is not before and type(after) is not type(before),
    "new library": sys.modules["XRayTo3DLib"] is not library,
    "new panels": sys.modules["XRayTo3DGui.panel"] is not panel_module,
    "old panels gone": before.panels == [] and before.parameters is None,
    "case": after.ui.caseNameEdit.text,
    "running again": after.reconstruct.run.running,
    "sections": len(after.sections),
}
wait_until(lambda: not after.reconstruct.run.running, 120)
settle()
told["result"] = after.parameters.reconstructResult is not None
told["said"] = after.reconstruct.ui.reconstructStatusLabel.text
print(json.dumps(told))
"""


def test_reload_drops_our_packages_rebuilds_the_panels_and_finds_the_job(slicer_app: Any) -> None:
    paths = [str(REPOSITORY / "Testing" / "Host"), str(REPOSITORY / "Testing" / "Module"), str(REPOSITORY)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(REPOSITORY / "XRayTo3D" / "XRayTo3D.py"), MODEL],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("said") is not None
    assert told == {
        "new widget": True,
        "new library": True,
        "new panels": True,
        "old panels gone": True,
        "case": "kept",
        "running again": True,
        "sections": 7,
        "result": True,
    }
