"""``xrayto3d compare``: every method that applies, on one data set, in one table."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.cli.models_used import named_bundles
from XRayTo3DLib.errors import InputError

if TYPE_CHECKING:
    from XRayTo3DLib.cli.compare_session import Options

ALL = "all"
EPILOG = """examples:
  xrayto3d compare --data knees -o comparison
  xrayto3d compare --data knees --methods biplanar tl-net mean-shape --size tiny -o quick
  xrayto3d compare --data knees --models biplanar=run/bundle older=old/bundle -o comparison
  xrayto3d compare --data wrists --refine auto -o comparison
  xrayto3d compare --data wrists --translation cyclegan=pa/bundle,lat/bundle -o comparison

Methods are trained in the folder, or loaded with --models (a row named as a method stands in for its training), then
measured on the data set's test people, each in a process of its own. Ctrl-C or a power cut lose little: the same
command goes on from there. The folder gets report.html, a CSV of every table and a PNG of every figure.
--json prints one JSON object and nothing else. Exit code 1: a method failed; the report says which and why.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``compare`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "compare",
        help="train or load every method, and compare them on one data set",
        description="Compare all methods on one data set: accuracy, robustness, time and memory, in one report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="data set folder (dataset.json)")
    add("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder of the comparison")
    add("--methods", nargs="+", default=[ALL], metavar="METHOD", help="names, or all (default) that reconstruct")
    add("--models", nargs="+", default=[], metavar="NAME=BUNDLE", help="finished models, instead of training")
    add("--size", choices=("tiny", "small"), default="small", help="of what is trained: tiny only shows that all runs")
    add(
        "--translation", action="append", default=[], metavar="NAME=BUNDLE[,BUNDLE]",
        help="a translator of radiographs to bones, one for all views or one per view; as often as needed",
    )  # fmt: skip
    add(
        "--refine", metavar="BUNDLE",
        help="a second row for every method, refined with a bundle of shape models (auto: the comparison's own)",
    )  # fmt: skip
    add("--people", type=int, metavar="N", help="test people, the first N (all)")
    add("--hard", type=int, metavar="N", help="of them, how many are asked under harder conditions (10; tiny: 2)")
    add("--seed", type=int, default=0, metavar="N", help="of poses, noise and metal (0)")
    add("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to train (default auto)")
    add("--threads", type=int, metavar="N", help="CPU threads of the training")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Compare and write the report; returns the exit code."""
    require_folder_name(args.output)
    options = _options(args)
    progress = Progress("compare", quiet=args.json)
    from XRayTo3DLib.cli.compare_session import Session
    from XRayTo3DLib.experiments.compare_report import write_comparison

    found = Session(options, progress.update).run()
    progress.update("report")
    report = write_comparison(
        args.output,
        found.rows,
        found.columns,
        found.hard,
        test=found.test,
        shown=found.shown,
        grid=found.grid,
        pictures=found.pictures,
        about=found.about,
        synthetic=found.synthetic,
    )
    progress.done()
    failed = [row for row in found.rows if row.failed]
    if args.json:
        say(json.dumps(report.content))
    else:
        if found.synthetic:
            say("SYNTHETIC people: figures of computed bones and simulated pictures, of no patient.")
        for text in report.texts:
            say(text)
        for row in failed:
            say(f"FAILED: {row.name}: {row.why_not}")
        say(f"report: {report.page}")
    return 1 if failed else 0


def _options(args: argparse.Namespace) -> Options:
    from XRayTo3DLib.cli.compare_session import AUTO, Options
    from XRayTo3DLib.models.find import bundle_path

    if args.seed < 0:
        raise InputError("--seed must be 0 or more.")
    for name in ("people", "hard", "threads"):
        given = getattr(args, name)
        if given is not None and given < 1:
            raise InputError(f"--{name} must be 1 or more.")
    methods = () if ALL in args.methods else tuple(dict.fromkeys(args.methods))
    return Options(
        dataset=args.data,
        output=args.output,
        size=args.size,
        methods=methods,
        bundles={name: bundle_path(bundle) for name, bundle in named_bundles(args.models, "--models").items()},
        translations={
            name: tuple(each.split(",")) for name, each in named_bundles(args.translation, "--translation").items()
        },
        seed=args.seed,
        people=args.people,
        hard=args.hard,
        device=args.device,
        threads=args.threads,
        refine=None if args.refine is None else AUTO if args.refine == str(AUTO) else bundle_path(args.refine),
    )
