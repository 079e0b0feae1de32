"""``xrayto3d experiment``: the papers' experiments on any data set; tables, statistics, pictures, one report."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from XRayTo3DLib.cli import experiment_biplanar, experiment_depth, experiment_refinement, experiment_shape_fit
from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.cli.models_used import loaded_model, named_bundles
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.evaluation.experiment_report import Part

EPILOG = """examples:
  xrayto3d experiment reconstruction --model run/bundle --data wrists -o report
  xrayto3d experiment reconstruction --model run/bundle --translation gan/bundle --data wrists -o report
  xrayto3d experiment image-translation --translation gan/bundle --data wrists -o report
  xrayto3d experiment image-translation --translation pix2pix=gan/bundle --translation CycleGAN=cyclegan/bundle \\
                                        --data wrists -o report
  xrayto3d experiment sensitivity --model run/bundle --data wrists -o report
  xrayto3d experiment biplanar --model mine=a/bundle --model other=b/bundle --data knees -o report
  xrayto3d experiment shape-fit --model ssim/bundle --data knees -o report
  xrayto3d experiment refinement --model ssim/bundle --starts tl-net=run/bundle --data wrists -o report
  xrayto3d experiment depth-losses --model dual=a/bundle --model single=b/bundle --data hips -o report
  xrayto3d experiment completion --model a/bundle --data hips -o report

The data set's test people are asked; mean shape and ridge regression stand beside models on a grid. The folder gets
report.html, a CSV of every table and a PNG of every figure. The papers' own figures are shown as theirs.
--json prints one JSON object and nothing else.
"""
KINDS = {
    "image-translation": "how near translated radiographs come to the DRRs of their bones (experiment 1)",
    "reconstruction": "surface errors by input image, with statistics (experiment 2)",
    "sensitivity": "surface errors of people who are turned",
    **experiment_biplanar.KINDS,
    **experiment_shape_fit.KINDS,
    **experiment_depth.KINDS,
    **experiment_refinement.KINDS,
}


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``experiment`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "experiment",
        help="repeat the papers' experiments with trained models on a data set",
        description="Repeat the papers' experiments with trained models on a data set.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = parser.add_subparsers(title="experiments", metavar="EXPERIMENT", dest="experiment", required=True)
    for name, text in KINDS.items():
        kind = kinds.add_parser(name, help=text, description=f"Measure {text}.")
        add = kind.add_argument
        add("--data", type=Path, required=True, metavar="FOLDER", help="data set folder (dataset.json)")
        add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for the report")
        add("--seed", type=int, default=0, metavar="N", help="of exposures and points (0)")
        add("--json", action="store_true", help="print one JSON object and nothing else")
        kind.set_defaults(run=run)
        if name in experiment_depth.KINDS:
            experiment_depth.add_options(name, kind)
            continue
        if name in experiment_biplanar.KINDS:
            experiment_biplanar.add_options(kind)
            continue
        if name in experiment_shape_fit.KINDS:
            experiment_shape_fit.add_options(kind)
            continue
        if name in experiment_refinement.KINDS:
            experiment_refinement.add_options(kind)
            continue
        if name != "image-translation":
            add("--model", required=True, metavar="BUNDLE", help="model bundle: a folder, or a name from models list")
        if name != "sensitivity":
            needed = name == "image-translation"
            add(
                "--translation", action="append", required=needed, metavar="[NAME=]BUNDLE",
                help="a translator's bundle (image-translation, style-transfer, histogram-matching); named: several",
            )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the experiment and write its report; returns the exit code."""
    require_folder_name(args.output)
    if args.seed < 0:
        raise InputError("--seed must be 0 or more.")
    if args.experiment in experiment_depth.KINDS:
        experiment_depth.check_options(args)
    if args.experiment in experiment_biplanar.KINDS:
        experiment_biplanar.check_options(args)
    if args.experiment in experiment_shape_fit.KINDS:
        experiment_shape_fit.check_options(args)
    if args.experiment in experiment_refinement.KINDS:
        experiment_refinement.check_options(args)
    progress = Progress("experiment", quiet=args.json)
    work = {
        "reconstruction": _reconstruction,
        "image-translation": _translation,
        "sensitivity": _sensitivity,
        "biplanar": experiment_biplanar.run_biplanar,
        "shape-fit": experiment_shape_fit.run_shape_fit,
        "depth-losses": experiment_depth.run_depth_losses,
        "completion": experiment_depth.run_completion,
        "refinement": experiment_refinement.run_refinement,
    }
    texts, figures, page = work[args.experiment](args, progress)
    progress.done()
    if args.json:
        say(json.dumps({**figures, "report": str(page)}))
        return 0
    if figures["synthetic"]:
        say("SYNTHETIC people: figures of simulated radiographs and computed bones, of no patient.")
    for text in texts:
        say(text)
    say(f"report: {page}")
    return 0


Result = tuple[list[str], dict[str, Any], Path]


