"""The example script of the documentation runs in the host; the page on scripting names all that the logic has."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.host
REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_example_script_does_the_whole_way(slicer_module: Any, tmp_path: Path) -> None:
    script = runpy.run_path(str(REPOSITORY / "docs" / "examples" / "wrist_in_slicer.py"))
    figures = script["whole_way"](tmp_path)
    assert figures.pop("verdict") == "converged"
    assert len(figures) == 4, "femur, tibia, patella, fibula"
    assert all(0 < value < 1.5 for value in figures.values()), figures
    assert {path.name for path in (tmp_path / "registration").iterdir()} == {"pose.tfm", "registration.json"}
    assert len(list((tmp_path / "bones").glob("*.stl"))) == 4
    assert (tmp_path / "evaluation" / "report.html").is_file()
    assert (tmp_path / "example.mrb").stat().st_size > 1_000_000


def test_the_page_names_every_public_method_of_the_logic(slicer_module: Any) -> None:
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

    import XRayTo3D as module

    text = (REPOSITORY / "docs" / "scripting.md").read_text(encoding="utf-8")
    inherited = set(dir(ScriptedLoadableModuleLogic))
    names = [name for name in dir(module.XRayTo3DLogic) if not name.startswith("_") and name not in inherited]
    names = [name for name in names if callable(getattr(module.XRayTo3DLogic, name))]
    assert len(names) > 40
    assert [name for name in names if f"`{name}(" not in text] == []
