"""Plug-in of Slicer's DICOM module: radiographs (CR, DX, XA, RF) with their X-ray geometry, each picture by itself."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import slicer
from DICOMLib import DICOMLoadable, DICOMPlugin
from slicer.i18n import tr as _

try:
    import XRayTo3DLib  # noqa: F401
except ModuleNotFoundError:  # a source checkout: the library lies beside the module's folder
    sys.path.append(str(Path(__file__).resolve().parents[1]))

COMPLETE, TO_ASK, FRAMES, UNUSABLE = 0.9, 0.75, 0.6, 0.0
"""Slicer's scalar volume reader says 0.5 and its image sequence reader 0.7, which keeps runs of several frames."""


class XRayTo3DDICOMPluginClass(DICOMPlugin):
    """Offers one loadable for each radiograph; see docs/dicom.md."""

    def __init__(self) -> None:
        super().__init__()
        self.loadType = _("Radiograph with X-ray geometry")
        self.tags |= {
            "modality": "0008,0060",
            "classUID": "0008,0016",
            "seriesNumber": "0020,0011",
            "instanceNumber": "0020,0013",
            "instanceUID": "0008,0018",
        }

    # ---- looking -------------------------------------------------------------------------------------------------

    def examineForImport(self, fileLists: list[Any]) -> list[Any]:
        """Loadables for lists of files, one list for each series; never raises."""
        return [loadable for files in fileLists for loadable in self.examineFiles(files)]

    def examineFiles(self, files: Any) -> list[Any]:
        """Loadables of one series; none for what is no radiograph.

        Slicer ticks, of a whole series, only the offers that it is most confident in: all of ours have the same.
        """
        found = [self._offer(str(path)) for path in files if self._isRadiograph(str(path))]
        usable = [offer for offer in found if not offer.warning]
        if any(offer.frames > 1 for offer in usable):
            confidence = FRAMES
        else:
            confidence = TO_ASK if any(offer.missing for offer in usable) else COMPLETE
        for offer in usable:
            offer.confidence, offer.selected = confidence, True
        self._tellApart(found)
        return found

    def _value(self, path: str, key: str) -> str:
        return slicer.dicomDatabase.fileValue(path, self.tags[key])

    def _isRadiograph(self, path: str) -> bool:
        """By the database alone: a CT's thousand files are not opened."""
        from XRayTo3DLib.imaging.dicom_preview import RADIOGRAPH_CLASSES
        from XRayTo3DLib.imaging.dicom_radiograph import PROJECTIONS

        return self._value(path, "modality") in PROJECTIONS and self._value(path, "classUID") in RADIOGRAPH_CLASSES

    def _offer(self, path: str) -> Any:
        """The loadable of one file; a file that cannot be used says why."""
        from XRayTo3DLib.errors import InputError
        from XRayTo3DLib.imaging.dicom_preview import preview_radiograph

        offer = DICOMLoadable()
        offer.files, offer.missing, offer.frames = [path], (), 1
        offer.name = offer.title = self._value(path, "modality")
        offer.confidence, offer.selected = UNUSABLE, False
        try:
            seen = preview_radiograph(path)
        except InputError as error:
            offer.warning = str(error)
            return offer
        except Exception as error:  # one broken file must not take the whole study's offers away: Slicer drops all
            logging.error("XRayTo3D: a DICOM header raised %s", type(error).__name__)  # its text may name the patient
            offer.warning = _("The header cannot be understood; export the file again.")
            return offer
        offer.name = offer.title = seen.name
        offer.missing, offer.frames = seen.missing, seen.frames
        offer.tooltip = _tooltip(seen)
        return offer

    def _tellApart(self, offers: list[Any]) -> None:
        """Names for the table: series number first, as in Slicer; alike ones get their instance number."""
        titles = [offer.title for offer in offers]
        for offer in offers:
            series, number = (self._value(offer.files[0], key) for key in ("seriesNumber", "instanceNumber"))
            if titles.count(offer.title) > 1 and number:
                offer.title = f"{offer.title} [{number}]"
            frame = _(" (frame 1 of {count})").format(count=offer.frames) if offer.frames > 1 else ""
            offer.name = (f"{series}: " if series else "") + offer.title + frame

    # ---- loading -------------------------------------------------------------------------------------------------

    def load(self, loadable: Any) -> Any:
        """The radiograph's node; True where section 1 of XRayTo3D asks for what the file does not say; else False."""
        from XRayTo3DLib.errors import InputError
        from XRayTo3DLib.imaging.dicom_preview import preview_radiograph

        path = Path(loadable.files[0])
        try:
            seen = preview_radiograph(path)
            if seen.missing:
                return _ask(path)
            return _load(path, getattr(loadable, "title", seen.name), frame=0 if seen.frames > 1 else None)
        except InputError as error:
            slicer.util.errorDisplay(str(error), windowTitle=_("XRayTo3D"))
            return False


