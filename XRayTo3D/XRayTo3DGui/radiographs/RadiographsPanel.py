"""Section 1: load radiographs with their X-ray geometry, see and mend it, crop, check, look at them."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from XRayTo3DGui.binding import GuiBinding
from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.panel import BAD, GOOD, allow, showStatus
from XRayTo3DGui.radiographs.load_part import LoadPart
from XRayTo3DGui.radiographs.selected_part import SelectedPart
from XRayTo3DGui.radiographs.table import RadiographTable, inPanelWords
from XRayTo3DGui.registration.bone import torchProblem
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.layouts import XRayLayout
from XRayTo3DLib.errors import InputError


class RadiographsPanel:
    """The panel; ``layout`` and the scene's radiographs are shared with the registration panel."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.layout = XRayLayout()
        self.parameters: Any = None
        self._binding: Any = None
        self._seen = False
        """Whether the X-ray layout has come by itself."""
        self._tags: list[tuple[Any, int]] = []
        self._geometryTags: list[tuple[Any, int]] = []
        self._refresh = Throttle(self.refresh, 50)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Radiographs.ui"))
        self.ui = ui = slicer.util.childWidgetVariables(uiWidget)
        self.table = RadiographTable(ui.loadedTable, self._onSelection, self._onTick)
        self.load = LoadPart(self, self._onLoaded)
        self.selected = SelectedPart(self, self._onRadiographChanged)
        ui.removeButton.connect("clicked(bool)", self.onRemove)
        ui.showLayoutButton.connect("clicked(bool)", self.onShowLayout)
        ui.backLayoutButton.connect("clicked(bool)", self.onPreviousLayout)
        ui.exampleButton.connect("clicked(bool)", self.onExample)
        ui.showBeamsCheckBox.connect("toggled(bool)", self._refresh.request)
        self.layout.register()
        self.say("")
        self.refresh()
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node, and the radiographs of the scene with it."""
        if self.parameters is not None:
            self._binding.disconnect()
        self._unobserve()
        self.parameters = node
        if node is not None:
            self._binding = GuiBinding(node, self.ui)
            scene = slicer.mrmlScene
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
                self._tags.append((scene, scene.AddObserver(event, self._refresh.request)))
            self.load.restore()
        self.selected.crop.follow(node.cropBox if node is not None else None)
        self.refresh()
        if node is not None and node.radiographSelected is not None:
            self.table.select(node.radiographSelected)
            self._onSelection()

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
        self._refresh.stop()
        self.selected.cleanup()
        self._unobserve()

    def say(self, text: str, colour: str = "") -> None:
        """One sentence under the load button."""
        showStatus(self.ui.statusLabel, inPanelWords(text), colour)

    def _unobserve(self) -> None:
        for observed, tag in [*self._tags, *self._geometryTags]:
            observed.RemoveObserver(tag)
        self._tags, self._geometryTags = [], []

    def _observeGeometry(self, nodes: list[Any]) -> None:
        """A source or a radiograph moved by hand changes its camera: beam, table and overlay follow."""
        for observed, tag in self._geometryTags:
            observed.RemoveObserver(tag)
        watched = [(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent) for node in nodes]
        sources = [radiographs.sourceNode(node) for node in nodes]
        watched += [(source, source.PointModifiedEvent) for source in sources if source is not None]
        self._geometryTags = [(node, node.AddObserver(event, self._onGeometry)) for node, event in watched]

    def _onGeometry(self, *_: Any) -> None:
        self._refresh.request()
        self.widget.registration.overlay.request()

    def _onRadiographChanged(self) -> None:
        """Edited, cropped or mirrored: views, table and overlay follow."""
        self.refresh()
        self.widget.registration.updateButtons()
        self.widget.registration.overlay.request()
        if self.layout.shown:
            self.layout.show()

    def _onLoaded(self, node: Any) -> None:
        self.refresh()
        self.table.select(node)
        if self.layout.shown or not self._seen:  # once only: who went back to another layout stays there
            self._seen = True
            self.onShowLayout()

    def askFor(self, path: str) -> None:
        """The DICOM plug-in's way in: files that do not say all of their geometry, asked about one by one."""
        self.widget.ui.radiographsSection.collapsed = False
        self.load.askFor(path)

    def onExample(self, *_args: Any) -> None:
        """The synthetic wrist, and the layout to see it in: here a person asked for something to look at."""
        with slicer.util.tryWithErrorDisplay(_("The example could not be made."), waitCursor=True):
            try:
                self.widget.logic.loadExample()
            except InputError as error:
                self.say(str(error), BAD)
                return
            except ModuleNotFoundError:
                if not torchProblem():
                    raise
                self.say(torchProblem(), BAD)
                return
            self.widget.registration.onBoneModel()
            self.refresh()
            self.layout.show()
            self._updateLayoutButtons()
            self.say(
                _("Synthetic wrist loaded. The CT is not yet where it was exposed: register it in section 2."), GOOD
            )

    # ---- the table -----------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Table, beams and buttons as the scene has them now."""
        self._refresh.stop()
        nodes = radiographs.radiographNodes() if self.parameters is not None else []
        self.table.fill(nodes)
        self._updateBeams(nodes)
        self._observeGeometry(nodes)
        self.layout.follow()
        self._updateLayoutButtons()
        self.load.updateVolumes()
        self.selected.show(self.table.selected())

    def _onTick(self, node: Any, ticked: bool) -> None:
        node.SetAttribute(radiographs.SHOW_BEAM, "1" if ticked else "0")
        self._updateBeams([node])

    def _updateBeams(self, nodes: list[Any]) -> None:
        wanted = self.parameters is not None and self.parameters.showBeams
        for node in nodes:
            try:
                radiographs.updateBeam(node)
            except InputError as error:
                self.say(str(error), BAD)
                continue
            radiographs.showBeam(node, wanted and node.GetAttribute(radiographs.SHOW_BEAM) != "0")

    def _onSelection(self) -> None:
        node = self.table.selected()
        if self.parameters is not None:
            self.parameters.radiographSelected = node
        self.selected.show(node)

    def onRemove(self, *_args: Any) -> None:
        """Remove the selected radiograph; the layout follows if it is shown."""
        node = self.table.selected()
        if node is None:
            return
        name = node.GetName()
        self.widget.logic.removeRadiograph(node)
        self.refresh()
        self.say(_("{name} removed.").format(name=name))
        if self.layout.shown:
            self.layout.show() if self.table.rows else self.layout.back()

    # ---- layout --------------------------------------------------------------------------------------------------

    def onShowLayout(self, *_args: Any) -> None:
        """One view per radiograph."""
        self.layout.show()
        self._updateLayoutButtons()

    def onPreviousLayout(self, *_args: Any) -> None:
        """As it was."""
        self.layout.back()
        self._updateLayoutButtons()

    def _updateLayoutButtons(self) -> None:
        allow(self.ui.showLayoutButton, "" if self.table.rows else _("Load a radiograph first"))
        allow(self.ui.backLayoutButton, "" if self.layout.shown else _("Show the X-ray layout first"))
