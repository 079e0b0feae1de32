"""How long the module takes to open in the test host, beside an empty module; each in a fresh process, in turn.

Run: ``python Testing/Benchmarks/bench_module_opening.py [repeats]`` (default 5). Measured are: importing the module's
file, building its panel, entering it, first repaint; not the host's own start. Target: less than 0.5 s more.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "monai", "lightning", "numba", "matplotlib", "skimage", "tensorboard", "highdicom", "pandas", "scipy")
TARGET_S = 0.5

PROGRAM = """
import json, sys, time
from pathlib import Path
import slicerhost
app = slicerhost.boot()
import slicer
from slicerhost import modules
start, began = time.perf_counter(), time.process_time()
module = modules.load_module(Path(sys.argv[1]))
loaded = time.perf_counter()
widget = modules.make_module_widget(module)
modules.enter_module(widget)
widget.parent.show()
for _ in range(5):
    app.processEvents()
end, used = time.perf_counter(), time.process_time() - began
heavy = [name for name in sys.argv[2].split(",") if name in sys.modules]
print(json.dumps({"import": loaded - start, "build": end - loaded, "whole": end - start, "cpu": used, "heavy": heavy}))
"""
EMPTY = """
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule, ScriptedLoadableModuleLogic, ScriptedLoadableModuleWidget)


class EmptyOne(ScriptedLoadableModule):
    pass


class EmptyOneWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        super().setup()
        self.logic = EmptyOneLogic()


class EmptyOneLogic(ScriptedLoadableModuleLogic):
    pass
"""


def opened(path: Path) -> dict[str, object]:
    """Open a module in a fresh host; its times in s, and what heavy packages it has loaded."""
    environment = {"PYTHONPATH": str(REPOSITORY / "Testing" / "Host"), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), ",".join(HEAVY)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    if done.returncode:
        raise SystemExit(f"{path.name} does not open:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(repeats: int) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Both modules in turn, so that a busy computer slows both."""
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "EmptyOne.py"
        empty.write_text(EMPTY, encoding="utf-8")
        pairs = [(opened(empty), opened(REPOSITORY / "XRayTo3D" / "XRayTo3D.py")) for _ in range(repeats)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    empty, ours = measure(repeats)
    print(
        f"{'s':10}{'import':>10}{'build':>10}{'whole':>10}{'processor':>10}   median of {repeats}, (fastest to slowest)"
    )
    for name, runs in (("empty", empty), ("XRayTo3D", ours)):
        medians = [statistics.median(float(run[key]) for run in runs) for key in ("import", "build", "whole", "cpu")]
        span = sorted(float(run["whole"]) for run in runs)
        print(f"{name:10}" + "".join(f"{each:10.3f}" for each in medians) + f"   ({span[0]:.3f} to {span[-1]:.3f})")
    more, busy = ([float(b[key]) - float(a[key]) for a, b in zip(empty, ours, strict=True)] for key in ("whole", "cpu"))
    print(f"more than an empty module: {statistics.median(more):.3f} s (target {TARGET_S} s),", end=" ")
    print(f"of it on the processor {statistics.median(busy):.3f} s: a busy computer takes the rest")
    print(f"heavy packages loaded: {', '.join(map(str, ours[0]['heavy'])) or 'none'}")


if __name__ == "__main__":
    main()
