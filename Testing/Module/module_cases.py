"""Small synthetic cases and waiting, shared by the module's tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import standard_camera
from XRayTo3DLib.imaging import IntensityNote, Radiograph, SpacingSource

LINE_INTEGRAL = IntensityNote("line-integral", None, True, "made for a test")


def wait_until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    """Let Qt work until ``done``."""
    import slicer

    end = time.monotonic() + seconds
    while not done():
        slicer.app.processEvents()
        time.sleep(0.002)  # a worker process may want the core
        assert time.monotonic() < end, "waited too long"


def settle(seconds: float | None = None) -> None:
    """Let the panel's throttled updates happen: until no timer waits to do something, or for so many seconds."""
    from slicerhost.pythonqt import work_waits

    start = time.monotonic()
    least, most = (0.03, 0.25) if seconds is None else (seconds, seconds)
    wait_until(lambda: (gone := time.monotonic() - start) >= most or (gone >= least and not work_waits()))


def oblique_camera() -> XRayCamera:
    """Not square-pixelled, not centred, turned about two axes."""
    return standard_camera(
        900.0,
        (0.9, 1.1),
        (90, 70),
        source_isocentre=780.0,
        view="AP",
        isocentre=(4.0, -7.0, 11.0),
        principal_point=(37.25, 41.5),
        angles_deg=(25.0, -15.0),
    )


def small_radiograph(camera: XRayCamera | None = None, name: str = "view", **more: Any) -> Radiograph:
    """A picture in which no two pixels are alike."""
    camera = camera or oblique_camera()
    columns, rows = camera.size
    pixels = np.arange(columns * rows, dtype=np.float32).reshape(rows, columns) / (columns * rows)
    known = {"view": "AP", "laterality": "L", "notes": ("first note", "second: note; 50 %"), **more}
    return Radiograph(pixels, camera, LINE_INTEGRAL, SpacingSource.CALIBRATED, name=name, **known)


@cache
def wrist() -> tuple[Any, list[Any]]:
    """A coarse synthetic wrist and two radiographs of about 130 x 160 pixels."""
    import slicer  # noqa: F401  the host is there

    from XRayTo3DGui.scene.example import makeSyntheticWrist

    return makeSyntheticWrist(ctSpacing=1.4, pixelSpacing=1.0)


def bare_wrist(spacing: float = 1.2, pixel: float = 0.8) -> tuple[Any, list[Any]]:
    """The same person in neutral pose without soft tissue and carpals: what the demonstration models have learnt."""
    return _bare_wrist(spacing, pixel)


@cache
def _bare_wrist(spacing: float, pixel: float) -> tuple[Any, list[Any]]:
    from XRayTo3DLib.dataset.phantoms import make_forearm, wrist_camera
    from XRayTo3DLib.dataset.simulate import simulate_radiograph
    from XRayTo3DLib.geometry import RigidPose

    case = make_forearm(spacing=spacing, length_mm=80.0, soft_tissue=False, carpals=False, mesh_spacing=2.0)
    views = [
        simulate_radiograph(
            case.ct,
            wrist_camera(view, spacing_mm=pixel),
            RigidPose.identity(),
            seed=number,
            view=view,
            laterality="R",
            name=f"Wrist {view}",
        )
        for number, view in enumerate(("PA", "LAT"))
    ]
    return case, views


def write_views(folder: Path) -> list[Path]:
    """The wrist's radiographs as files with their geometry."""
    from XRayTo3DLib.imaging import write_radiograph

    return [write_radiograph(each, folder / f"{each.view}.nrrd") for each in wrist()[1]]


def add_wrist_ct(widget: Any) -> Any:
    """CT and segmentation of the wrist in the scene, the radius chosen; returns the volume."""
    from XRayTo3DGui.scene import mrml

    volume, segmentation = mrml.ctToScene(wrist()[0].ct)
    parameters = widget.parameters
    parameters.ctVolume, parameters.segmentation, parameters.segmentId = volume, segmentation, "radius"
    settle()
    return volume
