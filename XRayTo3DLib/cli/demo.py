"""``xrayto3d demo``: the main job end to end on synthetic anatomy, in minutes, with pictures at the end."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from XRayTo3DLib.cli.console import Progress, say
from XRayTo3DLib.cli.folders import require_folder_name
from XRayTo3DLib.errors import InputError
from XRayTo3DLib.files import write_text

if TYPE_CHECKING:
    from XRayTo3DLib.evaluation.demonstration import DemoPerson

TARGET_MM = 1.0
MISSED = 3

EPILOG = """examples:
  xrayto3d demo -o demo-output
  xrayto3d demo -o demo-output --people 5 --seed 7

Makes SYNTHETIC wrists, simulates a PA and a lateral radiograph of each, registers the radius of the CT from a start
that is wrong by 8 degrees and 8 mm, with two views and with one, and compares the result with the known truth.
Exit code 3 if a two-view registration misses the target of 1 mm mTRE.
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the ``demo`` sub-command to the main parser."""
    parser = subparsers.add_parser(
        "demo",
        help="the whole way on synthetic wrists, with pictures, a report and a Slicer scene",
        description="The whole way on SYNTHETIC wrists: make, expose, register, evaluate, report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="folder for everything")
    parser.add_argument("--people", type=int, default=2, metavar="N", help="how many synthetic people (default 2)")
    parser.add_argument("--seed", type=int, default=0, help="of people, noise and starts (default 0)")
    parser.add_argument("--spacing", type=float, default=0.6, metavar="MM", help="CT voxel size (default 0.6 mm)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the demonstration; returns the exit code."""
    from XRayTo3DLib.evaluation.demonstration import demonstrate_person
    from XRayTo3DLib.evaluation.demonstration_report import demonstration_page

    if args.people < 1 or args.seed < 0:
        raise InputError("--people must be 1 or more and --seed 0 or more.")
    require_folder_name(args.output)
    began = time.monotonic()
    progress = Progress("demo", quiet=args.json)
    people = []
    for index in range(args.people):

        def report(text: str, share: float, index: int = index) -> None:
            progress.update(text, (index + share) / args.people)

        folder = args.output / f"wrist-{index + 1}"
        people.append(demonstrate_person(folder, index + 1, args.seed, args.spacing, report))
    progress.done()
    page = args.output / "report.html"
    write_text(page, demonstration_page(people))
    worst = max(person.registrations[0].mtre_mm for person in people)
    if args.json:
        say(json.dumps(_summary(people, page, worst)))
    else:
        _say_people(people, page, worst, time.monotonic() - began)
    return 0 if worst < TARGET_MM else MISSED


def _say_people(people: list[DemoPerson], page: Path, worst: float, seconds: float) -> None:
    say("SYNTHETIC wrists: simulated radiographs, computed anatomy, no patient")
    say(f"{'':10} {'views':10} {'start mTRE':>11} {'mTRE':>9} {'in plane':>9}  verdict")
    for person in people:
        for r in person.registrations:
            numbers = f"{r.start_mm:8.2f} mm {r.mtre_mm:6.2f} mm {r.in_plane_mm:6.2f} mm"
            say(f"{person.name:10} {' + '.join(r.views):10} {numbers}  {r.result.verdict.value}")
        say(f"{person.name:10} registered radius against the truth: ASSD {person.comparison.value('assd'):.2f} mm")
    reached = "reached" if worst < TARGET_MM else "MISSED"
    say(f"target (mTRE under {TARGET_MM:g} mm with two views) {reached}: largest {worst:.2f} mm, in {seconds:.0f} s")
    say("")
    say(f"report:       {page}")
    for person in people:
        for key, path in person.registrations[0].files.items():
            if key.startswith("overlay_"):
                say(f"picture:      {path}")
        say(f"picture:      {person.files['picture']}")
        say(f"Slicer scene: {person.files['scene']}")


def _summary(people: list[DemoPerson], page: Path, worst: float) -> dict[str, object]:
    return {
        "synthetic": True,
        "largest_two_view_mtre_mm": round(worst, 4),
        "target_mm": TARGET_MM,
        "people": [
            {
                "name": person.name,
                "scene": str(person.files["scene"]),
                "assd_mm": round(person.comparison.value("assd"), 4),
                "registrations": [
                    {
                        "views": list(r.views),
                        "start_mtre_mm": round(r.start_mm, 4),
                        "mtre_mm": round(r.mtre_mm, 4),
                        "in_plane_mm": round(r.in_plane_mm, 4),
                        "verdict": r.result.verdict.value,
                        "pictures": [str(path) for key, path in r.files.items() if key.startswith("overlay_")],
                    }
                    for r in person.registrations
                ],
            }
            for person in people
        ],
        "report": str(page),
    }
