"""The geometry group: every value of the selected radiograph with where it came from; what is changed is applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.panel import QUIET, UNSURE, allow
from XRayTo3DGui.radiographs.form import KINDS, VIEWS
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DGui.scene.radiograph_changes import asLoaded, isEdited
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.geometry_edit import GeometryEdit, ShownGeometry, edit_geometry, hung_mirrored, shown_geometry
from XRayTo3DLib.imaging.radiograph_facts import ASSUMED, CAMERA_FILE, EDITED, FILE, YOU, RadiographFacts, source_word
from XRayTo3DLib.imaging.types import Radiograph

SIDES = ("", "L", "R")
SPACING_DECIMALS, LENGTH_DECIMALS, OFFSET_DECIMALS = 4, 1, 2


def sourceText(source: str) -> str:
    """One word in the panel's language for a source of :class:`RadiographFacts`."""
    words = {
        YOU: _("you"),
        CAMERA_FILE: _("camera file"),
        EDITED: _("edited"),
        ASSUMED: _("assumed"),
        FILE: _("file"),
    }
    return words.get(source_word(source), "–")


class GeometryFields:
    """Shows and edits one radiograph's geometry; nothing reaches the scene before ``apply``.

    Args:
        ui: The panel's widgets.
        onChanged: Called when a field was changed, for the buttons.
    """

    def __init__(self, ui: Any, onChanged: Callable[[], None]) -> None:
        self.ui, self._onChanged = ui, onChanged
        self.node: Any = None
        self._shown: ShownGeometry | None = None
        self._radiograph: Radiograph | None = None
        self._before: Radiograph | None = None
        self._key: tuple[Any, ...] = ()
        self._filling = False
        self._numbers = (
            ui.geometryColumnSpin,
            ui.geometryRowSpin,
            ui.geometrySddSpin,
            ui.geometryObjectSpin,
            ui.geometryAcrossSpin,
            ui.geometryDownSpin,
        )
        for spin in self._numbers:
            spin.connect("valueChanged(double)", self._onField)
        for combo in (ui.geometryKindCombo, ui.geometryViewCombo, ui.geometrySideCombo):
            combo.connect("currentIndexChanged(int)", self._onField)

    # ---- show ----------------------------------------------------------------------------------------------------

    def show(self, node: Any) -> None:
        """A radiograph's values; what was typed and not applied stays while nothing else changed them."""
        self.node = node
        try:
            radiograph = radiographs.radiographFromNode(node) if node is not None else None
        except InputError:  # no pixels or no source: the table says so
            radiograph = None
        key = () if radiograph is None else _keyOf(node, radiograph)
        self._radiograph = radiograph
        if key != self._key:
            self._key = key
            self._before = None if radiograph is None else asLoaded(node, radiograph)
            self._fill()
        self._onChanged()

    def _fill(self) -> None:
        radiograph = self._radiograph
        self.ui.geometryBox.enabled = radiograph is not None
        if radiograph is None:
            self._shown = None
            return
        self._filling = True
        try:
            self._shown = shown_geometry(radiograph)
            self._fillValues(self._shown)
            self._fillSources(radiograph.facts)
        finally:
            self._filling = False

    def _fillValues(self, shown: ShownGeometry) -> None:
        ui = self.ui
        values = (*shown.spacing, shown.sdd, shown.source_isocentre or 0.0, *shown.principal_offset)
        for spin, value in zip(self._numbers, values, strict=True):
            spin.value = value
        ui.geometryKindCombo.currentIndex = KINDS.index(shown.spacing_kind) - 1
        views = [view or "" for view in VIEWS]
        ui.geometryViewCombo.currentIndex = views.index(shown.view) if shown.view in views else 0
        ui.geometryViewCombo.setItemText(0, shown.view if shown.view not in views else _("not known"))
        ui.geometrySideCombo.currentIndex = SIDES.index(shown.laterality)
        whole = shown.source_isocentre is None
        why = _("Load it without a camera file first: that has placed everything, and this means nothing beside it")
        for each in (ui.geometryObjectSpin, ui.geometryKindCombo):
            allow(each, why if whole else "")
        ui.geometryObjectSpin.specialValueText = _("exact by the camera") if whole else _("on the detector")

    def _fillSources(self, facts: RadiographFacts) -> None:
        ui = self.ui
        rows = (
            (ui.geometrySpacingSource, facts.spacing_from),
            (ui.geometrySddSource, facts.sdd_from),
            (ui.geometryObjectSource, facts.isocentre_from),
            (ui.geometryCentreSource, facts.principal_from),
            (ui.geometryViewSource, facts.view_from),
            (ui.geometrySideSource, facts.laterality_from),
        )
        for label, source in rows:
            label.text = sourceText(source)
            label.toolTip = source or _("It was not recorded where this came from")
            doubtful = source_word(source) in (ASSUMED, EDITED)
            label.setStyleSheet(f"color: {UNSURE if doubtful else QUIET}")

    # ---- changes -------------------------------------------------------------------------------------------------

    def _onField(self, *_args: Any) -> None:
        if not self._filling:
            self._onChanged()

    def changes(self) -> dict[str, Any]:
        """What differs from the radiograph, as arguments of :class:`GeometryEdit`."""
        if self._shown is None:
            return {}
        shown, ui = self._shown, self.ui
        found: dict[str, Any] = {}
        pairs = (
            ("spacing", shown.spacing, (ui.geometryColumnSpin.value, ui.geometryRowSpin.value), SPACING_DECIMALS),
            (
                "principal_offset",
                shown.principal_offset,
                (ui.geometryAcrossSpin.value, ui.geometryDownSpin.value),
                OFFSET_DECIMALS,
            ),
            ("sdd", (shown.sdd,), (ui.geometrySddSpin.value,), LENGTH_DECIMALS),
            ("source_isocentre", (shown.source_isocentre or 0.0,), (ui.geometryObjectSpin.value,), LENGTH_DECIMALS),
        )
        for name, before, now, decimals in pairs:
            # A field shows rounded numbers: only what was typed counts, the other keeps all its digits.
            typed = [
                abs(new - round(old, decimals)) > 0.4 * 10**-decimals for old, new in zip(before, now, strict=True)
            ]
            if any(typed):
                values = tuple(new if each else old for each, old, new in zip(typed, before, now, strict=True))
                found[name] = values if len(values) > 1 else values[0]
        kind = KINDS[ui.geometryKindCombo.currentIndex + 1]
        if kind != shown.spacing_kind:
            found["spacing_kind"] = kind
        view = VIEWS[ui.geometryViewCombo.currentIndex] or ""
        if view != (shown.view if shown.view in VIEWS else ""):
            found["view"] = view
        side = SIDES[ui.geometrySideCombo.currentIndex]
        if side != shown.laterality:
            found["laterality"] = side
        return found

    def problem(self) -> str:
        """Why what is typed cannot be applied, "" where it can."""
        if self._radiograph is None:
            return _("Select a radiograph in the table first")
        changes = self.changes()
        if not changes:
            return _("Change a value first")
        try:
            edit_geometry(self._radiograph, GeometryEdit(**changes))
        except InputError as error:
            return str(error)
        return ""

    def magnificationText(self) -> str:
        """What the fields amount to at the object."""
        sdd, distance = self.ui.geometrySddSpin.value, self.ui.geometryObjectSpin.value
        if self._shown is None or self._shown.source_isocentre is None or sdd <= 0:
            return ""
        return _("× {factor:.3f}").format(factor=sdd / (distance or sdd))

    def resetProblem(self) -> str:
        """Why there is nothing to go back to, "" where there is."""
        if self._radiograph is None:
            return _("Select a radiograph in the table first")
        if self._before is None:
            return _("The scene does not hold what the file said")
        edited = isEdited(self._radiograph, self._before) or self.changes()
        return "" if edited else _("Nothing was changed")

    def mirrorProblem(self) -> str:
        """Why the picture cannot be mirrored, "" where it can."""
        if self._radiograph is None:
            return _("Select a radiograph in the table first")
        if self._radiograph.assumed_placement and hung_mirrored(self._radiograph.camera):
            return _("The header says that it hangs mirrored, and the camera follows that: nothing is to be done")
        return ""

    @property
    def radiograph(self) -> Radiograph | None:
        """What is shown; None where it cannot be read."""
        return self._radiograph

    def forget(self) -> None:
        """What was typed is dropped; the fields show the radiograph again."""
        self._key = ()
        self.show(self.node)


def _keyOf(node: Any, radiograph: Radiograph) -> tuple[Any, ...]:
    """What makes the fields show something else."""
    camera = radiograph.camera
    place = (*camera.source, *camera.origin, *camera.column_direction, *camera.row_direction)
    return node.GetID(), shown_geometry(radiograph), radiograph.facts, camera.size, place