def _tooltip(seen: Any) -> str:
    """What will happen."""
    size = _("{columns} × {rows} pixels").format(columns=seen.size[0], rows=seen.size[1])
    if seen.frames > 1:
        size += _(", {count} frames: the first is loaded; section 1 of XRayTo3D loads any").format(count=seen.frames)
    if seen.burned_in:
        size += ". " + _("The file declares burned-in text: it may name the patient")
    if seen.missing:
        return size + ". " + _("The file does not say all of its geometry: section 1 of XRayTo3D will ask.")
    return size + ". " + _("Placed in 3D by the geometry in its header.")


def _load(path: Path, name: str, frame: int | None) -> Any:
    """Into the scene, under its study, and into the red view, as Slicer shows what was loaded.

    Raises:
        InputError: The file cannot be used, or four radiographs are loaded already.
    """
    from XRayTo3DGui.radiographs.sources import awaited
    from XRayTo3DGui.scene.dicom_study import fileUnderStudy
    from XRayTo3DGui.scene.layouts import alignView
    from XRayTo3DGui.scene.mrml_radiographs import radiographToScene
    from XRayTo3DGui.scene.radiograph_display import displayRange
    from XRayTo3DLib.imaging.radiograph_reader import read_radiograph

    def read() -> tuple[Any, Any]:
        radiograph = read_radiograph(path, frame=frame, name=name)
        return radiograph, displayRange(radiograph)

    node = radiographToScene(*awaited(read))
    fileUnderStudy(node, path)
    manager = slicer.app.layoutManager()
    red = manager.sliceWidget("Red") if manager is not None else None
    if red is not None:
        red.sliceLogic().GetSliceCompositeNode().SetBackgroundVolumeID(node.GetID())
        alignView(red.mrmlSliceNode(), node)
        red.sliceLogic().FitSliceToBackground()
    return node


def _ask(path: Path) -> bool:
    """Open section 1 with the file: it asks for what is missing, and loads.

    Raises:
        InputError: Slicer runs without the module's panel (in a script).
    """
    from XRayTo3DLib.errors import InputError

    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule("XRayTo3D")
    widget = getattr(slicer.modules, "XRayTo3DWidget", None)
    if widget is None:
        raise InputError(
            _(
                "{name} does not say all of its X-ray geometry: load it with XRayTo3DLogic and give what is missing."
            ).format(name=path.name)
        )
    widget.radiographs.askFor(str(path))
    return True


class XRayTo3DDICOMPlugin:
    """What Slicer loads as a module; it is only seen in the DICOM module."""

    def __init__(self, parent: Any) -> None:
        # Not translated, as in Slicer's own plug-ins: only developers see these.
        parent.title = "XRayTo3D DICOM plug-in"
        parent.categories = ["Developer Tools.DICOM Plugins"]
        parent.contributors = ["The XRayTo3D developers"]
        parent.helpText = "Lets the DICOM module load radiographs with their X-ray geometry. It has no panel."
        parent.acknowledgementText = "Built on 3D Slicer and pydicom."
        parent.hidden = True
        # The DICOM module may come later: whoever is first makes the list.
        if not hasattr(slicer.modules, "dicomPlugins"):
            slicer.modules.dicomPlugins = {}
        slicer.modules.dicomPlugins["XRayTo3DDICOMPlugin"] = XRayTo3DDICOMPluginClass
