"""What section 1 does, for scripts: load radiographs, see and mend their geometry, crop and check them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer

from XRayTo3DGui.radiographs.crop import boxCorners
from XRayTo3DGui.radiographs.sources import FileSource, Source, VolumeSource, awaited
from XRayTo3DGui.scene import folders, radiograph_changes
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.dicom_study import fileUnderStudy
from XRayTo3DGui.scene.radiograph_display import displayRange
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.crop import Window, crop_to, exposed_window, window_of_box
from XRayTo3DLib.imaging.geometry_edit import GeometryEdit, edit_geometry
from XRayTo3DLib.imaging.radiograph_quality import Finding, check_radiograph

if TYPE_CHECKING:
    from XRayTo3DGui.parameters import XRayTo3DParameterNode


class RadiographCalls:
    """Section 1 for scripts. Lengths in mm, pixels as (column, row) counted from 0 at the top left."""

    def loadRadiograph(self, path: Path | str, **answers: Any) -> Any:
        """Read a radiograph and place it in the scene, where its detector was.

        Args:
            path: DICOM, PNG, TIFF, JPEG, NRRD, MetaImage or NIfTI.
            **answers: What the file does not say, as in ``XRayTo3DLib.imaging.read_radiograph``: ``camera``, ``frame``,
                ``intensity``, ``i0``, ``spacing`` (column, row), ``spacing_kind``, ``sdd``, ``source_isocentre``,
                ``magnification``, ``view``, ``name``.

        Returns:
            The radiograph's volume node.

        Raises:
            MissingInformationError: Something must be answered; ``missing`` names the arguments.
            InputError: The file cannot be used, or four radiographs are loaded already.
        """
        return self._place(FileSource(path), answers)

    def radiographFromVolume(self, node: Any, **answers: Any) -> Any:
        """Make a radiograph of a volume that is in the scene; the volume stays as it is.

        Args:
            node: Scalar or vector volume node of one picture, or of a few (then ``frame`` chooses one).
            **answers: As in :meth:`loadRadiograph`. The node's spacing is used only with ``spacing_kind``.

        Returns:
            The new radiograph's volume node.

        Raises:
            MissingInformationError: Something must be answered.
            InputError: Not a picture, or a radiograph already.
        """
        return self._place(VolumeSource(node), answers)

    def _place(self, source: Source, answers: dict[str, Any]) -> Any:
        def read() -> tuple[Any, Any]:
            radiograph = source.read(**answers)
            return radiograph, displayRange(radiograph)

        node = radiographs.radiographToScene(*awaited(read))
        file = source.file(answers.get("frame"))
        if file is None or not fileUnderStudy(node, file):
            folders.fileRadiograph(node, self.getParameterNode().caseName)
        return node

    def editGeometry(self, node: Any, **values: Any) -> None:
        """Change values of a radiograph's geometry; the others stay.

        Args:
            node: A radiograph.
            **values: Of ``XRayTo3DLib.imaging.geometry_edit.GeometryEdit``: ``spacing`` (column, row) mm,
                ``spacing_kind`` ("detector" or "calibrated"), ``sdd`` mm, ``source_isocentre`` mm (0: the object lies
                on the detector), ``principal_offset`` (column, row) pixels from the middle, ``view``, ``laterality``
                ("L", "R" or "").

        Raises:
            InputError: Values that are no geometry.
        """
        edited = edit_geometry(radiographs.radiographFromNode(node), GeometryEdit(**values))
        radiograph_changes.setRadiograph(node, edited)

    def resetGeometry(self, node: Any) -> None:
        """Back to the geometry, view and side that the radiograph was loaded with.

        Raises:
            InputError: The scene does not hold them.
        """
        radiograph_changes.resetGeometry(node)

    def mirrorRadiograph(self, node: Any) -> None:
        """Exchange left and right of a picture that was exported mirrored; again takes it back.

        Raises:
            InputError: The header says that it hangs mirrored (its camera follows that), or points are marked on it.
        """
        radiograph = radiograph_changes.mirrored(node)
        radiograph_changes.mirror(node, awaited(lambda: displayRange(radiograph)))

    def cropRadiograph(
        self,
        node: Any,
        columns: tuple[int, int] | None = None,
        rows: tuple[int, int] | None = None,
        *,
        box: Any = None,
        exposed: bool = False,
    ) -> tuple[int, int, int, int]:
        """Keep a part of a radiograph; every pixel stays where it is in the world. :meth:`uncropRadiograph` undoes it.

        Args:
            node: A radiograph.
            columns: First and one past the last column to keep; None keeps all.
            rows: The same of rows.
            box: A markups ROI node instead: drawn on the picture its outline counts, around a bone its shadow.
            exposed: The exposed field instead: inside the collimator's blades.

        Returns:
            Column, row, columns, rows that were kept, counted in the picture before.

        Raises:
            InputError: The window does not lie inside the picture, or is smaller than 16 x 16 pixels.
        """
        radiograph = radiographs.radiographFromNode(node)
        if exposed:
            window = awaited(lambda: exposed_window(radiograph))
        elif box is not None:
            window = window_of_box(radiograph.camera, boxCorners(box))
        else:
            width, height = radiograph.camera.size
            (left, right), (top, bottom) = columns or (0, width), rows or (0, height)
            window = Window(left, top, right - left, bottom - top)
        part = crop_to(radiograph, window)
        radiograph_changes.crop(node, window, awaited(lambda: displayRange(part)))
        return window.column, window.row, window.columns, window.rows

    def uncropRadiograph(self, node: Any) -> None:
        """All of the radiograph again; a geometry that was edited since stays edited.

        Raises:
            InputError: It is not cropped.
        """
        whole = radiograph_changes.uncropped(node)
        radiograph_changes.uncrop(node, awaited(lambda: displayRange(whole)))

    def checkRadiograph(self, node: Any) -> tuple[Finding, ...]:
        """What is unusual about a radiograph, the worst first: ``severity``, ``code`` and ``sentence`` each.

        Raises:
            InputError: Not a radiograph, or without pixels or source.
        """
        radiograph = radiographs.radiographFromNode(node)
        return awaited(lambda: check_radiograph(radiograph))

    def exportCamera(self, node: Any, path: Path | str) -> Path:
        """Write a radiograph's camera as the scene has it now (``camera.json``); returns the path.

        Raises:
            InputError: The radiograph has lost its source or pixels.
        """
        path = Path(path).with_suffix(".json")
        radiographs.cameraFromNode(node).save(path)
        return path

    def removeRadiograph(self, node: Any) -> None:
        """Remove a radiograph with its source, beam, marked points and cropped-away pixels."""
        radiographs.removeRadiograph(node)

    def loadRadiographs(self, paths: Sequence[Path | str]) -> tuple[list[Any], dict[Path, InputError]]:
        """Load several files that need no answer; one that does, or is no radiograph, does not stop the others.

        Args:
            paths: Files.

        Returns:
            The nodes, and what was wrong by file (``MissingInformationError`` where something must be answered).
        """
        nodes, problems = [], {}
        for path in map(Path, paths):
            try:
                nodes.append(self.loadRadiograph(path))
            except InputError as error:
                problems[path] = error
        return nodes, problems

    if TYPE_CHECKING:

        def getParameterNode(self) -> XRayTo3DParameterNode: ...


def openDicomBrowser() -> bool:
    """Switch to Slicer's DICOM module; False where there is none."""
    if not hasattr(slicer.modules, "dicom"):
        return False
    slicer.util.selectModule("DICOM")
    return True
