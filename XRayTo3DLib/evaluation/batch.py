"""Many results compared with their references: one table, statistics per bone, one report; a bad pair stops nothing."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from XRayTo3DLib import __version__
from XRayTo3DLib.errors import InputError, XRayTo3DError
from XRayTo3DLib.evaluation.batch_pairs import Pair
from XRayTo3DLib.evaluation.comparison import Comparison, compare
from XRayTo3DLib.evaluation.comparison_files import metrics_json
from XRayTo3DLib.evaluation.experiment_statistics import Summary, summarise
from XRayTo3DLib.evaluation.reference_surface import is_label_file, label_file_surface
from XRayTo3DLib.files import read_json, require_file, safe_file_name, write_json, write_text
from XRayTo3DLib.files.spreadsheets import as_cells
from XRayTo3DLib.plain_words import shown_name
from XRayTo3DLib.shape.surface_distance import DEFAULT_SAMPLES
from XRayTo3DLib.shape.surfaces import write_surface

BATCH_FORMAT, PAIR_FORMAT = "xrayto3d.evaluation-batch/1", "xrayto3d.evaluation-pair/1"
SHOWN = ("assd", "hd95", "rms", "hd", "nsd_1mm", "nsd_2mm", "vertices_asd")
"""Numbers of the table; the rest is in each pair's own file."""
PERCENT = ("nsd_1mm", "nsd_2mm")
ALL_BONES = "all bones"


@dataclass(frozen=True)
class Options:
    """How every pair is measured; see :func:`XRayTo3DLib.evaluation.comparison.compare`."""

    ignore_boundary: bool | float = False
    align: bool = False
    samples: int = DEFAULT_SAMPLES
    seed: int = 0
    synthetic: bool = False


@dataclass(frozen=True)
class Measured:
    """A pair and what came of it.

    Attributes:
        pair: The files.
        values: By key ("assd", ...), mm or percent; empty where ``problem`` says why.
        problem: One sentence; "" for a pair that was measured.
        synthetic: Made up, not a person.
        warnings: Sentences to show beside the numbers.
    """

    pair: Pair
    values: dict[str, float] = field(default_factory=dict)
    problem: str = ""
    synthetic: bool = False
    warnings: tuple[str, ...] = ()


def evaluate_batch(
    pairs: Sequence[Pair],
    folder: Path | str,
    options: Options | None = None,
    *,
    unmatched: Iterable[str] = (),
    report: Callable[[str, float], None] = lambda _text, _share: None,
) -> list[Measured]:
    """Measure every pair, and write what came of it into ``folder``.

    A pair that cannot be measured is told in table and report, and the rest goes on. What was measured before with the
    same files and options is taken from ``pairs/``, so a batch that was stopped goes on where it was.

    Writes ``table.csv`` (a line per pair), ``summary.json`` (statistics per bone), ``report.html``, and for each pair
    ``pairs/<name>.json`` (all numbers) and ``pairs/<name>.vtp`` (the result with its distances, LPS mm).

    Args:
        pairs: From :mod:`XRayTo3DLib.evaluation.batch_pairs`.
        folder: Where to; made if missing.
        options: How to measure.
        unmatched: Sentences on results without a reference and cases without a result, told in the report.
        report: Called with what was done and the share of it, 0..1.

    Raises:
        InputError: No pairs.
    """
    from XRayTo3DLib.evaluation.batch_report import batch_page

    if not pairs:
        raise InputError("evaluation: there is no pair of reference and result to measure.")
    folder, options = Path(folder), options or Options()
    measured: list[Measured] = []
    for number, (pair, name) in enumerate(zip(pairs, _file_names(pairs), strict=True)):
        report(f"measuring {pair.name or name} ({number + 1} of {len(pairs)})", number / len(pairs))
        measured.append(_measured(pair, folder / "pairs" / name, options))
    report("writing table and report", 1.0)
    unmatched = list(unmatched)
    write_text(folder / "table.csv", table_csv(measured))
    write_json(folder / "summary.json", summary_json(measured, options, unmatched))
    write_text(folder / "report.html", batch_page(measured, options, unmatched))
    return measured


def _measured(pair: Pair, path: Path, options: Options) -> Measured:
    try:
        made_from = _made_from(pair, options)
        earlier = _earlier(pair, path, made_from)
        if earlier is not None:
            return earlier
        comparison = _compare(pair, options)
        write_surface(comparison.distance_map, path.with_name(f"{path.name}.vtp"))
        content = {**metrics_json(comparison), "format": PAIR_FORMAT, "made_from": made_from}
        write_json(path.with_name(f"{path.name}.json"), content)
    except XRayTo3DError as error:
        return Measured(pair, problem=str(error))
    values = {row.key: row.value for row in comparison.rows}
    return Measured(pair, values, synthetic=comparison.synthetic, warnings=comparison.warnings)


