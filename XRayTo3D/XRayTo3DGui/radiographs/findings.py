"""The quality checks of the selected radiograph as a short list; the pixels are looked at in a thread, once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from slicer.i18n import tr as _

from XRayTo3DGui.jobs import StepRunner, inThread
from XRayTo3DGui.panel import BAD, GOOD, QUIET, UNSURE, plain
from XRayTo3DGui.scene import mrml_radiographs as radiographs
from XRayTo3DLib.imaging.radiograph_quality import (
    NOTE,
    PROBLEM,
    WARNING,
    Finding,
    PictureMeasures,
    check_radiograph,
    check_sides,
    measure_picture,
)
from XRayTo3DLib.imaging.types import Radiograph

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
        self._radiograph: Radiograph | None = None
        self._run = StepRunner(onState=self._onMeasured, onFailed=onFailed)
        self.found: tuple[Finding, ...] = ()

    def show(self, node: Any, radiograph: Radiograph | None) -> None:
        """Check a radiograph, or none; ``radiograph`` is what the node holds."""
        self._radiograph, self.found = radiograph, ()
        if node is None or radiograph is None:
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
        if self._radiograph is not None:
            sides = check_sides(_sides(radiographs.usedRadiographNodes()))
            self.found = (*sides, *check_radiograph(self._radiograph, measures))
            self._label.text = findingsText(self.found)


def sidesDiffer(nodes: Iterable[Any]) -> str:
    """One sentence where radiographs say that they show different sides; else empty."""
    return " ".join(each.sentence for each in check_sides(_sides(nodes)))


def _sides(nodes: Iterable[Any]) -> dict[str, str]:
    """Side by name."""
    return {node.GetName(): node.GetAttribute("XRayTo3D.Laterality") or "" for node in nodes}


def findingsText(findings: tuple[Finding, ...]) -> str:
    """A coloured dot and a sentence each, as HTML."""
    if not findings:
        return f'<span style="color: {GOOD}">●</span> {_("Checks: nothing unusual was found.")}'
    rows = [
        f'<tr><td style="padding-right: 5px; color: {COLOURS[each.severity]}">●</td>'
        f"<td>{plain(each.sentence)}</td></tr>"
        for each in findings
    ]
    return f'<table cellspacing="0" cellpadding="1">{"".join(rows)}</table>'
