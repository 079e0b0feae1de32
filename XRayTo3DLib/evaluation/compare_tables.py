"""The tables of a comparison: one of everything, one bone by bone. Every cell holds a number or the reason for none."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation.compare_published import Line, mean_line
from XRayTo3DLib.evaluation.compare_results import ALIGNED, Row
from XRayTo3DLib.evaluation.experiment_statistics import Summary, summarise
from XRayTo3DLib.evaluation.experiment_tables import Table, per_patient
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome

PLAIN = "plain"
TITLES = {
    "biplanar": "Biplanar, told the cameras",
    "biplanar-replicated": "Biplanar, replicated",
    "tl-net": "TL-net",
    "encoder-decoder": "Encoder-decoder",
    "shape-intensity-fit": "Shape and density fit",
    "ridge": "Ridge regression",
    "nearest-shape": "Nearest training shape",
    "mean-shape": "Mean shape",
    "dual-face-depth": "Dual-face depth",
}
BASELINES = ("ridge", "nearest-shape", "mean-shape")
"""Methods drawn in grey."""
GIVEN = "given as a finished model, without its training"
UNKNOWN_MEMORY = "this system does not tell a process' memory"
Columns = Mapping[str, Sequence[str]]
"""Titles of the harder conditions, and the keys that are averaged under each."""


@dataclass
class Reasons:
    """Letters for reasons, so that a cell has room for one."""

    known: dict[str, str] = field(default_factory=dict)

    def letter(self, reason: str) -> str:
        """The letter that stands for a reason."""
        if reason not in self.known:
            number = len(self.known)
            first, second = divmod(number, 26)
            self.known[reason] = (string.ascii_lowercase[first - 1] if first else "") + string.ascii_lowercase[second]
        return self.known[reason]

    @property
    def note(self) -> str:
        """All of them, for a line under the table; empty if there is none."""
        told = "; ".join(f"{letter}: {reason}" for reason, letter in self.known.items())
        return f"Cells with a letter have no number: {told}." if told else ""


def title_of(name: str) -> str:
    """How a row is called in tables and figures."""
    method, plus, rest = name.partition(" + ")
    return TITLES.get(method, method) + plus + rest


def overall(outcomes: Sequence[ReconstructionOutcome], measure: str = "assd_mm") -> Summary:
    """A measure averaged over each patient's bones, summarised over patients."""
    of: dict[str, list[float]] = {}
    for outcome in outcomes:
        of.setdefault(outcome.patient, []).append(getattr(outcome, measure))
    return summarise([summarise(values).mean for values in of.values()])


def under(row: Row, keys: Sequence[str]) -> float:
    """Mean ASSD of a row under several conditions together, mm; NaN if it was asked under none."""
    found = [overall(row.of(key)).mean for key in keys if row.of(key)]
    return sum(found) / len(found) if found else math.nan


def same_people(row: Row, columns: Columns) -> float:
    """Mean ASSD as trained, mm, of those people who were also asked under harder conditions."""
    asked = {o.case for keys in columns.values() for key in keys for o in row.of(key)}
    return overall([o for o in row.of(PLAIN) if o.case in asked]).mean


def main_table(rows: Sequence[Row], columns: Columns, hard: int) -> Table:
    """Everything about every method: accuracy, harder conditions, time, memory.

    Args:
        rows: In the order of the report; those without numbers say why.
        columns: Harder conditions.
        hard: How many people were asked under them.

    Raises:
        InputError: No row has a number.
    """
    if not any(row.of(PLAIN) for row in rows):
        raise InputError("no method gave a number to compare.")
    reasons = Reasons()
    first = f"First {hard}"
    header = ("Method", "Views", "ASSD", "HD95", "Dice", "Lost", first, *columns, "Training", "s / case", "Memory")
    shown: list[tuple[str, ...]] = []
    data: list[tuple[object, ...]] = []
    for row in rows:
        if row.measured is None or not row.of(PLAIN):
            word = "failed" if row.failed else "left out"
            shown.append((title_of(row.name), f"{word}: {row.why_not or 'it reconstructed nobody'}"))
            data.append((row.name, row.method, word, row.why_not, *[math.nan] * (len(_data_header(columns)) - 4)))
            continue
        shown.append(_cells(row, columns, reasons))
        data.append(_numbers(row, columns))
    theirs = mean_line({o.bone for row in rows for o in row.of(PLAIN)})
    shown += [] if theirs is None else [theirs]
    notes = tuple(note for note in (*_notes(rows, first, hard), reasons.note) if note)
    return Table(
        "Comparison", header, tuple(shown), tuple(range(2, len(header))), notes, _data_header(columns), tuple(data)
    )


