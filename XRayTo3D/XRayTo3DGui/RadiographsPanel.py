"""Section 1: load radiographs with their X-ray geometry, see what was decided, look at them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from XRayTo3DGui import folders, mrml
from XRayTo3DGui import mrml_radiographs as radiographs
from XRayTo3DGui.jobs import Throttle
from XRayTo3DGui.layouts import XRayLayout
from XRayTo3DGui.panel import BAD, GOOD, showStatus
from XRayTo3DGui.radiograph_form import RadiographForm
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.radiograph_reader import read_radiograph

COLUMNS = ("Name", "View", "Spacing", "SDD")
SPACING_WORDS = {"detector": "detector plane", "calibrated": "calibrated", "user": "given by you"}


class RadiographsPanel:
    """The panel; ``layout`` and the scene's radiographs are shared with the registration panel."""

    def __init__(self, widget: Any) -> None:
        self.widget = widget
        self.layout = XRayLayout()
        self._parameters: Any = None
        self._guiTag: Any = None
        self._tags: list[tuple[Any, int]] = []
        self._geometryTags: list[tuple[Any, int]] = []
        self._rows: list[str] = []
        self._filling = False
        self._refresh = Throttle(self.refresh, 50)

    # ---- life ----------------------------------------------------------------------------------------------------

    def setup(self) -> Any:
        """Build the section."""
        uiWidget = slicer.util.loadUI(self.widget.resourcePath("UI/Radiographs.ui"))
        self.ui = ui = slicer.util.childWidgetVariables(uiWidget)
        self.form = RadiographForm(ui)
        ui.moreBox.collapsed = True
        self._prepareTable()
        for spinBox in (ui.spacingColumnSpinBox, ui.spacingRowSpinBox, ui.sddSpinBox, ui.magnificationSpinBox):
            spinBox.connect("valueChanged(double)", self._onAnswer)
        ui.sourceIsocentreSpinBox.connect("valueChanged(double)", self._onAnswer)
        ui.viewCombo.connect("currentIndexChanged(int)", self._onAnswer)
        ui.spacingKindCombo.connect("currentIndexChanged(int)", self._onAnswer)
        ui.radiographPath.connect("currentPathChanged(QString)", self.onPath)
        ui.cameraPath.connect("currentPathChanged(QString)", self._onAnswer)
        ui.loadButton.connect("clicked(bool)", self.onLoad)
        ui.loadedTable.connect("itemSelectionChanged()", self._onSelection)
        ui.loadedTable.connect("itemChanged(QTableWidgetItem*)", self._onItemChanged)
        ui.removeButton.connect("clicked(bool)", self.onRemove)
        ui.exportCameraButton.connect("clicked(bool)", self.onExportCamera)
        ui.showLayoutButton.connect("clicked(bool)", self.onShowLayout)
        ui.backLayoutButton.connect("clicked(bool)", self.onPreviousLayout)
        ui.exampleButton.connect("clicked(bool)", self.onExample)
        ui.showBeamsCheckBox.connect("toggled(bool)", self._refresh.request)
        self.layout.register()
        self.form.inspect("")
        self._updateLoadButton()
        showStatus(ui.statusLabel, "")
        self.refresh()
        return uiWidget

    def setParameterNode(self, node: Any | None) -> None:
        """Follow another parameter node, and the radiographs of the scene with it."""
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
        self._unobserve()
        self._parameters = node
        if node is not None:
            self._guiTag = node.connectGui(self.ui)
            scene = slicer.mrmlScene
            for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent):
                self._tags.append((scene, scene.AddObserver(event, self._refresh.request)))
        self.refresh()

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
        self._refresh.stop()
        self._unobserve()

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
        self.widget.registration.requestOverlay()

    # ---- loading -------------------------------------------------------------------------------------------------

    def onPath(self, path: str) -> None:
        """Another file: its facts, and fields for what it does not say."""
        self.form.clear()
        self.form.inspect(path)
        showStatus(self.ui.statusLabel, self.form.problem, BAD)
        self._updateLoadButton()

    def _onAnswer(self, *_: Any) -> None:
        self._updateLoadButton()

    def _updateLoadButton(self) -> None:
        """Greyed with the reason while something is missing."""
        missing = self.form.missing()
        self.form.markMissing()
        button = self.ui.loadButton
        button.enabled = self.form.info is not None and not missing
        if self.form.info is None:
            button.toolTip = self.form.problem or _("Choose a radiograph file first")
        elif missing:
            button.toolTip = _("Still needed: {fields}").format(fields=", ".join(missing))
            showStatus(self.ui.statusLabel, _("Still needed: {fields}.").format(fields=", ".join(missing)))
        else:
            button.toolTip = _("Load the radiograph into the scene, where its detector was")
            showStatus(self.ui.statusLabel, "")

    def onLoad(self, *_args: Any) -> None:
        """Read the file and place the radiograph in the scene; what a person can mend is said in the panel."""
        path = Path(self.ui.radiographPath.currentPath).expanduser()
        with slicer.util.tryWithErrorDisplay(_("The radiograph could not be loaded."), waitCursor=True):
            try:
                node = radiographs.radiographToScene(read_radiograph(path, **self.form.arguments()))
            except InputError as error:
                showStatus(self.ui.statusLabel, str(error), BAD)
                return
            folders.fileRadiograph(node, self._caseName())
            self.ui.radiographPath.addCurrentPathToHistory()
            self.refresh()
            self._select(node)
            showStatus(self.ui.statusLabel, _("{name} loaded.").format(name=node.GetName()), GOOD)
            if self.layout.shown:
                self.layout.show()

    def onExample(self, *_args: Any) -> None:
        """The synthetic wrist, and the layout to see it in: here a person asked for something to look at."""
        with slicer.util.tryWithErrorDisplay(_("The example could not be made."), waitCursor=True):
            try:
                self.widget.logic.loadExample()
            except InputError as error:
                showStatus(self.ui.statusLabel, str(error), BAD)
                return
            self.widget.registration.onBoneModel()
            self.refresh()
            self.layout.show()
            self._updateLayoutButtons()
            text = _("Synthetic wrist loaded. The CT is not yet where it was exposed: register it in section 2.")
            showStatus(self.ui.statusLabel, text, GOOD)

    def _caseName(self) -> str:
        return self._parameters.caseName if self._parameters is not None else ""

    # ---- the table -----------------------------------------------------------------------------------------------

    def _prepareTable(self) -> None:
        table = self.ui.loadedTable
        table.setColumnCount(len(COLUMNS))
        table.setHorizontalHeaderLabels([_(name) for name in COLUMNS])
        table.verticalHeader().setVisible(False)
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        header.setHighlightSections(False)

    def refresh(self) -> None:
        """Table, beams and buttons as the scene has them now."""
        self._refresh.stop()
        nodes = radiographs.radiographNodes() if self._parameters is not None else []
        selected = self._selectedNode()
        self._filling = True
        try:
            self._fill(nodes)
        finally:
            self._filling = False
        self._select(selected if selected in nodes else None)
        self._updateBeams(nodes)
        self._observeGeometry(nodes)
        self._updateLayoutButtons()
        self._onSelection()

    def _fill(self, nodes: list[Any]) -> None:
        table = self.ui.loadedTable
        self._rows = [node.GetID() for node in nodes]
        table.setRowCount(len(nodes))
        rowHeight = 26
        for row, node in enumerate(nodes):
            for column, text in enumerate(_cells(node)):
                table.setItem(row, column, _item(text, node if column == 0 else None))
            table.setRowHeight(row, rowHeight)
        table.setFixedHeight(28 + rowHeight * max(2, len(nodes)) + 4)

    def _onItemChanged(self, item: Any) -> None:
        if self._filling or item.column() != 0 or item.row() >= len(self._rows):
            return
        node = slicer.mrmlScene.GetNodeByID(self._rows[item.row()])
        node.SetAttribute(radiographs.SHOW_BEAM, "1" if item.checkState() == qt.Qt.Checked else "0")
        self._updateBeams([node])

    def _updateBeams(self, nodes: list[Any]) -> None:
        wanted = self._parameters is not None and self._parameters.showBeams
        for node in nodes:
            try:
                radiographs.updateBeam(node)
            except InputError as error:
                showStatus(self.ui.statusLabel, str(error), BAD)
                continue
            radiographs.showBeam(node, wanted and node.GetAttribute(radiographs.SHOW_BEAM) != "0")

    def _selectedNode(self) -> Any:
        row = self.ui.loadedTable.currentRow()
        return slicer.mrmlScene.GetNodeByID(self._rows[row]) if 0 <= row < len(self._rows) else None

    def _select(self, node: Any) -> None:
        if node is not None and node.GetID() in self._rows:
            self.ui.loadedTable.selectRow(self._rows.index(node.GetID()))
        else:
            self.ui.loadedTable.clearSelection()
            self.ui.loadedTable.setCurrentCell(-1, -1)

    def _onSelection(self) -> None:
        node = self._selectedNode() if not self._filling else None
        self.ui.removeButton.enabled = self.ui.exportCameraButton.enabled = node is not None
        self.ui.detailLabel.setVisible(node is not None)
        self.ui.detailLabel.text = _details(node) if node is not None else ""

    def onRemove(self, *_args: Any) -> None:
        """Remove the selected radiograph; the layout follows if it is shown."""
        node = self._selectedNode()
        if node is None:
            return
        name = node.GetName()
        radiographs.removeRadiograph(node)
        self.refresh()
        showStatus(self.ui.statusLabel, _("{name} removed.").format(name=name))
        if self.layout.shown:
            self.layout.show() if self._rows else self.layout.back()

    def onExportCamera(self, *_args: Any) -> None:
        """Ask for a file and write the selected radiograph's camera as the scene has it now."""
        node = self._selectedNode()
        suggested = str(Path.home() / "camera.json")
        chosen = qt.QFileDialog.getSaveFileName(
            slicer.util.mainWindow(), _("Export camera"), suggested, _("Camera (*.json)")
        )
        if not chosen or node is None:
            return
        try:
            radiographs.cameraFromNode(node).save(Path(chosen).with_suffix(".json"))
        except (InputError, OSError) as error:
            showStatus(self.ui.statusLabel, str(error), BAD)
            return
        showStatus(self.ui.statusLabel, _("Camera written to {path}.").format(path=chosen), GOOD)

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
        self.ui.showLayoutButton.enabled = bool(self._rows)
        self.ui.backLayoutButton.enabled = self.layout.shown


