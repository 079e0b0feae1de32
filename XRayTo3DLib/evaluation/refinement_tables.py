"""Tables of a refinement's experiment: before and after by start, what was promised, coverage, flags."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from XRayTo3DLib.evaluation.experiment_tables import Table
from XRayTo3DLib.evaluation.refinement_coverage import NOMINAL, coverage, foretold
from XRayTo3DLib.evaluation.refinement_measures import RefinedOutcome

MEAN_SHAPE, BONES_ALONE = "mean shape", "bone DRRs"
WORSE_MM, TWO_VIEWS_MM, SECONDS, COVERED = 0.05, 0.4, 5.0, 0.05
"""What was promised: no case ends worse than it began by more, medians with two views, time, coverage."""
FLAGGED = 0.95
Row = tuple[str, ...]


def starts_table(outcomes: Sequence[RefinedOutcome], title: str) -> Table:
    """Before and after by start and bone, mm: medians, means, aligned, the worst worsening, time.

    Raises:
        ValueError: No outcome.
    """
    rows: list[Row] = []
    data: list[tuple[object, ...]] = []
    for start in starts_of(outcomes):
        for bone in bones_of(outcomes):
            own = [o for o in outcomes if o.start == start and o.bone == bone]
            before, after = (values(own, name) for name in ("before_mm", "after_mm"))
            shape = [float(np.nanmedian(values(own, f"{when}_aligned_mm"))) for when in ("before", "after")]
            worse = after - before
            numbers = (
                len(own), float(np.nanmedian(before)), float(np.nanmedian(after)), float(np.nanmean(before)),
                float(np.nanmean(after)), float(np.nanpercentile(after, 90)), *shape, float(np.nanmax(worse)),
                int(np.sum(worse > WORSE_MM)), float(np.mean(values(own, "seconds"))),
            )  # fmt: skip
            data.append((start, bone, *numbers))
            rows.append((
                start, bone, _mm(numbers[1]), _mm(numbers[2]), _mm(numbers[3]), _mm(numbers[4]), _mm(numbers[5]),
                f"{shape[0]:.2f} → {shape[1]:.2f}", f"{numbers[8]:+.2f}", str(numbers[9]), f"{numbers[10]:.1f}",
            ))  # fmt: skip
    header = ("Start", "Bone", "Before, median (mm)", "After, median", "Before, mean", "After, mean", "After, 90th",
              "Aligned, medians", "Worst change", f"Worse by > {WORSE_MM:g}", "CPU s")  # fmt: skip
    names = ("start", "bone", "people", "before_median_mm", "after_median_mm", "before_mean_mm", "after_mean_mm",
             "after_p90_mm", "before_aligned_median_mm", "after_aligned_median_mm", "worst_change_mm", "worse",
             "cpu_seconds")  # fmt: skip
    notes = (
        "ASSD in the radiographs' world, in the reconstruction's field. Aligned: after the best rigid motion, of the "
        "shape alone. Worst change: of one person, after minus before. CPU s: processor seconds of the refinement of "
        "both bones on one thread.",
    )
    return Table(title, header, tuple(rows), tuple(range(2, len(header))), notes, names, tuple(data))


def promises(outcomes: Sequence[RefinedOutcome], views: int) -> list[tuple[str, bool, str]]:
    """What was to be shown: (what, whether it holds, the number)."""
    mine = [o for o in outcomes if o.start == MEAN_SHAPE]
    found = []
    if views > 1:
        worst = max(float(np.nanmedian(values([o for o in mine if o.bone == bone], "after_mm"))) for bone in
                    bones_of(mine))  # fmt: skip
        found.append((f"both bones: median ASSD at most {TWO_VIEWS_MM:g} mm", worst <= TWO_VIEWS_MM, f"{worst:.2f} mm"))
    else:
        found += _better(outcomes, bones_of(outcomes)[0])
    changes = [o.worse_mm for o in outcomes if math.isfinite(o.worse_mm)]
    worse = sum(change > WORSE_MM for change in changes)
    text = f"{worse} of {len(changes)} bones, worst {max(changes):+.2f} mm"
    found.append((f"no bone ends worse than its start by more than {WORSE_MM:g} mm", worse == 0, text))
    seconds = float(np.max(values(outcomes, "seconds")))
    found.append((f"at most {SECONDS:g} s a case", seconds <= SECONDS, f"{seconds:.1f} CPU s at most"))
    off = max(coverage([o for o in mine if o.bone == bone]).worst for bone in bones_of(mine))
    found.append((f"coverage within {100 * COVERED:g} points", off <= COVERED, f"{100 * off:.1f} points off at most"))
    thin = bones_of(mine)[-1]
    share = float(np.mean([o.depth_flag for o in mine if o.bone == thin]))
    wanted = share >= FLAGGED if views == 1 else share <= 1 - FLAGGED
    how = f"flagged in at least {100 * FLAGGED:g} %" if views == 1 else f"not flagged in at least {100 * FLAGGED:g} %"
    found.append((f"{thin}: unknown depth {how} of cases", wanted, f"flagged in {100 * share:.0f} %"))
    return found


def _better(outcomes: Sequence[RefinedOutcome], bone: str) -> list[tuple[str, bool, str]]:
    """Whether one view's refinement is better than each method alone: from nothing, and from each of them."""
    own = [o for o in outcomes if o.bone == bone]
    middle = {
        start: tuple(float(np.nanmedian(values([o for o in own if o.start == start], f"{when}_mm")))
                     for when in ("before", "after"))
        for start in starts_of(own)
    }  # fmt: skip
    after = middle[MEAN_SHAPE][1]
    same = {start: each[0] for start, each in middle.items() if not start.endswith(BONES_ALONE)}
    best = min(same, key=lambda name: same[name])
    worse = [start for start, (begun, ended) in middle.items() if ended >= begun]
    least = min(middle, key=lambda start: middle[start][0] - middle[start][1])
    return [
        (
            f"{bone}: refined from the mean shape, better than each method given the same radiographs",
            after < same[best],
            f"{after:.2f} mm; the best alone: {best}, {same[best]:.2f} mm",
        ),
        (
            f"{bone}: each method refined is better than alone",
            not worse,
            f"least gained by {least}: {middle[least][0]:.2f} → {middle[least][1]:.2f} mm",
        ),
    ]