def _reconstruction(args: argparse.Namespace, progress: Progress) -> Result:
    from XRayTo3DLib.evaluation.experiment_report import reconstruction_parts, write_experiment
    from XRayTo3DLib.experiments.reconstruction import BASELINES, run_reconstruction

    model = loaded_model(args.model, "tl-net")
    found = run_reconstruction(model, args.data, _translators(args.translation), args.seed, progress.update)
    parts = reconstruction_parts(found.outcomes, baselines=BASELINES, cases=found.cases, synthetic=found.synthetic)
    files = write_experiment(args.output, "Reconstruction", parts, synthetic=found.synthetic, outcomes=found.outcomes)
    figures = {"synthetic": found.synthetic, "outcomes": len(found.outcomes), **_means(found.outcomes)}
    return _texts(parts), figures, files["report.html"]


def _translation(args: argparse.Namespace, progress: Progress) -> Result:
    from XRayTo3DLib.evaluation.experiment_report import translation_parts, write_experiment
    from XRayTo3DLib.experiments.image_translation import run_image_translation
    from XRayTo3DLib.experiments.reconstruction import RAW

    found = run_image_translation(_translators(args.translation), args.data, progress.update)
    parts = translation_parts(
        found.outcomes, pictures=found.pictures, beside=found.beside, baselines=(RAW,), synthetic=found.synthetic
    )
    files = write_experiment(
        args.output, "Image translation", parts, synthetic=found.synthetic, outcomes=found.outcomes
    )
    figures = {"synthetic": found.synthetic, "mae": _mean_of(found.outcomes, "mae")}
    figures["structure"] = _mean_of(found.outcomes, "structure")
    return _texts(parts), figures, files["report.html"]


def _translators(words: list[str] | None) -> dict[str, Any]:
    """Translators by name; a single one without a name is called as the paper's."""
    from XRayTo3DLib.experiments.reconstruction import GAN
    from XRayTo3DLib.methods.translation import TRANSLATIONS

    alone = words is not None and len(words) == 1 and "=" not in words[0]
    named = {GAN: words[0]} if words and alone else named_bundles(words or [], "--translation")
    return {name: loaded_model(bundle, *TRANSLATIONS) for name, bundle in named.items()}


def _mean_of(outcomes: Any, measure: str) -> dict[str, float | None]:
    """Mean of a measure over patients by method, as in the table."""
    from XRayTo3DLib.evaluation.experiment_tables import mae_per_patient

    return {method: _mean(of) for method, of in mae_per_patient(outcomes, measure).items()}


def _mean(by_patient: dict[str, float]) -> float | None:
    from XRayTo3DLib.evaluation.experiment_statistics import summarise

    mean = summarise(list(by_patient.values())).mean
    return None if math.isnan(mean) else mean


def _sensitivity(args: argparse.Namespace, progress: Progress) -> Result:
    from XRayTo3DLib.evaluation.experiment_figures import sensitivity_figure
    from XRayTo3DLib.evaluation.experiment_report import Part, Picture, write_experiment
    from XRayTo3DLib.experiments.reconstruction import BASELINES
    from XRayTo3DLib.experiments.sensitivity import run_sensitivity

    found, synthetic = run_sensitivity(loaded_model(args.model, "tl-net"), args.data, args.seed, report=progress.update)
    parts: list[Part] = []
    lines: list[str] = []
    for each in found:
        png = sensitivity_figure(
            each.panels,
            x_label=each.varied,
            y_label="ASSD (mm)",
            title=f"Error over {each.varied}",
            baselines=BASELINES,
            synthetic=synthetic,
        )
        name = "sensitivity_" + each.varied.split(" (")[0].replace(" ", "_")
        parts.append(Part(each.varied, pictures=(Picture(name, png, f"Mean and SD over people; {each.varied}."),)))
        lines += [f"{each.varied}:", *_lines(each.panels)]
    files = write_experiment(args.output, "Sensitivity", parts, synthetic=synthetic)
    return lines, {"synthetic": synthetic, "varied": [each.varied for each in found]}, files["report.html"]


def _lines(panels: dict[str, dict[str, list[Any]]]) -> list[str]:
    rows = []
    for bone, methods in panels.items():
        for method, points in methods.items():
            values = "  ".join(f"{value:g}: {summary.mean:.2f}" for value, summary in points)
            rows.append(f"  {bone:<8} {method:<12} {values}  (mean ASSD, mm)")
    return rows


def _means(outcomes: Any) -> dict[str, Any]:
    """Mean ASSD over patients per method and bone, mm, as in the table, and how many bones were lost."""
    from XRayTo3DLib.evaluation.experiment_tables import per_patient

    means: dict[str, dict[str, float | None]] = {}
    for bone in dict.fromkeys(outcome.bone for outcome in outcomes):
        for method, of in per_patient(outcomes, bone).items():
            means.setdefault(method, {})[bone] = _mean(of)
    return {"assd_mm": means, "lost": sum(outcome.empty for outcome in outcomes)}


def _texts(parts: list[Part]) -> list[str]:
    return [table.text() for part in parts for table in part.tables]
