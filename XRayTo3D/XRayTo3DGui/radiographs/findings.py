"""The quality checks of the selected radiograph as a short list; the pixels are looked at in a thread, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.jobs import StepRunner, inThread
from XRayTo3DGui.panel import BAD, GOOD, QUIET, UNSURE
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.imaging.radiograph_quality import (
    NOTE,
    PROBLEM,
    WARNING,
    Finding,
    PictureMeasures,
    check_radiograph,
    check_together,
    measure_picture,
)

COLOURS = {PROBLEM: BAD, WARNING: UNSURE, NOTE: QUIET}


class FindingsList:
    """Fills a label.

    Args:
        label: Rich text.
        onFailed: Called with an unexpected exception.
    """

    def __init__(self, label: Any, onFailed: Callable[[Exception], None]) -> None:
        self._label = label
        self._measured: dict[tuple[str, int], PictureMeasures] = {}
        self._key: tuple[str, int] | None = None
        self._node: Any = None
        self._run = StepRunner(onState=self._onMeasured, onFailed=onFailed)
        self.found: tuple[Finding, ...] = ()

    def show(self, node: Any) -> None:
        """Check a radiograph, or none."""
        self._node, self.found = node, ()
        if node is None or node.GetImageData() is None or radiographs.sourceNode(node) is None:
            self._run.cancel()
            self._label.text = ""
            return
        key = (node.GetID(), node.GetImageData().GetMTime())
        if key in self._measured:
            self._run.cancel()
            self._tell(self._measured[key])
        elif not (self._run.running and key == self._key):
            self._key = key
            self._label.text = f'<span style="color: {QUIET}">{_("Checking the picture…")}</span>'
            radiograph = radiographs.radiographFromNode(node)
            self._run.start(inThread(lambda: measure_picture(radiograph)))

    @property
    def running(self) -> bool:
        return self._run.running

    def cleanup(self) -> None:
        """Nothing of ours may run later."""
        self._run.cancel()
        self._measured.clear()

    def _onMeasured(self, measures: PictureMeasures | None) -> None:
        if measures is not None and self._key is not None:
            self._measured = {key: value for key, value in self._measured.items() if key[0] != self._key[0]}
            self._measured[self._key] = measures
            self._tell(measures)

    def _tell(self, measures: PictureMeasures) -> None:
        try:
            together = check_together(_others(self._node))
            self.found = (*together, *check_radiograph(radiographs.radiographFromNode(self._node), measures))
        except InputError:  # its source has gone meanwhile; the table says so
            self.found = ()
        self._label.text = findingsText(self.found)


def _others(node: Any) -> list[Any]:
    """All radiographs of the scene that can be read, without their pixels' cost."""
    known = [each for each in radiographs.usedRadiographNodes() if radiographs.sourceNode(each) is not None]
    return [radiographs.radiographFromNode(each) for each in known if each is node or each.GetImageData() is not None]


def findingsText(findings: tuple[Finding, ...]) -> str:
    """A coloured dot and a sentence each, as HTML."""
    if not findings:
        return f'<span style="color: {GOOD}">●</span> {_("Checks: nothing unusual was found.")}'
    rows = [
        f'<tr><td style="padding-right: 5px; color: {COLOURS[each.severity]}">●</td><td>{each.sentence}</td></tr>'
        for each in findings
    ]
    return f'<table cellspacing="0" cellpadding="1">{"".join(rows)}</table>'
