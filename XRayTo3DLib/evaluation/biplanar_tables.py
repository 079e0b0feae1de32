"""The two tables of Kasten et al. 2020 on any data set: bones in space, and their outlines in pictures; with times.

Cells are "Chamfer / Dice". Numbers are taken per patient, as in the other tables.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.experiment_statistics import Summary, summarise
from XRayTo3DLib.evaluation.experiment_tables import DASH, Table, per_patient
from XRayTo3DLib.evaluation.outline_measures import OutlineOutcome
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome

Outcome = ReconstructionOutcome | OutlineOutcome
Pair = tuple[float, float]
"""Chamfer distance (mm) and Dice."""


@dataclass(frozen=True)
class Published:
    """A line that Kasten et al. (arXiv 2004.00871) give, on their data.

    Attributes:
        method: What it is of.
        pictures: What it was measured on.
        bones: Chamfer and Dice by bone.
        mean: Over the bones.
        seconds: A case.
        note: What else is said of it.
    """

    method: str
    pictures: str
    bones: Mapping[str, Pair]
    mean: Pair = (math.nan, math.nan)
    seconds: float = math.nan
    note: str = ""


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


THEIR_DRRS = Published(
    "Kasten et al.", "DRRs of 20 CTs",
    {"femur": (1.075, 0.943), "patella": (1.709, 0.894), "tibia": (1.175, 0.945), "fibula": (1.218, 0.848)},
    (1.294, 0.907), 0.5, "background: Dice 0.986",
)  # fmt: skip
THEIR_RADIOGRAPHS = Published(
    "Kasten et al.", "28 pairs of radiographs, 2D",
    {"femur": (1.691, 0.948), "patella": (1.198, 0.910), "tibia": (1.135, 0.959), "fibula": (2.873, 0.809)},
    (1.724, 0.907), 0.5, "mean of their columns, taken here",
)  # fmt: skip
PUBLISHED = (
    THEIR_DRRS,
    THEIR_RADIOGRAPHS,
    Published("SSIM (Klima et al. 2015), placed by hand", DASH, {"femur": (7.529, 0.803)}, seconds=4.88),
    Published(
        "SSIM, start perturbed", DASH, {"femur": (8.559, 0.783)}, seconds=6.05, note="34 % did not converge",
    ),
    Published("Chen & Fang 2020", DASH, {"femur": (3.984, 0.878)}),
)  # fmt: skip
_THEIRS = (
    "The lines of Kasten et al. 2020 are theirs, on their data: other people, other pictures. They are not a "
    "comparison."
)
_VOLUME_NOTE = (
    "Cells: Chamfer distance (mm) / Dice, means over patients. Chamfer: mean of the two directed means of point-to-"
    "surface distance, every mm² counted alike; it is the ASSD. Dice: voxels of the grid whose centres lie in the "
    "bone. Both leave out what lies nearer than 2.5 mm to the grid's border. Seconds: a case, without reading files."
)
_OUTLINE_NOTE = (
    "Cells: Chamfer distance of the outlines (mm) / Dice of the filled outlines, means over patients and views. "
    "Millimetres in the plane through the middle of the grid, facing the detector. What the grid cuts short does not "
    "count."
)


def volumes_table(outcomes: Sequence[ReconstructionOutcome], *, paper: bool = True) -> Table:
    """Method by bone in space, Chamfer and Dice: the paper's first table.

    Args:
        outcomes: Of all methods.
        paper: Show the paper's own line where it knows one of the bones.

    Raises:
        InputError: No outcome.
    """
    bones = bones_of(outcomes)
    rows, data = _method_rows(outcomes, bones, "assd_mm")
    theirs = paper and _shares(THEIR_DRRS, bones)
    rows += [_published_row(THEIR_DRRS, bones, f"{THEIR_DRRS.method} (theirs, {THEIR_DRRS.pictures})")] * theirs
    notes = (_VOLUME_NOTE, *((_THEIRS + f" Their {THEIR_DRRS.note}.",) if theirs else ()))
    return _table("Bones in space", bones, rows, notes, data)


def outlines_table(outcomes: Sequence[OutlineOutcome], *, paper: bool = True) -> Table:
    """Method by bone in pictures, those that the method was shown and one it was not: the paper's second table.

    Args:
        outcomes: Of all methods.
        paper: Show the paper's own line where it knows one of the bones.

    Raises:
        InputError: No outcome.
    """
    bones = bones_of(outcomes)
    rows: list[tuple[str, ...]] = []
    data: list[tuple[object, ...]] = []
    theirs = paper and _shares(THEIR_RADIOGRAPHS, bones)
    for shown in (True, False):
        own = [o for o in outcomes if o.shown is shown]
        if not own:
            continue
        views = " and ".join(dict.fromkeys(o.view for o in own))
        rows.append((f"{'Views it was given' if shown else 'A view it never saw'}: {views}",))
        more, numbers = _method_rows(own, bones, "chamfer_mm", f"{'shown' if shown else 'not shown'}")
        rows, data = rows + more, data + numbers
        if theirs and shown:
            rows.append(_published_row(THEIR_RADIOGRAPHS, bones, "Kasten et al. (theirs, 28 pairs of radiographs)"))
    notes = (_OUTLINE_NOTE, *((_THEIRS + " Their mean is that of their columns, taken here.",) if theirs else ()))
    return _table("Outlines in pictures", bones, rows, notes, data)


def details_table(outcomes: Sequence[ReconstructionOutcome], baseline: str | None = None) -> Table:
    """Bone by method: Chamfer in both directions, HD95, Dice, failures.

    Args:
        outcomes: Of all methods.
        baseline: A method against whose mean the others' Chamfer distance is told, in percent.

    Raises:
        InputError: No outcome.
    """
    rows: list[tuple[str, ...]] = []
    data: list[tuple[object, ...]] = []
    for bone in bones_of(outcomes):
        rows.append((bone[:1].upper() + bone[1:],))
        reference = math.nan if baseline is None else summary_of(outcomes, baseline, bone, "assd_mm").mean
        for method in methods_of(outcomes):
            own = [o for o in outcomes if o.method == method and o.bone == bone]
            found = [summary_of(own, method, bone, name) for name, _ in _DETAILS]
            change = 100 * (found[0].mean / reference - 1) if reference > 0 and method != baseline else math.nan
            against = DASH if math.isnan(change) else f"{change:+.0f} %".replace("-", "−")
            lost = sum(o.empty for o in own)
            cells = [each.text(places) for each, (_, places) in zip(found, _DETAILS, strict=True)]
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


_DETAILS = (("assd_mm", 2), ("to_truth_mm", 2), ("from_truth_mm", 2), ("hd95_mm", 2), ("dice", 3))


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
        still = mean_of_bones(turned[0.0], method, "assd_mm")
        errors = {angle: mean_of_bones(turned[angle], method, "assd_mm") for angle in sorted(turned)}
        points[method] = [TurnPoint(angle, error, error - still) for angle, error in errors.items()]
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
    rows: list[tuple[str, ...]] = []
    for method, own in points.items():
        told = DASH if method in baselines else "yes" if method in calibrated else "no"
        cells = [f"{_number(p.chamfer_mm, 2)} ({_number(p.loss_mm, 2, '+')})" for p in own]
        rows.append((method, told, *cells))
    others = [method for method in points if method not in (*calibrated, *baselines)]
    pairs = [(one, other) for one in calibrated for other in others]
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


def published_table() -> Table:
    """Every number that Kasten et al. give, marked as theirs."""
    bones = list(THEIR_DRRS.bones)
    rows = tuple(
        (each.method, each.pictures, *_published_cells(each, bones), _number(each.seconds, 2), each.note or DASH)
        for each in PUBLISHED
    )
    data = [
        (each.method, each.pictures, bone, *pair, each.seconds)
        for each in PUBLISHED
        for bone, pair in each.bones.items()
    ]
    notes = (
        "As Kasten et al. 2020 (arXiv 2004.00871) report it, on their data; Chamfer (mm) / Dice. What the others' "
        "femurs were measured on is not known here. The mean that a summary of the paper gives for real radiographs "
        "does not follow from its columns and is not repeated.",
    )
    header = ("Method", "Measured on", *map(_title, bones), "Mean of bones", "Seconds", "Note")
    data_header = ("method", "pictures", "bone", "chamfer_mm", "dice", "seconds")
    return Table("Published numbers", header, rows, (2, 3, 4, 5, 6, 7), notes, data_header, tuple(data))


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


def _method_rows(
    outcomes: Sequence[Outcome], bones: Sequence[str], chamfer: str, group: str = ""
) -> tuple[list[tuple[str, ...]], list[tuple[object, ...]]]:
    """A row per method and its numbers."""
    rows, data = [], []
    for method in methods_of(outcomes):
        pairs = [
            (summary_of(outcomes, method, bone, chamfer), summary_of(outcomes, method, bone, "dice")) for bone in bones
        ]
        means = [(near.mean, overlap.mean) for near, overlap in pairs]
        both = _mean([near for near, _ in means]), _mean([overlap for _, overlap in means])
        own = [o for o in outcomes if o.method == method]
        seconds = summarise([o.seconds for o in own]).mean
        rows.append((method, *map(_cell, means), _cell(both), _number(seconds, 2)))
        for bone, (near, overlap) in zip(bones, pairs, strict=True):
            lost = sum(o.empty for o in own if o.bone == bone)
            numbers = (near.n, near.mean, near.sd, overlap.mean, overlap.sd, lost, seconds)
            data.append((group, method, bone, *numbers))
    return rows, data


def _table(
    title: str, bones: Sequence[str], rows: Sequence[tuple[str, ...]], notes: tuple[str, ...],
    data: Sequence[tuple[object, ...]],
) -> Table:  # fmt: skip
    header = ("Method", *map(_title, bones), "Mean of bones", "Seconds")
    data_header = ("views", "method", "bone", "patients", "chamfer_mm_mean", "chamfer_mm_sd", "dice_mean", "dice_sd",
                   "empty", "seconds")  # fmt: skip
    return Table(title, header, tuple(rows), tuple(range(1, len(header))), notes, data_header, tuple(data))


def _published_row(line: Published, bones: Sequence[str], name: str) -> tuple[str, ...]:
    return name, *_published_cells(line, bones), _number(line.seconds, 2)


def _published_cells(line: Published, bones: Sequence[str]) -> list[str]:
    cells = [_cell(line.bones.get(bone, (math.nan, math.nan)), 3) for bone in bones]
    return [*cells, _cell(line.mean, 3)]


def _shares(line: Published, bones: Sequence[str]) -> bool:
    return bool(set(bones) & set(line.bones))


def _cell(pair: Pair, decimals: int = 2) -> str:
    if all(map(math.isnan, pair)):
        return DASH
    return f"{_number(pair[0], decimals)} / {_number(pair[1], 3)}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _number(value: float, decimals: int, sign: str = "") -> str:
    return DASH if math.isnan(value) else f"{value:{sign}.{decimals}f}".replace("-", "−")


def _share(loss: float, of: float) -> str:
    """In percent, where the second lost more than rounding."""
    return f"{100 * loss / of:.0f} %".replace("-", "−") if of > 0.01 and math.isfinite(loss) else DASH


def _title(bone: str) -> str:
    return bone[:1].upper() + bone[1:]
