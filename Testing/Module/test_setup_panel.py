"""The set-up section: what it tells, what it asks, what it leaves alone."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from subprocess import CalledProcessError
from types import ModuleType
from typing import Any

import pytest
from module_cases import settle, wait_until
from packaging.requirements import Requirement

pytestmark = pytest.mark.host
MISSING = {"numba": None, "lightning": None, "monai": None, "tensorboard": None}


@pytest.fixture
def versions(slicer_module: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """Versions that are believed instead of the installed ones; None is missing."""
    from XRayTo3DLib import packages

    believed: dict[str, str | None] = {}
    original, importable = packages.metadata.version, packages.importable

    def version(name: str) -> str:
        if name in believed and believed[name] is None:
            raise packages.metadata.PackageNotFoundError(name)
        return believed.get(name) or original(name)

    monkeypatch.setattr(packages.metadata, "version", version)
    monkeypatch.setattr(packages, "importable", lambda name: believed.get(name, "") is not None and importable(name))
    return believed


@pytest.fixture
def pretended(slicer_module: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip would have been asked for."""
    from slicerhost import pip

    noted: list[list[str]] = []
    monkeypatch.setattr(pip, "pretended", noted)
    return noted


@pytest.fixture
def panel(module_widget: Any) -> Any:
    return module_widget.setupPanel


def row(panel: Any, title: str) -> int:
    return [each.title for each in panel.table.rows].index(title)


def tick(panel: Any, title: str, on: bool = True) -> None:
    """As a person does it; a row without tick box cannot be ticked."""
    import qt

    item = panel.ui.setupTable.item(row(panel, title), 0)
    assert bool(item.flags() & qt.Qt.ItemIsUserCheckable)
    item.setCheckState(qt.Qt.Checked if on else qt.Qt.Unchecked)


# ---- telling ---------------------------------------------------------------------------------------------------------


def test_all_is_there(panel: Any) -> None:
    assert panel.ui.setupStatusLabel.text == "Everything that everyday work needs is there."
    assert not panel.ui.setupInstallButton.enabled
    assert panel.ui.setupInstallButton.toolTip.startswith("Nothing to install")
    assert panel.ui.setupTable.rowCount == 8


def test_opening_the_section_asks_a_worker_which_device_computes(panel: Any, module_widget: Any) -> None:
    import os

    from XRayTo3DLib.machine import usable_cores

    assert panel.found is None, "nothing is asked before the section is opened"
    module_widget.ui.setupSection.collapsed = False
    folder = panel._job.path
    assert not panel.ui.setupAgainButton.enabled
    assert panel.ui.setupRoomLabel.text == "Looking which device computes…"
    wait_until(lambda: panel.found is not None, 60)
    text = panel.ui.setupRoomLabel.text
    if panel.found["device"]["kind"] == "cpu":
        assert text.startswith(f"Computes on the processor, {usable_cores()} cores.")
    assert "Memory: " in text and "Disk: " in text
    assert panel.found["machine"]["cores"] <= (os.cpu_count() or 1)
    assert not folder.exists(), "the worker's folder is left behind"
    assert panel.ui.setupAgainButton.enabled


def test_leaving_while_the_worker_looks_ends_it(panel: Any, module_widget: Any) -> None:
    module_widget.ui.setupSection.collapsed = False
    folder = panel._job.path
    module_widget.cleanup()
    settle()
    assert not folder.exists() and panel.found is None


def test_a_worker_that_dies_is_a_sentence(panel: Any, module_widget: Any) -> None:
    from XRayTo3DLib.jobs.run import kill_worker

    module_widget.ui.setupSection.collapsed = False
    kill_worker(panel._job)
    wait_until(lambda: panel.ui.setupAgainButton.enabled, 30)
    assert "could not be examined; the worker's log says why" in panel.ui.setupRoomLabel.text


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        (
            {"kind": "cuda", "name": "Card X", "memory_bytes": 24e9, "memory_free_bytes": 20e9, "problem": ""},
            "Computes on Card X, 20 GB of its 24 GB free.",
        ),
        ({"kind": "mps", "name": "Apple graphics", "problem": ""}, "Computes on Apple graphics."),
        ({"kind": "", "problem": "PyTorch is missing."}, ""),
    ],
)
def test_devices_in_words(slicer_module: Any, device: dict[str, Any], sentence: str) -> None:
    from XRayTo3DGui.setup.device import deviceSentence

    assert deviceSentence({"device": device, "machine": {"cores": 4}}) == sentence


