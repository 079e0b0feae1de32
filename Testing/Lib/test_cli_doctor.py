"""``xrayto3d doctor`` against other sources: /proc, shutil, torch; and without PyTorch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from XRayTo3DLib import machine, packages
from XRayTo3DLib.cli import doctor
from XRayTo3DLib.cli.main import main


def test_json_is_all_that_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "doctor.json"
    assert main(["doctor", "--json", "--folder", str(tmp_path), "-o", str(file)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(file.read_text())
    assert found["format"] == "xrayto3d.doctor/1"
    assert [each["name"] for each in found["packages"]] == [each.name for each in packages.PACKAGES]
    assert found["problems"] == []


def test_the_device_is_the_one_that_torch_names(capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    device = machine.describe_device()
    assert (device["kind"] == "cuda") is torch.cuda.is_available()
    if device["kind"] == "cpu":
        assert device["threads"] == torch.get_num_threads()
    assert main(["doctor"]) == 0
    assert doctor.device_text(device) in capsys.readouterr().out


def test_memory_and_disk_are_the_system_s(tmp_path: Path) -> None:
    found = machine.describe_machine(tmp_path / "not" / "yet" / "there")
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        assert found["memory_bytes"] == pytest.approx(pages, rel=0.05)
    assert found["disk_free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)
    assert found["cores"] >= 1


def test_linux_memory_is_read_from_its_lines() -> None:
    text = "MemTotal:       16000000 kB\nMemFree:         100 kB\nMemAvailable:    8000000 kB\n"
    assert machine._linux_memory(text) == (16_000_000 * 1024, 8_000_000 * 1024)
    assert machine._linux_memory("") == (None, None)


@pytest.mark.parametrize(
    ("size", "text"), [(None, "?"), (940_000_000, "0.9 GB"), (9_940_000_000, "9.9 GB"), (25_200_000_000, "25 GB")]
)
def test_sizes_in_words(size: int | None, text: str) -> None:
    assert machine.gigabytes(size) == text


def test_a_graphics_card_is_told_with_its_memory() -> None:
    device = {"kind": "cuda", "name": "Card X", "memory_bytes": 24e9, "memory_free_bytes": 20e9, "problem": ""}
    assert doctor.device_text(device) == "Card X, 20 GB free of 24 GB"


def test_without_pytorch_it_says_so_and_tells_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    version = packages.metadata.version

    def without_torch(name: str) -> str:
        if name == "torch":
            raise packages.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(packages.metadata, "version", without_torch)
    assert main(["doctor"]) == 3
    printed = capsys.readouterr().out
    assert "problem: torch is missing: registration, reconstruction, training will not work." in printed
    assert "memory " in printed


def test_a_broken_pytorch_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a half removed installation gives: the package is there by its metadata and cannot be imported."""
    monkeypatch.setitem(sys.modules, "torch", None)
    found = doctor.examine()
    assert len(found["problems"]) == 1
    assert found["device"]["kind"] == ""


def test_packages_are_looked_up_without_importing_any() -> None:
    program = (
        "import sys; from XRayTo3DLib.packages import installed_packages; installed_packages(); "
        "print([n for n in ('torch', 'numba', 'monai', 'lightning', 'numpy', 'vtk') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
