"""What a reconstruction is asked for: from the scene's nodes to the files and options that the worker gets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.parameters import PLACED_BY_MARKS, SIDES, UPS
from XRayTo3DGui.reconstruct.bundles import BundleEntry, refinerOf
from XRayTo3DGui.scene import mrml
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import write_json
from XRayTo3DLib.geometry import RigidPose

JOINT = "joint"
"""Label of the one point of a radiograph's origin list."""
REQUEST_FILE, RESULT_FOLDER = "request.json", "result"
REQUEST_FORMAT = "xrayto3d.reconstruct-request/1"


@dataclass(frozen=True, eq=False)
class Request:
    """One reconstruction to make.

    Attributes:
        bundle: Folder of the model bundle.
        radiographs: Volume nodes, in the order of the model's views; shape models take any.
        side: "right", "left", or "" for a model that does not ask.
        origins: (column, row) of the joint's middle in each radiograph; empty with ``pose`` or for such a model.
        pose: The limb's frame to world, LPS mm, instead of origins.
        objectDetector: One view: assumed distance of the joint from the detector, mm.
        up: Direction (columns, rows) of the frame's +z in the first picture.
        translation: Bundle that takes everything but the bones away; "" for none.
        refineWith: Bundle of shape models to refine the bones with, against the radiographs; "" for none.
        shapeModels: Whether ``bundle`` itself is one of shape models, which are fitted right away.
        uncalibrated: Shape models: the cameras do not share one world; where they stood is found, too.
        caseName: Folder of the subject hierarchy that the result goes to.
        checksum: Of the bundle whose card was shown; the result must be by the same.
    """

    bundle: Path
    radiographs: list[Any]
    side: str = ""
    origins: list[tuple[float, float]] = field(default_factory=list)
    pose: RigidPose | None = None
    objectDetector: float = 45.0
    up: tuple[float, float] = (0.0, -1.0)
    translation: str = ""
    refineWith: str = ""
    shapeModels: bool = False
    uncalibrated: bool = False
    caseName: str = ""
    checksum: str = ""


# ---- from the scene --------------------------------------------------------------------------------------------------


def viewNodes(parameters: Any, entry: BundleEntry | None) -> list[Any]:
    """The chosen radiograph of each of the model's views, or of as many as there may be; None where none is."""
    count = 0 if entry is None else radiographs.MOST_VIEWS if entry.anyViews else len(entry.views)
    return [getattr(parameters, f"reconstructView{number + 1}") for number in range(count)]


def usedNodes(parameters: Any, entry: BundleEntry) -> list[Any]:
    """The radiographs that are chosen."""
    return [node for node in viewNodes(parameters, entry) if node is not None]


def originPixel(node: Any) -> tuple[float, float] | None:
    """Where a radiograph shows the joint's middle, as (column, row); None before it was marked."""
    points = mrml.landmarks(node.GetNodeReference(radiographs.ORIGIN), world=True) if node is not None else {}
    if JOINT not in points:
        return None
    column, row = radiographs.cameraFromNode(node).project(points[JOINT])
    return float(column), float(row)


def missing(parameters: Any, entry: BundleEntry | None) -> str:
    """What is still needed, as one sentence; empty when it can start."""
    if entry is None:
        return _("Choose a model first")
    if entry.bundle is None:
        return _("This model cannot be used; choose another one")
    if not radiographs.radiographNodes():
        return _("Load a radiograph in section 1 first")
    nodes = usedNodes(parameters, entry)
    if entry.anyViews and not nodes:
        return _("Choose a radiograph")
    for view, node in [] if entry.anyViews else zip(entry.views, viewNodes(parameters, entry), strict=True):
        if node is None:
            return _("Choose the {view} radiograph").format(view=view)
    empty = [node.GetName() for node in nodes if node.GetImageData() is None]
    if empty:
        return _("{name} has no pixels; load it again").format(name=empty[0])
    if len(set(nodes)) < len(nodes):
        return _("Each view needs a radiograph of its own: one is chosen twice")
    return _missingPlace(parameters, nodes) if entry.needsFrame else ""


