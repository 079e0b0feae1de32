"""Change a radiograph's X-ray geometry value by value, as a person corrects what a file says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.calibration import VIEWS
from XRayTo3DLib.geometry.frames import FloatArray
from XRayTo3DLib.geometry.spacing import Answers
from XRayTo3DLib.imaging.radiograph_facts import EDITED, YOU
from XRayTo3DLib.imaging.types import Radiograph, SpacingSource

SIDES = ("", "L", "R")
FARTHEST = 10.0
"""Pictures' widths that the central ray may at most lie off the middle."""


@dataclass(frozen=True)
class GeometryEdit:
    """What to change; ``None`` leaves a value as it is.

    Attributes:
        spacing: (column, row) mm.
        spacing_kind: Where the spacing holds: ``detector`` or ``calibrated`` (at the object). Given alone, the number
            that was given before is taken to hold there.
        sdd: Source to detector distance, mm.
        source_isocentre: Source to object distance, mm; 0: the object lies on the detector.
        principal_offset: (column, row) pixels from the picture's middle to where the central ray meets the detector.
        view: AP, PA, LAT, LL or RL; "": not known.
        laterality: "L", "R" or "".
    """

    spacing: tuple[float, float] | None = None
    spacing_kind: str | None = None
    sdd: float | None = None
    source_isocentre: float | None = None
    principal_offset: tuple[float, float] | None = None
    view: str | None = None
    laterality: str | None = None


@dataclass(frozen=True)
class ShownGeometry:
    """A radiograph's geometry in the numbers that a person gives; see :class:`GeometryEdit` for the units.

    ``source_isocentre`` is ``None`` where the camera was given as a whole: the object's place is known exactly then.
    """

    spacing: tuple[float, float]
    spacing_kind: str
    sdd: float
    source_isocentre: float | None
    principal_offset: tuple[float, float]
    view: str
    laterality: str

    @property
    def magnification(self) -> float | None:
        """SDD over source to object distance; ``None`` where the latter is."""
        return None if self.source_isocentre is None else self.sdd / (self.source_isocentre or self.sdd)


def shown_geometry(radiograph: Radiograph) -> ShownGeometry:
    """The present geometry; what was moved in a scene is in it."""
    camera, facts = radiograph.camera, radiograph.facts
    isocentre = (facts.isocentre_mm or 0.0) if facts.isocentre_from else None
    kind = facts.spacing_kind or "detector"
    factor = camera.sdd / (isocentre or camera.sdd) if kind == "calibrated" else 1.0
    offset = camera.principal_point - (np.array(camera.size) - 1) / 2
    return ShownGeometry(
        spacing=(camera.spacing[0] / factor, camera.spacing[1] / factor),
        spacing_kind=kind,
        sdd=camera.sdd,
        source_isocentre=isocentre,
        principal_offset=(float(offset[0]), float(offset[1])),
        view=radiograph.view,
        laterality=radiograph.laterality,
    )


def edit_geometry(radiograph: Radiograph, edit: GeometryEdit) -> Radiograph:
    """The same picture with another geometry; ``facts`` say "edited" and what it was before.

    The object's place in the world stays: the isocentre where there is one, else the source. A view turns source and
    detector about it, unless the camera was given as a whole; then the view is a word only.

    Raises:
        InputError: Values that are no geometry, or a source to object distance for a camera given as a whole.
    """
    before = shown_geometry(radiograph)
    _check(radiograph, edit, before)
    sdd = before.sdd if edit.sdd is None else edit.sdd
    isocentre = before.source_isocentre if edit.source_isocentre is None else edit.source_isocentre
    if isocentre is not None and isocentre > sdd:
        raise InputError(
            f"radiograph {radiograph.name}: the source to object distance {isocentre:g} mm is larger than the source "
            f"to detector distance {sdd:g} mm; they may be swapped."
        )
    kind = edit.spacing_kind or before.spacing_kind
    factor = sdd / (isocentre or sdd) if kind == "calibrated" else 1.0
    column, row = edit.spacing or before.spacing
    camera = _rebuilt(
        radiograph.camera,
        before,
        sdd,
        isocentre,
        (column * factor, row * factor),
        edit.principal_offset or before.principal_offset,
    )
    if edit.view and radiograph.assumed_placement:
        camera = _turned(camera, edit.view.upper(), isocentre)
    return _described(replace(radiograph, camera=camera), before, edit, kind, isocentre)


def mirror_radiograph(radiograph: Radiograph) -> Radiograph:
    """Left and right of the picture exchanged, for one that was exported mirrored: its side marker reads backwards.

    The exposure stays: the central ray meets the same spot of the picture's content.

    Raises:
        InputError: The header says that the picture hangs mirrored; its camera has followed that.
    """
    if radiograph.assumed_placement and hung_mirrored(radiograph.camera):
        raise InputError(
            f"radiograph {radiograph.name} hangs mirrored as its header says, and its camera follows that; mirroring "
            f"the picture too would exchange left and right."
        )
    camera = radiograph.camera
    column = camera.principal_point[0]
    shift = (2 * column - (camera.size[0] - 1)) * camera.spacing[0]
    facts = replace(radiograph.facts, mirrored=not radiograph.facts.mirrored)
    origin = camera.origin + shift * camera.column_direction
    return replace(radiograph, pixels=radiograph.pixels[:, ::-1], camera=replace(camera, origin=origin), facts=facts)


