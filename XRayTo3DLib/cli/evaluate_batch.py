"""``xrayto3d evaluate --batch``: many results against their references, one table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files.disk import require_room

if TYPE_CHECKING:
    from XRayTo3DLib.evaluation.batch import Measured
    from XRayTo3DLib.evaluation.batch_pairs import Pair

PAIR_BYTES = 1e6
"""What a pair takes on the disk, about."""


def run_batch(args: argparse.Namespace) -> int:
    """Measure every pair, write table and report, print the statistics (or one JSON object); returns the exit code.

    0: at least one pair was measured; 2: none was.
    """
    from XRayTo3DLib.evaluation.batch import Options, evaluate_batch, summary_json

    pairs, unmatched = _pairs(args)
    require_room(args.output, PAIR_BYTES * len(pairs), "evaluate")
    options = Options(
        ignore_boundary=args.ignore_boundary if args.boundary_margin is None else args.boundary_margin,
        align=args.align,
        seed=args.seed,
        synthetic=args.synthetic,
    )
    progress = Progress("evaluate", quiet=args.json)
    measured = evaluate_batch(pairs, args.output, options, unmatched=unmatched, report=progress.update)
    progress.done()
    if args.json:
        say(json.dumps(summary_json(measured, options, unmatched)))
    else:
        _say_table(measured, unmatched)
        for name in ("table.csv", "summary.json", "report.html"):
            say(f"wrote {args.output / name}")
    if all(each.problem for each in measured):
        raise InputError(f"no pair could be measured; the first: {measured[0].pair.name}: {measured[0].problem}")
    return 0


def _pairs(args: argparse.Namespace) -> tuple[list[Pair], list[str]]:
    from XRayTo3DLib.evaluation.batch_pairs import pairs_from_folders, pairs_from_table

    if args.unit != "mm" or args.result_unit != "mm":
        raise InputError("--batch takes surfaces in mm: leave out --unit and --result-unit.")
    if args.result is None:
        if Path(args.reference).is_dir():
            raise InputError("--batch of folders needs two: the references and the results.")
        return pairs_from_table(args.reference), []
    return pairs_from_folders(args.reference, args.result)


def _say_table(measured: list[Measured], unmatched: list[str]) -> None:
    from XRayTo3DLib.evaluation.batch import summaries

    if any(each.synthetic for each in measured):
        say("synthetic data: not a person")
    say(f"{'bone':<20} {'n':>4} {'ASSD mm':>15} {'HD95 mm':>15} {'within 1 mm %':>15}")
    for bone, of in summaries(measured).items():
        numbers = (of["assd"].text(), of["hd95"].text(), of["nsd_1mm"].text(1))
        say(f"{bone:<20} {of['assd'].n:>4} " + " ".join(f"{text:>15}" for text in numbers))
    for each in measured:
        if each.problem:
            say(f"not measured: {each.pair.name}: {each.problem}")
    for sentence in unmatched:
        say(f"not measured: {sentence}")
