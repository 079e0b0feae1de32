"""``xrayto3d experiment biplanar``: the tables of Kasten et al. 2020 on any data set."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.cli.models_used import loaded_model, named_bundles
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.experiments.biplanar import BiplanarExperiment

KINDS = {"biplanar": "bones in space and their outlines in pictures, with times (Kasten et al. 2020)"}
LARGEST_TURN_DEG = 45.0
Result = tuple[list[str], dict[str, Any], Path]


def add_options(kind: argparse.ArgumentParser) -> None:
    """The options besides those of every experiment."""
    add = kind.add_argument
    add(
        "--model", action="append", required=True, metavar="NAME=BUNDLE",
        help="a bundle of a method on a grid and its name in the tables; repeat for every row",
    )  # fmt: skip
    add("--view-errors", type=float, nargs="*", default=[], metavar="DEG",
        help="also ask with the lateral camera truly turned by so many degrees (0 2 5 10)")  # fmt: skip


def check_options(args: argparse.Namespace) -> None:
    """Refuse angles that cannot be.

    Raises:
        InputError: What is wrong with which option.
    """
    for angle in args.view_errors:
        if not (math.isfinite(angle) and 0 <= angle <= LARGEST_TURN_DEG):
            raise InputError(f"--view-errors are degrees from 0 to {LARGEST_TURN_DEG:g}, not {angle:g}.")


def run_biplanar(args: argparse.Namespace, progress: Progress) -> Result:
    """Measure models side by side."""
    from XRayTo3DLib.evaluation.biplanar_report import biplanar_parts
    from XRayTo3DLib.evaluation.biplanar_tables import turn_points
    from XRayTo3DLib.evaluation.experiment_report import write_experiment
    from XRayTo3DLib.evaluation.experiment_tables import outcomes_csv
    from XRayTo3DLib.experiments.biplanar import run_biplanar as measure
    from XRayTo3DLib.files import write_text

    models = {name: _on_grid(name, bundle) for name, bundle in named_bundles(args.model).items()}
    found = measure(models, args.data, view_errors=args.view_errors, seed=args.seed, report=progress.update)
    points = turn_points(found.turned) if found.turned else {}
    parts = biplanar_parts(
        found.volumes, found.outlines, points, cases=found.cases, pictures=found.pictures, calibrated=found.calibrated,
        baseline=found.baseline, shown=found.shown, synthetic=found.synthetic,
    )  # fmt: skip
    files = write_experiment(args.output, "Biplanar", parts, synthetic=found.synthetic, outcomes=found.volumes)
    write_text(args.output / "outlines_outcomes.csv", outcomes_csv(found.outlines))
    named = ("Bones in space", "Outlines in pictures", "Lateral view turned", "Published numbers")
    texts = [table.text() for part in parts if part.heading in named for table in part.tables]
    return texts, _figures(found), files["report.html"]


def _on_grid(name: str, bundle: str) -> Any:
    """A model that predicts shapes in the reconstruction frame."""
    from XRayTo3DLib.methods.reconstruct import GridReconstructor
    from XRayTo3DLib.methods.registry import METHODS

    model = loaded_model(bundle, *METHODS)
    if not isinstance(model, GridReconstructor):
        raise InputError(f"--model {name}: it does not reconstruct bones on a grid from pictures of several views.")
    return model


def _figures(found: BiplanarExperiment) -> dict[str, Any]:
    """What --json tells: means over patients by method and bone."""
    from XRayTo3DLib.evaluation.biplanar_tables import bones_of, methods_of, summary_of, turn_points

    def means(outcomes: Any, measure: str) -> dict[str, dict[str, float | None]]:
        values = {m: {b: summary_of(outcomes, m, b, measure).mean for b in bones} for m in methods_of(outcomes)}
        return {m: {b: None if math.isnan(v) else v for b, v in of.items()} for m, of in values.items()}

    bones = bones_of(found.volumes)
    flat = {name: [o for o in found.outlines if o.shown is shown] for name, shown in _SEEN}
    turned = turn_points(found.turned) if found.turned else {}
    return {
        "synthetic": found.synthetic,
        "chamfer_mm": means(found.volumes, "assd_mm"),
        "hd95_mm": means(found.volumes, "hd95_mm"),
        "dice": means(found.volumes, "dice"),
        "outline_chamfer_mm": {name: means(of, "chamfer_mm") for name, of in flat.items()},
        "outline_dice": {name: means(of, "dice") for name, of in flat.items()},
        "seconds": {m: next(o.seconds for o in found.volumes if o.method == m) for m in methods_of(found.volumes)},
        "turned": {m: {f"{p.angle_deg:g}": [p.chamfer_mm, p.loss_mm] for p in of} for m, of in turned.items()},
        "lost": sum(outcome.empty for outcome in found.volumes),
    }


_SEEN = (("shown", True), ("not_shown", False))
