"""``xrayto3d experiment refinement``: any method's bones refined against radiographs, before and after."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.cli.models_used import loaded_model, loaded_translator, named_bundles, reconstructing
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.experiments.refinement import RefinementExperiment

KINDS = {"refinement": "refinement of any method's bones against radiographs: error, time, honest uncertainty"}
Result = tuple[list[str], dict[str, Any], Path]


def add_options(kind: argparse.ArgumentParser) -> None:
    """The options besides those of every experiment."""
    add = kind.add_argument
    add("--model", required=True, metavar="BUNDLE", help="a bundle of the method shape-intensity-fit")
    add("--people", type=int, default=0, metavar="N", help="the first N test people (all)")
    add("--views", action="append", metavar="PA,LAT", help="views refined together; again for another set (PA,LAT)")
    add("--starts", action="append", default=[], metavar="NAME=BUNDLE", help="a method whose result is refined, too")
    add("--translation", metavar="BUNDLE", help="takes soft tissue out of the radiographs before these methods")
    add("--camera-turn-deg", type=float, default=1.0, metavar="DEG", help="how far cameras are believed turned (1)")
    add("--sdd-error", type=float, default=0.01, metavar="SHARE", help="error of the believed source distance (0.01)")
    add("--sdd-moves", choices=("source", "detector"), default="source", help="what that error moves (source)")


def check_options(args: argparse.Namespace) -> None:
    """Refuse numbers that cannot be.

    Raises:
        InputError: What is wrong with which option.
    """
    if args.people < 0:
        raise InputError("--people must be 0 (all) or more.")


def run_refinement(args: argparse.Namespace, progress: Progress) -> Result:
    """Refine everybody from every start."""
    from XRayTo3DLib.dataset.clinical_exposures import ClinicalOptions
    from XRayTo3DLib.evaluation.experiment_report import write_experiment
    from XRayTo3DLib.evaluation.refinement_report import refinement_parts
    from XRayTo3DLib.experiments.refinement import run_refinement as measure
    from XRayTo3DLib.methods.refiner import Refiner

    options = ClinicalOptions(args.camera_turn_deg, args.sdd_error, args.sdd_moves)
    views = [tuple(each.split(",")) for each in args.views or ["PA,LAT"]]
    found = measure(
        Refiner(loaded_model(args.model, "shape-intensity-fit")),
        args.data,
        views=views,
        people=args.people,
        starts={name: loaded_model(b, *reconstructing()) for name, b in named_bundles(args.starts, "--starts").items()},
        translator=None if args.translation is None else loaded_translator(args.translation),
        options=options,
        seed=args.seed,
        report=progress.update,
    )
    how = (
        f"{'SYNTHETIC people. ' if found.synthetic else ''}Radiographs of whole CTs, ray by ray, with soft tissue, "
        f"scatter, noise, gain, blades and marker drawn at random. Every camera is believed turned by "
        f"{args.camera_turn_deg:g} degrees about a random axis and its source-detector distance wrong by "
        f"{100 * args.sdd_error:g} %, which moves the {args.sdd_moves}. Methods that start a refinement are given "
        f"the segmented bones' DRRs before the same cameras, or the translated radiographs; the refinement always sees "
        f"the radiographs."
    )
    parts = refinement_parts(found.by_views, how, synthetic=found.synthetic)
    files = write_experiment(args.output, "Refinement", parts, synthetic=found.synthetic)
    texts = [table.text() for part in parts for table in part.tables]
    return [*texts, *found.skipped], _figures(found), files["report.html"]


def _figures(found: RefinementExperiment) -> dict[str, Any]:
    """What --json tells, by set of views."""
    from XRayTo3DLib.evaluation.refinement_tables import coverage_table, promises, starts_table

    told: dict[str, Any] = {"synthetic": found.synthetic, "skipped": list(found.skipped)}
    for views, outcomes in found.by_views.items():
        tables = {"starts": starts_table(outcomes, views), "uncertainty": coverage_table(outcomes, views)}
        told[views] = {
            name: [dict(zip(table.data_header, row, strict=True)) for row in table.data]
            for name, table in tables.items()
        }
        told[views]["to be shown"] = [
            {"what": what, "holds": bool(holds), "measured": text}
            for what, holds, text in promises(outcomes, views.count(",") + 1)
        ]
    return told