def _compare(pair: Pair, options: Options) -> Comparison:
    reference = label_file_surface(pair.reference, pair.bone) if is_label_file(pair.reference) else pair.reference
    return compare(
        reference,
        pair.result,
        ignore_boundary=options.ignore_boundary,
        align=options.align,
        samples=options.samples,
        seed=options.seed,
        synthetic=options.synthetic,
        names=(f"{shown_name(pair.reference, 'reference')}: {pair.bone}", shown_name(pair.result, "result")),
    )


def _made_from(pair: Pair, options: Options) -> dict[str, Any]:
    """What a measurement depends on."""
    files = {what: _sha256(path, what) for what, path in (("reference", pair.reference), ("result", pair.result))}
    chosen = [float(options.ignore_boundary) if options.ignore_boundary is not False else None]
    return {**files, "bone": pair.bone, "options": [*chosen, options.align, options.samples, options.synthetic]}


def _sha256(path: Path, what: str) -> str:
    with require_file(path, what).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _earlier(pair: Pair, path: Path, made_from: dict[str, Any]) -> Measured | None:
    """The pair as a batch before has measured it."""
    file = path.with_name(f"{path.name}.json")
    if not file.is_file() or not path.with_name(f"{path.name}.vtp").is_file():
        return None
    try:
        content = read_json(file, "pair", PAIR_FORMAT)
    except InputError:  # half written by another program: measured anew
        return None
    if content.get("made_from") != made_from:
        return None
    return Measured(
        pair, dict(content["metrics"]), synthetic=bool(content["synthetic"]), warnings=tuple(content["warnings"])
    )


def _file_names(pairs: Sequence[Pair]) -> list[str]:
    """A name for each pair's files, a number added where two are alike."""
    taken: dict[str, int] = {}
    names = []
    for pair in pairs:
        name = safe_file_name("_".join(part for part in (pair.case.replace("/", "_"), pair.bone) if part))
        taken[name] = taken.get(name, 0) + 1
        names.append(name if taken[name] == 1 else f"{name}-{taken[name]}")
    return names


# ---- what it says ----------------------------------------------------------------------------------------------------


def table_csv(measured: Sequence[Measured]) -> str:
    """A line per pair: case, bone, file names, the main numbers in mm (percent where named so), and the problem."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    units = [f"{key}_percent" if key in PERCENT else f"{key}_mm" for key in SHOWN]
    writer.writerow(["case", "bone", "reference", "result", *units, "problem"])
    for each in measured:
        numbers = [f"{each.values[key]:.4f}" if key in each.values else "" for key in SHOWN]
        pair = each.pair
        files = shown_name(pair.reference, ""), shown_name(pair.result, "")  # files may be named after a person
        writer.writerow(as_cells([pair.case, pair.bone, *files, *numbers, each.problem]))
    return stream.getvalue()


def summaries(measured: Sequence[Measured]) -> dict[str, dict[str, Summary]]:
    """Statistics of the pairs that were measured, by bone and key; "all bones" first where there are several."""
    good = [each for each in measured if not each.problem]
    bones = list(dict.fromkeys(each.pair.bone for each in good))
    groups = {bone: [each for each in good if each.pair.bone == bone] for bone in bones}
    if len(bones) > 1:
        groups = {ALL_BONES: good, **groups}
    return {name: {key: summarise([each.values[key] for each in of]) for key in SHOWN} for name, of in groups.items()}


def summary_json(measured: Sequence[Measured], options: Options, unmatched: Sequence[str]) -> dict[str, Any]:
    """The content of summary.json: statistics per bone, what could not be measured; no folder and no date."""
    statistics = {
        bone: {key: {name: _finite(value) for name, value in vars(each).items()} for key, each in of.items()}
        for bone, of in summaries(measured).items()
    }
    return {
        "format": BATCH_FORMAT,
        "program": f"XRayTo3DLib {__version__}",
        "synthetic": any(each.synthetic for each in measured),
        "aligned": options.align,
        "pairs": len(measured),
        "measured": sum(not each.problem for each in measured),
        "statistics": statistics,
        "problems": [{"pair": each.pair.name, "problem": each.problem} for each in measured if each.problem],
        "unmatched": list(unmatched),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