def test_missing_pytorch_is_said_here_and_points_here_elsewhere(panel: Any, versions: dict[str, str | None]) -> None:
    from XRayTo3DGui.reconstruct.job import workerProblem
    from XRayTo3DGui.registration.bone import torchProblem

    versions["torch"] = None
    panel.fill()
    sentence = "PyTorch is missing: install it in the section Set-up."
    assert torchProblem() == workerProblem() == sentence
    assert panel.ui.setupStatusLabel.text == "PyTorch is missing: tick it and press Install…"
    assert panel.widget.logic.torchProblem() == sentence
    assert [each.title for each in panel.table.chosen()] == ["PyTorch"]
    assert panel.ui.setupInstallButton.enabled


def test_a_pytorch_that_is_too_old_is_said(panel: Any, versions: dict[str, str | None]) -> None:
    versions["torch"] = "2.2.2"
    panel.fill()
    text = "PyTorch 2.2.2 is too old, 2.4 or newer is needed: "
    assert panel.ui.setupStatusLabel.text == text + "tick it and press Install…"
    assert panel.widget.logic.torchProblem() == text + "install it in the section Set-up."
    assert panel.ui.setupTable.item(row(panel, "PyTorch"), 1).text() == "torch too old"


def test_what_training_lacks_is_said(slicer_module: Any, versions: dict[str, str | None]) -> None:
    from XRayTo3DGui.setup.packages import trainingProblem

    assert trainingProblem() == ""
    versions.update(MISSING)
    assert trainingProblem() == (
        "lightning, monai, tensorboard: missing or too old; install them in the section Set-up."
    )


# ---- installing ------------------------------------------------------------------------------------------------------


def test_slicer_s_own_packages_are_never_offered(panel: Any, versions: dict[str, str | None]) -> None:
    import qt

    versions.update(vtk=None, numpy="1.20")
    panel.fill()
    item = panel.ui.setupTable.item(row(panel, "Slicer's own"), 0)
    assert not item.flags() & qt.Qt.ItemIsUserCheckable
    assert panel.table.chosen() == []
    assert panel.ui.setupStatusLabel.text == "Missing or too old: numpy, vtk."


def test_what_is_ticked_is_asked_for_and_installed(
    panel: Any, versions: dict[str, str | None], pretended: list[list[str]], shown_messages: Any
) -> None:
    from XRayTo3DLib import packages

    versions.update(MISSING)
    panel.fill()
    assert panel.table.chosen() == [], "what is only for one thing is not ticked by itself"
    assert panel.ui.setupInstallButton.toolTip == "Tick a row first"
    tick(panel, "Training")
    shown_messages.answer = True
    panel.ui.setupInstallButton.click()
    ((*names, option, constraints),) = pretended
    training = [each.requirement for each in packages.PACKAGES if each.group == packages.TRAINING]
    assert list(map(Requirement, names)) == list(map(Requirement, training))
    assert option == "--constraint" and f"torch=={version('torch')}" in constraints, "another PyTorch would come"
    assert any(", ".join(names) in text for _level, text in shown_messages.shown)
    assert panel.ui.setupStatusLabel.text.startswith("Installed: lightning>=2.4,<3,!=2.6.2")


def test_no_is_no(panel: Any, versions: dict[str, str | None], pretended: list[list[str]], shown_messages: Any) -> None:
    versions.update(MISSING)
    panel.fill()
    tick(panel, "Faster on a processor")
    shown_messages.answer = False
    panel.ui.setupInstallButton.click()
    assert pretended == [] and len(shown_messages.shown) == 1


@pytest.mark.parametrize("answer", [True, False])
def test_slicer_5_10_asks_too(
    panel: Any,
    versions: dict[str, str | None],
    pretended: list[list[str]],
    shown_messages: Any,
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,
) -> None:
    import slicer

    monkeypatch.delattr(slicer, "packaging")
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    versions.update(MISSING)
    panel.fill()
    tick(panel, "Faster on a processor")
    shown_messages.answer = answer
    panel.ui.setupInstallButton.click()
    assert [each[:2] for each in pretended] == ([["numba>=0.59", "--constraint"]] if answer else [])
    assert "wants to install Python packages from the internet" in shown_messages.shown[0][1]


