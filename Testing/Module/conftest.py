"""Made once for all tests of the module: a data set to learn from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def wrists(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """Prepared SYNTHETIC wrists. Tests do not change them."""
    from train_cases import make_wrists

    return made_once("wrists-without-tissue", make_wrists)
