"""The two tables of Kasten et al. 2020 on any data set: bones in space, and their outlines in pictures; with times.

Cells are "Chamfer / Dice". Numbers are taken per patient, as in the other tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.biplanar_published import THEIR_DRRS, THEIR_RADIOGRAPHS, THEIRS, cell, number
from XRayTo3DLib.evaluation.experiment_statistics import Summary, summarise
from XRayTo3DLib.evaluation.experiment_tables import DASH, Table, per_patient
from XRayTo3DLib.evaluation.outline_measures import OutlineOutcome
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome

Outcome = ReconstructionOutcome | OutlineOutcome
Row = tuple[str, ...]
Numbers = tuple[object, ...]
IN_PICTURES = "Outlines in pictures"
_VOLUME_NOTE = (
    "Cells: Chamfer distance (mm) / Dice, means over patients. Chamfer: mean of the two directed means of point-to-"
    "surface distance, every mm² counted alike; it is the ASSD. Dice: voxels of the grid whose centres lie in the "
    "bone; background: those in no bone. All leave out what lies nearer than 2.5 mm to the grid's border. Seconds: a "
    "case, without reading files."
)
_OUTLINE_NOTE = (
    "Cells: Chamfer distance of the outlines (mm) / Dice of the filled outlines, means over patients and views. "
    "Millimetres in the plane through the middle of the grid, facing the detector. What the grid cuts short does not "
    "count."
)
_DETAILS = (("assd_mm", 2), ("to_truth_mm", 2), ("from_truth_mm", 2), ("hd95_mm", 2), ("dice", 3))
"""Measures of the table of details, and their decimals."""


@dataclass(frozen=True)
class TurnPoint:
    """A method's mean over bones at one turn of the lateral camera.

    Attributes:
        angle_deg: How far it was turned.
        chamfer_mm: Mean Chamfer distance.
        loss_mm: Of it, less that at 0 degrees.
    """

    angle_deg: float
    chamfer_mm: float
    loss_mm: float


def volumes_table(
    outcomes: Sequence[ReconstructionOutcome],
    background: Mapping[str, Sequence[float]] | None = None,
    *,
    paper: bool = True,
) -> Table:
    """Method by bone in space, Chamfer and Dice: the paper's first table.

    Args:
        outcomes: Of all methods.
        background: By method, Dice of what is no bone, one per case.
        paper: Show the paper's own line where it knows one of the bones.

    Raises:
        InputError: No outcome.
    """
    bones = bones_of(outcomes)
    free = {method: summarise(list(values)).mean for method, values in (background or {}).items()}
    rows, data = _method_rows(outcomes, bones, "assd_mm", "")
    rows = [(*row[:-1], number(free.get(row[0], math.nan), 3), row[-1]) for row in rows]
    theirs = paper and THEIR_DRRS.knows(bones)
    if theirs:
        times = number(THEIR_DRRS.background, 3), number(THEIR_DRRS.seconds, 2)
        rows.append((THEIR_DRRS.name, *THEIR_DRRS.cells(bones), *times))
    return _table("Bones in space", (*bones, "Mean of bones", "Background"), rows, data, _notes(_VOLUME_NOTE, theirs))


def outlines_table(outcomes: Sequence[OutlineOutcome], *, title: str = IN_PICTURES, paper: bool = True) -> Table:
    """Method by bone in pictures, those that the method was shown and others: the paper's second table.

    Args:
        outcomes: Of all methods.
        title: Of the table.
        paper: Show the paper's own line where it knows one of the bones.

    Raises:
        InputError: No outcome.
    """
    bones = bones_of(outcomes)
    rows: list[Row] = []
    data: list[Numbers] = []
    theirs = paper and THEIR_RADIOGRAPHS.knows(bones)
    for shown, told in ((True, "Views the methods saw"), (False, "A view they never saw")):
        own = [o for o in outcomes if o.shown is shown]
        if not own:
            continue
        rows.append((f"{told}: {' and '.join(dict.fromkeys(o.view for o in own))}",))
        more, numbers = _method_rows(own, bones, "chamfer_mm", "shown" if shown else "not shown")
        rows, data = rows + more, data + numbers
        if theirs and shown:
            line = THEIR_RADIOGRAPHS
            rows.append((line.name, *line.cells(bones), number(line.seconds, 2)))
    mean = " Their mean is that of their columns, taken here." if theirs else ""
    notes = _notes(_OUTLINE_NOTE, theirs, mean)
    return _table(title, (*bones, "Mean of bones"), rows, data, (*notes, *_lost(outcomes)))


def _lost(outcomes: Sequence[OutlineOutcome]) -> list[str]:
    """A sentence on bones that methods did not give, if there are any."""
    cases: dict[tuple[str, str], set[str]] = {}
    for o in outcomes:
        if o.empty:
            cases.setdefault((o.method, o.bone), set()).add(o.case)
    told = [f"{method} gave no {bone} in {len(which)} cases" for (method, bone), which in cases.items()]
    return [f"The mean shape stands in for lost bones: {'; '.join(told)}."] if told else []


def details_table(outcomes: Sequence[ReconstructionOutcome], baseline: str | None = None) -> Table:
    """Bone by method: Chamfer in both directions, HD95, Dice, failures.

    Args:
        outcomes: Of all methods.
        baseline: A method against whose mean the others' Chamfer distance is told, in percent.

    Raises:
        InputError: No outcome.
    """
    rows: list[Row] = []
    data: list[Numbers] = []
    for bone in bones_of(outcomes):
        rows.append((_title(bone),))
        reference = math.nan if baseline is None else summary_of(outcomes, baseline, bone, "assd_mm").mean
        for method in methods_of(outcomes):
            own = [o for o in outcomes if o.method == method and o.bone == bone]
            found = [summary_of(own, method, bone, name) for name, _ in _DETAILS]
            change = 100 * (found[0].mean / reference - 1) if reference > 0 and method != baseline else math.nan
            lost = sum(o.empty for o in own)
            cells = [each.text(places) for each, (_, places) in zip(found, _DETAILS, strict=True)]
            against = DASH if math.isnan(change) else f"{number(change, 0, '+')} %"
            rows.append((method, *cells, against, f"{lost} of {len(own)}", str(found[0].n)))
            data.append((bone, method, *(n for each in found for n in (each.mean, each.sd)), change, lost, len(own)))
    header = ("Method", "Chamfer (mm)", "Result to truth", "Truth to result", "HD95 (mm)", "Dice", "Against baseline",
              "Failures", "Patients")  # fmt: skip
    columns = [f"{name}_{kind}" for name, _ in _DETAILS for kind in ("mean", "sd")]
    notes = (
        "Mean ± standard deviation over patients. HD95: the larger of the two directed 95th percentiles. "
        f"Against baseline: the Chamfer distance against that of {baseline or 'a baseline'}. "
        "Failures: cases in which the method gave no such bone; the mean shape stands in for it in the numbers.",
    )
    data_header = ("bone", "method", *columns, "chamfer_change_percent", "empty", "cases")
    return Table("Bone by bone", header, tuple(rows), tuple(range(1, 9)), notes, data_header, tuple(data))


def turn_points(turned: Mapping[float, Sequence[ReconstructionOutcome]]) -> dict[str, list[TurnPoint]]:
    """By method, its mean error over the bones at each turn of the lateral camera, in order of the turn.

    Args:
        turned: Outcomes by turn, degrees; 0 among them.

    Raises:
        InputError: No outcome at 0 degrees.
    """
    if not turned.get(0.0):
        raise InputError("there is no outcome at 0 degrees to tell the loss against.")
    points: dict[str, list[TurnPoint]] = {}
    for method in methods_of(turned[0.0]):
        errors = {angle: mean_of_bones(turned[angle], method, "assd_mm") for angle in sorted(turned)}
        points[method] = [TurnPoint(angle, error, error - errors[0.0]) for angle, error in errors.items()]
    return points


def turn_table(
    points: Mapping[str, Sequence[TurnPoint]], calibrated: Sequence[str] = (), baselines: Sequence[str] = ()
) -> Table:
    """Method by turn of the lateral camera: mean error and what was lost; then what knowing the camera saves.

    Args:
        points: Of :func:`turn_points`.
        calibrated: Methods that are told where the camera is.
        baselines: Methods that look at no picture.
    """
    angles = [point.angle_deg for point in next(iter(points.values()))]
    rows: list[Row] = []
    for method, own in points.items():
        told = DASH if method in baselines else "yes" if method in calibrated else "no"
        rows.append((method, told, *(f"{number(p.chamfer_mm, 2)} ({number(p.loss_mm, 2, '+')})" for p in own)))
    others = [method for method in points if method not in (*calibrated, *baselines)]
    pairs = [(one, other) for one in points if one in calibrated for other in others]
    if pairs:
        rows.append(("Loss of the first as a share of the second's",))
    for one, other in pairs:
        shares = [_share(a.loss_mm, b.loss_mm) for a, b in zip(points[one], points[other], strict=True)]
        rows.append((f"{one} : {other}", "", *shares))
    data = [(m, m in calibrated, p.angle_deg, p.chamfer_mm, p.loss_mm) for m, own in points.items() for p in own]
    notes = (
        "Chamfer distance (mm), mean over bones of the means over patients; in brackets what was lost against 0 "
        "degrees. The lateral camera truly is turned about the limb's axis, every other person's the other way; a "
        "method that is told its camera gets the true one, the others take it for the canonical one.",
    )
    header = ("Method", "Told the camera", *(f"{angle:g}°" for angle in angles))
    data_header = ("method", "told_the_camera", "turned_deg", "chamfer_mm", "loss_mm")
    numeric = tuple(range(2, len(header)))
    return Table("Lateral view turned", header, tuple(rows), numeric, notes, data_header, tuple(data))


def bones_of(outcomes: Sequence[Outcome]) -> list[str]:
    """Bones in the order of their first appearance.

    Raises:
        InputError: No outcome.
    """
    if not outcomes:
        raise InputError("There is no outcome to make a table of.")
    return list(dict.fromkeys(outcome.bone for outcome in outcomes))


def methods_of(outcomes: Iterable[Outcome]) -> list[str]:
    """Methods in the order of their first appearance."""
    return list(dict.fromkeys(outcome.method for outcome in outcomes))


def summary_of(outcomes: Sequence[Outcome], method: str, bone: str, measure: str) -> Summary:
    """A measure of one method and bone over patients."""
    own = [outcome for outcome in outcomes if outcome.method == method]
    return summarise(list(per_patient(own, bone, measure).get(method, {}).values()))


def mean_of_bones(outcomes: Sequence[Outcome], method: str, measure: str) -> float:
    """Mean over the bones of a measure's mean over patients; NaN when a bone has none."""
    means = [summary_of(outcomes, method, bone, measure).mean for bone in bones_of(outcomes)]
    return sum(means) / len(means)


