"""``xrayto3d experiment shape-fit``: shape and intensity models from starts by hand and from starts that are off."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.cli.models_used import loaded_model
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.experiments.shape_fit import ShapeFitExperiment

KINDS = {"shape-fit": "fits of shape and intensity models: error, convergence and time by their start (Klima 2015)"}
Result = tuple[list[str], dict[str, Any], Path]


def add_options(kind: argparse.ArgumentParser) -> None:
    """The options besides those of every experiment."""
    add = kind.add_argument
    add("--model", required=True, metavar="BUNDLE", help="a bundle of the method shape-intensity-fit")
    add("--people", type=int, default=0, metavar="N", help="the first N test people (all)")
    add("--repeats", type=int, default=1, metavar="N", help="starts of each kind drawn per person (1)")
    add("--off-mm", type=float, default=10.0, metavar="MM", help="how far perturbed starts are shifted (10)")
    add("--off-deg", type=float, default=10.0, metavar="DEG", help="how far they are turned (10)")


def check_options(args: argparse.Namespace) -> None:
    """Refuse numbers that cannot be.

    Raises:
        InputError: What is wrong with which option.
    """
    if args.people < 0 or args.repeats < 1:
        raise InputError("--people must be 0 (all) or more, --repeats 1 or more.")
    if not (math.isfinite(args.off_mm) and 0 <= args.off_mm <= 100):
        raise InputError(f"--off-mm must lie between 0 and 100, not {args.off_mm:g}.")
    if not (math.isfinite(args.off_deg) and 0 <= args.off_deg <= 90):
        raise InputError(f"--off-deg must lie between 0 and 90, not {args.off_deg:g}.")


def run_shape_fit(args: argparse.Namespace, progress: Progress) -> Result:
    """Fit everybody from every start."""
    from XRayTo3DLib.evaluation.experiment_report import write_experiment
    from XRayTo3DLib.evaluation.shape_fit_report import shape_fit_parts
    from XRayTo3DLib.experiments.shape_fit import CONVERGED_MM, MANUAL_SD_DEG, MANUAL_SD_MM
    from XRayTo3DLib.experiments.shape_fit import run_shape_fit as measure

    model = loaded_model(args.model, "shape-intensity-fit")
    found = measure(
        model, args.data, people=args.people, repeats=args.repeats, off_mm=args.off_mm, off_deg=args.off_deg,
        seed=args.seed, report=progress.update,
    )  # fmt: skip
    how = (
        f"By hand: every bone off by {MANUAL_SD_MM:g} mm and {MANUAL_SD_DEG:g} degrees (SD per axis) from where the "
        f"mean bone lies in that person. Perturbed: all bones together off by {args.off_mm:g} mm and "
        f"{args.off_deg:g} degrees."
    )
    parts = shape_fit_parts(
        found.outcomes, found.fits, CONVERGED_MM, how, cases=found.cases, shown=found.shown, synthetic=found.synthetic
    )
    files = write_experiment(args.output, "Shape fit", parts, synthetic=found.synthetic, outcomes=found.outcomes)
    return [parts[0].tables[0].text()], _figures(found), files["report.html"]


def _figures(found: ShapeFitExperiment) -> dict[str, Any]:
    """What --json tells, by start."""
    from XRayTo3DLib.evaluation.biplanar_tables import bones_of, summary_of

    starts = dict.fromkeys(fit.start for fit in found.fits)
    bones = bones_of(found.outcomes)
    told: dict[str, Any] = {"synthetic": found.synthetic}
    for measure, name in (("assd_mm", "chamfer_mm"), ("dice", "dice")):
        told[name] = {s: {b: summary_of(found.outcomes, s, b, measure).mean for b in bones} for s in starts}
    for measure in ("start_mm", "end_mm", "converged", "iterations", "seconds"):
        told[measure] = {s: _mean([getattr(fit, measure) for fit in found.fits if fit.start == s]) for s in starts}
    return told


def _mean(values: list[Any]) -> float:
    return float(sum(values)) / len(values)
