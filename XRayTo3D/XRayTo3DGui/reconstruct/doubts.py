"""What a model was not made for in the radiographs that are chosen, said before anything is pressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from XRayTo3DGui.parameters import PLACED_BY_MARKS, SIDES, UPS
from XRayTo3DGui.radiographs.findings import sidesDiffer
from XRayTo3DGui.reconstruct.bundles import BundleEntry
from XRayTo3DGui.reconstruct.request import originPixel, usedNodes
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose
from XRayTo3DLib.imaging.radiograph_facts import RadiographFacts
from XRayTo3DLib.methods.scope import Expected, Exposed, expected_of, outside, same_view

sameView = same_view


def doubts(parameters: Any, entry: BundleEntry | None, translated: bool = False) -> str:
    """What looks wrong though it can be run, a line each; empty where the model knows such radiographs.

    Args:
        parameters: The parameter node's.
        entry: The chosen model.
        translated: Whether a translation is chosen.
    """
    if parameters is None or entry is None or entry.bundle is None:
        return ""
    nodes = [node for node in usedNodes(parameters, entry) if node.GetImageData() is not None]
    try:
        exposed, expected = [exposedOf(node) for node in nodes], expected_of(entry.bundle)
        side = SIDES[parameters.reconstructSide] if entry.needsFrame else ""
        frame = _frame(parameters, entry, expected, nodes)
        positioned = entry.anyViews and parameters.reconstructUncalibrated
        found = outside(expected, exposed, side, frame, translated=translated, positioned=positioned)
        texts = [each.text for each in found if each.code != "number-of-views"]  # what is missing is said elsewhere
        mixed = "" if side else sidesDiffer(nodes)  # else it is said which of them is not of the chosen side
        return "\n".join([*([mixed] if mixed else []), *texts, *_noticed(entry, exposed)])
    except InputError as error:
        return str(error)


def exposedOf(node: Any) -> Exposed:
    """What a radiograph's node says of it; its pixels are not looked at.

    Raises:
        InputError: It has lost its source.
    """

    def known(key: str) -> str:
        return node.GetAttribute(f"XRayTo3D.{key}") or ""

    return Exposed(
        node.GetName().removesuffix(mrml.SYNTHETIC_MARK),
        radiographs.cameraFromNode(node),
        known("View"),
        known("Laterality"),
        known("Synthetic") == "1",
        known("AssumedPlacement") == "1",
        known("IntensityAbsolute") == "1",
        RadiographFacts.from_text(known("Facts")).body_part,
    )


def _noticed(entry: BundleEntry, exposed: Sequence[Exposed]) -> tuple[str, ...]:
    """Of a model that finds the limb by itself: what it will say of the geometry."""
    from XRayTo3DLib.methods.catalogue import checked

    if entry.needsFrame or not exposed:
        return ()
    return checked(entry.bundle.configuration).data.geometry.noticed(exposed[0])


def _frame(parameters: Any, entry: BundleEntry, expected: Expected, nodes: Sequence[Any]) -> RigidPose | None:
    """Where the limb's frame is, as the worker will take it; None while that is not all known.

    Raises:
        InputError: What the worker will refuse.
    """
    from XRayTo3DLib.dataset.canonical_view import frame_from_views

    side, views = SIDES[parameters.reconstructSide], list(expected.views)
    if not entry.needsFrame or not side or not views or len(nodes) != len(views):
        return None
    if parameters.reconstructPlacement != PLACED_BY_MARKS:
        return mrml.poseFromNode(parameters.reconstructPose) if parameters.reconstructPose is not None else None
    pixels = [originPixel(node) for node in nodes]
    if None in pixels:
        return None
    cameras = [radiographs.cameraFromNode(node) for node in nodes]
    more = {"up": UPS[parameters.reconstructUp], "mirrored": side == "left"}
    if len(views) > 1:
        return frame_from_views(views, cameras, pixels, **more)
    distance = parameters.reconstructDetectorMillimetres
    return views[0].frame_from_landmark(cameras[0], pixels[0], object_detector_mm=distance, **more)