def mean_seconds(outcomes: Iterable[Outcome]) -> float:
    """Mean time of a case, however many its bones and views."""
    return summarise(list({o.case: o.seconds for o in outcomes}.values())).mean


def _method_rows(
    outcomes: Sequence[Outcome], bones: Sequence[str], chamfer: str, group: str
) -> tuple[list[Row], list[Numbers]]:
    """A row per method and its numbers."""
    rows: list[Row] = []
    data: list[Numbers] = []
    for method in methods_of(outcomes):
        own = [o for o in outcomes if o.method == method]
        both = mean_of_bones(outcomes, method, chamfer), mean_of_bones(outcomes, method, "dice")
        seconds = mean_seconds(own)
        cells = []
        for bone in bones:
            near, overlap = summary_of(own, method, bone, chamfer), summary_of(own, method, bone, "dice")
            lost = sum(o.empty for o in own if o.bone == bone)
            cells.append(cell((near.mean, overlap.mean)))
            numbers = (near.n, near.mean, near.sd, overlap.mean, overlap.sd, lost, seconds)
            data.append((group, method, bone, *numbers))
        rows.append((method, *cells, cell(both), number(seconds, 2)))
    return rows, data


def _table(title: str, columns: Sequence[str], rows: list[Row], data: list[Numbers], notes: tuple[str, ...]) -> Table:
    header = ("Method", *map(_title, columns), "Seconds")
    data_header = ("views", "method", "bone", "patients", "chamfer_mm_mean", "chamfer_mm_sd", "dice_mean", "dice_sd",
                   "empty", "seconds")  # fmt: skip
    return Table(title, header, tuple(rows), tuple(range(1, len(header))), notes, data_header, tuple(data))


def _notes(note: str, theirs: bool, more: str = "") -> tuple[str, ...]:
    return (note, THEIRS + more) if theirs else (note,)


def _share(loss: float, of: float) -> str:
    """In percent, where the second lost more than rounding."""
    return f"{number(100 * loss / of, 0)} %" if of > 0.01 and math.isfinite(loss) else DASH


def _title(bone: str) -> str:
    return bone[:1].upper() + bone[1:]
