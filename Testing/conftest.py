"""Shared fixtures: the real anatomy (or a skip that says so) and the Slicer test host."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

# The arrays of the tests are small: threads that wait for each other slow a busy machine tenfold.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "Testing" / "Host"))
pytest_plugins = ["slicerhost.plugin"] if (REPOSITORY / "Testing/Host/slicerhost/plugin.py").exists() else []


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root folder."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real anatomy (XRAYTO3D_DATA, default ../shared/data); skips where it is absent."""
    folder = Path(os.environ.get("XRAYTO3D_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real anatomy not found at {folder}: set XRAYTO3D_DATA to run this test")
    return folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """``made_once(name, make)``: the folder that ``make`` has filled, once for all of pytest's processes of this run.

    Tests do not change it: those that must, copy it.
    """
    from XRayTo3DLib.files.locks import only_one

    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made-once"

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with only_one(shared / f"{name}.lock", f"{name} takes too long to be made", wait_s=600.0):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a try that failed
                make(folder)
                done.touch()
        return folder

    return made
