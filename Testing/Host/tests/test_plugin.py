"""The plugin turns what nobody would notice into failures, and skips or fails where the host can't run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import slicerhost

pytestmark = [pytest.mark.host, pytest.mark.gl]

HOST = Path(slicerhost.__file__).parents[1]
BAD_TESTS = """
def test_slot_raises(slicer_app):
    import qt
    button = qt.QPushButton("x")
    button.connect("clicked()", lambda: 1 / 0)
    button.click()

def test_observer_raises(slicer_app):
    node = slicer_app.mrmlScene().AddNewNodeByClass("vtkMRMLTextNode")
    node.AddObserver("ModifiedEvent", lambda *_: {}["nope"])
    node.Modified()

def test_vtk_error(slicer_app):
    import slicer
    slicer.modules.models.logic().AddModel("/no/such/file.vtp")

def test_good(slicer_app):
    assert slicer_app.mrmlScene() is not None
"""


def run_pytest(folder: Path, test: str, **environment: str) -> str:
    (folder / "test_inner.py").write_text(test)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "slicerhost.plugin", "-rA", "-q", "test_inner.py"]
    variables = {**os.environ, "PYTHONPATH": str(HOST), **environment}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)
    return done.stdout


def test_hidden_errors_fail_the_test(tmp_path):
    output = run_pytest(tmp_path, BAD_TESTS)
    for name in ("test_slot_raises", "test_observer_raises", "test_vtk_error"):
        assert f"ERROR test_inner.py::{name}" in output
    assert "ZeroDivisionError" in output
    assert "PASSED test_inner.py::test_good" in output
    assert "ERROR test_inner.py::test_good" not in output


@pytest.mark.parametrize("required, outcome", [("", "SKIPPED"), ("1", "ERROR")])
def test_without_a_driver_tests_skip_or_fail(tmp_path, required, outcome):
    no_driver = {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent", "XRAYTO3D_REQUIRE_HOST": required}
    output = run_pytest(tmp_path, "def test_any(slicer_app): pass\n", **no_driver)
    assert outcome in output
    assert "libgl1-mesa-dri" in output
