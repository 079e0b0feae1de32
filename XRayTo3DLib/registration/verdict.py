"""From numbers to a plain word: converged, ambiguous or failed, and why.

The thresholds are first guesses seen to separate right from wrong on the wrist data; the next issue calibrates them.
"""

from __future__ import annotations

from collections.abc import Sequence

from XRayTo3DLib.registration.result import Verdict

FAILED_BELOW = 0.15
"""Gradient correlation in the worst view below which nothing of the bone was found there."""
WEAK_BELOW = 0.25
"""Mean gradient correlation below which the match is weak."""
RIVAL_MARGIN = 0.02
"""How much better than another solution the found one must be."""


ONE_VIEW = " From one view this holds in the picture's plane; depth along the beam may be wrong by several millimetres."


def judge(
    *,
    similarity: Sequence[float],
    initial: Sequence[float],
    contest_best: float,
    contest_rival: float,
    agreeing: int,
    starts: int,
) -> tuple[Verdict, str]:
    """Verdict and reason.

    Args:
        similarity: Gradient correlation per view at the found pose.
        initial: The same at the start.
        contest_best: Similarity of the found pose where it was last compared with rivals.
        contest_rival: Similarity of the best other pose there (-1 when there was none).
        agreeing: Starts that ended at the found pose.
        starts: Starts tried.
    """
    mean = sum(similarity) / len(similarity)
    score = f"similarity {mean:.2f} (start {sum(initial) / len(initial):.2f})"
    if min(similarity) < FAILED_BELOW:
        worst = min(range(len(similarity)), key=lambda i: similarity[i])
        return Verdict.FAILED, (
            f"In view {worst + 1} the bone's edges were not found (similarity {similarity[worst]:.2f}); "
            f"start nearer, or check that CT, side and camera belong together."
        )
    if contest_rival > contest_best - RIVAL_MARGIN:
        return Verdict.AMBIGUOUS, (
            f"Another pose fits nearly as well: {agreeing} of {starts} starts agree, {score}. Check the overlay."
        )
    if mean < WEAK_BELOW:
        return Verdict.AMBIGUOUS, f"The match is weak: {score}. Check the overlay."
    depth = ONE_VIEW if len(similarity) == 1 else ""
    return Verdict.CONVERGED, f"{agreeing} of {starts} starts agree, {score}.{depth}"
