"""pytest plugin: boots the host once, cleans the scene after every test, and fails a test during which VTK, a Qt
slot or a VTK observer reported an error. Importing this file loads neither slicer nor PySide6."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slicerhost import prerequisites

REPOSITORY = Path(__file__).resolve().parents[3]
MODULE_FILE = REPOSITORY / "XRayTo3D" / "XRayTo3D.py"
REQUIRE = "XRAYTO3D_REQUIRE_HOST"
ARTIFACTS = "XRAYTO3D_ARTIFACTS"


@pytest.fixture(scope="session")
def slicer_host() -> Any:
    """``slicer.app``, booted once; skips with the reason where the host can't run (fails when it is required)."""
    problem = prerequisites.missing()
    if problem and os.environ.get(REQUIRE) == "1":
        pytest.fail(f"{REQUIRE}=1, but {problem}", pytrace=False)
    if problem:
        pytest.skip(problem)
    import slicerhost

    return slicerhost.boot(testing=True)


@pytest.fixture
def slicer_app(slicer_host: Any) -> Iterator[Any]:
    """``slicer.app`` with an empty scene; afterwards checks for errors and leaks."""
    from slicerhost import cleaning

    cleaning.reset(slicer_host)
    gc.freeze()  # what is there now outlives the test: the collection after it looks at the test's own objects only
    uncaught: list[str] = []
    before = sys.excepthook
    sys.excepthook = lambda *error: uncaught.append("".join(traceback.format_exception(*error)))
    yield slicer_host
    sys.excepthook = before
    gc.collect()
    problems = uncaught + slicer_host.vtk_errors.take() + cleaning.leftovers(slicer_host)
    slicer_host.vtk_errors.take()
    if problems:
        pytest.fail("errors during the test:\n" + "\n".join(problems), pytrace=False)


@pytest.fixture
def shown_messages(slicer_app: Any) -> Any:
    """What slicer.util's displays showed: ``.shown`` is a list of (level, text), ``.answer`` decides confirmations."""
    import slicer

    return slicer.util._messageDisplay


@pytest.fixture
def slicer_module(slicer_app: Any) -> Any:
    """The XRayTo3D module, loaded from the repository."""
    from slicerhost import modules

    return modules.load_module(MODULE_FILE)


@pytest.fixture
def module_widget(slicer_module: Any) -> Iterator[Any]:
    """The XRayTo3D module's Python widget, set up and entered; discarded afterwards."""
    from slicerhost import modules

    widget = modules.make_module_widget(slicer_module)
    modules.enter_module(widget)
    yield widget
    modules.discard_module_widget(slicer_module, widget)


@pytest.fixture
def screenshot(slicer_app: Any, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """``screenshot(name, panel=None, **options)`` writes a PNG into the artifacts folder; see screenshots.capture."""
    from slicerhost import screenshots

    folder = Path(os.environ.get(ARTIFACTS, REPOSITORY / "artifacts"))

    def take(name: str, panel: Any = None, **options: Any) -> Path:
        if panel is None and "module_widget" in request.fixturenames:
            panel = request.getfixturevalue("module_widget")
        return screenshots.capture(folder / f"{name}.png", panel, **options)

    return take
