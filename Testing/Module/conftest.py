"""Made once for all tests of the module: a data set to learn from. The longest programs run first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
LONG = (
    "test_host_killed.py",
    "test_module_scripts.py",
    "test_module_tutorial.py",
    "test_reconstruct_panel.py",
    "test_scene_round_trip.py",
    "test_train_worker.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests before short ones: otherwise one process of ``make test`` waits at the end for the other's last."""
    ordered = iter(
        sorted((item for item in items if item.path.parent == FOLDER), key=lambda item: item.path.name not in LONG)
    )
    items[:] = [next(ordered) if item.path.parent == FOLDER else item for item in items]


@pytest.fixture(scope="session")
def wrists(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Prepared SYNTHETIC wrists. Tests do not change them."""
    from train_cases import make_wrists

    return made_once("wrists-without-tissue", make_wrists)
