"""What CMake installs opens in the host: every panel, from the installed files alone, none of the repository's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.host
REPOSITORY = Path(__file__).resolve().parents[2]
MOCK = REPOSITORY / "Testing" / "Lib" / "cmake_mock"

PROGRAM = """
import json, sys
from pathlib import Path
import slicerhost
app = slicerhost.boot()
from slicerhost import modules
module = modules.load_module(Path(sys.argv[1]))
widget = modules.make_module_widget(module)
modules.enter_module(widget)
for section in widget.sections:
    section.collapsed = False
    app.processEvents()
entries = [widget.reconstruct.ui.bundleCombo.itemText(each) for each in range(widget.reconstruct.ui.bundleCombo.count)]
ours = {n: m.__file__ for n, m in sys.modules.items() if n.split(".")[0] in ("XRayTo3DGui", "XRayTo3DLib")}
print(json.dumps({"files": ours, "sections": len(widget.sections), "models": len(entries) - 1}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: the extension is not installed either")
    build, prefix = tmp_path_factory.mktemp("build"), tmp_path_factory.mktemp("install")
    for command in (
        ["cmake", "-S", REPOSITORY, "-B", build, f"-DSlicer_DIR={MOCK}", f"-DCMAKE_INSTALL_PREFIX={prefix}"],
        ["cmake", "--install", build],
    ):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return prefix / "qt-scripted-modules"


def test_the_installed_module_opens_all_its_sections(installed: Path, slicer_app: Any, tmp_path: Path) -> None:
    paths = [str(installed), str(REPOSITORY / "Testing" / "Host")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(installed / "XRayTo3D.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    elsewhere = {name: file for name, file in told["files"].items() if not Path(file).is_relative_to(installed)}
    assert elsewhere == {}
    assert told["sections"] == 7
    assert told["models"] >= 5, "the models that come along"
