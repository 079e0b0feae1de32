"""What is missing is said before anything can crash. Needs neither Slicer nor Qt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from slicerhost import prerequisites

HOST = Path(prerequisites.__file__).parents[1]


def test_missing_wheels_are_named(monkeypatch):
    monkeypatch.setattr(prerequisites, "PIP_PACKAGES", {"no_such_package": "no-such-wheel"})
    assert "pip install no-such-wheel" in prerequisites.missing()


def test_missing_libraries_are_named(monkeypatch):
    monkeypatch.setattr(prerequisites, "PIP_PACKAGES", {})
    monkeypatch.setattr(prerequisites, "APT_PACKAGES", {"libnosuch.so.1": "libnosuch1"})
    assert "libnosuch1" in prerequisites.missing()


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setattr(prerequisites, "PIP_PACKAGES", {})
    monkeypatch.setattr(prerequisites, "APT_PACKAGES", {})
    monkeypatch.setattr(prerequisites, "_egl_device_count", lambda: 0)
    monkeypatch.delenv("VTK_DEFAULT_OPENGL_WINDOW", raising=False)
    assert "libgl1-mesa-dri" in prerequisites.missing()


@pytest.mark.parametrize("name", ["slicer", "PySide6", "vtk"])
def test_the_plugin_imports_nothing_heavy(name):
    code = f"import sys, slicerhost.plugin; assert '{name}' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(HOST)})