def _cells(node: Any) -> tuple[str, ...]:
    """Texts of one row."""
    view = " ".join(p for p in (node.GetAttribute("XRayTo3D.View"), node.GetAttribute("XRayTo3D.Laterality")) if p)
    try:
        camera = radiographs.cameraFromNode(node)
    except InputError:
        return node.GetName(), view or "–", "–", _("no source")
    column, row = camera.spacing
    spacing = f"{column:.3g} mm" if abs(column / row - 1) < 1e-3 else f"{column:.3g} × {row:.3g} mm"
    return node.GetName(), view or "–", spacing, f"{camera.sdd:.0f} mm"


def _item(text: str, node: Any = None) -> Any:
    """A cell; the first one carries the view's colour and the tick for its beam."""
    item = qt.QTableWidgetItem(text)
    item.setToolTip(text)
    if node is not None:
        red, green, blue = (round(255 * value) for value in radiographs.colourOf(node))
        swatch = qt.QPixmap(12, 12)
        swatch.fill(qt.QColor(red, green, blue))
        item.setIcon(qt.QIcon(swatch))
        ticked = node.GetAttribute(radiographs.SHOW_BEAM) != "0"
        item.setCheckState(qt.Qt.Checked if ticked else qt.Qt.Unchecked)
    return item


def _details(node: Any) -> str:
    """What was decided about a radiograph, as short HTML."""
    size = node.GetImageData().GetDimensions() if node.GetImageData() else (0, 0)
    source = SPACING_WORDS.get(node.GetAttribute("XRayTo3D.SpacingSource") or "", "?")
    lines = [
        f"<b>{_('View {letter}').format(letter=radiographs.viewLetter(node))}</b>  {node.GetName()}",
        _("{columns} × {rows} pixels, spacing: {source}.").format(columns=size[0], rows=size[1], source=source),
        _("Intensities: {how}").format(how=node.GetAttribute("XRayTo3D.IntensityHow") or "–"),
        *(node.GetAttribute("XRayTo3D.Notes") or "").split("\n"),
    ]
    if node.GetAttribute(mrml.SYNTHETIC) == "1":
        lines[0] += f" <b>{_('synthetic')}</b>" if mrml.SYNTHETIC_MARK not in node.GetName() else ""
    return "<br>".join(line for line in lines if line)
