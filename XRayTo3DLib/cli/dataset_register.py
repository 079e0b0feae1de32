"""``xrayto3d dataset register``: every case's CT bones to its radiographs, as a batch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.ct_options import add_device_option, usable_device
from XRayTo3DLib.cli.dataset_options import add_action, add_work_options, columns, parse_shard
from XRayTo3DLib.cli.registration_options import add_search_options, search_options

if TYPE_CHECKING:
    from XRayTo3DLib.dataset.batch_registration import BatchReport
    from XRayTo3DLib.dataset.registration_plan import BatchOptions, ViewOutcome

EPILOG = """examples:
  xrayto3d dataset register mine
  xrayto3d dataset register mine --bone radius --separately --workers 4
  xrayto3d dataset register mine --case case-007 --redo --everywhere
  xrayto3d dataset register mine --shard 1/4          on the first of four machines

Each bone of the data set moves by itself; the first one's pose is the view's. A search starts from
views/<view>/initial.tfm or the case's initial.tfm (as Slicer saves a transform), else near the view's usual pose, else
it looks everywhere. What is registered is kept: start the command again after Ctrl-C, a crash or with new cases.
A view that cannot be used is told at the end; the others go on. Each view gets pose.tfm, registration.json and
overlay.png, the data set registrations.csv and registrations.json. Then look at the overlays: dataset review.
"""


def add_register(actions: argparse._SubParsersAction) -> None:
    """Add the ``register`` action."""
    what = "register every case's bones to its radiographs"
    parser = add_action(actions, "register", what, _register, EPILOG)
    add = parser.add_argument
    add("folder", type=Path, help="the data set")
    add("--case", nargs="+", default=[], metavar="ID", help="only these cases (default: all)")
    add(
        "--bone",
        nargs="+",
        default=[],
        metavar="NAME",
        help="which, the first one first (default: all of the data set)",
    )
    joint = parser.add_mutually_exclusive_group()
    joint.add_argument(
        "--together",
        action="store_true",
        default=None,
        help="a case's views were calibrated in one world: find one pose",
    )
    joint.add_argument(
        "--separately", dest="together", action="store_false", default=None, help="each view has a pose of its own"
    )
    add("--surroundings", action="store_true", help="draw the rest of the CT too: soft tissue and other bones")
    add("--everywhere", action="store_true", help="do not look near the view's usual pose first")
    add("--redo", action="store_true", help="register again what nobody has accepted")
    add("--redo-accepted", action="store_true", help="register again everything, also what was accepted")
    add("--energy", type=float, metavar="KEV", help="effective energy of the radiographs (default: the data set's)")
    add("--no-overlays", action="store_true", help="draw no overlay.png")
    add_search_options(parser.add_argument_group("the local search"))
    add_device_option(parser)
    add_work_options(parser)


def _register(args: argparse.Namespace) -> int:
    from XRayTo3DLib.dataset.batch_registration import register_dataset
    from XRayTo3DLib.evaluation.overlay import registration_overlay

    progress = Progress("register", quiet=args.json)
    report = register_dataset(
        args.folder,
        _options(args),
        only=args.case,
        workers=args.workers,
        shard=parse_shard(args.shard),
        report=progress.update,
        overlay=None if args.no_overlays else registration_overlay,
    )
    progress.done()
    if args.json:
        files = {"json": str(report.json_path), "csv": str(report.csv_path)}
        say(json.dumps({**report.to_dict(), "files": files}))
        return 0
    for line in _lines(report):
        say(line)
    return 0


def _options(args: argparse.Namespace) -> BatchOptions:
    from XRayTo3DLib.dataset.registration_plan import BatchOptions

    return BatchOptions(
        bones=tuple(args.bone),
        together=args.together,
        surroundings=args.surroundings,
        everywhere=args.everywhere,
        redo=args.redo,
        redo_accepted=args.redo_accepted,
        energy_kev=args.energy,
        search=search_options(args),
        device=usable_device(args.device),
        engine=args.engine,
    )


def _lines(report: BatchReport) -> list[str]:
    """What was done now as a table, what to look at first, what is a problem, and how many there are."""
    done = [each for each in report.outcomes if each.action == "registered"]
    problems = [each for each in report.outcomes if each.action == "problem"]
    unsure = [each for each in done if each.verdict != "converged"]
    lines = ["SYNTHETIC data."] if report.synthetic else []
    lines += columns(("case", "view", "verdict", "similarity"), [_row(each) for each in done]) if done else []
    lines += ["", "Look at these first:"] if unsure else []
    lines += [f"  {each.case_id} {each.view}: {each.note}" for each in unsure]
    lines += ["", "Not registered:"] if problems else []
    lines += [f"  {each.note}" for each in problems]
    counts = report.counts
    lines += [
        "",
        f"{counts['registered']} views registered, {counts['kept']} kept, {counts['problem']} not registered.",
    ]
    if not report.outcomes:
        lines.append("The data set has no radiographs yet; xrayto3d dataset add-view adds one.")
    return [*lines, f"wrote {report.csv_path}"]


def _row(outcome: ViewOutcome) -> tuple[str, ...]:
    similarity = "" if outcome.similarity is None else f"{outcome.similarity:.2f}"
    return outcome.case_id, outcome.view, outcome.verdict, similarity
