"""Shared fixtures: the real anatomy (or a skip that says so) and the Slicer test host."""

from __future__ import annotations

import os
import sys
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
