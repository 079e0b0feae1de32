"""Where a registration starts: as the bone lies, by the radiographs' views, by landmarks, or everywhere."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.panel import QUIET, showStatus
from XRayTo3DGui.parameters import START_BY_LANDMARKS, START_BY_VIEW, START_EVERYWHERE, START_HERE
from XRayTo3DGui.scene import folders, mrml, points
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import RigidPose

MARK_POINT = "bone"


class StartChoice:
    """The choice, and what brings the bone there before anything is registered."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self._tags: list[tuple[Any, int]] = []
        self.ui.placeButton.connect("clicked(bool)", self.onPlace)
        self.ui.markButton.connect("clicked(bool)", self.onMark)

    def sync(self) -> None:
        """As parameters and scene have it."""
        self._unobserve()
        parameters = self.panel.parameters
        start = parameters.registrationStart if parameters is not None else START_HERE
        for node in radiographs.radiographNodes():
            mark = node.GetNodeReference(radiographs.BONE_MARK)
            if mark is not None:
                for event in (mark.PointModifiedEvent, mark.PointPositionDefinedEvent):
                    self._tags.append((mark, mark.AddObserver(event, self._onMarked)))
        self.ui.markButton.setVisible(start == START_BY_VIEW)
        self.ui.placeButton.setVisible(start in (START_BY_VIEW, START_BY_LANDMARKS))
        showStatus(self.ui.startHint, _hint(start), QUIET)

    def _unobserve(self) -> None:
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        self._tags = []

    def stop(self) -> None:
        """Follow nothing any more."""
        self._unobserve()

    def _onMarked(self, _caller: Any, _event: str) -> None:
        showStatus(self.ui.startHint, _hint(START_BY_VIEW), QUIET)

    # ---- placing -------------------------------------------------------------------------------------------------

    def onPlace(self, *_args: Any) -> None:
        """Bring the bone to the chosen start, to be looked at."""
        with self.panel.explaining():
            self.place()

    def place(self) -> None:
        """Bring the bone to the chosen start.

        Raises:
            InputError: A radiograph does not say its view, or too few landmarks are placed.
        """
        start = self.panel.parameters.registrationStart
        if start == START_BY_VIEW:
            self.panel.movePose(poseByViews(self.panel.centre()))
        elif start == START_BY_LANDMARKS:
            self.panel.landmarks.place()

    def onMark(self, *_args: Any) -> None:
        """The next click says where the bone is: in the next radiograph without a mark, else in the first anew."""
        used = radiographs.usedRadiographNodes()
        node = next((each for each in used if markedPixel(each) is None), used[0])
        points.placeNext(_ensureMark(node, self.panel.parameters.caseName), MARK_POINT)
        self.sync()
        text = _("Click the middle of the bone in view {letter}.").format(letter=radiographs.viewLetter(node))
        showStatus(self.ui.startHint, text)

    def updateButtons(self, ready: bool, problem: str) -> None:
        """Placing needs a bone and radiographs."""
        for button, text in (
            (self.ui.placeButton, _("Bring the bone to the chosen start now, to look at it before registering")),
            (self.ui.markButton, _("Then click the middle of the bone in a radiograph, one after the other")),
        ):
            button.enabled = ready
            button.toolTip = text if ready else problem


def _hint(start: str) -> str:
    """What the chosen start does, or needs."""
    if start == START_BY_VIEW:
        used = radiographs.usedRadiographNodes()
        marked = [radiographs.viewLetter(node) for node in used if markedPixel(node) is not None]
        if not marked:
            return _("Turned as AP, PA, LAT … say, in the pictures' middle; or mark it.")
        return _("Turned as AP, PA, LAT … say, where marked in {views}.").format(views=", ".join(marked))
    if start == START_BY_LANDMARKS:
        return _("From the points under Landmarks.")
    if start == START_EVERYWHERE:
        return _("About half a minute; two views are much surer than one.")
    return ""


# ---- by the views ----------------------------------------------------------------------------------------------------


def markedPixel(node: Any) -> Any:
    """(column, row) where a person marked the bone in a radiograph, None where nobody did."""
    placed = mrml.landmarks(node.GetNodeReference(radiographs.BONE_MARK), world=True)
    return radiographs.pixelOf(node, placed[MARK_POINT]) if MARK_POINT in placed else None


def _ensureMark(node: Any, caseName: str) -> Any:
    mark = node.GetNodeReference(radiographs.BONE_MARK)
    if mark is None:
        mark = points.newList(_("{radiograph} bone").format(radiograph=node.GetName()), radiographs.colourOf(node))
        node.SetNodeReferenceID(radiographs.BONE_MARK, mark.GetID())
        folders.fileNode(mark, caseName)
    points.addUnset(mark, [MARK_POINT])
    return mark


def setMark(node: Any, pixel: Any, caseName: str = "") -> None:
    """Mark the bone in a radiograph at (column, row)."""
    mark = _ensureMark(node, caseName)
    position = mrml.rasFromLps(radiographs.cameraFromNode(node).pixel_to_world(pixel))
    mark.SetNthControlPointPosition(mark.GetControlPointIndexByLabel(MARK_POINT), *position)


def poseByViews(centre: Any, bodyPart: str = "") -> RigidPose:
    """CT-to-world that shows the bone as the used radiographs' views say.

    Args:
        centre: (3,) the bone's in CT coordinates, LPS mm; the CT in standard orientation.
        bodyPart: DICOM body part ("WRIST", "KNEE" ...), which says how a limb is laid for a lateral view; or "".

    Raises:
        InputError: No radiograph says its view.
    """
    from XRayTo3DLib.registration.view_position import KNOWN_VIEWS, pose_for_view

    nodes = radiographs.usedRadiographNodes()
    pictures = [radiographs.radiographFromNode(node) for node in nodes]
    named = [number for number, picture in enumerate(pictures) if picture.view.upper() in KNOWN_VIEWS]
    if not named:
        raise InputError(_("No radiograph says its view (AP, PA, LAT …); choose it in section 1."))
    # Straight views first: what "lateral" shows depends on the limb and its side.
    first = next((number for number in named if pictures[number].view.upper() != "LAT"), named[0])
    order = [first, *(number for number in range(len(nodes)) if number != first)]
    return pose_for_view(
        [pictures[number].camera for number in order],
        centre,
        view=pictures[first].view,
        laterality=pictures[first].laterality,
        body_part=bodyPart,
        at_pixel=[markedPixel(nodes[number]) for number in order],
    )
