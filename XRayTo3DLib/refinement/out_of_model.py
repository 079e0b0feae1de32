"""Whether radiographs show what the model knows: wrong side, other bones, wrong view, an implant.

First a refinement is asked for signs: how alike each view is, how unusual the person, how far cameras were moved, metal
over the bones. What normal people's refinements show sets the limits. Only where a view from the front is less alike
than most people's, it is fitted again as if it were of the other side, coarsely, and alone; a lateral view shows both
sides alike. Other bones and another view of the right ones look the same to this: what fits badly fits badly turned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import norm

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.refinement.options import View
from XRayTo3DLib.refinement.quality import Finding
from XRayTo3DLib.refinement.result import Refinement
from XRayTo3DLib.refinement.scene import State
from XRayTo3DLib.refinement.signs import Signs, ViewSigns, signs_of
from XRayTo3DLib.refinement.trials import Trial, other_side

FEWEST_PEOPLE = 20
MUCH = 0.05
"""Where metal tells why a view is poor, the other side must make it so much more alike to be named as well, LNCC."""
ROOM = 1.25
"""Shapes and cameras must be so much farther out than the limit's normal person to be worth a word."""


@dataclass(frozen=True)
class ViewLimits:
    """Likeness of views of one kind.

    Attributes:
        doubt: Below it the other side is tried.
        poor: A view below it is hardly explained.
        none: A view below it shows something else, or is another view.
    """

    doubt: float
    poor: float
    none: float


@dataclass(frozen=True)
class Limits:
    """What normal people's refinements stay within.

    The defaults come from 60 SYNTHETIC wrists with soft tissue (people 41 to 90 of 240, that no model was
    learnt from), refined with a model of 200 others; see ``docs/refine-quality.md``. ``other_side`` and ``metal``
    lie between normal people and cases built to be wrong.

    Attributes:
        front: Of views from the front or the back.
        side: Of lateral views.
        other_side: A view in doubt is taken for the other side's when that makes it less alike by less than this, LNCC.
        metal: Sharpness of what is taken for metal, see ``MetalSign``.
        unusual: Largest normal, see :class:`Signs`.
        moved: The same of cameras, see :class:`ViewSigns`.
    """

    front: ViewLimits = field(default_factory=lambda: ViewLimits(0.82, 0.75, 0.62))
    side: ViewLimits = field(default_factory=lambda: ViewLimits(0.77, 0.59, 0.53))
    other_side: float = 0.09
    metal: float = 0.55
    unusual: float = 0.54
    moved: float = 0.45

    def of(self, view: ViewSigns) -> ViewLimits:
        """Those of a view."""
        return self.front if view.front else self.side


LIMITS = {"wrist": Limits()}
"""By anatomy, where normal people have been looked at; :func:`limits_from` makes others."""


@dataclass(frozen=True)
class Evidence:
    """All that findings come from.

    Attributes:
        signs: Of the refinement.
        other_side: Per view, how it does as the other side's; None where that was not tried.
    """

    signs: Signs
    other_side: tuple[Trial | None, ...]


def findings_of(found: Refinement, views: Sequence[View], limits: Limits | None = None) -> tuple[Finding, ...]:
    """What a person should look at before believing a refinement; nothing where all is as in normal people.

    Args:
        found: The refinement.
        views: What it was made from.
        limits: What is normal; those of the default bundle by default.
    """
    limits = limits or Limits()
    return findings_from(evidence_of(found, views, limits), limits)


def evidence_of(found: Refinement, views: Sequence[View], limits: Limits) -> Evidence:
    """The signs of a refinement, and other explanations where the limits ask for them."""
    signs, anatomy, state = signs_of(found, views), found.posterior.anatomy, found.posterior.state
    mirrored: list[Trial | None] = []
    for sign, view, motion in zip(signs.views, views, state.motions, strict=True):
        alone, usual = State(state.bones, (motion,)), limits.of(sign)
        mirrored.append(
            other_side(anatomy, view, alone) if sign.front and usual.none <= sign.likeness < usual.doubt else None
        )
    return Evidence(signs, tuple(mirrored))