def _cells(row: Row, columns: Columns, reasons: Reasons) -> tuple[str, ...]:
    measured = row.measured
    assert measured is not None  # the caller has seen to it
    plain = row.of(PLAIN)
    assd, hd95, dice = (overall(plain, measure).mean for measure in ("assd_mm", "hd95_mm", "dice"))
    lost = sum(outcome.empty for outcome in plain)
    return (
        title_of(row.name),
        "+".join(measured.views),
        *(text_of(value, 2, reasons, "no bone was found in anybody") for value in (assd, hd95)),
        text_of(dice, 3, reasons, "no bone has a voxel"),
        str(lost),
        text_of(same_people(row, columns), 2, reasons, "it was asked under no harder condition"),
        *(text_of(under(row, keys), 2, reasons, _why(row, keys)) for keys in columns.values()),
        _training(row, reasons),
        text_of(measured.case_s, 2, reasons, "nobody was timed"),
        reasons.letter(UNKNOWN_MEMORY) if math.isnan(measured.memory_mb) else f"{measured.memory_mb:.0f} MB",
    )


def _training(row: Row, reasons: Reasons) -> str:
    if math.isnan(row.training_s):
        return reasons.letter(GIVEN)
    return f"({duration(row.training_s)})" if row.given else duration(row.training_s)


def text_of(value: float, decimals: int, reasons: Reasons, reason: str) -> str:
    """A number, or the letter of the reason for none."""
    return reasons.letter(reason) if math.isnan(value) else f"{value:.{decimals}f}"


def _why(row: Row, keys: Sequence[str]) -> str:
    assert row.measured is not None  # only asked of measured rows
    told = [row.measured.refused[key] for key in keys if key in row.measured.refused]
    return told[0] if told else "it was not asked"


