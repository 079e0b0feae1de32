"""A reconstruction in words and numbers: summary, warnings, measurements, likeness per view; from its record alone."""

from __future__ import annotations

from html import escape
from typing import Any

import qt
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, UNSURE
from XRayTo3DGui.reconstruct.bundles import plain

ROW_HEIGHT, HEADER_HEIGHT = 22, 22
POOR_LIKENESS = 0.5
"""Below this a view is marked: its computed radiograph hardly resembles the real one."""


def summaryText(record: dict[str, Any]) -> str:
    """Method, views, time and what was missed, as rich text."""
    side = record.get("side")
    what = _("<b>{bones}</b> from {views}, {method}, {seconds:.1f} s.").format(
        bones=escape(", ".join(bone.replace("_", " ") for bone in record["bones"])) or _("nothing"),
        views=escape(", ".join(record["views"])),
        method=escape(str(record["method"])),
        seconds=float(record.get("seconds") or 0.0),
    )
    lines = [what + (" " + _("Side: {side}.").format(side=escape(side)) if side else "")]
    if record.get("synthetic"):
        text = _("SYNTHETIC: radiographs or training data were simulated.")
        lines.append(f'<span style="color:{UNSURE}"><b>{text}</b></span>')
    return "<br>".join(lines)


def warningsText(record: dict[str, Any]) -> str:
    """Out-of-model warnings, lost bones and notes as a list; empty when there is nothing to say."""
    lost = record.get("missing") or []
    warnings = [str(each.get("text", each.get("code", ""))) for each in quality(record).get("warnings") or []]
    warnings += [str(each.get("text", each.get("code", ""))) for each in record.get("outside") or []]
    warnings += [_("{bone} was not found: treat it as a failure.").format(bone=bone) for bone in lost]
    notes = [note for note in record.get("notes") or [] if not any(note.startswith(f"{b}:") for b in lost)]
    items = [f'<li style="color:{BAD}"><b>{escape(text)}</b></li>' for text in warnings]
    items += [f'<li style="color:{UNSURE}">{escape(text)}</li>' for text in notes]
    if not items:
        return ""
    title = f'<b style="color:{BAD}">{_("Warnings: do not believe this result before you know why")}</b>'
    style = "margin-top:2px; margin-bottom:0px; margin-left:12px; -qt-list-indent:0"
    return f'{title if warnings else ""}<ul style="{style}">{"".join(items)}</ul>'


def quality(record: dict[str, Any]) -> dict[str, Any]:
    """The record's quality, empty where the bones were not refined."""
    return record.get("quality") or {}


# ---- tables ----------------------------------------------------------------------------------------------------------


def fillMeasurements(widget: Any, record: dict[str, Any]) -> None:
    """One row per measurement: name, value with its SD, 95 % interval; hidden where there is none."""
    rows = []
    for each in record.get("measurements") or []:
        unit = _unit(str(each.get("unit", "")))
        value = "–" if each.get("value") is None else f"{each['value']:.1f}{unit}"
        value += f" ± {each['sd']:.1f}" if each.get("sd") is not None else ""
        interval = each.get("interval_95")
        span = f"{interval[0]:.1f} … {interval[1]:.1f}" if interval and len(interval) == 2 else "–"
        rows.append(((_capital(str(each["name"])), value, span), str(each.get("definition", each["name"]))))
    _fill(widget, (_("Measurement"), _("Value ± SD"), _("95 % interval")), rows)


def fillLikeness(widget: Any, record: dict[str, Any]) -> None:
    """One row per radiograph: likeness at the start and refined; hidden where it is not known."""
    rows = []
    for view in quality(record).get("views") or []:
        before, after, name = view.get("before"), view.get("after"), str(view.get("name", ""))
        texts = (name, "–" if before is None else f"{before:.2f}", "–" if after is None else f"{after:.2f}")
        low = after is not None and after < POOR_LIKENESS
        said = [_("Hardly alike: look at the outlines") if low else _("1: the same, 0: nothing alike")]
        if view.get("moved_mm") is not None:
            text = _("the refinement moved this view by {deg:.1f}° and {mm:.1f} mm")
            said.append(text.format(deg=view.get("moved_deg") or 0.0, mm=view["moved_mm"]))
        rows.append((texts, "; ".join(said)))
    _fill(widget, (_("Likeness of"), _("Model"), _("Refined")), rows)


def _unit(unit: str) -> str:
    return {"deg": "°", "degree": "°", "degrees": "°"}.get(unit, f" {unit}" if unit else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:].replace("_", " ")


def _fill(widget: Any, headers: tuple[str, ...], rows: list[tuple[tuple[str, ...], str]]) -> None:
    widget.setVisible(bool(rows))
    widget.setColumnCount(len(headers))
    widget.setHorizontalHeaderLabels(list(headers))
    widget.verticalHeader().setVisible(False)
    widget.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    widget.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    widget.setRowCount(len(rows))
    for row, (texts, toolTip) in enumerate(rows):
        widget.setRowHeight(row, ROW_HEIGHT)
        for column, text in enumerate(texts):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(plain(toolTip))
            if column:
                item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
            widget.setItem(row, column, item)
    widget.horizontalHeader().setFixedHeight(HEADER_HEIGHT)
    widget.setFixedHeight(HEADER_HEIGHT + ROW_HEIGHT * len(rows) + 2 * widget.frameWidth)