def _missingPlace(parameters: Any, nodes: list[Any]) -> str:
    if not SIDES[parameters.reconstructSide]:
        return _("Say which side it is, right or left")
    if parameters.reconstructPlacement != PLACED_BY_MARKS:
        return "" if parameters.reconstructPose is not None else _("Choose the transform of the limb's frame")
    unmarked = [radiographs.viewLetter(node) for node in nodes if originPixel(node) is None]
    if unmarked:
        return _("Mark the joint's middle in radiograph {letters}").format(letters=_(" and ").join(unmarked))
    return ""


def requestFrom(parameters: Any, entry: BundleEntry, translation: BundleEntry | None = None) -> Request:
    """The request as the panel has it, with one of the translations that it lists.

    Raises:
        InputError: Something is missing, see :func:`missing`; or the transform is not rigid.
    """
    problem = missing(parameters, entry)
    if problem:
        raise InputError(problem + ".")
    nodes = usedNodes(parameters, entry)
    refiner = refinerOf(entry) if parameters.reconstructRefine else None
    marked = entry.needsFrame and parameters.reconstructPlacement == PLACED_BY_MARKS
    pose = mrml.poseFromNode(parameters.reconstructPose) if entry.needsFrame and not marked else None
    takesTranslation = entry.needsFrame and not entry.anyViews
    return Request(
        bundle=entry.path,
        radiographs=nodes,
        side=SIDES[parameters.reconstructSide] if entry.needsFrame else "",
        origins=[pixel for pixel in map(originPixel, nodes) if pixel is not None] if marked else [],
        pose=pose,
        objectDetector=parameters.reconstructDetectorMillimetres,
        up=UPS[parameters.reconstructUp],
        translation=str(translation.path) if translation is not None and takesTranslation else "",
        refineWith=str(refiner.path) if refiner is not None else "",
        shapeModels=entry.anyViews,
        uncalibrated=entry.anyViews and marked and len(nodes) > 1 and parameters.reconstructUncalibrated,
        caseName=parameters.caseName,
        checksum=entry.checksum,
    )


# ---- to the worker ---------------------------------------------------------------------------------------------------


def prepareSteps(request: Request, folder: Path) -> Iterator[str]:
    """Write the worker's input into ``folder``, one radiograph a step.

    Raises:
        InputError: A radiograph cannot be used.
    """
    from XRayTo3DLib.imaging.radiograph_header import write_radiograph

    names = _uniqueNames(request.radiographs)
    for number, (node, name) in enumerate(zip(request.radiographs, names, strict=True)):
        picture = replace(radiographs.radiographFromNode(node), name=name)
        write_radiograph(picture, folder / f"view{number + 1}.nrrd", compress=False)
        yield name
    if request.pose is not None:
        request.pose.save(folder / "pose.tfm")
    content = {
        "format": REQUEST_FORMAT,
        "bundle": request.bundle.name,
        "checksum": request.checksum,
        "names": names,
        "radiographs": [node.GetID() for node in request.radiographs],
        "case": request.caseName,
    }
    write_json(folder / REQUEST_FILE, content)


def commandOf(request: Request, folder: Path) -> list[str]:
    """``xrayto3d`` arguments for what :func:`prepareSteps` wrote."""
    verb = "refine" if request.shapeModels else "reconstruct"
    command = [verb, "--model", str(request.bundle), "--output", str(folder / RESULT_FOLDER)]
    for number in range(len(request.radiographs)):
        command += ["--view", str(folder / f"view{number + 1}.nrrd")]
    if request.side:
        command += ["--side", request.side]
        command += ["--object-detector", str(request.objectDetector), "--up", *(str(part) for part in request.up)]
    command += [f"--origin={column:.3f},{row:.3f}" for column, row in request.origins]
    if request.pose is not None:
        command += ["--pose", str(folder / "pose.tfm")]
    if request.translation:
        command += ["--translation", request.translation]
    if request.uncalibrated:
        command.append("--uncalibrated")
    return [*command, "--refine", request.refineWith] if request.refineWith else command


def _uniqueNames(nodes: list[Any]) -> list[str]:
    """The radiographs' names, the view's letter added where two are alike: files are named after them."""
    names = [node.GetName().removesuffix(mrml.SYNTHETIC_MARK) for node in nodes]
    return [
        name if names.count(name) == 1 else f"{name} {radiographs.viewLetter(node)}"
        for node, name in zip(nodes, names, strict=True)
    ]