def duration(seconds: float) -> str:
    """Seconds below two minutes, minutes below two hours, hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _numbers(row: Row, columns: Columns) -> tuple[object, ...]:
    measured = row.measured
    assert measured is not None  # the caller has seen to it
    plain = row.of(PLAIN)
    summaries = [overall(plain, measure) for measure in ("assd_mm", "hd95_mm", "dice")]
    harder = [under(row, keys) for keys in columns.values()]
    return (
        row.name, row.method, "measured", "; ".join(dict.fromkeys(measured.refused.values())),
        summaries[0].n, *(number for each in summaries for number in (each.mean, each.sd)),
        sum(outcome.empty for outcome in plain), same_people(row, columns), *harder,
        row.training_s, row.given, measured.case_s, measured.loading_s, measured.memory_mb, measured.before_mb,
        measured.bundle_mb,
    )  # fmt: skip


def _data_header(columns: Columns) -> tuple[str, ...]:
    accuracy = ("patients", "assd_mean_mm", "assd_sd_mm", "hd95_mean_mm", "hd95_sd_mm", "dice_mean", "dice_sd", "lost")
    harder = (f"assd_mean_mm {title}" for title in columns)
    cost = ("training_s", "given", "case_s", "loading_s", "memory_mb", "memory_before_mb", "bundle_mb")
    return ("name", "method", "state", "why_not", *accuracy, "assd_mean_mm same people", *harder, *cost)


def _notes(rows: Sequence[Row], first: str, hard: int) -> list[str]:
    some = [row.measured for row in rows if row.measured is not None]
    before = summarise([each.before_mb for each in some]).mean
    empty = "" if math.isnan(before) else f" (of it about {before:.0f} MB Python and libraries, before a model is read)"
    bones = max(len(row.of(PLAIN)) for row in rows)
    people = max(len({o.patient for o in row.of(PLAIN)}) for row in rows)
    notes = [
        f"Means over {people} test people and their bones, mm. ASSD: area-weighted point-to-surface distance, mean of "
        "both directions; the literature's Chamfer distance in space. HD95: the larger of the two directed 95th "
        "percentiles. Dice: of the voxels of the common grid. Lost: bones that a method did not give, "
        f"of {bones}; the mean shape stands in for them.",
        f"{first}: ASSD of the first {hard} test people as in training; from there to the training time ASSD of the "
        "same people under one condition each. View: the lateral camera truly turned about the limb, both ways; only "
        "a method that is told the cameras can know. Shift: the person aside in a random direction. Noise: 100 and "
        "25 photons a pixel, counted behind the middle of what is shown. Metal: a pin and four beads. Soft tissue: "
        "the whole limb in the picture.",
        "Training: wall clock, reading the data and judging included; in parentheses the updates alone, of a model "
        "that was trained before. s / case: from the pictures to meshes, one person at a time, median. "
        f"Memory: the most that the method's own process held while it reconstructed{empty}.",
    ]
    aligned = [(title_of(row.name), overall(row.of(ALIGNED))) for row in rows if row.of(ALIGNED)]
    notes += [
        f"{name}: one radiograph hardly tells how far bones are from the detector; with all its depth moved to the "
        f"truth's mean, as its paper measures, ASSD is {summary.mean:.2f} mm."
        for name, summary in aligned
    ]
    return notes


def bones_table(rows: Sequence[Row], published: Mapping[str, Sequence[Line]], reasons: Reasons | None = None) -> Table:
    """Bone by bone: what every method made of it, and what papers report of that bone on their own data.

    Args:
        rows: Of the report; those without numbers are passed over.
        published: Lines by bone.
        reasons: Of cells without a number.
    """
    reasons = reasons or Reasons()
    measured = [row for row in rows if row.of(PLAIN)]
    bones = list(dict.fromkeys(o.bone for row in measured for o in row.of(PLAIN)))
    shown: list[tuple[str, ...]] = []
    data: list[tuple[object, ...]] = []
    for bone in bones:
        shown.append((bone[:1].upper() + bone[1:].replace("_", " "),))
        for row in measured:
            own = [o for o in row.of(PLAIN) if o.bone == bone]
            summaries = [_of_bone(own, bone, measure) for measure in _MEASURES]
            cells = [
                reasons.letter("the method gave no such bone") if each.n == 0 else each.text(decimals)
                for each, decimals in zip(summaries, _MEASURES.values(), strict=True)
            ]
            lost = sum(outcome.empty for outcome in own)
            shown.append((title_of(row.name), *cells, f"{lost} of {len(own)}"))
            data.append((bone, row.name, *(n for each in summaries for n in (each.mean, each.sd)), lost, len(own), ""))
        for line in published.get(bone, ()):
            overlap = "" if math.isnan(line.dice) else f", Dice {line.dice:.3f}"
            shown.append(("Published", f"{line.name}: {line.distance_mm:g} mm{overlap}, on their own data"))
            numbers = (line.distance_mm, math.nan, *[math.nan] * 6, line.dice, math.nan, math.nan, math.nan)
            data.append((bone, f"published: {line.name}", *numbers, line.note))
    header = ("Method", "ASSD (mm)", "HD95 (mm)", "Missed (mm)", "Added (mm)", "Dice", "Lost")
    notes = [_BONE_NOTE, *_published_notes(published, bones), reasons.note]
    columns = [f"{measure}_{number}" for measure in _MEASURES for number in ("mean", "sd")]
    data_header = ("bone", "name", *columns, "lost", "cases", "note")
    return Table(
        "Bone by bone", header, tuple(shown), tuple(range(1, 7)), tuple(n for n in notes if n), data_header, tuple(data)
    )


_MEASURES = {"assd_mm": 2, "hd95_mm": 2, "from_truth_mm": 2, "to_truth_mm": 2, "dice": 3}
_BONE_NOTE = (
    "Mean ± standard deviation over patients. Missed: mean distance from the true surface to the reconstruction; "
    "added: from the reconstruction to the truth; ASSD is their mean."
)


def _of_bone(outcomes: Sequence[ReconstructionOutcome], bone: str, measure: str) -> Summary:
    return summarise([v for of in per_patient(outcomes, bone, measure).values() for v in of.values()])


def _published_notes(published: Mapping[str, Sequence[Line]], bones: Sequence[str]) -> list[str]:
    lines = [line for bone in bones for line in published.get(bone, ())]
    if not lines:
        return []
    special = dict.fromkeys(line.note for line in lines if line.note)
    return [
        "Lines marked published are the papers' own, on other people and other pictures, with their own definitions "
        "of distance: they are no comparison. " + " ".join(special)
    ]
