"""The form that asks what a radiograph's file does not say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, plain
from XRayTo3DGui.radiographs.sources import Source, awaited
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.json_values import check_fields, parse_json
from XRayTo3DLib.geometry import XRayCamera
from XRayTo3DLib.geometry.camera import CAMERA_FORMAT
from XRayTo3DLib.imaging.calibration_files import read_calibration
from XRayTo3DLib.imaging.radiograph_info import RadiographInfo

VIEWS = (None, "AP", "PA", "LAT", "LL", "RL")
KINDS = (None, "detector", "calibrated")
INTENSITIES = ("auto", "transmitted", "attenuation", "line-integral")
INTENSITY_WORDS = {
    "transmitted": "transmitted (bone dark)",
    "attenuation": "attenuation (bone bright)",
    "line-integral": "line integrals",
}
CALIBRATED_SDD_MM = 1000.0
"""A pinhole calibration does not know its detector's distance, and projects the same with any."""
STATE = {
    "spacingColumnSpinBox": "value",
    "spacingRowSpinBox": "value",
    "spacingKindCombo": "currentIndex",
    "sddSpinBox": "value",
    "sourceIsocentreSpinBox": "value",
    "magnificationSpinBox": "value",
    "viewCombo": "currentIndex",
    "intensityCombo": "currentIndex",
    "frameSpinBox": "value",
    "nameEdit": "text",
    "cameraPath": "currentPath",
}
"""The answers' widgets, and the property that holds each."""
STATE_KINDS = {"value": float, "currentIndex": int, "text": str, "currentPath": str}
MOST_STEPS = 10**6
"""No number of a frame, no place in a list is larger; Qt takes none beyond 2 ** 31."""
NEEDED = f"color: {BAD}; font-weight: bold"


