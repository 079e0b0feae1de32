"""The tables of the experiments: method by bone, with the paper's own figures beside, marked as theirs.

Numbers are taken per patient (the mean of a patient's cases), because cases of one patient are not independent.
"""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

from XRayTo3DLib.errors import InputError
from XRayTo3DLib.evaluation import report
from XRayTo3DLib.evaluation.experiment_statistics import (
    MethodStatistics,
    PairTest,
    Summary,
    p_text,
    summarise,
)
from XRayTo3DLib.evaluation.reconstruction_trials import ReconstructionOutcome, TranslationOutcome
from XRayTo3DLib.files.spreadsheets import as_cells

PAPER = "Shiode et al. 2021 (theirs, on their data)"
PAPER_ASD_MM = {"radius": 1.05, "ulna": 1.45}
"""Average surface distance from one real radiograph, their formula (Scientific Reports 11:15249)."""
PAPER_MAE = (0.025, 0.020)
"""Mean and SD of the MAE between GAN-DRR and registration-DRR, line integrals of about 0 to 0.2, same source."""
DASH = "–"
_TEXT_WIDTH = 118


@dataclass(frozen=True)
class Table:
    """A table to show, and the numbers behind it.

    Attributes:
        title: What it is.
        header: Column titles.
        rows: Cells as text; a row of one cell is a sub-heading, of two (in a wider table) a name and a sentence.
        numeric: Columns that hold numbers.
        notes: Sentences to show under it.
        data_header: Columns of the CSV file.
        data: Its rows, numbers unrounded; NaN is an empty cell.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...]
    notes: tuple[str, ...]
    data_header: tuple[str, ...]
    data: tuple[tuple[object, ...], ...]

    def text(self) -> str:
        """Plain text in columns, for a terminal."""
        full = [self.header, *(row for row in self.rows if len(row) == len(self.header))]
        widths = [max(len(row[k]) for row in full) for k in range(len(self.header))]
        lines = [self.title, "", self._line(self.header, widths), "  ".join("-" * width for width in widths)]
        lines += [self._line(row, widths) if len(row) == len(full[0]) else "  ".join(row) for row in self.rows]
        notes = [textwrap.fill(note, _TEXT_WIDTH) for note in self.notes]
        return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        cells = [
            cell.rjust(width) if k in self.numeric else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    def csv(self) -> str:
        """The numbers, unrounded, with a header line."""
        return _csv(self.data_header, self.data)

    def html(self) -> str:
        """A table of the report with its notes (no heading)."""
        return report.table(self.rows, self.header, self.numeric) + "".join(map(report.note, self.notes))


def per_patient(
    outcomes: Iterable[ReconstructionOutcome], bone: str, measure: str = "assd_mm"
) -> dict[str, dict[str, float]]:
    """``measure`` of ``bone`` by method and patient: the mean of a patient's finite numbers, NaN without any."""
    return _per_patient((o.method, o.patient, getattr(o, measure)) for o in outcomes if o.bone == bone)


def mae_per_patient(outcomes: Iterable[TranslationOutcome], measure: str = "mae") -> dict[str, dict[str, float]]:
    """``measure`` ("mae", "bone_mae" or "structure") by method and patient, as :func:`per_patient`."""
    return _per_patient((o.method, o.patient, getattr(o, measure)) for o in outcomes)


