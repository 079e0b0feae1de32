"""Change a radiograph of the scene and take it back: its geometry, its crop, its left and right.

The node stays the same one, so that whatever refers to it follows. What the file said, and the pixels that a crop cut
away, are kept in the scene.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.radiograph_display import DisplayRange, applyDisplay, displayRange
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.json_values import check_fields, parse_json
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.imaging.crop import Window, crop_to, uncropped_camera
from XRayTo3DLib.imaging.geometry_edit import mirror_radiograph
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts
from XRayTo3DLib.imaging.types import Radiograph, SpacingSource

CROP = "XRayTo3D.Crop"


def setRadiograph(node: Any, radiograph: Radiograph, shown: DisplayRange | None = None) -> None:
    """Give a radiograph's node other geometry, facts and (where they differ in size or ``shown`` is given) pixels."""
    pixels = radiograph.pixels
    columns, rows, _slices = node.GetImageData().GetDimensions()
    with slicer.util.NodeModify(node):
        if shown is not None or pixels.shape != (rows, columns):
            applyDisplay(node, shown or displayRange(radiograph))
            slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(pixels)[None])
        for key, value in radiographs.attributesOf(radiograph, radiographs.viewLetter(node)).items():
            node.SetAttribute(key, value)
        radiographs.setCamera(node, radiograph.camera)
    radiographs.updateBeam(node)


KEPT = {"camera": dict, **dict.fromkeys(("facts", "view", "laterality", "spacing_source"), str)}
"""What :func:`asLoaded` finds on a node."""

# ---- what the file said ----------------------------------------------------------------------------------------------


def asLoaded(node: Any, now: Radiograph | None = None) -> Radiograph | None:
    """The radiograph with the geometry it was loaded with, cropped and mirrored as it is now; None without a record
    that can be used.

    Args:
        node: A radiograph.
        now: What it is now, where that was read already.
    """
    text = node.GetAttribute(radiographs.AS_LOADED)
    if not text:
        return None
    now = now or radiographs.radiographFromNode(node)
    try:
        content = parse_json(text, node.GetName())
        check_fields(content, KEPT, node.GetName())
        camera, facts = XRayCamera.from_dict(content["camera"]), RadiographFacts.from_text(content["facts"])
        spacing_source = SpacingSource(content["spacing_source"])
    except ValueError:  # InputError is one: the scene is from elsewhere
        return None
    if now.facts.mirrored != facts.mirrored:
        blank = replace(now, pixels=np.zeros(camera.size[::-1], np.float32), camera=camera, assumed_placement=False)
        camera = mirror_radiograph(blank).camera
    window = cropOf(node)
    return replace(
        now,
        camera=camera if window is None else camera.cropped(window.column, window.row, window.columns, window.rows),
        view=content["view"],
        laterality=content["laterality"],
        spacing_source=spacing_source,
        facts=replace(facts, mirrored=now.facts.mirrored),
    )


def isEdited(now: Radiograph, before: Radiograph) -> bool:
    """Whether geometry, view or side differ from what was loaded (:func:`asLoaded`)."""
    same = (now.view, now.laterality, now.facts) == (before.view, before.laterality, before.facts)
    return not (same and now.camera.is_close(before.camera, 1e-3))


def resetGeometry(node: Any) -> None:
    """Back to what the file and the first answers said; crop and mirroring stay.

    Raises:
        InputError: The scene was saved before this was recorded.
    """
    before = asLoaded(node)
    if before is None:
        raise InputError(
            _("{name}: the scene does not hold what its file said; load the file again.").format(name=node.GetName())
        )
    setRadiograph(node, before)


# ---- crop ------------------------------------------------------------------------------------------------------------


def cropOf(node: Any) -> Window | None:
    """The window of the whole picture that the node shows; None where it shows all."""
    text = node.GetAttribute(CROP)
    return Window.from_text(text) if text and node.GetNodeReference(radiographs.UNCROPPED) is not None else None


def crop(node: Any, window: Window, shown: DisplayRange | None = None) -> None:
    """Keep only the window; the pixels cut away stay in a hidden volume.

    Raises:
        InputError: The window does not lie inside the picture, or is too small.
    """
    whole = radiographs.radiographFromNode(node)
    part = crop_to(whole, window)
    before = cropOf(node)
    if before is None:
        keeper = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{node.GetName()} (uncropped)")
        keeper.SetHideFromEditors(True)
        slicer.util.updateVolumeFromArray(keeper, whole.pixels[None].copy())
        mrml.setIjkToLps(keeper, whole.camera.detector_to_world)
        node.SetNodeReferenceID(radiographs.UNCROPPED, keeper.GetID())
    setRadiograph(node, part, shown or displayRange(part))
    node.SetAttribute(CROP, (window if before is None else window.inside(before)).to_text())


def uncrop(node: Any, shown: DisplayRange | None = None) -> None:
    """All pixels again, with the geometry as it is now.

    Raises:
        InputError: It is not cropped.
    """
    whole = uncropped(node)
    keeper = node.GetNodeReference(radiographs.UNCROPPED)
    setRadiograph(node, whole, shown or displayRange(whole))
    node.SetAttribute(CROP, None)
    node.SetNodeReferenceID(radiographs.UNCROPPED, None)
    slicer.mrmlScene.RemoveNode(keeper)


def uncropped(node: Any) -> Radiograph:
    """The radiograph as it was before its crop."""
    window, keeper = cropOf(node), node.GetNodeReference(radiographs.UNCROPPED)
    if window is None or keeper.GetImageData() is None:
        raise InputError(_("{name} is not cropped.").format(name=node.GetName()))
    pixels = slicer.util.arrayFromVolume(keeper)[0]
    part = radiographs.radiographFromNode(node)
    return replace(part, pixels=pixels, camera=uncropped_camera(part.camera, window, pixels.shape[::-1]))


# ---- left and right --------------------------------------------------------------------------------------------------


def mirrored(node: Any) -> Radiograph:
    """The radiograph with left and right exchanged.

    Raises:
        InputError: Its header says that it hangs mirrored, or points were marked on it.
    """
    marks = node.GetNodeReference(radiographs.LANDMARKS)
    if marks is not None and mrml.landmarks(marks):
        raise InputError(
            _("{name} has points marked on it, which would not follow; remove them first.").format(name=node.GetName())
        )
    return mirror_radiograph(radiographs.radiographFromNode(node))


def mirror(node: Any, shown: DisplayRange | None = None) -> None:
    """Exchange left and right of the picture; the cropped-away pixels too. Errors as :func:`mirrored`."""
    radiograph = mirrored(node)
    window = cropOf(node)
    if window is not None:
        keeper = node.GetNodeReference(radiographs.UNCROPPED)
        pixels = slicer.util.arrayFromVolume(keeper)[0]
        slicer.util.updateVolumeFromArray(keeper, pixels[None, :, ::-1].copy())
        column = pixels.shape[1] - window.column - window.columns
        node.SetAttribute(CROP, replace(window, column=column).to_text())
    setRadiograph(node, radiograph, shown or displayRange(radiograph))