class RadiographForm:
    """Reads a file's facts, shows what is missing, and turns the fields into arguments of ``read_radiograph``."""

    def __init__(self, ui: Any) -> None:
        self.ui = ui
        self.info: RadiographInfo | None = None
        self.problem = ""
        self._asked = 0
        # What each argument is called in the panel, its label, and whether it is answered.
        self._fields = {
            "spacing": (_("pixel spacing"), ui.spacingColumnSpinBoxLabel),
            "spacing_kind": (_("where the spacing holds"), ui.spacingKindComboLabel),
            "sdd": (_("source–detector distance"), ui.sddSpinBoxLabel),
            "source_isocentre": (_("source–object distance"), ui.sourceIsocentreSpinBoxLabel),
            "magnification": (_("magnification"), ui.magnificationSpinBoxLabel),
            "view": (_("view"), ui.viewComboLabel),
            "frame": (_("frame"), ui.frameSpinBoxLabel),
        }

    def inspect(self, source: Source | None) -> bool:
        """Read what the file or volume says; ``problem`` says why it cannot. Qt goes on meanwhile.

        Returns:
            False where another one was chosen before this was read: then nothing has happened.
        """
        self._asked += 1
        asked, info, problem = self._asked, None, ""
        if source is not None:
            try:
                info = awaited(source.inspect)
            except InputError as error:
                problem = str(error)
        if asked != self._asked:
            return False
        self.info, self.problem = info, problem
        self._showFacts()
        return True

    def clear(self, keepExposure: bool = False) -> None:
        """Forget the answers: they belong to one file. Of several files of one apparatus, some hold for all."""
        self.ui.nameEdit.text = ""
        self.ui.cameraPath.currentPath = ""
        self.ui.frameSpinBox.value = 1
        self.ui.viewCombo.currentIndex = 0
        if keepExposure:
            return
        for spinBox in (self.ui.spacingColumnSpinBox, self.ui.spacingRowSpinBox, self.ui.sddSpinBox):
            spinBox.value = 0
        self.ui.sourceIsocentreSpinBox.value = self.ui.magnificationSpinBox.value = 0
        self.ui.spacingKindCombo.currentIndex = self.ui.intensityCombo.currentIndex = 0

    def state(self) -> dict[str, Any]:
        """The answers, as they are kept with the scene."""
        return {name: getattr(getattr(self.ui, name), of) for name, of in STATE.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of :meth:`state`; what is missing stays."""
        for name, of in STATE.items():
            if name in state:
                setattr(getattr(self.ui, name), of, state[name])

    def missing(self) -> list[str]:
        """What is still needed, in the panel's words."""
        if self.info is None or self.ui.cameraPath.currentPath.strip():
            return []
        open_ = [name for name in self.info.missing if name in self._fields and not self._answered(name)]
        return [self._fields[name][0] for name in open_]

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``read_radiograph``.

        Raises:
            InputError: The camera file cannot be used.
        """
        camera = self.ui.cameraPath.currentPath.strip()
        column, row = self.ui.spacingColumnSpinBox.value, self.ui.spacingRowSpinBox.value
        several = self.info is not None and self.info.frames > 1
        return {
            "camera": self._camera(Path(camera).expanduser()) if camera else None,
            "frame": self.ui.frameSpinBox.value - 1 if several else None,
            "intensity": INTENSITIES[self.ui.intensityCombo.currentIndex],
            "spacing": (column or row, row or column) if column or row else None,
            "spacing_kind": KINDS[self.ui.spacingKindCombo.currentIndex],
            "sdd": self.ui.sddSpinBox.value or None,
            "source_isocentre": self.ui.sourceIsocentreSpinBox.value or None,
            "magnification": self.ui.magnificationSpinBox.value or None,
            "view": VIEWS[self.ui.viewCombo.currentIndex],
            "name": self.ui.nameEdit.text.strip() or None,
        }

    def _camera(self, path: Path) -> XRayCamera:
        """A camera.json of ours, or a pinhole calibration with the detector at the source–detector distance given."""
        content = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else CAMERA_FORMAT
        if CAMERA_FORMAT.partition("/")[0] in content:
            return XRayCamera.load(path)
        return read_calibration(path, self.ui.sddSpinBox.value or CALIBRATED_SDD_MM)

    def markMissing(self) -> None:
        """The labels of what is needed and not yet given stand out."""
        needed = self.info.missing if self.info is not None and not self.ui.cameraPath.currentPath.strip() else ()
        for name, (_words, label) in self._fields.items():
            label.setStyleSheet(NEEDED if name in needed and not self._answered(name) else "")

    def _answered(self, name: str) -> bool:
        ui = self.ui
        answers = {
            "spacing": ui.spacingColumnSpinBox.value or ui.spacingRowSpinBox.value,
            "spacing_kind": ui.spacingKindCombo.currentIndex > 0 or ui.magnificationSpinBox.value,
            "sdd": ui.sddSpinBox.value,
            "source_isocentre": ui.sourceIsocentreSpinBox.value,
            "magnification": ui.magnificationSpinBox.value or ui.sourceIsocentreSpinBox.value,
            "view": ui.viewCombo.currentIndex > 0,
            "frame": True,  # the spin box always holds one
        }
        return bool(answers[name])

    def _showFacts(self) -> None:
        """What the file says goes into the summary and, greyed by being the special value, into the fields."""
        info, ui = self.info, self.ui
        ui.fileSummaryLabel.text = factsText(info) if info is not None else ""
        ui.fileSummaryLabel.setVisible(info is not None)
        ui.answersWidget.setVisible(info is not None)
        spacing = info.spacings[0].value if info is not None and info.spacings else None
        sdd = info.sdd if info is not None else None
        ui.spacingColumnSpinBox.specialValueText = _("{mm:.4g} (file)").format(mm=spacing[0]) if spacing else "–"
        ui.spacingRowSpinBox.specialValueText = _("{mm:.4g} (file)").format(mm=spacing[1]) if spacing else "–"
        ui.sddSpinBox.specialValueText = _("{mm:.5g} mm (file)").format(mm=sdd) if sdd else "–"
        several = info is not None and info.frames > 1
        ui.frameSpinBox.maximum = info.frames if several else 1
        ui.frameSpinBox.enabled = several
        if several or (info is not None and "magnification" in info.missing):
            ui.moreBox.collapsed = False
        ui.nameEdit.placeholderText = info.name if info is not None else _("as the file")


def keptAnswers(text: str) -> dict[str, Any]:
    """What a scene keeps of a half answered form: paths that wait, and :meth:`RadiographForm.state`.

    Raises:
        InputError: It is damaged: the scene is from elsewhere.
    """
    if not text:
        return {}
    where, answers = "radiographForm", {f"{name}?": STATE_KINDS[of] for name, of in STATE.items()}
    try:
        state = parse_json(text, where)
        check_fields(state, {"path?": str, "waiting?": [str], **answers, "frameSpinBox?": int}, where)
        if any(isinstance(each, int) and abs(each) > MOST_STEPS for each in state.values()):
            raise InputError(where)
    except InputError as error:
        raise InputError(
            _("The half answered form kept in this scene is damaged: choose the radiograph anew.")
        ) from error
    return state


def factsText(info: RadiographInfo) -> str:
    """What the file says, as short HTML."""
    head = f"<b>{plain(info.kind)}</b>, {info.size[0]} × {info.size[1]} {_('pixels')}"
    head += f", {info.bits} bit" if info.bits else ""
    head += f", {info.frames} {_('frames')}" if info.frames > 1 else ""
    view = " ".join(part for part in (info.modality, info.view, info.laterality) if part)
    lines = [head + (f", {plain(view)}" if view else "") + (f", <b>{_('synthetic')}</b>" if info.synthetic else "")]
    for fact in info.spacings:
        column, row = fact.value
        lines.append(f"{column:.4g} × {row:.4g} mm: {plain(fact.meaning)} <i>({plain(fact.tag)})</i>")
    if not info.spacings:
        lines.append(_("No pixel spacing."))
    if info.sdd is None:
        lines.append(_("No source–detector distance."))
    else:
        lines.append(_("Source–detector {mm:g} mm.").format(mm=info.sdd))
    words = INTENSITY_WORDS.get(info.intensity, info.intensity)
    doubt = "" if info.intensity_confident else f" <b>{_('Not sure: check that bone is bright.')}</b>"
    lines.append(
        _("Intensities: {mode} ({why}).").format(mode=words, why=plain(info.intensity_reason.rstrip("."))) + doubt
    )
    return "<br>".join(lines)