def _per_patient(numbers: Iterable[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    collected: dict[str, dict[str, list[float]]] = {}
    for method, patient, value in numbers:
        collected.setdefault(method, {}).setdefault(patient, []).append(value)
    return {
        method: {patient: summarise(values).mean for patient, values in of.items()} for method, of in collected.items()
    }


def reconstruction_table(
    outcomes: Sequence[ReconstructionOutcome],
    *,
    title: str = "Reconstruction",
    baseline: str | None = None,
    paper: bool = True,
) -> Table:
    """Method by bone: ASSD, Shiode's ASD and HD95 as mean ± SD in mm, median, failures, number of patients.

    Args:
        outcomes: Of all methods; shown in the order of their first appearance.
        title: For the table.
        baseline: A method whose mean ASSD the others' are told against, in percent.
        paper: Show the paper's figures under the bones they are about.

    Raises:
        InputError: No outcome, or no such baseline.
    """
    methods, bones = _names(outcomes, "method"), _names(outcomes, "bone")
    if baseline is not None and baseline not in methods:
        raise InputError(f'There is no method "{baseline}" to compare with; known are {", ".join(methods)}.')
    rows, data = [], []
    for bone in bones:
        rows.append((bone[:1].upper() + bone[1:],))
        against = math.nan if baseline is None else _summary(outcomes, baseline, bone, "assd_mm").mean
        for method in methods:
            own = [o for o in outcomes if o.method == method and o.bone == bone]
            assd, asd, hd95 = (
                _summary(own, method, bone, measure) for measure in ("assd_mm", "asd_vertices_mm", "hd95_mm")
            )
            empty = sum(o.empty for o in own)
            change = 100 * (assd.mean / against - 1) if against > 0 and method != baseline else math.nan
            shown = (method, assd.text(), _number(assd.median), asd.text(), hd95.text())
            against_cell = () if baseline is None else (DASH if math.isnan(change) else f"{_signed(change, 0)} %",)
            rows.append((*shown, *against_cell, f"{empty} of {len(own)}", str(assd.n)))
            data.append((bone, method, *_data(assd), *_data(asd)[:3], *_data(hd95)[:3], change, empty, len(own)))
        if paper and bone.lower() in PAPER_ASD_MM:
            blanks = (DASH,) * (3 if baseline is None else 4)
            rows.append((PAPER, DASH, DASH, f"{PAPER_ASD_MM[bone.lower()]:.2f}", *blanks))
    change_title = () if baseline is None else (f"ASSD against {baseline}",)
    header = ("Method", "ASSD (mm)", "Median", "ASD, vertices (mm)", "HD95 (mm)", *change_title, "Failures", "Patients")
    return Table(title, header, tuple(rows), tuple(range(1, len(header))), _notes(paper), _DATA_HEADER, tuple(data))


_DATA_HEADER = (
    *("bone", "method", "patients", "assd_mean_mm", "assd_sd_mm", "assd_median_mm", "assd_min_mm", "assd_max_mm"),
    *("asd_vertices_patients", "asd_vertices_mean_mm", "asd_vertices_sd_mm"),
    *("hd95_patients", "hd95_mean_mm", "hd95_sd_mm", "assd_change_percent", "empty", "cases"),
)


def _notes(paper: bool) -> tuple[str, ...]:
    notes = (
        "Mean ± standard deviation over patients. ASSD: area-weighted point-to-surface distance, mean of both "
        "directions. ASD, vertices: vertex to vertex, pooled, the formula of Shiode et al.; it grows with the spacing "
        "of the vertices. HD95: the larger of the two directed 95th percentiles.",
        "Failures: cases in which the method gave no such bone at all; the mean shape stands in for it in the numbers "
        "where one is known.",
    )
    theirs = (
        "The line of Shiode et al. (Scientific Reports 2021, 11:15249) is theirs, from one real radiograph of their "
        "own patients: other people, other images. It is not a comparison.",
    )
    return notes + theirs if paper else notes


def translation_table(
    outcomes: Sequence[TranslationOutcome], *, title: str = "Image translation", paper: bool = True
) -> Table:
    """MAE and structure of each method against the registration-DRR, over patients.

    Raises:
        InputError: No outcome.
    """
    rows, data = [], []
    measures = [mae_per_patient(outcomes, measure) for measure in ("mae", "bone_mae", "structure")]
    for method in _names(outcomes, "method"):
        whole, bone, edges = (summarise(list(of[method].values())) for of in measures)
        rows.append((method, whole.text(4), _number(whole.median, 4), bone.text(4), edges.text(3), str(whole.n)))
        data.append((method, *_data(whole), *_data(bone)[:3], *_data(edges)[:3]))
    if paper:
        rows.append((PAPER, f"{PAPER_MAE[0]:.3f} ± {PAPER_MAE[1]:.3f}", DASH, DASH, DASH, DASH))
    notes = [
        "Mean ± standard deviation over patients. MAE: mean absolute error of line integrals (dimensionless).",
        "Structure: gradient correlation with the true DRR, from -1 to 1, blind to gain and offset.",
    ]
    if paper:
        notes.append(
            "The line of Shiode et al. (Scientific Reports 2021, 11:15249) is theirs, on real radiographs of their own "
            "patients, line integrals of about 0 to 0.2. It is not a comparison."
        )
    header = ("Method", "MAE", "Median", "MAE on bone", "Structure", "Patients")
    data_header = ("method", "patients", "mae_mean", "mae_sd", "mae_median", "mae_min", "mae_max")
    data_header += ("bone_patients", "bone_mae_mean", "bone_mae_sd")
    data_header += ("structure_patients", "structure_mean", "structure_sd")
    return Table(title, header, tuple(rows), (1, 2, 3, 4, 5), tuple(notes), data_header, tuple(data))


def patient_table(outcomes: Sequence[TranslationOutcome], *, title: str = "MAE per patient") -> Table:
    """One row per patient, one column per method: the paper's first experiment.

    Raises:
        InputError: No outcome.
    """
    methods, patients = _names(outcomes, "method"), _names(outcomes, "patient")
    values = mae_per_patient(outcomes)
    data = tuple((patient, *(values[m].get(patient, math.nan) for m in methods)) for patient in patients)
    rows = tuple((patient, *(_number(value, 4) for value in numbers)) for patient, *numbers in data)
    return Table(title, ("Patient", *methods), rows, tuple(range(1, len(methods) + 1)), (), ("patient", *methods), data)


def statistics_table(statistics: MethodStatistics, *, title: str = "Statistics", decimals: int = 2) -> Table:
    """Every test of ``statistics``: between every two methods, all together, and whether they are normal."""
    rows: list[tuple[str, ...]] = [("Which differ: first less second method",)]
    for tukey, wilcoxon in zip(statistics.tukey, statistics.wilcoxon, strict=True):
        unpaired, paired = (_difference(test, decimals) for test in (tukey, wilcoxon))
        rows.append((f"{tukey.first} – {tukey.second}", unpaired, p_text(tukey.p), paired, p_text(wilcoxon.p)))
    friedman = statistics.friedman
    rows.append(("Do any differ: Friedman",))
    rows.append(("All methods", "", "", friedman.note or f"χ² = {friedman.statistic:.2f}", p_text(friedman.p)))
    rows.append(("Is a method's spread normal: Shapiro-Wilk",))
    rows += [(t.subject, t.note or f"W = {t.statistic:.3f}", p_text(t.p), "", "") for t in statistics.normality]
    groups = (*statistics.normality, friedman)
    data = [(t.test, t.subject, "", t.n, t.statistic, math.nan, math.nan, math.nan, t.p, t.note) for t in groups]
    data += [
        (t.test, t.first, t.second, t.n, math.nan, t.difference, t.low, t.high, t.p, t.note)
        for t in (*statistics.tukey, *statistics.wilcoxon)
    ]
    data_header = ("test", "first", "second", "n", "statistic", "difference", "low", "high", "p", "note")
    header = ("", "Unpaired, as in the paper", "p", "Paired", "p")
    return Table(title, header, tuple(rows), (1, 2, 3, 4), (_TESTS,), data_header, tuple(data))


_TESTS = (
    "Unpaired: Tukey-Kramer HSD, difference of the means and its simultaneous 95 % interval. Paired: Wilcoxon "
    "signed-rank, median of the differences, p after Holm. The same cases stand under every method: where the two "
    "disagree, believe the paired one."
)


def _difference(test: PairTest, decimals: int) -> str:
    if test.note:
        return test.note
    interval = ""
    if not math.isnan(test.low):
        interval = f" ({_signed(test.low, decimals)} to {_signed(test.high, decimals)})"
    return _signed(test.difference, decimals) + interval


def _signed(value: float, decimals: int) -> str:
    """With its sign, a true minus, and no sign at zero."""
    text = f"{value:+.{decimals}f}".replace("-", "−")
    return text if text.strip("+−0.") else text[1:]


def outcomes_csv(outcomes: Sequence[ReconstructionOutcome] | Sequence[TranslationOutcome]) -> str:
    """Every single outcome, unrounded, one line each.

    Raises:
        InputError: No outcome.
    """
    if not outcomes:
        raise InputError("There is no outcome to write.")
    return _csv([field.name for field in fields(outcomes[0])], [tuple(asdict(o).values()) for o in outcomes])


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(as_cells(header))
    writer.writerows(as_cells("" if isinstance(c, float) and math.isnan(c) else c for c in row) for row in rows)
    return buffer.getvalue()


def _names(outcomes: Sequence[object], what: str) -> list[str]:
    """Methods, bones or patients in the order of their first appearance."""
    if not outcomes:
        raise InputError("There is no outcome to make a table of.")
    return list(dict.fromkeys(getattr(outcome, what) for outcome in outcomes))


def _summary(outcomes: Sequence[ReconstructionOutcome], method: str, bone: str, measure: str) -> Summary:
    return summarise(list(per_patient(outcomes, bone, measure).get(method, {}).values()))


def _data(summary: Summary) -> tuple[float, ...]:
    return summary.n, summary.mean, summary.sd, summary.median, summary.low, summary.high


def _number(value: float, decimals: int = 2) -> str:
    return DASH if math.isnan(value) else f"{value:.{decimals}f}"