def findings_from(evidence: Evidence, limits: Limits) -> tuple[Finding, ...]:
    """Findings in words, the views' first."""
    found: list[Finding] = []
    for sign, mirrored in zip(evidence.signs.views, evidence.other_side, strict=True):
        found += _of_view(sign, mirrored, limits)
    if evidence.signs.unusual > ROOM * limits.unusual:
        found.append(
            Finding(
                "unusual-shape",
                f"The bones came out {evidence.signs.unusual / limits.unusual:.1f} times as far from the average "
                "person as the most unusual of normal people; compare outlines and radiographs before using them.",
            )
        )
    return tuple(found)


def _of_view(sign: ViewSigns, mirrored: Trial | None, limits: Limits) -> list[Finding]:
    usual, found, where = limits.of(sign), [], f"Radiograph {sign.name}"
    told = f"likeness {sign.likeness:.2f}, normal above {usual.poor:.2f}"
    metal = sign.metal.sharpness > limits.metal
    if metal and sign.likeness >= usual.none:
        found.append(
            Finding(
                "implant",
                f"{where} seems to show metal over the bones, about {sign.metal.length_mm:.0f} mm long; where it is, "
                "the bones are guessed from what lies around it.",
            )
        )
    if sign.likeness < usual.none:
        found.append(
            Finding(
                "not-these-bones",
                f"{where} hardly resembles these bones as they would be seen ({told}); check which bones and which "
                "view it shows, and where the bones are.",
            )
        )
    elif mirrored is not None and mirrored.gain > (MUCH if metal else -limits.other_side):
        found.append(
            Finding(
                "wrong-side",
                f"{where} fits about as well as one of the other side, or from the other face; check left and right, "
                "and PA and AP.",
            )
        )
    elif sign.likeness < usual.poor and not metal:
        found.append(
            Finding("poor-match", f"{where} is poorly explained ({told}); check its view, its camera and the outlines.")
        )
    if sign.moved > ROOM * limits.moved:
        found.append(
            Finding(
                "camera-moved-far",
                f"{where}: its camera was moved {sign.moved / limits.moved:.1f} times as far as in the most extreme of "
                "normal people; check the calibration.",
            )
        )
    return found


def limits_from(people: Sequence[Signs], false_alarms: float = 0.01) -> Limits:
    """Limits that about so large a share of normal people oversteps, each; what only wrong cases tell is as by default.

    Args:
        people: Signs of refinements of normal people's radiographs, such as the validation people's.
        false_alarms: Share of views.

    Raises:
        InputError: Fewer than twenty people.
    """
    if len(people) < FEWEST_PEOPLE:
        raise InputError(f"limits come from the refinements of {FEWEST_PEOPLE} people or more, not {len(people)}.")
    usual = Limits()
    views = [view for each in people for view in each.views]
    kinds = {}
    for name, front in (("front", True), ("side", False)):
        likeness = [view.likeness for view in views if view.front == front]
        kinds[name] = _view_limits(likeness, false_alarms) if len(likeness) >= FEWEST_PEOPLE else getattr(usual, name)
    metal = float(np.max([view.metal.sharpness for view in views]))
    return replace(
        usual,
        **kinds,
        metal=max(usual.metal, 1.1 * metal),
        unusual=float(np.quantile([each.unusual for each in people], 1 - false_alarms)),
        moved=float(np.quantile([view.moved for view in views], 1 - false_alarms)),
    )


def _view_limits(likeness: Sequence[float], share: float) -> ViewLimits:
    """A Gaussian of the views' Fisher z: nothing is seen of its tail in so few people."""
    z = np.arctanh(np.clip(likeness, -0.99, 0.99))
    middle, spread = float(z.mean()), float(z.std(ddof=1))
    out = norm.ppf(1 - share)
    doubt, poor, none = np.tanh(middle - np.array([1.0, out, 2 * out]) * spread)
    return ViewLimits(float(doubt), float(poor), float(none))
