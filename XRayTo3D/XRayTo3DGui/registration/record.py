"""The record of a registration as the scene keeps it: what it holds, how reviews are added, how it reads."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from XRayTo3DGui.panel import BAD, GOOD, QUIET, UNSURE, plain
from XRayTo3DLib.registration.result import RegistrationResult, Review, reviewed
from XRayTo3DLib.registration.uncertainty import PoseUncertainty

FURTHER, EARLIER, EARLIER_REVIEWS = "further", "earlier_results", "earlier_reviews"
KEPT = ("verdict", "reason", "mean_similarity", "pose_ct_to_world", "uncertainty", "review", EARLIER_REVIEWS)
"""What stays of a result that another one follows."""
GAP = 6
"""Between paragraphs, pixels."""
VERDICT_COLOURS = {"converged": GOOD, "ambiguous": UNSURE, "failed": BAD}


def newRecord(results: dict[str, RegistrationResult], earlier: list[dict[str, Any]]) -> dict[str, Any]:
    """The first bone's result with those of the others, and the results before; bones by name."""
    first, *others = ({"bone": name, **result.to_dict()} for name, result in results.items())
    record = {**first, FURTHER: others}
    return {**record, EARLIER: earlier} if earlier else record


def ownRecord(record: dict[str, Any]) -> dict[str, Any]:
    """What is written to a file of its own: one bone."""
    return {key: value for key, value in record.items() if key != FURTHER}


def followedBy(record: dict[str, Any] | None, moved: bool, role: str) -> list[dict[str, Any]]:
    """The results before the next one: with this one, if a person judged it or moved the bone away from it."""
    if record is None:
        return []
    before = record.get(EARLIER, [])
    if moved:
        record = reviewed(record, Review.ADJUSTED, _("moved by hand and registered again"), role)
    if record["review"]["status"] == Review.UNREVIEWED.value:
        return before
    return [*before, {key: record[key] for key in KEPT if key in record}]


# ---- in words --------------------------------------------------------------------------------------------------------


def verdictText(record: dict[str, Any], stale: bool) -> str:
    """Verdict, uncertainty and the further bones as rich text: a paragraph for each bone, then what else is to say."""
    others = record.get(FURTHER, [])
    synthetic = f'<b><span style="color:{UNSURE}">{_("SYNTHETIC data.")}</span></b>'
    notes = [*_before(record), *([synthetic] if record.get("synthetic") else [])]
    paragraphs = [_boneLines(record, record["bone"] if others else ""), *(_boneLines(e, e["bone"]) for e in others)]
    if stale:
        text = _("The bone was moved since: this result is not about its present pose. Register or refine again.")
        paragraphs.insert(0, [f'<b><span style="color:{UNSURE}">{text}</span></b>'])
    texts = ["<br>".join(lines) for lines in (*paragraphs, notes) if lines]
    return "".join(
        f'<p style="margin-top:{GAP if number else 0}px; margin-bottom:0px">{text}</p>'
        for number, text in enumerate(texts)
    )


def engineText(record: dict[str, Any]) -> str:
    """Which projector drew, and why that one."""
    return str(record["settings"].get("engine", "")).removeprefix("projector engine: ")


def _boneLines(record: dict[str, Any], name: str) -> list[str]:
    colour = VERDICT_COLOURS.get(record["verdict"], QUIET)
    word = f'<b><span style="color:{colour}; font-size:large">{plain(record["verdict"].capitalize())}</span></b>'
    named = f"<b>{plain(name)}:</b> {word}" if name else word
    return [f"{named}  {plain(record['reason'])}", *_sureness(record), _moved(record)]


def _sureness(record: dict[str, Any]) -> list[str]:
    """How sure the pose is, by degree of freedom; the depth stands out where one view alone has to tell it."""
    known = record.get("uncertainty")
    if known is None:
        return []
    text = PoseUncertainty(np.array(known["axes_world"]).T, np.array(known["covariance"])).in_words() + "."
    if len(record["views"]) == 1:
        text = re.sub(r"depth \S+ mm", lambda found: f'<b><span style="color:{UNSURE}">{found[0]}</span></b>', text)
    return [text]


def _moved(record: dict[str, Any]) -> str:
    moved = record["moved"]
    text = _("The bone turned by {deg:.1f}° and moved by {mm:.1f} mm.")
    return text.format(deg=moved["rotation_deg"], mm=moved["centre_mm"])


def _before(record: dict[str, Any]) -> list[str]:
    before = record.get(EARLIER, [])
    if not before or before[-1]["review"]["status"] != Review.ADJUSTED.value:
        return []
    text = _("Registered again after an adjustment by hand; the result before was called {verdict}.")
    return [text.format(verdict=plain(before[-1]["verdict"]))]