def hung_mirrored(camera: XRayCamera) -> bool:
    """Whether the picture hangs mirrored against how a picture of its view is hung (patient's left to the right)."""
    view = _nearest_view(camera)
    beam, columns = (np.array(part, dtype=float) for part in VIEWS[view])
    usual = float(np.cross(columns, [0.0, 0.0, -1.0]) @ beam)
    return usual * float(camera.normal @ _towards(camera)) < 0


def _check(radiograph: Radiograph, edit: GeometryEdit, before: ShownGeometry) -> None:
    name = radiograph.name
    Answers(edit.spacing, edit.spacing_kind, edit.sdd, edit.source_isocentre or None, None, edit.view or None)
    if edit.laterality is not None and edit.laterality not in SIDES:
        raise InputError(f"radiograph {name}: the side is L, R or empty, not {edit.laterality!r}.")
    if edit.source_isocentre is not None and edit.source_isocentre < 0:
        raise InputError(f"radiograph {name}: the source to object distance must not be negative.")
    if before.source_isocentre is None and (edit.source_isocentre is not None or edit.spacing_kind == "calibrated"):
        raise InputError(
            f"radiograph {name}: its camera was given as a whole, so a source to object distance or a calibrated "
            f"spacing means nothing; give the spacing on the detector."
        )
    offset = np.array(edit.principal_offset or (0.0, 0.0), dtype=float)
    if not np.all(np.isfinite(offset)) or np.any(np.abs(offset) > FARTHEST * np.array(radiograph.camera.size)):
        raise InputError(f"radiograph {name}: the central ray lies more than {FARTHEST:g} pictures off the middle.")


def _towards(camera: XRayCamera) -> FloatArray:
    """(3,) unit vector from the source to the detector, at right angles to it."""
    return camera.normal * np.sign((camera.origin - camera.source) @ camera.normal)


def _rebuilt(
    camera: XRayCamera,
    before: ShownGeometry,
    sdd: float,
    isocentre: float | None,
    spacing: tuple[float, float],
    offset: tuple[float, float],
) -> XRayCamera:
    """The camera with other lengths; the object's place and the directions stay."""
    beam = _towards(camera)
    source = camera.source
    if isocentre is not None and before.source_isocentre is not None:
        source = source + beam * ((before.source_isocentre or before.sdd) - (isocentre or sdd))
    foot = (np.array(camera.size) - 1) / 2 + offset
    origin = source + beam * sdd
    origin = origin - camera.column_direction * foot[0] * spacing[0] - camera.row_direction * foot[1] * spacing[1]
    return replace(camera, source=source, origin=origin, spacing=spacing)


def _nearest_view(camera: XRayCamera) -> str:
    beam = _towards(camera)
    return max(VIEWS, key=lambda view: float(np.dot(VIEWS[view][0], beam)))


def _turned(camera: XRayCamera, view: str, isocentre: float | None) -> XRayCamera:
    """The camera carried over from the view it is nearest to; a picture of either is hung the same way."""
    old, new = (
        np.column_stack([*(np.array(part, dtype=float) for part in VIEWS[each]), (0.0, 0.0, -1.0)])
        for each in (_nearest_view(camera), view)
    )
    turn = new @ old.T
    centre = camera.source + _towards(camera) * (isocentre or camera.sdd)
    return replace(
        camera,
        source=centre + turn @ (camera.source - centre),
        origin=centre + turn @ (camera.origin - centre),
        column_direction=turn @ camera.column_direction,
        row_direction=turn @ camera.row_direction,
    )


def _described(
    radiograph: Radiograph, before: ShownGeometry, edit: GeometryEdit, kind: str, isocentre: float | None
) -> Radiograph:
    """View, side and facts after an edit."""
    facts = replace(radiograph.facts, spacing_kind=kind, isocentre_mm=isocentre or None)
    source = radiograph.spacing_source
    if edit.spacing is not None or (edit.spacing_kind or before.spacing_kind) != before.spacing_kind:
        column, row = before.spacing
        facts = replace(facts, spacing_from=f"{EDITED}: was {column:.4g} × {row:.4g} mm ({before.spacing_kind})")
        source = SpacingSource.CALIBRATED if kind == "calibrated" else SpacingSource.USER
    if edit.sdd is not None:
        facts = replace(facts, sdd_from=f"{EDITED}: was {before.sdd:.5g} mm")
    if edit.source_isocentre is not None:
        was = f"{before.source_isocentre:.5g} mm" if before.source_isocentre else "on the detector"
        facts = replace(facts, isocentre_from=f"{EDITED}: was {was}")
    if edit.principal_offset is not None:
        across, down = before.principal_offset
        facts = replace(facts, principal_from=f"{EDITED}: was {across:.4g}, {down:.4g} pixels off the middle")
    if edit.view is not None:
        facts = replace(facts, view_from=YOU if edit.view else "")
    if edit.laterality is not None:
        facts = replace(facts, laterality_from=YOU if edit.laterality else "")
    view = radiograph.view if edit.view is None else edit.view.upper()
    side = radiograph.laterality if edit.laterality is None else edit.laterality
    return replace(radiograph, facts=facts, view=view, laterality=side, spacing_source=source)
