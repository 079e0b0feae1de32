"""Which model, which radiograph for each of its views, side and place of the limb: controls that follow the scene."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, UNSURE, showStatus
from XRayTo3DGui.parameters import PLACED_BY_MARKS, SIDES
from XRayTo3DGui.reconstruct import bundles
from XRayTo3DGui.reconstruct.doubts import doubts, sameView
from XRayTo3DGui.reconstruct.request import JOINT, missing, originPixel, usedNodes, viewNodes
from XRayTo3DGui.scene import folders, mrml, points
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError

MOST_VIEWS = radiographs.MOST_VIEWS
AS_IT_IS = ""


class ReconstructInputs:
    """Model, radiographs, side and place; everything chosen lives in the parameter node."""

    def __init__(self, panel: Any) -> None:
        self.panel, self.ui = panel, panel.ui
        self.entry: bundles.BundleEntry | None = None
        self.cost = ""
        self._entries: list[bundles.BundleEntry] = []
        self._translations: list[bundles.BundleEntry] = []
        self._refiner: bundles.BundleEntry | None = None
        self._filling = False
        self._asked: tuple[Any, Any] | None = None
        """The radiograph that a person is to click in, and what was marked there before."""
        ui = self.ui
        for number in range(1, MOST_VIEWS + 1):
            self._row(number)[1].addAttribute("vtkMRMLScalarVolumeNode", mrml.ROLE, mrml.ROLE_RADIOGRAPH)
            self._row(number)[2].connect("clicked(bool)", lambda _on=False, number=number: self.onPlace(number))
        ui.resultSelector.addAttribute("vtkMRMLTextNode", mrml.ROLE, "Reconstruction")
        ui.bundleCombo.connect("currentIndexChanged(int)", self._onBundle)
        ui.translationCombo.connect("currentIndexChanged(int)", self._onTranslation)
        ui.addBundleButton.connect("clicked(bool)", self.onAddBundle)
        self.readBundles()

    def _row(self, number: int) -> tuple[Any, Any, Any]:
        """Label, selector and place button of a view, counted from 1."""
        names = (f"viewSelector{number}Label", f"viewSelector{number}", f"placeButton{number}")
        label, selector, button = (getattr(self.ui, name) for name in names)
        return label, selector, button

    # ---- models --------------------------------------------------------------------------------------------------

    def readBundles(self) -> None:
        """List the models that are there now."""
        self._entries = bundles.bundleEntries()
        self._translations = [each for each in bundles.bundleEntries(translations=True) if each.bundle is not None]
        self._filling = True
        try:
            self.ui.bundleCombo.clear()
            self.ui.bundleCombo.addItems([_("Choose a model"), *(entry.title for entry in self._entries)])
            self.ui.translationCombo.clear()
            self.ui.translationCombo.addItems(
                [_("Bones alone: used as they are"), *(entry.title for entry in self._translations)]
            )
        finally:
            self._filling = False

    @property
    def translation(self) -> bundles.BundleEntry | None:
        """The chosen translation, one of those that the list shows; a scene may name others, which are not used."""
        return bundles.chosenEntry(self._translations, self.panel.parameters.reconstructTranslation)

    def onAddBundle(self, *_args: Any) -> None:
        """Ask for a folder and choose the first model in it."""
        chosen = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a model, or of models"))
        if chosen:
            self.addFolder(Path(chosen))

    def addFolder(self, folder: Path) -> None:
        """Add a folder's models to the list, now and in later sessions."""
        try:
            found = bundles.rememberFolder(folder)
        except InputError as error:
            self.panel.say(str(error), BAD)
            return
        self.choose(found[0])

    def choose(self, path: Path | None) -> None:
        """Read the list anew and choose that bundle; None chooses none."""
        self.readBundles()
        known = path is None or any(entry.path == path for entry in self._entries)
        if self.panel.parameters is not None and known:
            self.panel.parameters.reconstructBundle = str(path) if path is not None else ""
        self.panel.sync()

    def _onBundle(self, index: int) -> None:
        if not self._filling and self.panel.parameters is not None and index >= 0:
            path = str(self._entries[index - 1].path) if index else ""
            self.panel.parameters.reconstructBundle = path
            self.panel.sync()

    def _onTranslation(self, index: int) -> None:
        if not self._filling and self.panel.parameters is not None and index >= 0:
            path = str(self._translations[index - 1].path) if index else AS_IT_IS
            self.panel.parameters.reconstructTranslation = path

    # ---- following the scene ---------------------------------------------------------------------------------------

    def sync(self) -> None:
        """As parameters and scene have it now."""
        parameters = self.panel.parameters
        before, self.entry = self.entry, bundles.chosenEntry(self._entries, parameters.reconstructBundle)
        self._filling = True
        try:
            self.ui.bundleCombo.currentIndex = self._entries.index(self.entry) + 1 if self.entry is not None else 0
            whole = self.entry.title if self.entry is not None else _("The model: trained by you, or coming along")
            self.ui.bundleCombo.toolTip = bundles.plain(whole)  # a title may be longer than a narrow panel
            translation = self.translation
            index = self._translations.index(translation) + 1 if translation is not None else 0
            self.ui.translationCombo.currentIndex = index
        finally:
            self._filling = False
        if self.entry is not before or before is None:
            self._refiner = bundles.refinerOf(self.entry)
            self._showCard()
        self._showRows()
        self._fillIn()
        self._showMarks()

    def _showCard(self) -> None:
        entry, gone = self.entry, self.panel.parameters.reconstructBundle
        self.cost = bundles.expectedCost(entry) if entry is not None and entry.bundle is not None else ""
        self.ui.cardSection.setVisible(entry is not None)
        if entry is None:
            text = _("The model of this scene, {name}, is not on this computer: add its folder.")
            said = escape(text.format(name=Path(gone).name)) if gone else ""
            showStatus(self.ui.cardLabel, said, UNSURE if gone else "")
            return
        showStatus(self.ui.cardLabel, bundles.cardSummary(entry))
        self.ui.cardText.setPlainText(bundles.wholeCard(entry))

    def _showRows(self) -> None:
        """A row per view of the model, and only what this model asks."""
        parameters, anyViews = self.panel.parameters, self.entry is not None and self.entry.anyViews
        views = [] if self.entry is None else [""] * MOST_VIEWS if anyViews else self.entry.views
        used = len(usedNodes(parameters, self.entry)) if self.entry is not None else 0
        framed = self.entry is not None and self.entry.needsFrame
        marked = framed and parameters.reconstructPlacement == PLACED_BY_MARKS
        for number in range(1, MOST_VIEWS + 1):
            label, selector, button = self._row(number)
            there = number <= len(views)
            label.setVisible(there)
            getattr(self.ui, f"viewRow{number}").setVisible(there)
            button.setVisible(there and marked)
            named = _("{view} view:").format(view=views[number - 1]) if there else ""
            label.text = _("View {number}:").format(number=number) if anyViews else named
        for name, there in (
            ("sideCombo", framed),
            ("placementCombo", framed),
            ("framePoseSelector", framed and not marked),
            ("translationCombo", framed and not anyViews),
            ("upCombo", marked),
            ("detectorSpinBox", marked and (used if anyViews else len(views)) == 1),
        ):
            getattr(self.ui, name).setVisible(there)
            getattr(self.ui, f"{name}Label").setVisible(there)
        self.ui.reconstructAdvancedSection.setVisible(framed)
        self.ui.uncalibratedCheckBox.setVisible(anyViews and marked and used > 1)
        self._showRefiner(framed and not anyViews)

    def _showRefiner(self, offered: bool) -> None:
        """Refining needs an installed bundle of shape models of these bones."""
        box, refiner = self.ui.refineCheckBox, self._refiner if offered else None
        box.setVisible(offered)
        box.enabled = refiner is not None and not self.panel.run.running
        ready = _("Then fit shape models to the radiographs, as they are, and say how sure each spot is ({name})")
        none = _("No bundle of shape models of these bones is installed; add one to the models above")
        unknown = _("Refine: no shape models of these bones")
        box.text = _("Refine against the radiographs") if refiner is not None else unknown
        box.toolTip = bundles.plain(ready.format(name=refiner.title)) if refiner is not None else none

    def _fillIn(self) -> None:
        """Choose what the radiographs say themselves: view and side. Nothing that a person chose is changed."""
        parameters = self.panel.parameters
        if self.entry is None or self.panel.run.running:
            return
        chosen = viewNodes(parameters, self.entry)
        if self.entry.anyViews and not any(chosen):
            parameters.reconstructView1 = next(iter(radiographs.radiographNodes()), None)
        views = [] if self.entry.anyViews else self.entry.views
        for number, (view, node) in enumerate(zip(views, chosen, strict=False), start=1):
            if node is None:
                found = [
                    each
                    for each in radiographs.radiographNodes()
                    if each not in chosen and sameView(each.GetAttribute("XRayTo3D.View") or "", view)
                ]
                if len(found) == 1:
                    setattr(parameters, f"reconstructView{number}", found[0])
        if not SIDES[parameters.reconstructSide]:
            nodes = usedNodes(parameters, self.entry)
            said = {node.GetAttribute("XRayTo3D.Laterality") or "" for node in nodes}
            side = {"R": "Right", "L": "Left"}.get(next(iter(said))) if len(said) == 1 else None
            if side is not None:
                parameters.reconstructSide = side

    # ---- marks -----------------------------------------------------------------------------------------------------

    def originNodes(self) -> list[Any]:
        """The point lists of the chosen radiographs, to be observed."""
        if self.entry is None or self.panel.parameters is None:
            return []
        chosen = usedNodes(self.panel.parameters, self.entry)
        found = [node.GetNodeReference(radiographs.ORIGIN) for node in chosen]
        return [node for node in found if node is not None]

    def onPlace(self, number: int) -> None:
        """The next click in the radiograph marks the joint; the views are shown for it."""
        node = viewNodes(self.panel.parameters, self.entry)[number - 1]
        if node is None:
            return
        marks = originList(node, self.panel.parameters.caseName)
        self.panel.showLayout()
        points.placeNext(marks, JOINT)
        self.panel.sync()
        text = _("Click the middle of the joint in view {letter}: of the radius' joint surface, of the knee's line.")
        self.panel.say(text.format(letter=radiographs.viewLetter(node)))
        self._asked = (node, originPixel(node))

    def _showMarks(self) -> None:
        """What is marked, on the buttons; what looks wrong, below."""
        if self._asked is not None and originPixel(self._asked[0]) not in (None, self._asked[1]):
            self._asked = None
            self.panel.say("")
        for number, node in enumerate(viewNodes(self.panel.parameters, self.entry), start=1):
            button, pixel = self._row(number)[2], originPixel(node)
            button.enabled = node is not None and not self.panel.run.running
            button.text = _("Mark joint") if pixel is None else f"✓ {pixel[0]:.0f}, {pixel[1]:.0f}"
            letter = radiographs.viewLetter(node) if node is not None else ""
            ready = _("Click the joint's middle in view {letter} next").format(letter=letter)
            again = _("Marked at this column and row; press to mark it anew in view {letter}").format(letter=letter)
            button.toolTip = _("Choose the radiograph first") if node is None else ready if pixel is None else again
        translated = self.translation is not None
        showStatus(self.ui.doubtsLabel, doubts(self.panel.parameters, self.entry, translated=translated), UNSURE)

    def problem(self) -> str:
        """What is missing to reconstruct, empty when nothing is."""
        return (
            missing(self.panel.parameters, self.entry) if self.panel.parameters is not None else _("Enter the module")
        )


def originList(node: Any, caseName: str) -> Any:
    """The list with the one point that marks the joint in a radiograph, made where missing."""
    marks = node.GetNodeReference(radiographs.ORIGIN)
    if marks is None:
        marks = points.newList(f"{node.GetName()} joint", radiographs.colourOf(node))
        marks.GetDisplayNode().SetPointLabelsVisibility(False)  # one dot, in the view's colour, says it
        node.SetNodeReferenceID(radiographs.ORIGIN, marks.GetID())
        folders.fileNode(marks, caseName)
    points.addUnset(marks, [JOINT])
    return marks
