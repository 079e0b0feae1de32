"""``xrayto3d experiment depth-losses | completion``: the experiments of 3DDX (Gu et al. 2024)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.cli.models_used import loaded_model, named_bundles
from XRayTo3DLib.errors import InputError

METHOD = "dual-face-depth"
KINDS = {
    "depth-losses": "depth, surfaces and volumes of dual-face depth models side by side (3DDX, table 1)",
    "completion": "bones as seen, and completed by shape models, by group of people (3DDX)",
}
Result = tuple[list[str], dict[str, Any], Path]


def add_options(name: str, kind: argparse.ArgumentParser) -> None:
    """The options of one of :data:`KINDS`, besides those of every experiment."""
    add = kind.add_argument
    if name == "depth-losses":
        add(
            "--model", action="append", required=True, metavar="NAME=BUNDLE",
            help="a bundle of dual-face depth and its name in the table; repeat for every row",
        )  # fmt: skip
    else:
        add("--model", required=True, metavar="BUNDLE", help="bundle of dual-face depth with shape models")
    every = "all" if name == "depth-losses" else "1"
    add("--views", type=int, metavar="N", help=f"radiographs of every person ({every}); 0 for all")
    add("--points", type=int, default=1024, metavar="N", help="points of each surface for EMD and CD-l2 (1024)")


def run_depth_losses(args: argparse.Namespace, progress: Progress) -> Result:
    """Measure models side by side."""
    from XRayTo3DLib.evaluation.depth_report import losses_parts
    from XRayTo3DLib.evaluation.experiment_report import write_experiment
    from XRayTo3DLib.experiments.depth_losses import run_depth_losses as measure

    models = {name: loaded_model(bundle, METHOD) for name, bundle in named_bundles(args.model).items()}
    most = args.views or None
    found = measure(models, args.data, points=args.points, seed=args.seed, most=most, report=progress.update)
    parts = losses_parts(
        found.models, found.outcomes, found.pictures, shown=found.shown, synthetic=found.synthetic
    )  # fmt: skip
    files = write_experiment(args.output, "Depth losses", parts, synthetic=found.synthetic, outcomes=found.outcomes)
    return _texts(parts), _figures(found.outcomes, found.synthetic), files["report.html"]


def run_completion(args: argparse.Namespace, progress: Progress) -> Result:
    """Measure what shape models make of what was seen."""
    from XRayTo3DLib.evaluation.depth_report import completion_parts
    from XRayTo3DLib.evaluation.experiment_report import write_experiment
    from XRayTo3DLib.experiments.completion import run_completion as measure

    model = loaded_model(args.model, METHOD)
    most = 1 if args.views is None else args.views or None
    found = measure(model, args.data, points=args.points, seed=args.seed, most=most, report=progress.update)
    parts = completion_parts(found.outcomes, found.pictures, shown=found.shown, synthetic=found.synthetic)
    files = write_experiment(args.output, "Completion", parts, synthetic=found.synthetic, outcomes=found.outcomes)
    return _texts(parts), _figures(found.outcomes, found.synthetic), files["report.html"]


def check_options(args: argparse.Namespace) -> None:
    """Refuse numbers that cannot be.

    Raises:
        InputError: What is wrong with which option.
    """
    if args.points < 1:
        raise InputError("--points must be 1 or more.")
    if args.views is not None and args.views < 0:
        raise InputError("--views must be 0 (all) or more.")


def _texts(parts: list[Any]) -> list[str]:
    return [table.text() for table in parts[0].tables]


def _figures(outcomes: list[Any], synthetic: bool) -> dict[str, Any]:
    """What --json tells: mean ASSD by alignment, method and bone, mm, and how many bones were lost."""
    from XRayTo3DLib.evaluation.depth_measures import ABSOLUTE, ALIGNED
    from XRayTo3DLib.evaluation.depth_tables import by_kind
    from XRayTo3DLib.evaluation.experiment_statistics import summarise
    from XRayTo3DLib.evaluation.experiment_tables import per_patient

    means: dict[str, Any] = {}
    for alignment in (ALIGNED, ABSOLUTE):
        chosen = by_kind(outcomes, alignment)
        for kind in dict.fromkeys(o.bone for o in chosen):
            for method, of in per_patient(chosen, kind).items():
                mean = summarise(list(of.values())).mean
                means.setdefault(alignment, {}).setdefault(method, {})[kind] = mean if mean == mean else None
    lost = sum(o.empty for o in outcomes if o.alignment == ALIGNED)
    return {"synthetic": synthetic, "outcomes": len(outcomes), "assd_mm": means, "lost": lost}
