"""``xrayto3d experiment biplanar``: the tables of Kasten et al. 2020 on any data set."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli.console import Progress
from XRayTo3DLib.cli.models_used import loaded_model, loaded_translator, named_bundles
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.evaluation.experiment_report import Part
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
    add("--adapt", type=int, default=0, metavar="STEPS",
        help="also ask biplanar networks after so many steps of fitting to each person's pictures")  # fmt: skip
    add(
        "--translation", action="append", default=[], metavar="BUNDLE",
        help="takes soft tissue out of radiographs, once for all views or once per view (none leaves one as it is)",
    )  # fmt: skip
    add("--view-errors", type=float, nargs="*", default=[], metavar="DEG",
        help="also ask with the lateral camera truly turned by so many degrees (0 2 5 10)")  # fmt: skip


def check_options(args: argparse.Namespace) -> None:
    """Refuse angles that cannot be.

    Raises:
        InputError: What is wrong with which option.
    """
    if args.adapt < 0:
        raise InputError("--adapt is a number of steps, 0 or more.")
    for angle in args.view_errors:
        if not (math.isfinite(angle) and 0 <= angle <= LARGEST_TURN_DEG):
            raise InputError(f"--view-errors are degrees from 0 to {LARGEST_TURN_DEG:g}, not {angle:g}.")


def run_biplanar(args: argparse.Namespace, progress: Progress) -> Result:
    """Measure models side by side."""
    from XRayTo3DLib.evaluation.experiment_report import write_experiment
    from XRayTo3DLib.evaluation.experiment_tables import outcomes_csv
    from XRayTo3DLib.experiments.biplanar import run_biplanar as measure
    from XRayTo3DLib.files import write_text

    models = {name: _on_grid(name, bundle) for name, bundle in named_bundles(args.model).items()}
    translators = [loaded_translator(name) for name in args.translation]
    found = measure(
        models, args.data, adapt=args.adapt, view_errors=args.view_errors, translators=translators, seed=args.seed,
        report=progress.update,
    )  # fmt: skip
    parts = _parts(found)
    files = write_experiment(args.output, "Biplanar", parts, synthetic=found.synthetic, outcomes=found.volumes)
    for name, rows in (("outlines", found.outlines), ("radiographs", found.radiographs)):
        if rows:
            write_text(args.output / f"outcomes_{name}.csv", outcomes_csv(rows))
    texts = [table.text() for part in parts if part.heading != "Statistics" for table in part.tables]
    return texts, _figures(found), files["report.html"]


def _parts(found: BiplanarExperiment) -> list[Part]:
    """The report's sections."""
    from XRayTo3DLib.evaluation.biplanar_published import published_table
    from XRayTo3DLib.evaluation.biplanar_report import biplanar_parts, outlines_part
    from XRayTo3DLib.evaluation.biplanar_tables import turn_points
    from XRayTo3DLib.evaluation.experiment_report import Part

    parts: list[Part] = []
    if found.volumes:
        parts += biplanar_parts(
            found.volumes, found.outlines, baseline=found.baseline, background=found.background,
            turned=turn_points(found.turned) if found.turned else {}, cases=found.cases, pictures=found.pictures,
            calibrated=found.calibrated, shown=found.shown, synthetic=found.synthetic,
        )  # fmt: skip
    if found.radiographs:
        title = "Outlines in radiographs"
        pictures = found.radiograph_pictures
        parts.append(
            outlines_part(found.radiographs, pictures, title=title, shown=found.shown, synthetic=found.synthetic)
        )
    return [*parts, Part("Published numbers", tables=(published_table(),))]


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
    from XRayTo3DLib.evaluation.biplanar_tables import bones_of, mean_seconds, methods_of, summary_of, turn_points

    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    def means(outcomes: Any, measure: str) -> dict[str, dict[str, float | None]]:
        if not outcomes:
            return {}
        bones = bones_of(outcomes)
        values = {m: {b: summary_of(outcomes, m, b, measure).mean for b in bones} for m in methods_of(outcomes)}
        return {m: {b: known(v) for b, v in of.items()} for m, of in values.items()}

    def flat(outcomes: Any, measure: str) -> dict[str, Any]:
        return {name: means([o for o in outcomes if o.shown is shown], measure) for name, shown in _SEEN}

    turned = turn_points(found.turned) if found.turned else {}
    all_found = found.volumes or found.radiographs
    lost = {(o.method, o.case, o.bone) for o in (*found.volumes, *found.radiographs) if o.empty}
    return {
        "synthetic": found.synthetic,
        **{name: means(found.volumes, measure) for name, measure in _IN_SPACE.items()},
        **{f"outline_{name}": flat(found.outlines, measure) for name, measure in _FLAT.items()},
        **{f"radiograph_{name}": flat(found.radiographs, measure) for name, measure in _FLAT.items()},
        "seconds": {m: known(mean_seconds(o for o in all_found if o.method == m)) for m in methods_of(all_found)},
        "turned": {
            m: {f"{p.angle_deg:g}": [known(p.chamfer_mm), known(p.loss_mm)] for p in of} for m, of in turned.items()
        },
        "lost": len(lost),
    }


_SEEN = (("shown", True), ("not_shown", False))
_IN_SPACE = {"chamfer_mm": "assd_mm", "hd95_mm": "hd95_mm", "dice": "dice"}
_FLAT = {"chamfer_mm": "chamfer_mm", "dice": "dice"}