def promises_table(found: Sequence[tuple[str, bool, str]], title: str) -> Table:
    """What was to be shown, and what came out."""
    rows = tuple((what, "yes" if holds else "NO", text) for what, holds, text in found)
    data = tuple((what, int(holds), text) for what, holds, text in found)
    return Table(title, ("To be shown", "Holds", "Measured"), rows, (), (), ("what", "holds", "measured"), data)


def coverage_table(outcomes: Sequence[RefinedOutcome], title: str) -> Table:
    """Coverage of intervals by bone, refined from the mean shape; rank correlations."""
    rows: list[Row] = []
    data: list[tuple[object, ...]] = []
    mine = [o for o in outcomes if o.start == MEAN_SHAPE]
    for bone in bones_of(mine):
        own = [o for o in mine if o.bone == bone]
        held, told = coverage(own), foretold(own)
        cells = tuple(
            f"{100 * seen:.0f} % ({100 * low:.0f}-{100 * high:.0f})"
            for seen, low, high in zip(held.observed, held.low, held.high, strict=True)
        )
        rows.append((bone, *cells, f"{told.by_vertex:.2f}", f"{told.by_case:.2f}", _depth(own)))
        flags = float(np.mean([o.depth_flag for o in own]))
        data.append((bone, held.people, *held.observed.tolist(), told.by_vertex, told.by_case, flags))
    header = ("Bone", *(f"{100 * p:g} % interval holds" for p in NOMINAL), "Rank corr., vertices", "Rank corr., cases",
              "Depth SD (mm), flagged")  # fmt: skip
    names = ("bone", "people", *(f"coverage_{100 * p:g}" for p in NOMINAL), "spearman_vertices", "spearman_cases",
             "depth_flagged")  # fmt: skip
    notes = (
        "Intervals along the normal of every vertex in the field against where the true surface lies; in brackets 95 % "
        "intervals over people. Rank correlation (Spearman) of absolute error and predicted standard deviation. Depth: "
        "along the first view's beam, median; flagged where a bone's place is open along any direction.",
    )
    return Table(title, header, tuple(rows), tuple(range(1, len(header))), notes, names, tuple(data))


def starts_of(outcomes: Sequence[RefinedOutcome]) -> list[str]:
    """Starts in their order."""
    return list(dict.fromkeys(o.start for o in outcomes))


def bones_of(outcomes: Sequence[RefinedOutcome]) -> list[str]:
    """Bones in their order."""
    return list(dict.fromkeys(o.bone for o in outcomes))


def values(outcomes: Sequence[RefinedOutcome], name: str) -> np.ndarray:
    """A measure of all outcomes."""
    return np.array([getattr(o, name) for o in outcomes], dtype=np.float64)


def _depth(own: Sequence[RefinedOutcome]) -> str:
    share = float(np.mean([o.depth_flag for o in own]))
    return f"{float(np.median(values(own, 'depth_sd_mm'))):.2f}, {100 * share:.0f} %"


def _mm(value: float) -> str:
    return f"{value:.2f}"
