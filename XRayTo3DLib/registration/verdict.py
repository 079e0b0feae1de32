"""From numbers to a plain word: converged, ambiguous or failed, and why.

The thresholds separate right from wrong on trials with a known truth; docs/register.md tells on which, and how well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from XRayTo3DLib.registration.result import RegistrationResult, Verdict

FAILED_BELOW = 0.15
"""Gradient correlation in the worst view below which nothing of the bone was found there."""
WEAK_BELOW = 0.25
"""Mean gradient correlation below which the match is weak."""
RIVAL_MARGIN = 0.02
"""How much better than another solution the found one must be."""

FAR = "The bone moved"
"""How the reason begins where the start was too far away."""
STRONG_ABOVE = 0.6
"""Mean gradient correlation above which a single start is believed."""
ELSEWHERE_DEG, ELSEWHERE_MM = 8.0, 2.0
"""Two registrations that ended farther apart than this, in either, found different poses."""
LOOSE_MM = 1.0
"""Standard deviation of the bone's points, mm, above which the pose is too loose to be called converged."""


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made from.

    Attributes:
        similarity: Gradient correlation per view at the found pose.
        initial: The same at the start.
        lead: How much higher the found pose scored than the best other one, where they were last compared
            (large when there was no other).
        agreeing: Starts that ended at the found pose.
        starts: Starts tried.
        settled: Whether the search came to rest within its steps.
        moved_deg: Rotation from the start to the found pose, degrees.
        moved_mm: Displacement of the bone's centre, mm.
        reach_deg: Rotation up to which the search is meant to find poses, degrees.
        reach_mm: Displacement up to which it is, mm.
        assumed_placement: Whether any view was placed by its name (PA, LAT) instead of a calibration.
        uncertain_mm: Standard deviation of the bone's points, mm; in one view of what is seen across the beam.
        depth_mm: Standard deviation of the depth along the first view's beam, mm.
    """

    similarity: tuple[float, ...]
    initial: tuple[float, ...]
    lead: float
    agreeing: int
    starts: int
    settled: bool
    moved_deg: float
    moved_mm: float
    reach_deg: float
    reach_mm: float
    assumed_placement: bool = False
    uncertain_mm: float = 0.0
    depth_mm: float = 0.0


def judge(evidence: Evidence) -> tuple[Verdict, str]:
    """Verdict and its reason in plain words; the first doubt found is the one told."""
    views = len(evidence.similarity)
    worst = min(range(views), key=lambda view: evidence.similarity[view])
    if evidence.similarity[worst] < FAILED_BELOW:
        return Verdict.FAILED, (
            f"In view {worst + 1} the bone's edges were not found (similarity {evidence.similarity[worst]:.2f}); "
            f"start nearer, or check that CT, side and camera belong together."
        )
    agreement = "Refined from one start" if evidence.starts == 1 else _agreement(evidence)
    mean = sum(evidence.similarity) / views
    score = f"similarity {mean:.2f} (start {sum(evidence.initial) / views:.2f})"
    doubt = _doubt(evidence, mean, agreement, score)
    if doubt:
        return Verdict.AMBIGUOUS, f"{doubt} Check the overlay."
    return Verdict.CONVERGED, f"{agreement}, {score}.{_one_view(evidence) if views == 1 else ''}"


def best_of(results: Sequence[RegistrationResult]) -> RegistrationResult:
    """The best of a bone's registrations from different starts; ambiguous if another fits nearly as well elsewhere.

    Each registration knows only the rivals near its own start.
    """
    best = max(results, key=lambda each: each.mean_similarity)
    if best.reason.startswith(FAR):
        # Another start led there from near by: how far this one came is no doubt any more.
        near = [
            each
            for each in results
            if each.verdict is Verdict.CONVERGED
            and each.mean_similarity > best.mean_similarity - RIVAL_MARGIN
            and not _elsewhere(each, best)
        ]
        best = max(near, key=lambda each: each.mean_similarity, default=best)
    rivals = [
        each
        for each in results
        if each.mean_similarity > best.mean_similarity - RIVAL_MARGIN and _elsewhere(each, best)
    ]
    if not rivals or best.verdict is not Verdict.CONVERGED:
        return best
    degrees, _ = best.pose.distance_to(rivals[0].pose, best.centre)
    reason = (
        f"Another start led to a pose {degrees:.0f} degrees away that fits nearly as well: similarity "
        f"{rivals[0].mean_similarity:.2f} against {best.mean_similarity:.2f}. Check the overlay."
    )
    return replace(best, verdict=Verdict.AMBIGUOUS, reason=reason)


def _elsewhere(one: RegistrationResult, other: RegistrationResult) -> bool:
    """Whether two results are different poses; from one view depth along the beam, which is loose, does not count."""
    degrees, _ = one.pose.distance_to(other.pose, one.centre)
    shift = one.pose.apply(one.centre) - other.pose.apply(one.centre)
    if len(one.view_names) == 1 and one.uncertainty is not None:
        beam = one.uncertainty.axes[:, 2]
        shift = shift - (shift @ beam) * beam
    return degrees > ELSEWHERE_DEG or float(np.linalg.norm(shift)) > ELSEWHERE_MM


def _agreement(evidence: Evidence) -> str:
    return f"{evidence.agreeing} of {evidence.starts} starts agree"


def _one_view(evidence: Evidence) -> str:
    return (
        f" From one view this holds in the picture's plane; depth along the beam is known to about "
        f"{max(1.96 * evidence.depth_mm, 0.1):.1f} mm (95 %) at best, less where soft tissue or other bones disturb."
    )


def _doubt(evidence: Evidence, mean: float, agreement: str, score: str) -> str:
    """The first reason not to call it converged; empty when there is none."""
    if evidence.lead < RIVAL_MARGIN:
        return f"Another pose fits nearly as well: {agreement}, {score}."
    if mean < WEAK_BELOW:
        return f"The match is weak: {score}."
    if evidence.starts > 1 and evidence.agreeing < 2 and mean < STRONG_ABOVE:
        return f"Only one of {evidence.starts} starts ended there, {score}."
    if evidence.uncertain_mm > LOOSE_MM:
        return f"The pose is loose: the bone's points are known to {1.96 * evidence.uncertain_mm:.1f} mm (95 %) only."
    if not evidence.settled:
        return f"The search had not come to rest: {agreement}, {score}; start from the result, or allow more steps."
    if evidence.moved_deg > evidence.reach_deg or evidence.moved_mm > evidence.reach_mm:
        return (
            f"{FAR} {evidence.moved_mm:.0f} mm and {evidence.moved_deg:.0f} degrees from the start, beyond "
            f"what was searched ({evidence.reach_mm:.0f} mm, {evidence.reach_deg:.0f} degrees)."
        )
    if evidence.assumed_placement and len(evidence.similarity) > 1:
        return (
            f"The views' positions to each other are assumed from their names, not calibrated: {agreement}, {score}. "
            f"Use calibrated cameras."
        )
    return ""
