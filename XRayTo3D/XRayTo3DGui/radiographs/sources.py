"""What a radiograph can be loaded from: a file, or a volume that is in the scene already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import slicer

from XRayTo3DGui.jobs import inThread
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene.dicom_study import INSTANCES, instanceFiles
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.spacing import Answers
from XRayTo3DLib.imaging.radiograph_info import RadiographInfo, inspect_opened, inspect_radiograph
from XRayTo3DLib.imaging.radiograph_reader import open_any, open_array, read_radiograph, settle_radiograph
from XRayTo3DLib.imaging.types import Radiograph
from XRayTo3DLib.plain_words import impersonal

MOST_SLICES = 4
"""AP and lateral that Slicer's own reader stacked into one volume; more is a CT."""
Result = TypeVar("Result")


class Source(Protocol):
    """Neither method touches scene or Qt: they may run in a thread."""

    def inspect(self) -> RadiographInfo:
        """What it says, and what it does not."""
        ...

    def read(self, **arguments: Any) -> Radiograph:
        """The radiograph; arguments of ``read_radiograph``."""
        ...

    def file(self, frame: int | None) -> Path | None:
        """The file that a frame is read from, None where it is read from the node's pixels."""
        ...


def awaited(work: Callable[[], Result]) -> Result:
    """Run in a thread while Qt goes on, so that a large picture does not freeze Slicer; returns what it returned."""
    outcome: Any = None
    for step in inThread(work):
        slicer.app.processEvents()
        outcome = step
    return outcome


class FileSource:
    """A file of any kind that ``read_radiograph`` takes."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).expanduser()

    def inspect(self) -> RadiographInfo:
        """What the file says."""
        return inspect_radiograph(self.path)

    def read(self, **arguments: Any) -> Radiograph:
        """The radiograph."""
        return read_radiograph(self.path, **arguments)

    def file(self, frame: int | None) -> Path | None:
        """The file."""
        return self.path


class VolumeSource:
    """A volume of one or a few pictures. The DICOM file it came from is read anew where Slicer's database has it:
    the node has lost its geometry. Its own spacing is shown, and where it holds is asked.

    Raises:
        InputError: No pixels, a radiograph already, or a CT.
    """

    def __init__(self, node: Any) -> None:
        problem = unsuitable(node)
        if problem:
            raise InputError(f"{node.GetName()} {problem}.")
        self._label = node.GetName()
        self.name = impersonal(self._label, "radiograph")  # Slicer's own reader names it by the series' description
        self._values = slicer.util.arrayFromVolume(node)
        column, row, _slice = node.GetSpacing()
        self._spacing = (float(column), float(row))
        self._files = dicomFiles(node)

    def inspect(self) -> RadiographInfo:
        """What the node, or its DICOM file, says."""
        return inspect_opened(self._open(0))

    def read(
        self,
        *,
        camera: XRayCamera | None = None,
        frame: int | None = None,
        intensity: str = "auto",
        i0: float | None = None,
        name: str | None = None,
        **answers: Any,
    ) -> Radiograph:
        """The radiograph."""
        opened = self._open(frame)
        return settle_radiograph(opened, Answers(**answers), camera=camera, intensity=intensity, i0=i0, name=name)

    def file(self, frame: int | None) -> Path | None:
        """The DICOM file of a frame, where Slicer's database has it."""
        if len(self._files) == 1:
            return self._files[0]
        return self._files[frame] if self._files and frame is not None and frame < len(self._files) else None

    def _open(self, frame: int | None) -> Any:
        path = self.file(frame)
        if path is not None:
            return open_any(path, frame if len(self._files) == 1 else None)
        kind = "Volume of the scene"
        opened = open_array(self._values, self.name, frame=frame, spacing=self._spacing, kind=kind)
        return replace(opened, label=self._label)


def unsuitable(node: Any) -> str:
    """Why a volume cannot become a radiograph, "" where it can."""
    if node.GetAttribute(mrml.ROLE) == mrml.ROLE_RADIOGRAPH:
        return "is a radiograph already"
    if node.IsA("vtkMRMLLabelMapVolumeNode") or node.GetImageData() is None:
        return "has no picture"
    slices = node.GetImageData().GetDimensions()[2]
    return f"has {slices} slices: it is a volume, not a radiograph" if slices > MOST_SLICES else ""


def volumeCandidates() -> list[Any]:
    """Volumes of the scene that may be radiographs."""
    nodes = slicer.util.getNodesByClass("vtkMRMLVolumeNode")
    return [node for node in nodes if not node.GetHideFromEditors() and not unsuitable(node)]


def dicomFiles(node: Any) -> list[Path]:
    """The files of a volume that Slicer's DICOM browser loaded; empty where they are not all there."""
    paths = instanceFiles([node])
    return paths if len(paths) == len((node.GetAttribute(INSTANCES) or "").split()) else []