def test_pip_that_fails_is_a_sentence(
    panel: Any, versions: dict[str, str | None], shown_messages: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    def fails(*_: Any, **_named: Any) -> None:
        raise CalledProcessError(1, "pip")

    monkeypatch.setattr(slicer.packaging, "pip_ensure", fails)
    versions.update(MISSING)
    panel.fill()
    tick(panel, "Faster on a processor")
    panel.ui.setupInstallButton.click()
    assert panel.ui.setupStatusLabel.text == "pip could not install numba>=0.59; the Python console says why."


def test_training_without_pytorch_would_bring_another_one(
    panel: Any, versions: dict[str, str | None], pretended: list[list[str]]
) -> None:
    versions.update(MISSING, torch=None)
    panel.fill()
    tick(panel, "PyTorch", on=False)
    tick(panel, "Training")
    panel.ui.setupInstallButton.click()
    assert pretended == []
    assert panel.ui.setupStatusLabel.text.startswith("Install PyTorch first")


class ExtensionsModel:
    """What asks for an extension."""

    def __init__(self, works: bool) -> None:
        self.works, self.asked = works, []

    def installExtensionFromServer(self, name: str, restart: bool = True, update: bool = False) -> bool:
        assert not restart, "Slicer would end at once, with all that was not saved"
        self.asked.append(name)
        return self.works


@pytest.mark.parametrize(
    ("answer", "works", "asked", "says"),
    [
        (True, True, ["PyTorch"], "The extension PyTorch is installed. Restart Slicer, then install PyTorch here."),
        (True, False, ["PyTorch"], "The extension PyTorch could not be installed: is there a network?"),
        (False, True, [], "PyTorch is missing"),
    ],
)
def test_without_the_extension_it_is_offered(
    panel: Any,
    versions: dict[str, str | None],
    shown_messages: Any,
    slicer_app: Any,
    monkeypatch: pytest.MonkeyPatch,
    answer: bool,
    works: bool,
    asked: list[str],
    says: str,
) -> None:
    model = ExtensionsModel(works)
    monkeypatch.setattr(slicer_app, "extensionsManagerModel", lambda: model, raising=False)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", None)
    versions["torch"] = None
    panel.fill()
    shown_messages.answer = answer
    panel.ui.setupInstallButton.click()
    assert model.asked == asked
    assert panel.ui.setupStatusLabel.text.startswith(says)
    assert "picks the build for your graphics card" in shown_messages.shown[0][1]


@pytest.mark.parametrize("installs", [True, False])
def test_with_the_extension_pytorch_is_installed_by_it(
    panel: Any, versions: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, installs: bool
) -> None:
    asked: dict[str, Any] = {}

    class PyTorchUtilsLogic:
        def installTorch(self, **options: Any) -> Any:
            asked.update(options)
            if installs:
                versions["torch"] = "2.6.0"
            return object() if installs else None

    utilities = ModuleType("PyTorchUtils")
    utilities.PyTorchUtilsLogic = PyTorchUtilsLogic
    monkeypatch.setitem(sys.modules, "PyTorchUtils", utilities)
    versions["torch"] = None
    panel.fill()
    panel.ui.setupInstallButton.click()
    assert asked == {"askConfirmation": True, "torchVersionRequirement": ">=2.4"}
    text = panel.ui.setupStatusLabel.text
    assert text == ("PyTorch 2.6.0 is installed." if installs else "PyTorch is missing: tick it and press Install…")


# ---- files and scripts -----------------------------------------------------------------------------------------------


def test_requirements_txt_is_read_by_slicer_and_equals_the_table(slicer_module: Any) -> None:
    from slicerhost import pip

    from XRayTo3DGui.setup.packages import SLICERS
    from XRayTo3DLib import packages

    path = Path(slicer_module.path).parent / "Resources" / "requirements.txt"
    wanted = [each for each in packages.PACKAGES if each.group == packages.NEEDED]
    wanted = [Requirement(each.requirement) for each in wanted if each.name not in (*SLICERS, "torch")]
    assert pip.load_requirements(path) == wanted
    others = [each.name for each in packages.PACKAGES if each.group != packages.NEEDED]
    assert [name for name in others if name not in path.read_text(encoding="utf-8")] == []


def test_the_calls_of_scripts(slicer_module: Any) -> None:
    import numpy

    import XRayTo3D as module

    logic = module.XRayTo3DLogic()
    assert logic.installedPackages()["numpy"] == numpy.__version__
    assert logic.torchProblem() == ""
    found = logic.examineComputer()
    assert found["machine"]["cores"] >= 1 and found["problems"] == []
